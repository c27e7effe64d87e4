/*
 * How the limit of open files is divided.
 *
 * Some descriptors are always open; each thread needs a few briefly.  The rest
 * is divided among running syncs, segment files and connections, so that none
 * of them can take what the others need.
 *
 * The main thread, before the others start.
 */
#ifndef KQ_BROKER_DESCRIPTORS_H
#define KQ_BROKER_DESCRIPTORS_H

#include "base/base.h"
#include "base/err.h"

#define RAISE_FILE_LIMIT "raise the limit of open files (ulimit -n, or LimitNOFILE= of systemd)"

struct descriptors {
	int64_t sync_max;  /* files that each syncer may hold */
	int64_t cache_max; /* segment files open at a time */
	int64_t conn_max;  /* connections */
	int64_t slice_max; /* segment files in one response to a fetch */
};

/* Divide a limit among this many reactors and listeners.  Returns the lowest
 * limit that would do; if it is above the given one, *descriptors is not set. */
int64_t descriptors_divide(struct descriptors *descriptors, int64_t limit, int nreactor,
	int nlisten);

/* Raise the soft limit to the hard one, and divide it.  With may_lower *nreactor
 * is lowered, down to 1, to what the limit allows.  Returns 0, or -1: the broker
 * cannot work with so few. */
int descriptors_plan(struct descriptors *descriptors, int *nreactor, int nlisten, bool may_lower,
	struct err *e);

#endif
