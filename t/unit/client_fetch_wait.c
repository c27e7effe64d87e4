/* What the fetcher asks for, and when, against a scripted broker. */
#include "fetch_peer_help.h"

/* Kafka's broker answers a partition once in a request, so that two readers need two. */
void
test_fetcher__readers_of_one_partition_take_turns(void)
{
	add_batch(0, 3, 0);
	start_peer();
	struct cluster cl;
	struct fetcher f;
	struct fetcher_opts o;
	struct fetcher_part *part[3];
	bool was_asked[3] = { 0 };
	struct err e;
	fetcher_opts_init(&o);
	struct cluster_opts co = { .brokers = "unix:s", .connect_timeout_ms = 2000 };
	check_int(cluster_open(&cl, &co, &e), 0);
	struct cluster_topic *t = cluster_topic(&cl, "t", false, &e);
	fetcher_init(&f, &cl, &o);
	for (int i = 0; i < 3; i++)
		part[i] = fetcher_add(&f, t, 0, 0, INT64_MAX);
	for (int n = 0; n < 200 && !(was_asked[0] && was_asked[1] && was_asked[2]); n++) {
		fetcher_wait(&f, -1, 0, 20);
		check(part[0]->is_asked + part[1]->is_asked + part[2]->is_asked <= 1);
		for (int i = 0; i < 3; i++)
			was_asked[i] |= part[i]->is_asked;
		for (struct fetched *chunk; (chunk = fetcher_take(&f));)
			fetcher_give_back(&f, chunk);
	}
	check(was_asked[0] && was_asked[1] && was_asked[2]);
	cluster_close(&cl);
	fetcher_release(&f);
	stop_peer();
	buf_release(&the_log);
}

void
test_fetcher__a_held_partition_is_not_asked_for(void)
{
	add_batch(0, 3, 0);
	start_peer();
	struct cluster cl;
	struct fetcher f;
	struct fetcher_opts o;
	struct err e;
	fetcher_opts_init(&o);
	struct cluster_opts co = { .brokers = "unix:s", .connect_timeout_ms = 2000 };
	check_int(cluster_open(&cl, &co, &e), 0);
	struct cluster_topic *t = cluster_topic(&cl, "t", false, &e);
	fetcher_init(&f, &cl, &o);
	struct fetcher_part *part = fetcher_add(&f, t, 0, 0, 3);
	part->is_held = true;
	part->owner = &o;
	check_int(part->end, -1);
	fetcher_wait(&f, -1, 0, 50);
	check_int(f.nrequest, 0);
	part = fetcher_rewind(&f, part, 0);
	check(part->is_held);
	check(part->owner == &o);
	part->is_held = false;
	while (!fetcher_has_ready(&f))
		fetcher_wait(&f, -1, 0, 100);
	check(part->end != -1);
	/* nor is another one that has no more records: the request would wait for them */
	struct fetcher_part *other = fetcher_add(&f, t, 0, 0, INT64_MAX);
	part->stop = INT64_MAX;
	f.ndone -= part->is_done;
	part->is_done = false;
	part->is_held = true;
	other->end = 0;
	struct fetched *ch = fetcher_take(&f);
	fetcher_give_back(&f, ch);
	while (f.nrequest > 0)
		fetcher_wait(&f, -1, 0, 100);
	fetcher_wait(&f, -1, 0, 50);
	check_int(f.nrequest, 0);
	other->end = 1;
	fetcher_wait(&f, -1, 0, 0);
	check_int(f.nrequest, 1);
	cluster_close(&cl);
	fetcher_release(&f);
	stop_peer();
	buf_release(&the_log);
}

void
test_fetcher__waits_longer_while_nothing_comes(void)
{
	static const int64_t waits[] = { 100, 200, 400, 500, 500 };
	struct cluster cl;
	struct fetcher f;
	struct fetcher_opts o;
	struct err e;
	add_batch(0, 3, 0);
	tells_wait = true;
	start_peer();
	fetcher_opts_init(&o);
	o.max_wait_ms = 100;
	o.idle_wait_ms = 500;
	struct cluster_opts co = { .brokers = "unix:s", .connect_timeout_ms = 2000 };
	check_int(cluster_open(&cl, &co, &e), 0);
	struct cluster_topic *t = cluster_topic(&cl, "t", false, &e);
	fetcher_init(&f, &cl, &o);
	struct fetcher_part *part = fetcher_add(&f, t, 0, 3, INT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		part->end = -1;
		while (part->end < 0)
			fetcher_wait(&f, -1, 0, 100);
		check_int(part->end, waits[i]);
	}
	/* records, and a new partition, end that */
	fetcher_remove(&f, part);
	part = fetcher_add(&f, t, 0, 0, INT64_MAX);
	while (!fetcher_has_ready(&f))
		fetcher_wait(&f, -1, 0, 100);
	check_int(part->end, 100);
	fetcher_give_back(&f, fetcher_take(&f));
	cluster_close(&cl);
	fetcher_release(&f);
	stop_peer();
	tells_wait = false;
	buf_release(&the_log);
}

