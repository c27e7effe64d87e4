#include "client/fetcher.h"

#include "client/fetcher_int.h"
#include "sys/clock.h"

#include "proto.h"

enum {
	MAX_WAIT_MS = 500,
	MIN_BYTES = 1,
	REQUEST_TIMEOUT_MS = 30000,
	RETRY_TIMEOUT_MS = 30000,
	RETRY_BACKOFF_MS = 100,
	FETCH_BYTES = 4 << 20,
	PARTITION_BYTES = 1 << 20,
	BATCH_MAX = 256 << 20,
	LATE_MS = 2000,      /* after max_wait_ms, until a response counts as late */
};

void
fetcher_opts_init(struct fetcher_opts *o)
{
	*o = (struct fetcher_opts){
		.max_wait_ms = MAX_WAIT_MS,
		.min_bytes = MIN_BYTES,
		.request_timeout_ms = REQUEST_TIMEOUT_MS,
		.retry_timeout_ms = RETRY_TIMEOUT_MS,
		.retry_backoff_ms = RETRY_BACKOFF_MS,
		.fetch_bytes = FETCH_BYTES,
		.partition_bytes = PARTITION_BYTES,
		.batch_max = BATCH_MAX,
		.checks_crc = true,
	};
}

void
fetcher_init(struct fetcher *f, struct cluster *cl, const struct fetcher_opts *o)
{
	*f = (struct fetcher){ .cluster = cl, .opts = *o, .wait_ms = o->max_wait_ms };
	list_init(&f->part);
	list_init(&f->ready);
}

void
fetcher_release(struct fetcher *f)
{
	assert(f->nrequest == 0);
	struct fetched *chunk;
	while ((chunk = fetcher_take(f)))
		fetcher_give_back(f, chunk);
	LIST_EACH(it, &f->part) {
		list_unlink(it);
		mem_free(CONTAINER_OF(it, struct fetcher_part, link));
	}
	while (f->idle) {
		struct fetcher_request *req = f->idle;
		f->idle = req->next;
		call_release(&req->call);
		mem_free(req->part);
		mem_free(req);
	}
	while (f->idle_reply) {
		struct fetcher_reply *from = f->idle_reply;
		f->idle_reply = from->next;
		buf_release(&from->bytes);
		mem_free(from);
	}
}

struct fetcher_part *
fetcher_add(struct fetcher *f, struct cluster_topic *t, int32_t index,
	int64_t offset, int64_t stop)
{
	assert(index >= 0 && index < t->npart);
	struct fetcher_part *part = NEW(struct fetcher_part);
	list_init(&part->link);
	part->topic = t;
	part->index = index;
	part->generation = t->generation;
	part->offset = part->deliver = offset;
	part->end = part->high = -1;
	part->stop = stop;
	part->epoch = -1;
	part->bytes_max = f->opts.partition_bytes;
	part->is_done = offset >= stop;
	f->wait_ms = f->opts.max_wait_ms;
	LIST_EACH(it, &f->part) {
		struct fetcher_part *other = CONTAINER_OF(it, struct fetcher_part, link);
		if (other->topic == t && other->index == index)
			other->has_twin = part->has_twin = true;
	}
	list_append(&f->part, &part->link);
	f->npart++;
	f->ndone += part->is_done;
	return part;
}

void
fetcher_seek(struct fetcher *f, struct fetcher_part *part, int64_t offset)
{
	assert(!part->is_asked);
	f->ndone -= part->is_done;
	part->offset = part->deliver = offset;
	part->is_paused = false;
	part->failing_since_ms = part->retry_at_ms = 0;
	part->generation = part->topic->generation;
	part->is_done = offset >= part->stop;
	f->ndone += part->is_done;
}

void
fetcher_remove(struct fetcher *f, struct fetcher_part *part)
{
	LIST_EACH(it, &f->ready) {
		struct fetched *chunk = CONTAINER_OF(it, struct fetched, link);
		if (chunk->part != part)
			continue;
		list_unlink(it);
		fetcher_give_back(f, chunk);
	}
	list_unlink(&part->link);
	f->npart--;
	f->ndone -= part->is_done;
	part->is_removed = true;
	if (!part->is_asked) /* else the request refers to it, and frees it */
		mem_free(part);
}

