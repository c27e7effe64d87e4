#include "kq-broker/fetch_session.h"

#include "proto.h"
#include "sys/rand.h"
#include "wire/kerr.h"

/* A partition of a session; the bytes of its key (topic and index) follow it. */
struct cached {
	struct str key;
	struct fetch_session_part part;
};

struct fetch_session {
	struct fetch_sessions *all;
	int32_t id, epoch; /* epoch: of the next request */
	bool by_id;
	int64_t made_ms, used_ms;
	struct map parts;
	struct cached **v; /* in the order in which they are read */
	int n, cap;
};

void
fetch_sessions_init(struct fetch_sessions *sessions, int nslot)
{
	*sessions = (struct fetch_sessions){ .nslot = nslot };
	pthread_mutex_init(&sessions->lock, NULL);
	rand_bytes(&sessions->by_id.seed, sizeof sessions->by_id.seed);
}

/* ---- one session ---- */

enum { UUID_SIZE = sizeof(struct uuid), KEY_MAX = 260 };

static struct str
key_of(const struct fetch_session_part *part, bool by_id, uint8_t bytes[KEY_MAX])
{
	int32_t n = by_id ? UUID_SIZE : MIN(MAX(part->topic.n, 0), KEY_MAX - 4);
	if (n)
		memcpy(bytes, by_id ? part->topic_id.bytes : part->topic.p, (size_t)n);
	store_be32(bytes + n, (uint32_t)part->index);
	return (struct str){ bytes, n + 4 };
}

static struct cached *
find(const struct fetch_session *session, const struct fetch_session_part *part)
{
	uint8_t bytes[KEY_MAX];
	return map_get(&session->parts, key_of(part, session->by_id, bytes));
}

/* Add the partition, or change it as the request says.  False: there is no room. */
static bool
set(struct fetch_session *session, const struct fetch_session_part *part)
{
	uint8_t bytes[KEY_MAX];
	struct str key = key_of(part, session->by_id, bytes);
	struct cached *cached = map_get(&session->parts, key);
	if (cached) {
		cached->part.offset = part->offset;
		cached->part.size_max = part->size_max;
		cached->part.leader_epoch = part->leader_epoch;
		cached->part.last_epoch = part->last_epoch;
		return true;
	}
	if (session->n >= FETCH_SESSION_PARTS_MAX
		|| session->all->npart >= FETCH_SESSION_PARTS_TOTAL_MAX)
		return false;
	cached = mem_alloc(sizeof *cached + (size_t)key.n);
	memcpy(cached + 1, bytes, (size_t)key.n);
	cached->key = (struct str){ (const uint8_t *)(cached + 1), key.n };
	cached->part = *part;
	cached->part.topic = session->by_id ? STR("") : (struct str){ cached->key.p, key.n - 4 };
	map_put(&session->parts, cached->key, cached);
	if (session->n == session->cap) {
		session->cap = session->cap ? session->cap * 2 : 4;
		session->v = mem_realloc(session->v, (size_t)session->cap * sizeof(struct cached *));
	}
	session->v[session->n++] = cached;
	session->all->npart++;
	return true;
}

/* Out of the map only; pack removes it from the array. */
static void
mark_gone(struct fetch_session *session, const struct fetch_session_part *part)
{
	struct cached *cached = find(session, part);
	if (cached) {
		map_remove(&session->parts, cached->key);
		cached->key = STR_NULL;
	}
}

static void
pack(struct fetch_session *session)
{
	int n = 0;
	for (int i = 0; i < session->n; i++) {
		if (session->v[i]->key.n >= 0)
			session->v[n++] = session->v[i];
		else
			mem_free(session->v[i]);
	}
	session->all->npart -= session->n - n;
	session->n = n;
}

static void
free_session(struct fetch_session *session)
{
	for (int i = 0; i < session->n; i++)
		mem_free(session->v[i]);
	session->all->npart -= session->n;
	map_release(&session->parts);
	mem_free(session->v);
	mem_free(session);
}

void
fetch_sessions_release(struct fetch_sessions *sessions)
{
	MAP_EACH(it, &sessions->by_id)
		free_session(it->value);
	map_release(&sessions->by_id);
	pthread_mutex_destroy(&sessions->lock);
}

