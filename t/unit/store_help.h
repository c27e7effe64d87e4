/*
 * A model of a store, as simple as possible: a sorted array.  With it, seeded histories that
 * do the same to a store and to the model, and compare all that the store says.
 */
#ifndef KQ_T_STORE_HELP_H
#define KQ_T_STORE_HELP_H

#include "stream/store.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

struct model_entry {
	char key[1100];
	int key_n;
	char value[1600];
	int value_n;
	int64_t ts_ms;
	bool is_there;   /* else removed, or never put */
	bool is_logged;  /* it was there at the last clean */
	int64_t changed; /* when it became dirty; 0: it is clean */
	bool was_there, was_removed, is_seen; /* at the start of a scan; during it */
};

struct model {
	struct model_entry **v;
	int n;
	int64_t clock;
};

static inline struct str
model_key(const struct model_entry *entry)
{
	return (struct str){ (const uint8_t *)entry->key, entry->key_n };
}

static inline struct str
model_value(const struct model_entry *entry)
{
	return (struct str){ (const uint8_t *)entry->value, entry->value_n };
}

/* The index of the first entry with key >= s. */
static inline int
model_find(const struct model *model, struct str key)
{
	int from = 0, to = model->n;
	while (from < to) {
		int i = (from + to) / 2;
		if (str_cmp(model_key(model->v[i]), key) < 0)
			from = i + 1;
		else
			to = i;
	}
	return from;
}

/* The key's entry; a new one is not there. */
static inline struct model_entry *
model_at(struct model *model, struct str key)
{
	int i = model_find(model, key);
	if (i < model->n && str_eq(model_key(model->v[i]), key))
		return model->v[i];
	model->v = mem_realloc(model->v, (size_t)(model->n + 1) * sizeof *model->v);
	memmove(model->v + i + 1, model->v + i, (size_t)(model->n - i) * sizeof *model->v);
	model->n++;
	model->v[i] = NEW(struct model_entry);
	model->v[i]->key_n = key.n;
	if (key.n)
		memcpy(model->v[i]->key, key.p, (size_t)key.n);
	return model->v[i];
}

static inline void
model_touch(struct model *model, struct model_entry *entry)
{
	if (!entry->changed)
		entry->changed = ++model->clock;
}

static inline void
model_put(struct model *model, struct str key, struct str value, int64_t ts_ms)
{
	struct model_entry *entry = model_at(model, key);
	if (value.n)
		memcpy(entry->value, value.p, (size_t)value.n);
	entry->value_n = value.n;
	entry->ts_ms = ts_ms;
	entry->is_there = true;
	model_touch(model, entry);
}

static inline void
model_remove(struct model *model, struct str key)
{
	struct model_entry *entry = model_at(model, key);
	entry->was_removed = true;
	if (!entry->is_there)
		return;
	entry->is_there = false;
	if (entry->is_logged)
		model_touch(model, entry);
	else
		entry->changed = 0;
}

static inline void
model_forget(struct model *model, struct str to)
{
	for (int i = 0; i < model->n && str_cmp(model_key(model->v[i]), to) < 0; i++) {
		struct model_entry *entry = model->v[i];
		entry->was_removed = true;
		entry->is_there = entry->is_logged = false;
		entry->changed = 0;
	}
}

static inline void
model_clean(struct model *model)
{
	for (int i = 0; i < model->n; i++) {
		model->v[i]->changed = 0;
		model->v[i]->is_logged = model->v[i]->is_there;
	}
}

static inline void
model_copy(struct model *to, const struct model *from)
{
	to->v = mem_realloc(to->v, (size_t)(from->n + 1) * sizeof *to->v);
	for (int i = 0; i < from->n; i++) {
		to->v[i] = mem_alloc(sizeof *to->v[i]);
		*to->v[i] = *from->v[i];
	}
	to->n = from->n;
	to->clock = from->clock;
}

static inline void
model_release(struct model *model)
{
	for (int i = 0; i < model->n; i++)
		mem_free(model->v[i]);
	mem_free(model->v);
	*model = (struct model){ 0 };
}

/* ---- comparing ---- */

static inline void
check_entry(const struct store_entry *entry, const struct model_entry *want)
{
	check(str_eq(entry->key, model_key(want)));
	check(str_eq(entry->value, model_value(want)));
	check_int(entry->ts_ms, want->ts_ms);
}

static inline bool
is_between(struct str key, struct str from, struct str to)
{
	return (from.n < 0 || str_cmp(key, from) >= 0) && (to.n < 0 || str_cmp(key, to) < 0);
}