struct fetcher_part *
fetcher_rewind(struct fetcher *f, struct fetcher_part *part, int64_t offset)
{
	struct fetcher_part *fresh = fetcher_add(f, part->topic, part->index, offset, part->stop);
	fresh->generation = part->generation;
	fresh->owner = part->owner;
	fresh->is_held = part->is_held;
	fetcher_remove(f, part);
	return fresh;
}

bool
fetcher_is_done(const struct fetcher *f)
{
	return f->npart > 0 && f->ndone == f->npart && list_is_empty(&f->ready);
}

struct fetched *
fetcher_take(struct fetcher *f)
{
	if (list_is_empty(&f->ready))
		return NULL;
	struct list *first = f->ready.next;
	list_unlink(first);
	return CONTAINER_OF(first, struct fetched, link);
}

void
fetcher_give_back(struct fetcher *f, struct fetched *chunk)
{
	struct fetcher_reply *from = chunk->reply;
	mem_free(chunk->aborted);
	mem_free(chunk);
	if (!from || --from->nused > 0)
		return;
	f->held -= from->size;
	from->next = f->idle_reply;
	f->idle_reply = from;
}

void
fetcher_refused(struct fetcher *f, struct fetcher_part *part,
	const struct err *why)
{
	int64_t now = clock_mono_ms();
	part->retry_at_ms = now + f->opts.retry_backoff_ms;
	if (!part->failing_since_ms)
		part->failing_since_ms = now;
	if (!f->needs_refresh) {
		f->needs_refresh = true;
		f->refresh_at_ms = now;
	}
	struct err e = *why;
	err_wrap(&e, "partition %d of '%s'", part->index, part->topic->name);
	if (why->class == ERR_RETRY && why->kafka && !part->topic->error)
		cluster_say_refused(f->cluster, &f->refusal, &e);
	if (f->is_failed || (why->class == ERR_RETRY
		&& now - part->failing_since_ms < f->opts.retry_timeout_ms))
		return;
	f->is_failed = true;
	f->err = e;
}

static bool
may_ask(const struct fetcher_part *part, int64_t now_ms)
{
	return !part->is_asked && !part->is_done && !part->is_paused && !part->is_held
		&& !part->topic->gone_since_ms && part->retry_at_ms <= now_ms;
}

static int32_t
leader_of(const struct fetcher_part *part)
{
	return part->topic->part[part->index].leader;
}

static struct fetcher_request *
request_new(struct fetcher *f, int32_t node)
{
	struct fetcher_request *req = f->idle;
	if (req) {
		f->idle = req->next;
	} else {
		req = NEW(struct fetcher_request);
		call_init(&req->call);
		req->fetcher = f;
	}
	if (req->cap < f->npart) {
		req->part = mem_realloc(req->part, (size_t)f->npart * sizeof(void *));
		req->cap = f->npart;
	}
	req->npart = req->cursor = 0;
	req->node = node;
	f->nrequest++;
	return req;
}

