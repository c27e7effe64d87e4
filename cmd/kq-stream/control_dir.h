/*
 * The folder in which running applications have their sockets: $XDG_RUNTIME_DIR/kq, or
 * /tmp/kq-UID where that is not set, or too long for a socket.  It belongs to the user, who
 * alone can look into it.  A socket is named APPLICATION.PID.stream; a long application id
 * is cut there.
 *
 * Uses: sys.  Any thread.
 */
#ifndef KQ_STREAM_CMD_CONTROL_DIR_H
#define KQ_STREAM_CMD_CONTROL_DIR_H

#include "sys/net.h"

#include <sys/types.h>

struct control_dir {
	char path[96];
	int fd;
};

/* Open the folder, and create it if it is missing.  Returns 0, or -1: it is not ours. */
int control_dir_open(struct control_dir *dir, struct err *e);
void control_dir_close(struct control_dir *dir);

/* The address of a process's socket. */
void control_dir_socket(const struct control_dir *dir, const char *application, pid_t pid,
	struct net_addr *addr);

/* The process that a file of the folder belongs to; 0: it is no socket of an application. */
pid_t control_dir_pid(const char *name);

/* Remove the socket of a process that is gone; one whose process is there stays. */
void control_dir_remove_stale(const struct control_dir *dir, const char *name);

#endif
