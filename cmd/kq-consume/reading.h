/*
 * The loop of kq-consume: from fetched batches through the format to stdout.
 *
 * Uses: client/fetcher, format, output.
 */
#ifndef KQ_CONSUME_READING_H
#define KQ_CONSUME_READING_H

#include "client/fetcher.h"
#include "kq-consume/alone.h"
#include "kq-consume/format.h"
#include "kq-consume/output.h"

#include <signal.h>

struct reading {
	struct fetcher *fetcher;
	const struct format *format;
	struct output *output;
	int64_t left;             /* records still wanted */
	int64_t done;             /* records printed */
	const volatile sig_atomic_t *is_stopped;
	int64_t reset;            /* OFFSETS_EARLIEST, OFFSETS_LATEST: where to go
	                           * on when the offset is past the end; 0: fail */
	struct alone *alone;      /* NULL: as a member of a group */
	struct fetch_iter iter;
};

/* Read until all partitions are at their stop, enough was read, we are told
 * to stop, or stdout's reader has gone (all 0), or it fails (-1).  What was
 * read before a failure is printed. */
int reading_run(struct reading *reading, struct err *e);

/* The steps of it.  Print all that is ready.  0, or -1. */
int reading_print(struct reading *reading, struct err *e);

/* The partition's offset is not there: say so, and seek to where reading goes on.
 * 0, or -1. */
int reading_out_of_range(struct reading *reading, struct fetcher_part *part, struct err *e);

/* What to watch beside the brokers: a pipe whose reader goes tells so even
 * when there is nothing to write.  -1: nothing. */
static inline int
reading_watched(const struct reading *reading)
{
	return output_is_pipe(reading->output) ? reading->output->fd : -1;
}

#endif
