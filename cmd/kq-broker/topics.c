#include "kq-broker/topics.h"

#include "base/mem.h"
#include "sys/rand.h"

#include <stdlib.h>

void
topics_init(struct topics *t)
{
	*t = (struct topics){ .by_name = MAP_INIT, .by_id = MAP_INIT };
	pthread_rwlock_init(&t->lock, NULL);
	rand_bytes(&t->by_name.seed, sizeof t->by_name.seed);
}

void
topic_free(struct topic *t)
{
	for (int32_t i = 0; i < t->npartition; i++)
		partition_put(t->partition[i]);
	mem_free(t->partition);
	topic_config_put(t->config);
	config_set_free(t->overrides);
	mem_free(t->name);
	mem_free(t);
}

void
topics_release(struct topics *t)
{
	MAP_EACH(it, &t->by_name)
		topic_free(it->value);
	map_release(&t->by_name);
	map_release(&t->by_id);
	pthread_rwlock_destroy(&t->lock);
}

void
topics_read_begin(struct topics *t)
{
	pthread_rwlock_rdlock(&t->lock);
}

void
topics_read_end(struct topics *t)
{
	pthread_rwlock_unlock(&t->lock);
}

struct topic *
topics_find(struct topics *t, struct str name)
{
	return map_get(&t->by_name, name);
}

struct topic *
topics_find_id(struct topics *t, const struct uuid *id)
{
	return map_get(&t->by_id, (struct str){ id->bytes, sizeof id->bytes });
}

struct partition *
topics_partition(struct topics *t, struct str name, const struct uuid *id,
	int32_t index, bool *is_topic)
{
	struct partition *part = NULL;
	topics_read_begin(t);
	struct topic *topic = name.n >= 0 ? topics_find(t, name) : topics_find_id(t, id);
	if (is_topic)
		*is_topic = topic != NULL;
	if (topic && index >= 0 && index < topic->npartition)
		part = partition_get(topic->partition[index]);
	topics_read_end(t);
	return part;
}

static int
by_name(const void *a, const void *b)
{
	const struct topic *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

struct topic **
topics_sorted(struct topics *t, struct arena *a, int *n)
{
	struct topic **v = arena_alloc(a, (t->by_name.n + 1) * sizeof *v);
	*n = 0;
	MAP_EACH(it, &t->by_name)
		v[(*n)++] = it->value;
	qsort(v, (size_t)*n, sizeof *v, by_name);
	return v;
}

void
topics_listen(struct topics *t, struct topics_listener *listener)
{
	listener->next = t->listeners;
	t->listeners = listener;
}

void
topics_notify_changed(struct topics *t, struct str topic)
{
	for (struct topics_listener *it = t->listeners; it; it = it->next)
		if (it->changed)
			it->changed(it, topic);
}

void
topics_notify_deleted(struct topics *t, struct str topic)
{
	for (struct topics_listener *it = t->listeners; it; it = it->next)
		if (it->deleted)
			it->deleted(it, topic);
}

const char *
topic_name_fault(struct str name)
{
	if (name.n <= 0)
		return "a topic name must not be empty";
	if (name.n > TOPIC_NAME_MAX)
		return "a topic name has at most 249 characters";
	if (str_eq(name, STR(".")) || str_eq(name, STR("..")))
		return "a topic can't be named '.' or '..'";
	for (int32_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
			|| c == '.' || c == '_' || c == '-'))
			return "a topic name is made of letters, digits, '.', '_' and '-'";
	}
	return NULL;
}
