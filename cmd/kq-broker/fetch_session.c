#include "kq-broker/fetch_session.h"

#include "base/map.h"
#include "proto.h"
#include "sys/rand.h"
#include "wire/kerr.h"

#include <pthread.h>

/* Its key's bytes lie behind it: those of the topic, and the index. */
struct cached {
	struct str key;
	struct fetch_session_part part;
};

struct session {
	int32_t id, epoch; /* epoch: of the next request */
	bool by_id;
	int64_t made_ms, used_ms;
	struct map parts;
	struct cached **v; /* in the order they are read */
	int n, cap;
};

static struct {
	pthread_mutex_t lock;
	struct map sessions;
	int nparts;
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- one session --- */

enum { UUID_SIZE = sizeof(struct uuid), KEY_MAX = 260 };

static struct str
key_of(const struct fetch_session_part *p, bool by_id, uint8_t bytes[KEY_MAX])
{
	int32_t n = by_id ? UUID_SIZE : MIN(MAX(p->topic.n, 0), KEY_MAX - 4);
	if (n)
		memcpy(bytes, by_id ? p->topic_id.b : p->topic.p, (size_t)n);
	store_be32(bytes + n, (uint32_t)p->index);
	return (struct str){ bytes, n + 4 };
}

static struct cached *
find(const struct session *s, const struct fetch_session_part *p)
{
	uint8_t bytes[KEY_MAX];
	return map_get(&s->parts, key_of(p, s->by_id, bytes));
}

/* Take over what a request says; false: there is no room for more. */
static bool
set(struct session *s, const struct fetch_session_part *p)
{
	uint8_t bytes[KEY_MAX];
	struct str key = key_of(p, s->by_id, bytes);
	struct cached *c = map_get(&s->parts, key);
	if (c) {
		c->part.offset = p->offset;
		c->part.size_max = p->size_max;
		c->part.leader_epoch = p->leader_epoch;
		c->part.last_epoch = p->last_epoch;
		return true;
	}
	if (s->n >= FETCH_SESSION_PARTS_MAX || cache.nparts >= FETCH_SESSION_PARTS_TOTAL_MAX)
		return false;
	c = mem_alloc(sizeof *c + (size_t)key.n);
	memcpy(c + 1, bytes, (size_t)key.n);
	c->key = (struct str){ (const uint8_t *)(c + 1), key.n };
	c->part = *p;
	c->part.topic = s->by_id ? STR("") : (struct str){ c->key.p, key.n - 4 };
	map_put(&s->parts, c->key, c);
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->v = mem_realloc(s->v, (size_t)s->cap * sizeof(struct cached *));
	}
	s->v[s->n++] = c;
	cache.nparts++;
	return true;
}

/* Only out of the map: pack follows. */
static void
mark_gone(struct session *s, const struct fetch_session_part *p)
{
	struct cached *c = find(s, p);
	if (c) {
		map_remove(&s->parts, c->key);
		c->key = STR_NULL;
	}
}

static void
pack(struct session *s)
{
	int n = 0;
	for (int i = 0; i < s->n; i++) {
		if (s->v[i]->key.n >= 0)
			s->v[n++] = s->v[i];
		else
			mem_free(s->v[i]);
	}
	cache.nparts -= s->n - n;
	s->n = n;
}

static void
session_free(struct session *s)
{
	map_remove(&cache.sessions, (struct str){ (const uint8_t *)&s->id, sizeof s->id });
	for (int i = 0; i < s->n; i++)
		mem_free(s->v[i]);
	cache.nparts -= s->n;
	map_release(&s->parts);
	mem_free(s->v);
	mem_free(s);
}

static struct session *
session_of(int32_t id)
{
	return map_get(&cache.sessions, (struct str){ (const uint8_t *)&id, sizeof id });
}

static int32_t
epoch_after(int32_t epoch)
{
	return epoch == INT32_MAX ? 1 : epoch + 1;
}

/* --- requests --- */

static bool
take_request(struct session *s, const struct fetch_request *q)
{
	struct fetch_session_part p = { .high_watermark = -1, .log_start_offset = -1 };
	bool ok = true;
	for (int32_t i = 0; i < q->topics.n; i++) {
		p.topic = q->topics.v[i].topic;
		p.topic_id = q->topics.v[i].topic_id;
		for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++) {
			const struct fetch_request_fetch_partition *from = &q->topics.v[i].partitions.v[k];
			p.index = from->partition;
			p.size_max = from->partition_max_bytes;
			p.leader_epoch = from->current_leader_epoch;
			p.last_epoch = from->last_fetched_epoch;
			p.offset = from->fetch_offset;
			ok = set(s, &p) && ok;
		}
	}
	for (int32_t i = 0; i < q->forgotten_topics_data.n; i++) {
		const struct fetch_request_forgotten_topic *t = &q->forgotten_topics_data.v[i];
		p.topic = t->topic;
		p.topic_id = t->topic_id;
		for (int32_t k = 0; k < t->partitions.n; k++) {
			p.index = t->partitions.v[k];
			mark_gone(s, &p);
		}
	}
	pack(s);
	return ok;
}

static int16_t
next_locked(const struct fetch_request *q, bool by_id, struct session **of)
{
	struct session *s = session_of(q->session_id);
	*of = s;
	if (!s)
		return KERR_FETCH_SESSION_ID_NOT_FOUND;
	if (s->epoch != q->session_epoch)
		return KERR_INVALID_FETCH_SESSION_EPOCH;
	if (s->by_id != by_id)
		return KERR_FETCH_SESSION_TOPIC_ID_ERROR;
	if (take_request(s, q))
		return KERR_NONE;
	/* It has grown too large: the client begins anew, with full requests. */
	session_free(s);
	return KERR_FETCH_SESSION_ID_NOT_FOUND;
}

