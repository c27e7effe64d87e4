/*
 * Reading without a group: the partitions to read and their offsets, while topics grow,
 * or are deleted and created again.
 *
 * Uses: client/fetcher, start, reading_topics.
 */
#ifndef KQ_CONSUME_ALONE_H
#define KQ_CONSUME_ALONE_H

#include "client/fetcher.h"
#include "kq-consume/reading_topics.h"
#include "kq-consume/start.h"

struct alone {
	struct fetcher *fetcher;
	struct reading_topics topics;
	const struct start *start;
	int64_t partition;       /* the only partition to read; -1: all */
	bool stops_at_end;
	int32_t *npart;          /* per topic: number of partitions that are read */
};

/* Start to read a topic.  Returns 0, or -1. */
int alone_add(struct alone *alone, const char *name, struct err *e);

/* Start to read partitions that are new in the metadata, from their beginning.  Returns
 * 0, or -1. */
int alone_refresh(struct alone *alone, struct err *e);

/* The partition belongs to a recreated topic: read it from its beginning, if it exists.
 * Returns 0, or -1. */
int alone_restart(struct alone *alone, struct fetcher_part *part, struct err *e);

void alone_release(struct alone *alone);

#endif