static void
fill(const struct fetcher_request *req, struct fetch_request *q, struct arena *a)
{
	const struct fetcher_opts *o = &req->fetcher->opts;
	wire_defaults(wire_api_find(API_FETCH)->request, q);
	q->replica_id = -1;
	q->max_wait_ms = req->fetcher->wait_ms;
	q->min_bytes = o->min_bytes;
	q->max_bytes = (int32_t)o->fetch_bytes;
	q->isolation_level = o->is_committed;
	q->topics.v = arena_alloc(a, (size_t)req->npart * sizeof *q->topics.v);
	q->topics.n = 0;
	const struct cluster_topic *t = NULL;
	for (int i = 0; i < req->npart; i++) {
		const struct fetcher_part *part = req->part[i];
		if (part->topic != t) {
			t = part->topic;
			int32_t k = q->topics.n++;
			q->topics.v[k].topic = str_of(t->name);
			q->topics.v[k].topic_id = t->id;
			q->topics.v[k].partitions.v = arena_alloc(a, (size_t)(req->npart - i)
				* sizeof *q->topics.v[k].partitions.v);
		}
		int32_t k = q->topics.n - 1, n = q->topics.v[k].partitions.n++;
		struct fetch_request_partition *to = &q->topics.v[k].partitions.v[n];
		to->partition = part->index;
		to->current_leader_epoch = -1;
		to->fetch_offset = part->offset;
		to->last_fetched_epoch = -1;
		to->log_start_offset = -1;
		to->high_watermark = INT64_MAX; /* we are not a replica */
		to->partition_max_bytes = (int32_t)part->bytes_max;
	}
}

/* Does the request have the partition already? */
static bool
has_twin(const struct fetcher_request *req, const struct fetcher_part *part)
{
	for (int i = 0; part->has_twin && i < req->npart; i++)
		if (req->part[i]->topic == part->topic && req->part[i]->index == part->index)
			return true;
	return false;
}

/* Let the others of their kind be asked for next time. */
static void
take_turns(struct fetcher *f, const struct fetcher_request *req)
{
	for (int i = 0; i < req->npart; i++)
		if (req->part[i]->has_twin) {
			list_unlink(&req->part[i]->link);
			list_append(&f->part, &req->part[i]->link);
		}
}

/* Send a Fetch for all partitions that the node leads and that may be asked for.  The
 * broker fills the response in their order.  That is fair, since take_records moves a
 * partition that got records to the end. */
static void
ask_node(struct fetcher *f, int32_t node, struct conn *c, int64_t now_ms)
{
	const struct wire_api *api = wire_api_find(API_FETCH);
	struct fetcher_request *req = request_new(f, node);
	bool has_ids = true;
	LIST_EACH(it, &f->part) {
		struct fetcher_part *part = CONTAINER_OF(it, struct fetcher_part, link);
		if (leader_of(part) != node || !may_ask(part, now_ms) || has_twin(req, part))
			continue;
		part->is_asked = true;
		part->is_parked = f->wait_ms > f->opts.max_wait_ms;
		req->part[req->npart++] = part;
		has_ids = has_ids && !uuid_is_zero(&part->topic->id);
	}
	take_turns(f, req);
	struct err e;
	int version = conn_version(c, api, has_ids ? INT16_MAX : FETCH_TOPIC_ID_VERSION - 1, &e);
	if (version < 0) {
		fetcher_done(&req->call, &(struct reply){ c, NULL, 0, &e });
		return;
	}
	struct arena a = ARENA_INIT;
	struct fetch_request q;
	fill(req, &q, &a);
	conn_send(c, &req->call, api, version, &q,
		f->opts.request_timeout_ms + f->wait_ms, fetcher_done);
	req->call.late_ms = now_ms + f->wait_ms + LATE_MS;
	req->call.is_parked = f->wait_ms > f->opts.max_wait_ms;
	conn_flush(c);
	arena_release(&a);
}

/* Is a request to the partition's node under way?  A parked one is given up for a partition
 * that it has not (of twins, it has one), so that all are asked for together. */
static bool
is_node_asked(struct fetcher *f, const struct fetcher_part *part)
{
	bool is_asked = false, is_parked = true;
	LIST_EACH(it, &f->part) {
		const struct fetcher_part *other = CONTAINER_OF(it, struct fetcher_part, link);
		if (!other->is_asked || leader_of(other) != leader_of(part))
			continue;
		is_asked = true;
		is_parked &= other->is_parked
			&& !(other->topic == part->topic && other->index == part->index);
	}
	if (is_asked && is_parked)
		cluster_give_up_parked(f->cluster, leader_of(part));
	return is_asked;
}

/* Would a Fetch wait at the broker for new records, while a held partition of the same node
 * may be wanted any time?  A node gets one request at a time. */
