/* What the files of the fetcher share among themselves. */
#ifndef KQ_CLIENT_FETCHER_INT_H
#define KQ_CLIENT_FETCHER_INT_H

#include "client/fetcher.h"

enum {
	FETCH_TOPIC_ID_VERSION = 13, /* from here topics go by id */
};

/* An answer: its bytes live until everything taken from it is given back. */
struct fetcher_reply {
	struct fetcher_reply *next; /* idle */
	struct buf bytes;
	size_t size;
	int nused;
};

struct fetcher_request {
	struct call call;
	struct fetcher *fetcher;
	struct fetcher_request *next; /* idle */
	int32_t node;
	struct fetcher_part **part;
	int npart, cap, cursor;
};

/* Something for the owner to take. */
struct fetched *fetcher_add_fetched(struct fetcher *f, struct fetcher_part *part,
	struct fetcher_reply *from);

/* The answer to a Fetch (call_done_fn). */
void fetcher_done(struct call *call, const struct reply *reply);

/* The partition cannot be read just now, or (unless ERR_RETRY) at all. */
void fetcher_refused(struct fetcher *f, struct fetcher_part *part,
	const struct err *why);

#endif
