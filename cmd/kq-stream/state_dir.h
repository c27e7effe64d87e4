/*
 * The folder of an application's local state:
 *
 *	DIR/APPLICATION/process-N     a random id; N-th process on this machine
 *	DIR/APPLICATION/PART_NUMBER/  the stores of a task (common/stream/store.h)
 *
 * Both are locked while they are in use, by a file with ".lock" behind the name.  The id
 * makes transactional IDs: a process that starts again where another was killed gets its
 * id, and so ends the transaction that it left open.
 *
 * Uses: sys.  One thread; state_dir_task any thread.
 */
#ifndef KQ_STREAM_CMD_STATE_DIR_H
#define KQ_STREAM_CMD_STATE_DIR_H

#include "base/err.h"
#include "base/mem.h"

enum { STATE_PROCESS_ID_SIZE = 33 };

struct state_dir {
	char *path;           /* DIR/APPLICATION */
	int fd, lock_fd;
	char process_id[STATE_PROCESS_ID_SIZE]; /* 32 hexadecimal digits */
};

/* Create the folder if it is missing, and take a process id.  dir NULL: KQ_STREAM_STATE,
 * else $XDG_STATE_HOME/kq-stream, else ~/.local/state/kq-stream.  Returns 0, or -1. */
int state_dir_open(struct state_dir *state, const char *dir, const char *application,
	struct err *e);

/* Is there such a folder?  1 or 0, or -1; *path is its path (mem_free). */
int state_dir_exists(const char *dir, const char *application, char **path, struct err *e);
void state_dir_close(struct state_dir *state); /* also of a zeroed one */

/* Lock the folder of a task, and create it.  Its path is stored in *path (mem_free).
 * Returns the lock's descriptor, to be closed after the stores; or -1: ERR_LIMIT: another
 * process, or another thread of this one, has it. */
int state_dir_task(const struct state_dir *state, const char *task, char **path, struct err *e);

#endif
