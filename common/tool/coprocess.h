/*
 * A command that gets batches of records and answers each with a batch of any number of
 * records.
 *
 *	coprocess_begin(&coproc);
 *	... coprocess_put(&coproc, key, record, &e) ...
 *	coprocess_end(&coproc);
 *	while ((rc = coprocess_work(&coproc, &e)) == 0)
 *		... poll coproc.poll_fd for POLLIN, serve others ...
 *	while (coprocess_next(&coproc, &key, &record))
 *		...
 *
 * Both pipes are served as soon as they are ready, so that the two sides cannot block each
 * other.  An answer is kept until it is complete, up to COPROCESS_ANSWER_MAX.
 *
 * Errors name the command.  Their class is ERR_PEER; but ERR_RETRY if the command made no
 * progress for timeout_ms, or exited with 75, which means that a retry may succeed.
 *
 * Uses: sys/proc, sys/clock, coframe.  One thread; SIGPIPE must be ignored.
 */
#ifndef KQ_TOOL_COPROCESS_H
#define KQ_TOOL_COPROCESS_H

#include "tool/coframe.h"
#include "sys/proc.h"

enum { COPROCESS_ANSWER_MAX = 64 << 20 };

struct coprocess {
	const char *command;
	enum coframe_kind frame;
	int timeout_ms;
	const char *timeout_name;  /* of the user's option for it, for messages; or NULL */
	struct proc proc;
	int poll_fd;               /* readable when coprocess_work has something to do */
	bool watches_in;           /* poll_fd also watches its stdin */
	bool is_in_broken;         /* the command closed its stdin */
	struct buf in;             /* the batch */
	size_t in_at;              /* bytes of it that were written */
	int64_t nin;               /* number of its records */
	struct buf out;            /* the answer so far */
	struct coframe_cursor checked; /* position of coprocess_work in out */
	struct coframe_cursor taken;   /* position of coprocess_next in out */
	int64_t nout;              /* number of records in the answer so far */
	int64_t nbatch;            /* batches sent since the command was started */
	bool is_busy;              /* a batch was sent and is not fully answered */
	int64_t active_ms;         /* time of the last read or write on the pipes */
};

/* Start the command.  The caller keeps the string.  Returns 0, or -1. */
int coprocess_open(struct coprocess *coproc, const char *command, enum coframe_kind frame,
	int timeout_ms, struct err *e);

/* Kill the command, if it runs, and free everything. */
void coprocess_release(struct coprocess *coproc);

/* Kill the command and start it again: the current batch is discarded. */
int coprocess_restart(struct coprocess *coproc, struct err *e);

/* Build a batch, and start to send it: begin, any number of puts, end. */
void coprocess_begin(struct coprocess *coproc);
int coprocess_put(struct coprocess *coproc, struct str key, struct str record, struct err *e);
void coprocess_end(struct coprocess *coproc);

/* Write and read what is possible without blocking.  Returns 1: the answer is complete;
 * 0: not yet; -1: the command failed. */
int coprocess_work(struct coprocess *coproc, struct err *e);

/* Time in ms until timeout_ms without progress is over. */
int coprocess_timeout(const struct coprocess *coproc);

/* Take the next record of the answer, valid until the next coprocess_begin.  The key is
 * null except for COFRAME_PAIR.  Returns false at the end. */
bool coprocess_next(struct coprocess *coproc, struct str *key, struct str *record);

/* Check between batches that the command wrote nothing; check_idle also that it has not
 * exited or closed its stdin.  Return 0, or -1. */
int coprocess_check_quiet(struct coprocess *coproc, struct err *e);
int coprocess_check_idle(struct coprocess *coproc, struct err *e);

/* Close the command's stdin and wait until it exits.  Returns 0, or -1: it failed, wrote
 * more output, or did not exit within timeout_ms and was killed.  If it got no batch, its
 * exit status is ignored (grep then exits with 1), unless the command could not be run. */
int coprocess_close(struct coprocess *coproc, int timeout_ms, struct err *e);

#endif
