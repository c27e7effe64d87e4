#include "kq-stream/admit.h"

#include "sys/clock.h"
#include "sys/sig.h"

#include "proto.h"

enum {
	KEY_TYPE_GROUP = 0,
	ONE_KEY_VERSION = 3,   /* last version of FindCoordinator with only one key */
	FLAT_VERSION = 7,      /* last version of OffsetFetch with only one group */
	RETRY_MS = 100,
	OUTAGE_MS = 120000,
	ARENA_MAX = 256 << 20,
};

static int
find_coordinator(const struct running *app, struct cluster *cl, int32_t *node, struct err *e)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct find_coordinator_request q;
	struct find_coordinator_response r;
	wire_defaults(&find_coordinator_request_desc, &q);
	q.key = str_of(app->id);
	q.key_type = KEY_TYPE_GROUP;
	int rc = cluster_call_upto(cl, CLUSTER_ANY, API_FIND_COORDINATOR, ONE_KEY_VERSION,
		cl->opts.request_timeout_ms, &q, &r, &a, e);
	if (rc >= 0 && r.error_code)
		rc = cluster_peer_err(e, r.error_code, r.error_message);
	if (rc >= 0)
		*node = r.node_id;
	arena_release(&a);
	if (rc >= 0 && !cluster_node(cl, *node))
		rc = cluster_refresh(cl, e);
	return rc < 0 ? -1 : 0;
}

static bool
is_read(const struct layout *layout, struct str topic)
{
	for (int i = 0; i < layout->nsource; i++)
		if (layout->source[i].part >= 0 && str_eq(str_of(layout->source[i].name), topic))
			return true;
	return false;
}

static int
check_topic(const struct running *app, const struct offset_fetch_response_topic *t,
	struct err *e)
{
	bool reads = is_read(&app->layout, t->name);
	int64_t time_ms;
	for (int32_t i = 0; i < t->partitions.n; i++) {
		const struct offset_fetch_response_partition *part = &t->partitions.v[i];
		if (part->error_code)
			return cluster_peer_err(e, part->error_code, STR_NULL);
		if (part->metadata.n <= 0 || (reads ? running_read_note(app, part->metadata, &time_ms, e)
				: running_check_unread(app, part->metadata, e)) == 0)
			continue;
		return e->class == ERR_CORRUPT
			? err_wrap(e, "partition %d of '%.*s'", part->partition_index, STR_ARG(t->name)) : -1;
	}
	return 0;
}

/* Without require_stable: transactions under way belong to members that were admitted.
 * librdkafka's mock broker answers with null where all topics are to be listed: there, only
 * the tasks compare, each the notes of its inputs. */
static int
ask(const struct running *app, struct cluster *cl, struct err *e)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct offset_fetch_request q;
	struct offset_fetch_response r;
	int32_t node;
	if (find_coordinator(app, cl, &node, e) < 0)
		return -1;
	wire_defaults(&offset_fetch_request_desc, &q);
	q.group_id = str_of(app->id);
	q.topics.n = -1; /* null: all */
	int rc = cluster_call_upto(cl, node, API_OFFSET_FETCH, FLAT_VERSION,
		cl->opts.request_timeout_ms, &q, &r, &a, e);
	bool cannot_list = rc < 0 && e->class == ERR_CORRUPT;
	if (rc >= 0 && r.error_code && r.error_code != KERR_GROUP_ID_NOT_FOUND)
		rc = cluster_peer_err(e, r.error_code, STR_NULL);
	for (int32_t i = 0; rc >= 0 && i < r.topics.n; i++)
		rc = check_topic(app, &r.topics.v[i], e);
	arena_release(&a);
	return rc < 0 && !cannot_list ? -1 : 0;
}

int
admit_check(const struct running *app, struct cluster *cl, struct err *e)
{
	struct cluster_outage outage = { 0 };
	int64_t until_ms = clock_mono_ms() + OUTAGE_MS;
	int rc;
	while ((rc = ask(app, cl, e)) < 0 && e->class == ERR_RETRY && !sig_is_stopped
			&& clock_mono_ms() < until_ms) {
		cluster_say_refused(cl, &outage, e);
		cluster_pause(cl, RETRY_MS);
	}
	if (rc == 0)
		cluster_say_accepted(cl, &outage);
	return rc;
}
