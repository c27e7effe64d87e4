/*
 * The main loop of kq-consume without a group: print fetched batches.
 *
 * Uses: client/fetcher, alone, format, output.
 */
#ifndef KQ_CONSUME_READING_H
#define KQ_CONSUME_READING_H

#include "client/fetcher.h"
#include "kq-consume/alone.h"
#include "kq-consume/format.h"
#include "tool/output.h"

#include <signal.h>

struct reading {
	struct fetcher *fetcher;
	const struct format *format;
	struct output *output;
	int64_t left;             /* number of records still to print */
	int64_t done;             /* number of printed records */
	const volatile sig_atomic_t *is_stopped;
	int64_t reset;            /* where to continue if an offset is past the end:
	                           * OFFSETS_EARLIEST, OFFSETS_LATEST; 0: fail */
	struct alone *alone;      /* NULL: reads as a member of a group */
	struct fetch_iter iter;
};

/* Read until all partitions are at their stop offset, left is 0, a signal stops the
 * program, or stdout is closed.  Returns 0, or -1 on failure.  Records read before a
 * failure are printed. */
int reading_run(struct reading *reading, struct err *e);

/* ---- steps, also for group_print.h ---- */

/* Print all batches that are ready.  Returns 0, or -1. */
int reading_print(struct reading *reading, struct err *e);

/* The broker does not have the partition's offset: report it, and seek to the offset at
 * which reading continues.  Returns 0, or -1. */
int reading_out_of_range(struct reading *reading, struct fetcher_part *part, struct err *e);

/* The descriptor to poll together with the brokers, or -1: on a pipe, poll reports that
 * the reader closed it even when nothing is written. */
static inline int
reading_watched(const struct reading *reading)
{
	return output_is_pipe(reading->output) ? reading->output->fd : -1;
}

#endif
