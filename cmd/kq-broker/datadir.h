/*
 * The data directory beside the logs and checkpoints: its lock, the mark of a
 * clean stop, and which boot of the machine wrote last.
 *
 * All of it blocks on the disk.  Threads: start, stop and the control thread,
 * unless stated otherwise.
 */
#ifndef KQ_BROKER_DATADIR_H
#define KQ_BROKER_DATADIR_H

#include "base/err.h"
#include "kq-broker/topics.h"

struct datadir {
	char *path;      /* as given; "(memory)" */
	int fd, lock_fd; /* -1: memory */
};

/* How the last run ended. */
struct datadir_state {
	bool is_clean;  /* by a clean stop */
	bool same_boot; /* the machine has not gone down since the last start */
};

/* path NULL: keep everything in memory; all below then does nothing. */
void datadir_init(struct datadir *dir, const char *path);
void datadir_release(struct datadir *dir);

/* Create the directory if necessary, and lock it.  Refused, with nothing
 * written: one that another user owns or may write to, and one that holds data
 * of another program, or of kq without the metastore's log. */
int datadir_open(struct datadir *dir, struct err *e);

/* Read how the last run ended.  is_new: the metastore is empty, and so the
 * directory must be. */
int datadir_read(struct datadir *dir, bool is_new, struct datadir_state *state, struct err *e);

/* After a crash: rename the directories of partitions that do not exist, which
 * an interrupted deletion leaves behind, to NAME.MS-stray, and log it.  They are
 * never removed: it may be the metastore that is wrong. */
int datadir_set_strays_aside(struct datadir *dir, struct topics *topics, struct err *e);

/* From now on a stop without datadir_mark_clean is a crash: remove the mark,
 * note the boot. */
int datadir_begin(struct datadir *dir, const char *cluster_id, int32_t node_id, struct err *e);

/* The machine went down while the broker ran: note it in the directory until the
 * coordinator has dealt with the losses, which a crash may interrupt.  Any thread. */
int datadir_note_power_loss(struct datadir *dir, struct err *e);
bool datadir_has_power_loss(struct datadir *dir);
void datadir_forget_power_loss(struct datadir *dir);

/* The last step of a clean stop, after everything was synced. */
int datadir_mark_clean(struct datadir *dir, struct err *e);

#endif