static struct str
id_str(const int32_t *id)
{
	return (struct str){ (const uint8_t *)id, sizeof *id };
}

static struct fetch_session *
session_of(const struct fetch_sessions *sessions, int32_t id)
{
	return map_get(&sessions->by_id, id_str(&id));
}

static void
end(struct fetch_session *session)
{
	map_remove(&session->all->by_id, id_str(&session->id));
	free_session(session);
}

static int32_t
epoch_after(int32_t epoch)
{
	return epoch == INT32_MAX ? 1 : epoch + 1;
}

/* ---- requests ---- */

static bool
take_request(struct fetch_session *session, const struct fetch_request *q)
{
	struct fetch_session_part part = { .high_watermark = -1, .log_start_offset = -1 };
	bool ok = true;
	for (int32_t i = 0; i < q->topics.n; i++) {
		part.topic = q->topics.v[i].topic;
		part.topic_id = q->topics.v[i].topic_id;
		for (int32_t k = 0; k < q->topics.v[i].partitions.n; k++) {
			const struct fetch_request_partition *from = &q->topics.v[i].partitions.v[k];
			part.index = from->partition;
			part.size_max = from->partition_max_bytes;
			part.leader_epoch = from->current_leader_epoch;
			part.last_epoch = from->last_fetched_epoch;
			part.offset = from->fetch_offset;
			ok = set(session, &part) && ok;
		}
	}
	for (int32_t i = 0; i < q->forgotten_topics_data.n; i++) {
		const struct fetch_request_forgotten_topic *t = &q->forgotten_topics_data.v[i];
		part.topic = t->topic;
		part.topic_id = t->topic_id;
		for (int32_t k = 0; k < t->partitions.n; k++) {
			part.index = t->partitions.v[k];
			mark_gone(session, &part);
		}
	}
	pack(session);
	return ok;
}

static int16_t
next_locked(struct fetch_sessions *sessions, const struct fetch_request *q, bool by_id,
	struct fetch_session **found)
{
	struct fetch_session *session = session_of(sessions, q->session_id);
	*found = session;
	if (!session)
		return KERR_FETCH_SESSION_ID_NOT_FOUND;
	if (session->epoch != q->session_epoch)
		return KERR_INVALID_FETCH_SESSION_EPOCH;
	if (session->by_id != by_id)
		return KERR_FETCH_SESSION_TOPIC_ID_ERROR;
	if (take_request(session, q))
		return KERR_NONE;
	/* It has grown too large: the client starts again, with a full request. */
	end(session);
	return KERR_FETCH_SESSION_ID_NOT_FOUND;
}

int16_t
fetch_session_next(struct fetch_sessions *sessions, const struct fetch_request *q, bool by_id,
	int64_t now_ms, struct arena *arena, struct fetch_session_part **v, int *n, bool *is_over)
{
	struct fetch_session *session;
	*n = 0;
	*is_over = false;
	pthread_mutex_lock(&sessions->lock);
	int16_t error = next_locked(sessions, q, by_id, &session);
	if (error == KERR_NONE && session->n == 0) {
		*is_over = true;
		end(session);
	} else if (error == KERR_NONE) {
		session->used_ms = now_ms;
		session->epoch = epoch_after(session->epoch);
		*n = session->n;
		*v = arena_alloc(arena, (size_t)session->n * sizeof **v);
		for (int i = 0; i < session->n; i++) {
			struct fetch_session_part *part = &(*v)[i];
			*part = session->v[i]->part;
			/* Neighbours of the same topic share a copy of its name. */
			part->topic = i && str_eq(part->topic, (*v)[i - 1].topic) ? (*v)[i - 1].topic
				: arena_str(arena, part->topic);
		}
	}
	pthread_mutex_unlock(&sessions->lock);
	return error;
}

/* ---- answers ---- */

/* Move those with records to the end, so that all get their turn. */
static void
rotate(struct fetch_session *session, const struct fetch_session_part *v)
{
	struct cached **order = mem_alloc((size_t)session->n * sizeof(struct cached *));
	int n = 0;
	for (int last = 0; last < 2; last++)
		for (int i = 0; i < session->n; i++)
			if (v[i].has_records == last)
				order[n++] = session->v[i];
	memcpy(session->v, order, (size_t)session->n * sizeof(struct cached *));
	mem_free(order);
}

