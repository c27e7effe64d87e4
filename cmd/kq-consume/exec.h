/*
 * Exactly-once processing with a command: records of a group's topics go through a
 * co-process into another topic; the output of each batch and the group's offsets are
 * committed in one transaction.
 *
 * A batch is what was fetched while the previous batch was processed, at most
 * batch_records.  It is sent to the co-process (coprocess.h), whose answer is kept until
 * it is complete.  Only then a transaction begins: the answer is written to the output
 * topic, the offsets after the batch are added for our generation of the group (KIP-447),
 * and the transaction is committed.  So a transaction is open only while the output is
 * written, not while the command runs, and a failure of the command leaves no trace.
 *
 *	failure                              the batch is
 *	the command exits, hangs, or writes  discarded; kq-consume exits with 1, or 75
 *	  what is not an answer
 *	partitions are revoked               finished within a few seconds, else discarded
 *	partitions are lost, we are fenced   discarded; the next owner reads it again from the
 *	                                     committed offsets
 *	a broker fails and returns           finished
 *	SIGINT, SIGTERM                      finished within a few seconds, else discarded
 *	kq-consume is killed                 discarded, unless its commit was accepted
 *
 * If a batch is discarded while the command is processing it, the command is killed and
 * restarted.  It then gets those records again: the output is exactly once, not the input.
 *
 * A transactional ID is used by one process at a time; another process that starts with it
 * takes over, and aborts the transaction that the first left open.  The right to commit
 * offsets depends on the generation of the group, not on the ID, so any ID will do: by
 * default GROUP-exec-INSTANCE or, for members without an instance, GROUP-exec- and a random
 * number.  In the latter case the transaction of a process that was killed stays open until
 * its timeout, and blocks its partitions for other members until then.
 *
 * Uses: client/txn_sink, group_print, coprocess.
 */
#ifndef KQ_CONSUME_EXEC_H
#define KQ_CONSUME_EXEC_H

#include "client/txn_sink.h"
#include "tool/coprocess.h"
#include "kq-consume/group_print.h"

struct exec_opts {
	const char *command;
	enum coframe_kind frame;
	struct keyed keyed;        /* key and value as one text, both ways; not for pair */
	int timeout_ms;            /* longest time without progress of the command */
	int64_t batch_records;     /* records per batch, at most */
	const char *to;            /* topic of the answers */
	struct txn_sink_opts sink; /* producer.txn_id NULL: the default above */
};

/* Run a group_print that group_print_open returned, instead of group_print_run, until
 * its end is reached, reading->left records are committed, or a signal stops the program.
 * Leaves the group.  Returns 0, or -1. */
int exec_run(struct group_print *gp, struct reading *reading, const struct exec_opts *o,
	struct err *e);

#endif
