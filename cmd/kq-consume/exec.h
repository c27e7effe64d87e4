/*
 * Exactly once across a command: records of a group's topics through a co-process into
 * another topic, each batch's output and the group's offsets in one transaction.
 *
 * A batch is what has come by the time the one before is through, at most
 * batch_records.  It is given to the co-process (coprocess.h), whose answer is kept until
 * it is whole.  Only then does a transaction begin: the answer is put to the output
 * topic, the offsets behind the batch are stored with it in the name of our place in
 * the group (its generation, KIP-447), and it is committed.  So a transaction is
 * open for as long as writing takes, not for as long as the command does, and what
 * the command fails at leaves no trace.
 *
 * What goes wrong                       what becomes of the batch
 *	the command ends, hangs, babbles     void; kq-consume ends with 1, or 75
 *	partitions are wanted by others      finished, if that takes a few seconds; else void
 *	partitions are lost, we are fenced   void; read again from the committed offsets by
 *	                                     whoever has them then
 *	a broker goes, and comes back        finished
 *	SIGINT, SIGTERM                      finished, if that takes a few seconds; else void
 *	kq-consume is killed                 void, unless its commit had been taken
 *
 * A command whose batch is void in the midst of its work is ended and run anew.  It
 * sees those records again: exactly once is what comes out, not what goes in.
 *
 * The transactional id is of one process at a time; who else comes with it takes over
 * from the first, and aborts what that one left open.  Which offsets may be stored is not
 * decided by it but by the place in the group, so any id will do: by default
 * GROUP-exec-INSTANCE or, for members without a name, GROUP-exec- and something random.
 * With the latter a transaction of one that was killed stays open until its time-out, and
 * keeps its partitions from the others for so long.
 *
 * Uses: group, coprocess, exec_sink.
 */
#ifndef KQ_CONSUME_EXEC_H
#define KQ_CONSUME_EXEC_H

#include "kq-consume/coprocess.h"
#include "kq-consume/exec_sink.h"
#include "kq-consume/group_reader.h"

struct exec_opts {
	const char *command;
	enum coframe_kind frame;
	struct keyed keyed;        /* how a record is a text, both ways; not for pairs */
	int timeout_ms;            /* the command may do nothing for so long */
	int64_t batch_records;
	struct exec_sink_opts sink;     /* txn_id NULL: by the rule above */
};

/* Read as group_reader_run does, from what group_reader_open was given, until its end is reached, r->left
 * records are through, or we are told to stop.  Leaves the group.  Returns 0, or -1. */
int exec_run(struct group_reader *reader, struct reading *reading, const struct exec_opts *o,
	const struct group_reader_opts *go, struct err *e);

#endif
