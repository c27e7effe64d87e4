#include "stream/win_ahead.h"

/* The store loads a slot of its index at once, and the record 8 keys later. */
enum { NPLACE = 16, KEY_MAX = 64 };

/* A record that waits, followed by its numbers. */
struct waiting {
	int64_t ts_ms;
	int32_t key_n;
	uint8_t key[KEY_MAX];
	double v[];
};

void
win_ahead_init(struct win_ahead *ahead, struct store *store, struct flow_agg *agg)
{
	*ahead = (struct win_ahead){ .store = store };
	if (!agg->read)
		return;
	assert(agg->state_size > 0);
	ahead->agg = agg;
	ahead->place_size = sizeof(struct waiting) + (size_t)agg->nread * sizeof(double);
	ahead->place = mem_alloc(NPLACE * ahead->place_size);
}

void
win_ahead_release(struct win_ahead *ahead)
{
	mem_free(ahead->place);
	*ahead = (struct win_ahead){ .n = 0 };
}

bool
win_ahead_can(const struct win_ahead *ahead, struct str key)
{
	return ahead->agg && key.n <= KEY_MAX;
}

static struct waiting *
place_of(const struct win_ahead *ahead, uint32_t i)
{
	return (void *)(ahead->place + i % NPLACE * ahead->place_size);
}

/* Let the store have the record that has waited longest. */
static void
pass_on(struct win_ahead *ahead)
{
	struct flow_agg *agg = ahead->agg;
	const struct waiting *record = place_of(ahead, ahead->first++);
	int64_t *ts_ms;
	bool is_new;
	ahead->n--;
	uint8_t *slot = store_slot(ahead->store, (struct str){ record->key, record->key_n },
		agg->state_size, &ts_ms, &is_new);
	agg->add_read(agg, record->v, (struct str){ slot, agg->state_size });
	*ts_ms = MAX(*ts_ms, record->ts_ms);
}

void
win_ahead_put(struct win_ahead *ahead, struct str key, const double *v, int64_t ts_ms)
{
	assert(win_ahead_can(ahead, key));
	if (ahead->n == NPLACE)
		pass_on(ahead);
	struct waiting *record = place_of(ahead, ahead->first + ahead->n++);
	record->ts_ms = ts_ms;
	record->key_n = key.n;
	memcpy(record->key, key.p, (size_t)key.n);
	memcpy(record->v, v, (size_t)ahead->agg->nread * sizeof *v);
	store_prefetch(ahead->store, key);
}

void
win_ahead_flush(struct win_ahead *ahead)
{
	while (ahead->n)
		pass_on(ahead);
}
