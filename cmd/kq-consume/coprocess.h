/*
 * A command that is handed batches of records and answers each with a batch of its
 * own: any number of records, one for each or not.
 *
 *	coprocess_begin(&c);
 *	... coprocess_put(&c, record, &e) ...
 *	coprocess_end(&c);
 *	while ((got = coprocess_work(&c, &e)) == 0)
 *		... poll c.poll_fd for POLLIN, serve others ...
 *	while (coprocess_next(&c, &record))
 *		...
 *
 * Both pipes are served as they are ready, so that neither side waits for the
 * other with full hands.  An answer is kept as a whole, up to COPROCESS_ANSWER_MAX.
 *
 * Failures name the command.  Their class is ERR_PEER, but ERR_RETRY when it did
 * nothing for timeout_ms, or ended with 75, by which commands say that a later try may
 * succeed.
 *
 * Uses: sys/proc, sys/clock, coframe.  One thread; SIGPIPE is to be ignored.
 */
#ifndef KQ_CONSUME_COPROCESS_H
#define KQ_CONSUME_COPROCESS_H

#include "kq-consume/coframe.h"
#include "sys/proc.h"

enum { COPROCESS_ANSWER_MAX = 64 << 20 };

struct coprocess {
	const char *command;
	enum coframe_kind frame;
	int timeout_ms;
	struct proc proc;
	int poll_fd;               /* readable when coprocess_work has something to do */
	bool watches_in;
	bool is_in_broken;         /* it has closed its stdin */
	struct buf in;             /* the batch; written up to in_at */
	size_t in_at;
	int64_t nin;               /* its records */
	struct buf out;            /* the answer so far */
	struct coframe_cursor seen;  /* checked up to here */
	struct coframe_cursor given; /* coprocess_next's */
	int64_t nout;
	int64_t nbatch;            /* begun to be sent since it was started */
	bool is_busy;              /* a batch was begun to be sent, not wholly answered */
	int64_t active_ms;         /* when it last took or gave anything */
};

/* Run it.  command stays the caller's.  Returns 0, or -1. */
int coprocess_open(struct coprocess *coproc, const char *command, enum coframe_kind frame,
	int timeout_ms, struct err *e);

/* Kill it, if it runs, and free everything. */
void coprocess_release(struct coprocess *coproc);

/* Kill it and run it anew: what it was doing is void. */
int coprocess_restart(struct coprocess *coproc, struct err *e);

void coprocess_begin(struct coprocess *coproc);
int coprocess_put(struct coprocess *coproc, struct str key, struct str record, struct err *e);
void coprocess_end(struct coprocess *coproc);

/* Write and read what goes without waiting.  1: the answer is there; 0: not yet;
 * -1: it has failed. */
int coprocess_work(struct coprocess *coproc, struct err *e);

/* How many ms until it has done nothing for too long. */
int coprocess_timeout(const struct coprocess *coproc);

/* The next record of the answer, good until the next batch begins.  The key is for
 * frames of pairs, else null. */
bool coprocess_next(struct coprocess *coproc, struct str *key, struct str *record);

/* Between batches it has nothing to say.  0; -1: it said something; or (idle, the more
 * thorough look) it has ended. */
int coprocess_check_quiet(struct coprocess *coproc, struct err *e);
int coprocess_check_idle(struct coprocess *coproc, struct err *e);

/* End its input and wait for it to end.  Returns 0, or -1: it has failed, wrote more,
 * or does not end within timeout_ms and is killed.  Its exit status is no failure if it
 * was given nothing to do (grep then ends with 1), but that it could not be run is. */
int coprocess_close(struct coprocess *coproc, int timeout_ms, struct err *e);

#endif
