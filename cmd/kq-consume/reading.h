/*
 * The loop of kq-consume: from fetched batches through the format to stdout.
 *
 * Uses: client/fetcher, format, output.
 */
#ifndef KQ_CONSUME_READING_H
#define KQ_CONSUME_READING_H

#include "client/fetcher.h"
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
	struct fetch_iter iter;
};

/* Read until all partitions are at their stop, enough was read, we are told
 * to stop, or stdout's reader has gone (all 0), or it fails (-1).  What was
 * read before a failure is printed. */
int reading_run(struct reading *r, struct err *e);

#endif
