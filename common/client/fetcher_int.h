/* Internals of fetcher.h, shared by fetcher*.c. */
#ifndef KQ_CLIENT_FETCHER_INT_H
#define KQ_CLIENT_FETCHER_INT_H

#include "client/fetcher.h"

enum {
	FETCH_TOPIC_ID_VERSION = 13, /* first version that names topics by id */
};

/* A response, kept until all chunks that point into it are given back. */
struct fetcher_reply {
	struct fetcher_reply *next; /* idle */
	struct buf bytes;
	size_t size;
	int nused;                  /* number of chunks; +1 while it is being read */
};

struct fetcher_request {
	struct call call;
	struct fetcher *fetcher;
	struct fetcher_request *next; /* idle */
	int32_t node;
	struct fetcher_part **part;
	int npart, cap, cursor;
};

/* Append a chunk to fetcher.ready. */
struct fetched *fetcher_add_fetched(struct fetcher *f, struct fetcher_part *part,
	struct fetcher_reply *from);

/* Handle the response to a Fetch (call_done_fn). */
void fetcher_done(struct call *call, const struct reply *reply);

/* Note that a partition cannot be read now (ERR_RETRY), or not at all. */
void fetcher_refused(struct fetcher *f, struct fetcher_part *part,
	const struct err *why);

#endif