static bool
would_block(const struct fetcher *f, int32_t node, int64_t now_ms)
{
	bool has_held = false;
	LIST_EACH(it, &f->part) {
		const struct fetcher_part *part = CONTAINER_OF(it, struct fetcher_part, link);
		if (leader_of(part) != node)
			continue;
		if (may_ask(part, now_ms) && (part->end < 0 || part->offset < part->end))
			return false;
		has_held |= part->is_held && !part->is_done;
	}
	return has_held;
}

/* A partition of a deleted topic does not fail while it waits.  If the topic was created
 * again, pause the partition and let the owner decide where to continue. */
static void
check_topics(struct fetcher *f)
{
	LIST_EACH(it, &f->part) {
		struct fetcher_part *part = CONTAINER_OF(it, struct fetcher_part, link);
		if (part->topic->gone_since_ms)
			part->failing_since_ms = 0;
		if (part->generation == part->topic->generation || part->is_asked || part->is_paused
			|| part->is_done)
			continue;
		part->is_paused = true;
		fetcher_add_fetched(f, part, NULL)->is_new_topic = true;
	}
}

static void
step(struct fetcher *f)
{
	f->fresh_until_ms = cluster_keep_fresh(f->cluster);
	int64_t now = clock_mono_ms();
	struct err e;
	if (f->needs_refresh && f->refresh_at_ms <= now) {
		f->needs_refresh = cluster_refresh(f->cluster, &e) < 0;
		now = clock_mono_ms();
		f->refresh_at_ms = now + f->opts.retry_backoff_ms;
	}
	check_topics(f);
	if (f->held > (f->opts.held_max ? f->opts.held_max : f->opts.fetch_bytes))
		return;
	struct list *next;
	for (struct list *it = f->part.next; it != &f->part && !f->is_failed; it = next) {
		struct fetcher_part *part = CONTAINER_OF(it, struct fetcher_part, link);
		next = it->next;
		int32_t node = leader_of(part);
		if (!may_ask(part, now)
			|| (node >= 0 && (is_node_asked(f, part) || would_block(f, node, now))))
			continue;
		if (node < 0) {
			err_set(&e, ERR_RETRY, "no leader");
			e.kafka = KERR_LEADER_NOT_AVAILABLE;
			fetcher_refused(f, part, &e);
			continue;
		}
		struct conn *c = cluster_conn(f->cluster, node, &e);
		if (c)
			ask_node(f, node, c, now);
		else
			fetcher_refused(f, part, &e);
	}
}

static int
step_timeout(const struct fetcher *f, int timeout_ms)
{
	int64_t now = clock_mono_ms(), at = timeout_ms < 0 ? INT64_MAX : now + timeout_ms;
	LIST_EACH(it, &f->part) {
		struct fetcher_part *part = CONTAINER_OF(it, struct fetcher_part, link);
		if (part->failing_since_ms && !part->is_asked && !part->is_done)
			at = MIN(at, MAX(part->retry_at_ms, now + 1));
	}
	if (f->needs_refresh)
		at = MIN(at, f->refresh_at_ms);
	at = MIN(at, f->fresh_until_ms);
	return at == INT64_MAX ? -1 : (int)MAX(MIN(at - now, 1 << 30), 0);
}

short
fetcher_wait(struct fetcher *f, int fd, short events, int timeout_ms)
{
	struct pollfd one = { fd, events, 0 };
	fetcher_wait_fds(f, &one, 1, timeout_ms);
	return one.revents;
}

int
fetcher_wait_fds(struct fetcher *f, struct pollfd *fds, int nfd, int timeout_ms)
{
	step(f);
	if (!list_is_empty(&f->ready) || f->is_failed || fetcher_is_done(f))
		return cluster_wait_fds(f->cluster, fds, nfd, 0);
	int nseen = cluster_wait_fds(f->cluster, fds, nfd, step_timeout(f, timeout_ms));
	step(f); /* send the next requests before the owner reads the records */
	return nseen;
}