/* Serve until a Fetch is under way that the peer does not answer. */
static void
serve_until_parked(struct fetcher *f, const struct fetcher_part *part)
{
	while (!part->is_parked || f->nrequest == 0)
		fetcher_wait(f, -1, 0, 10);
}

/* Fetch partition 1, which has nothing, until the Fetch is parked. */
static struct fetcher_part *
open_parked(struct cluster *cl, struct fetcher *f)
{
	struct fetcher_opts o;
	struct err e;
	add_batch(0, 3, 0);
	parks_ms = 100;
	start_peer();
	fetcher_opts_init(&o);
	o.max_wait_ms = parks_ms;
	o.idle_wait_ms = 1 << 30;
	o.retry_timeout_ms = 1;
	struct cluster_opts co = { .brokers = "unix:s", .connect_timeout_ms = 2000,
		.request_timeout_ms = 5000 };
	check_int(cluster_open(cl, &co, &e), 0);
	struct cluster_topic *t = cluster_topic(cl, "t", false, &e);
	fetcher_init(f, cl, &o);
	struct fetcher_part *part = fetcher_add(f, t, 1, 0, INT64_MAX);
	serve_until_parked(f, part);
	return part;
}

static void
close_parked(struct cluster *cl, struct fetcher *f)
{
	cluster_close(cl);
	fetcher_release(f);
	stop_peer();
	parks_ms = 0;
	buf_release(&the_log);
}

void
test_fetcher__a_parked_request_makes_nobody_wait(void)
{
	struct cluster cl;
	struct fetcher f;
	struct err e;
	struct fetcher_part *part = open_parked(&cl, &f);
	/* a call to the node */
	check_int(cluster_refresh(&cl, &e), 0);
	part->is_parked = false;
	serve_until_parked(&f, part);
	check(!f.is_failed);
	check(!part->failing_since_ms);
	/* another partition */
	struct fetcher_part *other = fetcher_add(&f, part->topic, 0, 0, INT64_MAX);
	while (!fetcher_has_ready(&f))
		fetcher_wait(&f, -1, 0, 100);
	check(!f.is_failed);
	struct fetched *ch = fetcher_take(&f);
	check(ch->part == other);
	fetcher_give_back(&f, ch);
	close_parked(&cl, &f);
}

/* A call whose callback gives up its own connection. */
struct giver {
	struct call call;
	struct cluster *cluster;
	int32_t node;
	bool is_done;
};

static void
give_up(struct call *call, const struct reply *reply)
{
	struct giver *giver = CONTAINER_OF(call, struct giver, call);
	check(reply->body != NULL);
	check(conn_is_parked(reply->conn));
	cluster_give_up_parked(giver->cluster, giver->node);
	giver->is_done = true;
}

void
test_fetcher__a_connection_may_be_given_up_in_a_callback_of_its_own(void)
{
	struct cluster cl;
	struct fetcher f;
	struct err e;
	struct metadata_request q;
	struct fetcher_part *part = open_parked(&cl, &f);
	struct giver giver = { .cluster = &cl,
		.node = part->topic->part[part->index].leader };
	struct conn *c = cluster_conn(&cl, giver.node, &e); /* in place of the parked one */
	check(c != NULL);
	cluster_wait(&cl, -1, 0, 0);
	call_init(&giver.call);
	wire_defaults(&metadata_request_desc, &q);
	conn_send(c, &giver.call, wire_api_find(API_METADATA), 9, &q, 5000, give_up);
	while (!giver.is_done) /* the Fetch is sent behind the call */
		fetcher_wait(&f, -1, 0, 100);
	fetcher_wait(&f, -1, 0, 10);
	serve_until_parked(&f, part);
	check(!f.is_failed);
	call_release(&giver.call);
	close_parked(&cl, &f);
}