int16_t
fetch_session_next(const struct fetch_request *q, bool by_id, int64_t now_ms, struct arena *arena,
	struct fetch_session_part **v, int *n, bool *is_over)
{
	struct session *s;
	*n = 0;
	*is_over = false;
	pthread_mutex_lock(&cache.lock);
	int16_t error = next_locked(q, by_id, &s);
	if (error == KERR_NONE && s->n == 0) {
		*is_over = true;
		session_free(s);
	} else if (error == KERR_NONE) {
		s->used_ms = now_ms;
		s->epoch = epoch_after(s->epoch);
		*n = s->n;
		*v = arena_alloc(arena, (size_t)s->n * sizeof **v);
		for (int i = 0; i < s->n; i++) {
			struct fetch_session_part *p = &(*v)[i];
			*p = s->v[i]->part;
			/* Neighbours of one topic share a copy of its name. */
			p->topic = i && str_eq(p->topic, (*v)[i - 1].topic) ? (*v)[i - 1].topic
				: arena_str(arena, p->topic);
		}
	}
	pthread_mutex_unlock(&cache.lock);
	return error;
}

/* --- answers --- */

/* Those with records go last, so that all get their turn. */
static void
rotate(struct session *s, const struct fetch_session_part *v)
{
	struct cached **order = mem_alloc((size_t)s->n * sizeof(struct cached *));
	int n = 0;
	for (int last = 0; last < 2; last++)
		for (int i = 0; i < s->n; i++)
			if (v[i].has_records == last)
				order[n++] = s->v[i];
	memcpy(s->v, order, (size_t)s->n * sizeof(struct cached *));
	mem_free(order);
}

int16_t
fetch_session_answer(const struct fetch_request *q, struct fetch_session_part *v, int n)
{
	bool is_any = false;
	pthread_mutex_lock(&cache.lock);
	struct session *s = session_of(q->session_id);
	if (s && s->n != n)
		s = NULL; /* another one, by a rare chance */
	if (s && s->epoch != epoch_after(q->session_epoch)) {
		pthread_mutex_unlock(&cache.lock);
		return KERR_INVALID_FETCH_SESSION_EPOCH;
	}
	/* Without a session (it had to make room) all is told. */
	for (int i = 0; i < n; i++) {
		is_any |= v[i].has_records;
		struct fetch_session_part *known = s ? &s->v[i]->part : NULL;
		bool is_error = v[i].must_tell;
		v[i].must_tell |= v[i].has_records || !known ||
			known->high_watermark != v[i].high_watermark ||
			known->log_start_offset != v[i].log_start_offset;
		if (!known)
			continue;
		/* When an error goes away that is told, too. */
		known->high_watermark = is_error ? -1 : v[i].high_watermark;
		known->log_start_offset = v[i].log_start_offset;
	}
	if (s && is_any)
		rotate(s, v);
	pthread_mutex_unlock(&cache.lock);
	return KERR_NONE;
}

/* --- making room --- */

static bool
make_room(int n, int64_t now_ms)
{
	struct session *idlest = NULL, *smallest = NULL;
	MAP_EACH(it, &cache.sessions) {
		struct session *s = it->value;
		if (!idlest || s->used_ms < idlest->used_ms)
			idlest = s;
		if (now_ms - s->made_ms > FETCH_SESSION_IDLE_MS && (!smallest || s->n < smallest->n))
			smallest = s;
	}
	if (idlest && now_ms - idlest->used_ms > FETCH_SESSION_IDLE_MS)
		session_free(idlest);
	else if (smallest && smallest->n < n)
		session_free(smallest);
	else
		return false;
	return true;
}

static int32_t
new_id(void)
{
	uint32_t id;
	do {
		rand_bytes(&id, sizeof id);
		id &= INT32_MAX;
	} while (id == 0 || session_of((int32_t)id));
	return (int32_t)id;
}

static int32_t
new_locked(const struct fetch_session_part *v, int n, bool by_id, int64_t now_ms)
{
	struct session *s = NEW(struct session);
	if (cache.sessions.seed == 0)
		rand_bytes(&cache.sessions.seed, sizeof cache.sessions.seed);
	s->parts.seed = cache.sessions.seed;
	s->id = new_id();
	s->epoch = 1;
	s->by_id = by_id;
	s->made_ms = s->used_ms = now_ms;
	map_put(&cache.sessions, (struct str){ (const uint8_t *)&s->id, sizeof s->id }, s);
	for (int i = 0; i < n; i++)
		if (!set(s, &v[i])) {
			session_free(s);
			return 0;
		}
	return s->id;
}

int32_t
fetch_session_new(const struct fetch_session_part *v, int n, bool by_id, int nslot, int64_t now_ms)
{
	int32_t id = 0;
	if (n == 0 || n > FETCH_SESSION_PARTS_MAX || nslot <= 0)
		return 0;
	pthread_mutex_lock(&cache.lock);
	bool is_full = cache.sessions.n >= (uint32_t)nslot ||
		cache.nparts + n > FETCH_SESSION_PARTS_TOTAL_MAX;
	if (!is_full || make_room(n, now_ms))
		id = new_locked(v, n, by_id, now_ms);
	pthread_mutex_unlock(&cache.lock);
	return id;
}

void
fetch_session_end(int32_t id)
{
	pthread_mutex_lock(&cache.lock);
	struct session *s = session_of(id);
	if (s)
		session_free(s);
	pthread_mutex_unlock(&cache.lock);
}

int
fetch_session_count(void)
{
	pthread_mutex_lock(&cache.lock);
	int n = (int)cache.sessions.n;
	pthread_mutex_unlock(&cache.lock);
	return n;
}
