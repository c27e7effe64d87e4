/*
 * Reads the partitions that a group assigns to its member: begins those that were
 * gained, at the committed offset or where the owner says, and ends those that were
 * revoked or lost.  The owner of a partition that is held is its fetcher_part.
 *
 *	group_reader_init(&reader, &fetcher, &o, topics, n, &e);
 *	for (;;) {
 *		member_work(&reader.member);
 *		if (member_must_give_back(&reader.member)) {
 *			... commit what was read ...
 *			group_reader_drop(&reader);
 *		}
 *		group_reader_begin_gained(&reader, &e);
 *		... fetcher_wait, for at most member_timeout; fetcher_take ...
 *	}
 *
 * Uses: member, fetcher.  One thread.
 */
#ifndef KQ_CLIENT_GROUP_READER_H
#define KQ_CLIENT_GROUP_READER_H

#include "client/fetcher.h"
#include "client/member.h"

struct group_reader_opts {
	struct member_opts member;
	bool has_stop;           /* reading ends somewhere: place is asked for each partition */
	/* Find begin[i] and stop[i] (preset to INT64_MAX: never) of the partitions i < n with
	 * wants[i].  is_new: they were created after the start.  Returns 0, or -1: with
	 * ERR_RETRY it is called again.  May wait, serving the cluster. */
	int (*place)(void *arg, struct cluster_topic *t, int32_t n, const bool *wants, bool is_new,
		int64_t *begin, int64_t *stop, struct err *e);
	/* May the partition be read now?  NULL: always. */
	bool (*may_begin)(void *arg, const struct member_part *part);
	void *arg;               /* of both */
};

/* Owners read member. */
struct group_reader {
	struct fetcher *fetcher;
	const struct group_reader_opts *o;
	struct member member;
	int64_t begin_at_ms;     /* next attempt to begin assigned partitions */
	int64_t idle_since_ms;   /* stable without partitions since; 0: not so */
};

/* Nothing is sent yet.  The caller keeps *o.  Returns 0, or -1 (ERR_USAGE). */
int group_reader_init(struct group_reader *reader, struct fetcher *f,
	const struct group_reader_opts *o, struct cluster_topic **topic, int ntopic, struct err *e);

/* After cluster_close. */
void group_reader_release(struct group_reader *reader);

/* Begin to read newly assigned partitions.  Returns 0, or -1. */
int group_reader_begin_gained(struct group_reader *reader, struct err *e);

/* Stop reading revoked and lost partitions.  No batch of them may be taken from the
 * fetcher at this time. */
void group_reader_drop(struct group_reader *reader);

/* With has_stop: are all assigned partitions read up to their stop?  A member without any
 * waits first whether others give some back. */
bool group_reader_is_at_end(struct group_reader *reader);

#endif
