/*
 * Reading without a group: which partitions are read, from where, to where, while
 * topics grow, or are deleted and created again.
 *
 * Uses: client/fetcher, start, topics.
 */
#ifndef KQ_CONSUME_ALONE_H
#define KQ_CONSUME_ALONE_H

#include "client/fetcher.h"
#include "kq-consume/start.h"
#include "kq-consume/reading_topics.h"

struct alone {
	struct fetcher *fetcher;
	struct reading_topics topics;
	const struct start *start;
	int64_t partition;       /* the only one to be read; -1: all */
	bool stops_at_end;
	int32_t *npart;          /* of each topic: how many are known */
};

/* Begin to read a topic. */
int alone_add(struct alone *alone, const char *name, struct err *e);

/* Look at what the metadata says: new partitions are read from their beginning. */
int alone_look(struct alone *alone, struct err *e);

/* The partition is one of a new topic, or not there any more. */
int alone_take_new(struct alone *alone, struct fetcher_part *part, struct err *e);

void alone_release(struct alone *alone);

#endif