static inline void
check_scan(struct store *store, const struct model *model, struct str from, struct str to,
	bool is_back)
{
	struct store_entry entry;
	struct store_iter *it = is_back ? store_scan_back(store, from, to)
					: store_scan(store, from, to);
	for (int i = 0; i < model->n; i++) {
		const struct model_entry *want = model->v[is_back ? model->n - 1 - i : i];
		if (!want->is_there || !is_between(model_key(want), from, to))
			continue;
		check(store_iter_next(it, &entry));
		check_entry(&entry, want);
	}
	check(!store_iter_next(it, &entry));
	store_iter_free(it);
}

struct listed {
	const struct model *model;
	int64_t last; /* change */
	int n;
};

static inline int
check_change(void *arg, const struct store_entry *entry, struct err *e)
{
	struct listed *listed = arg;
	(void)e;
	int i = model_find(listed->model, entry->key);
	check(i < listed->model->n);
	const struct model_entry *want = listed->model->v[i];
	check(str_eq(model_key(want), entry->key));
	check(want->changed > listed->last);
	listed->last = want->changed;
	listed->n++;
	if (want->is_there)
		check_entry(entry, want);
	else
		check(entry->value.n < 0);
	return 0;
}

static inline void
check_changes(struct store *store, const struct model *model)
{
	struct listed listed = { model, 0, 0 };
	struct err e;
	int n = 0;
	check(store_changes(store, check_change, &listed, &e) == 0);
	for (int i = 0; i < model->n; i++)
		n += model->v[i]->changed != 0;
	check_int(listed.n, n);
}

static inline int64_t
model_count(const struct model *model)
{
	int64_t n = 0;
	for (int i = 0; i < model->n; i++)
		n += model->v[i]->is_there;
	return n;
}

static inline void
check_all(struct store *store, const struct model *model)
{
	check_int(store_count(store), model_count(model));
	check_scan(store, model, STR_NULL, STR_NULL, false);
	check_scan(store, model, STR_NULL, STR_NULL, true);
}

/* ---- histories ---- */

struct history {
	uint64_t seed;
	struct store *store;
	struct model model;
	int nkey;        /* numbers that keys are made of */
	bool is_plain;   /* changes are not listed */
	bool is_fixed;   /* the same each time: without scans that may see what was added */
	uint8_t key[1100], from[1100], to[1100], value[1600];
};

static inline uint32_t
history_rand(struct history *history, uint32_t n)
{
	history->seed = history->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(history->seed >> 33) % n;
}

/* Short and long keys, with NULs, with long shared beginnings, prefixes of each other. */
static inline struct str
history_key(struct history *history, uint8_t *p)
{
	uint32_t number = history_rand(history, (uint32_t)history->nkey);
	uint32_t kind = number % 16;
	int n = 0;
	if (number == 0)
		return (struct str){ p, 0 };
	store_be64(p, number % 7); /* the segment */
	n = 8;
	if (kind == 1)
		n = (int)(number / 16 % 8);
	if (kind == 2 || kind == 3) {
		memset(p + n, 'x', 1000);
		n += kind == 2 ? 480 : 390 + (int)(number / 16 % 20);
	}
	if (kind != 1)
		n += snprintf((char *)p + n, 20, "%s%u", kind == 4 ? "" : "key-", number / 16);
	if (kind == 5)
		p[n++] = 0;
	return (struct str){ p, n };
}

static inline void
history_scan_and_change(struct history *history)
{
	struct model *model = &history->model;
	struct store_entry entry;
	uint8_t last[1100];
	int last_n = -1;
	bool is_back = history_rand(history, 2);
	struct str from = history_key(history, history->from), to = history_key(history, history->to);
	if (history_rand(history, 2))
		from = STR_NULL;
	if (history_rand(history, 2))
		to = STR_NULL;
	for (int i = 0; i < model->n; i++) {
		struct model_entry *was = model->v[i];
		was->was_there = was->is_there;
		was->was_removed = was->is_seen = false;
	}
	struct store_iter *it = is_back ? store_scan_back(history->store, from, to)
					: store_scan(history->store, from, to);
	while (store_iter_next(it, &entry)) {
		struct model_entry *want = model_at(model, entry.key);
		check(want->is_there && is_between(entry.key, from, to));
		check_entry(&entry, want);
		want->is_seen = true;
		int rc = last_n < 0 ? 1 : str_cmp(entry.key, (struct str){ last, last_n });
		check(last_n < 0 || (is_back ? rc < 0 : rc > 0));
		if (entry.key.n)
			memcpy(last, entry.key.p, (size_t)entry.key.n);
		last_n = entry.key.n;
		uint32_t what = history_rand(history, 4);
		struct str key = what == 0 ? (struct str){ last, last_n }
					   : history_key(history, history->key);
		if (what < 2) {
			store_remove(history->store, key);
			model_remove(model, key);
		} else if (what == 2) {
			int n = (int)history_rand(history, 200);
			struct str value = { history->value, n };
			memset(history->value, (int)history_rand(history, 256), (size_t)n);
			store_put(history->store, key, value, n);
			model_put(model, key, value, n);
		}
	}
	store_iter_free(it);
	for (int i = 0; i < model->n; i++) {
		const struct model_entry *now = model->v[i];
		if (now->was_there && !now->was_removed && is_between(model_key(now), from, to))
			check(now->is_seen);
	}
}

