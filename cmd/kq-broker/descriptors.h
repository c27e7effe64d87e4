/*
 * What the limit of open files is spent on.
 *
 * Some descriptors are always open; each thread needs a few for a moment.  What is
 * left is divided among syncs under way, segment files, and connections, so
 * that none of them can take what the others need.
 *
 * The main thread, before the others start.
 */
#ifndef KQ_BROKER_DESCRIPTORS_H
#define KQ_BROKER_DESCRIPTORS_H

#include "base/err.h"

struct broker;

#define RAISE_FILE_LIMIT "raise the limit of open files (ulimit -n, or LimitNOFILE= of systemd)"

/* How the limit of open files is divided. */
struct descriptors {
	int64_t sync_max;  /* files that each syncer may hold */
	int64_t cache_max; /* segment files open at a time */
	int64_t conn_max;  /* connections that there are files for */
	int64_t slice_max; /* segment files in one answer to a fetch */
};

/* Divide a limit, for so many reactors and listeners.  Returns the least limit that
 * would do; when it is above this one, d is not set. */
int64_t descriptors_divide(struct descriptors *d, int64_t limit, int nreactor, int nlisten);

/* Raise the soft limit to the hard one, divide it, and set b->descriptors.
 * Returns 0, or -1 when the broker cannot work with so few. */
int descriptors_plan(struct broker *b, struct err *e);

#endif
