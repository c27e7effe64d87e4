/*
 * What live.c asks: random messages that fit the tables, drawn from small
 * pools so that requests often mean something to the broker: names, and what
 * earlier answers told of members, producers, topics and fetch sessions.
 */
#ifndef KQ_T_FUZZ_LIVE_H
#define KQ_T_FUZZ_LIVE_H

#include "base/mem.h"
#include "base/uuid.h"
#include "record/builder.h"
#include "wire/wire.h"

enum {
	LIVE_KEYS = 100,
	LIVE_GROUPS = 6,
	LIVE_MEMBERS = 5,      /* of a group, that we know of */
	LIVE_PRODUCERS = 8,    /* the first LIVE_TXNS with transactional ids */
	LIVE_TXNS = 5,
	LIVE_TOPICS = 5,
	LIVE_PARTITIONS = 4,
	LIVE_SESSIONS = 6,
};

/* Whom a request is about; its answer is, too. */
struct live_scene {
	int group, member, producer, topic, partition, session;
	bool is_txn;
};

struct live_member {
	char id[256];
	int32_t epoch;
};

struct live_producer {
	int64_t id;
	int16_t epoch;
	int32_t sequence[LIVE_TOPICS][LIVE_PARTITIONS];
};

struct live {
	uint64_t rand;
	int16_t max[LIVE_KEYS];       /* the newest version served; -1 */
	struct live_member member[LIVE_GROUPS][LIVE_MEMBERS];
	struct live_producer producer[LIVE_PRODUCERS];
	struct uuid topic_id[LIVE_TOPICS];
	struct { int32_t id, epoch; } session[LIVE_SESSIONS];
	int64_t nmade[LIVE_KEYS];
	/* Of the request being made: */
	struct live_scene scene;
	struct arena arena;
	int budget;                   /* values left for it */
	struct builder builder;
	struct buf packed;
};

struct live_request {
	const struct wire_api *api;
	int16_t version;
	void *body;               /* valid until the next is made */
	bool is_silent;           /* no answer comes */
	struct live_scene scene;
};

void live_init(struct live *l, uint64_t seed);
uint64_t live_below(struct live *l, uint64_t n); /* 0..n-1 */
void live_make(struct live *l, struct live_request *r);

/* Take from an answer what later requests may use. */
void live_learn(struct live *l, const struct live_scene *scene, const struct wire_api *api,
	int16_t version, const void *msg);

#endif