static inline void
history_slot(struct history *history, struct str key)
{
	struct model_entry *entry = model_at(&history->model, key);
	int64_t *ts_ms;
	bool is_new;
	if (entry->is_there && entry->value_n != 24)
		return;
	uint64_t *p = store_slot(history->store, key, 24, &ts_ms, &is_new);
	check((uintptr_t)p % 8 == 0);
	check(is_new == !entry->is_there);
	check_int(*ts_ms, is_new ? INT64_MIN : entry->ts_ms);
	check(is_new ? p[0] == 0 && p[1] == 0 && p[2] == 0 : memcmp(p, entry->value, 24) == 0);
	p[0] += 3;
	p[2] = (uint64_t)key.n;
	*ts_ms = key.n;
	model_put(&history->model, key, (struct str){ (uint8_t *)p, 24 }, key.n);
}

/* A value that is often like others in size, sometimes large. */
static inline struct str
history_value(struct history *history)
{
	uint32_t kind = history_rand(history, 16);
	int n = kind < 8 ? 24 : kind < 14 ? (int)history_rand(history, 100)
					  : (int)history_rand(history, 1600);
	memset(history->value, (int)history_rand(history, 256), (size_t)n);
	return (struct str){ history->value, n };
}

static inline void
history_look(struct history *history, struct str key)
{
	struct store_entry entry;
	struct model_entry *want = model_at(&history->model, key);
	bool is_found = store_get(history->store, key, &entry);
	check(is_found == want->is_there);
	if (is_found)
		check_entry(&entry, want);
}

static inline void
history_look_first(struct history *history, struct str key)
{
	struct store_entry entry;
	const struct model *model = &history->model;
	bool is_found = store_first(history->store, key, &entry);
	for (int i = model_find(model, key); i < model->n; i++) {
		if (!model->v[i]->is_there)
			continue;
		check(is_found);
		check_entry(&entry, model->v[i]);
		return;
	}
	check(!is_found);
}

/* As a queue: some of the first ones from the key on go. */
static inline void
history_take_first(struct history *history, struct str key)
{
	struct store_entry entry;
	uint8_t first[sizeof history->key];
	for (uint32_t n = history_rand(history, 20); n > 0; n--) {
		history_look_first(history, key);
		if (!store_first(history->store, key, &entry))
			break;
		struct str copy = { first, entry.key.n };
		check((size_t)entry.key.n <= sizeof first);
		memcpy(first, entry.key.p, (size_t)entry.key.n);
		store_remove(history->store, copy);
		model_remove(&history->model, copy);
	}
}

static inline void
history_change(struct history *history, uint32_t what, struct str key)
{
	if (what < 30) {
		struct str value = history_value(history);
		int64_t ts_ms = (int64_t)history_rand(history, 1000) - 500;
		store_put(history->store, key, value, ts_ms);
		model_put(&history->model, key, value, ts_ms);
	} else if (what < 50) {
		history_slot(history, key);
	} else {
		store_remove(history->store, key);
		model_remove(&history->model, key);
	}
}

/* One step of a history; the owner cleans. */
static inline void
history_step(struct history *history)
{
	uint32_t what = history_rand(history, 100);
	struct str key = history_key(history, history->key);
	if (what < 65) {
		history_change(history, what, key);
	} else if (what < 85) {
		store_prefetch(history->store, key);
		history_look(history, key);
	} else if (what < 88) {
		history_look_first(history, key);
	} else if (what < 90) {
		history_take_first(history, history_rand(history, 2) ? key : STR_NULL);
	} else if (what < 95) {
		check_scan(history->store, &history->model, key,
			history_key(history, history->to), history_rand(history, 2));
	} else if (what < 97 && !history->is_fixed) {
		history_scan_and_change(history);
	} else if (what == 97 && history_rand(history, 10) == 0) {
		store_forget_before(history->store, key);
		model_forget(&history->model, key);
	} else if (what == 98 && !history->is_plain) {
		check_changes(history->store, &history->model);
	} else {
		check_int(store_count(history->store), model_count(&history->model));
	}
}

#endif