/* Is there news of a partition?  known: what the session noted; NULL: nothing. */
static bool
is_news(const struct fetch_session_part *part, const struct fetch_session_part *known)
{
	return part->is_listed || part->has_records || !known
		|| known->high_watermark != part->high_watermark
		|| known->log_start_offset != part->log_start_offset;
}

int16_t
fetch_session_answer(struct fetch_sessions *sessions, const struct fetch_request *q,
	struct fetch_session_part *v, int n)
{
	bool is_any = false;
	pthread_mutex_lock(&sessions->lock);
	struct fetch_session *session = session_of(sessions, q->session_id);
	if (session && session->n != n)
		session = NULL; /* another one that got the same id */
	if (session && session->epoch != epoch_after(q->session_epoch)) {
		pthread_mutex_unlock(&sessions->lock);
		return KERR_INVALID_FETCH_SESSION_EPOCH;
	}
	/* Without a session (it had to make room) all are listed. */
	for (int i = 0; i < n; i++) {
		is_any |= v[i].has_records;
		struct fetch_session_part *known = session ? &session->v[i]->part : NULL;
		bool is_error = v[i].is_listed;
		v[i].is_listed = is_news(&v[i], known);
		if (!known)
			continue;
		/* After an error the partition is listed once more when the error is gone. */
		known->high_watermark = is_error ? -1 : v[i].high_watermark;
		known->log_start_offset = v[i].log_start_offset;
	}
	if (session && is_any)
		rotate(session, v);
	pthread_mutex_unlock(&sessions->lock);
	return KERR_NONE;
}

/* ---- making room ---- */

/* For a session of n partitions. */
static bool
make_room(struct fetch_sessions *sessions, int n, int64_t now_ms)
{
	struct fetch_session *idlest = NULL, *smallest = NULL;
	MAP_EACH(it, &sessions->by_id) {
		struct fetch_session *session = it->value;
		if (!idlest || session->used_ms < idlest->used_ms)
			idlest = session;
		if (now_ms - session->made_ms > FETCH_SESSION_IDLE_MS
			&& (!smallest || session->n < smallest->n))
			smallest = session;
	}
	if (idlest && now_ms - idlest->used_ms > FETCH_SESSION_IDLE_MS)
		end(idlest);
	else if (smallest && smallest->n < n)
		end(smallest);
	else
		return false;
	return true;
}

static int32_t
new_id(const struct fetch_sessions *sessions)
{
	uint32_t id;
	do {
		rand_bytes(&id, sizeof id);
		id &= INT32_MAX;
	} while (id == 0 || session_of(sessions, (int32_t)id));
	return (int32_t)id;
}

static int32_t
new_locked(struct fetch_sessions *sessions, const struct fetch_session_part *v, int n, bool by_id,
	int64_t now_ms)
{
	struct fetch_session *session = NEW(struct fetch_session);
	session->all = sessions;
	session->parts.seed = sessions->by_id.seed;
	session->id = new_id(sessions);
	session->epoch = 1;
	session->by_id = by_id;
	session->made_ms = session->used_ms = now_ms;
	map_put(&sessions->by_id, id_str(&session->id), session);
	for (int i = 0; i < n; i++)
		if (!set(session, &v[i])) {
			end(session);
			return 0;
		}
	return session->id;
}

int32_t
fetch_session_new(struct fetch_sessions *sessions, const struct fetch_session_part *v, int n,
	bool by_id, int64_t now_ms)
{
	int32_t id = 0;
	if (n == 0 || n > FETCH_SESSION_PARTS_MAX || sessions->nslot <= 0)
		return 0;
	pthread_mutex_lock(&sessions->lock);
	bool is_full = sessions->by_id.n >= (uint32_t)sessions->nslot
		|| sessions->npart + n > FETCH_SESSION_PARTS_TOTAL_MAX;
	if (!is_full || make_room(sessions, n, now_ms))
		id = new_locked(sessions, v, n, by_id, now_ms);
	pthread_mutex_unlock(&sessions->lock);
	return id;
}

void
fetch_session_end(struct fetch_sessions *sessions, int32_t id)
{
	pthread_mutex_lock(&sessions->lock);
	struct fetch_session *session = session_of(sessions, id);
	if (session)
		end(session);
	pthread_mutex_unlock(&sessions->lock);
}
