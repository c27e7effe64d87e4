#include "txn/txn.h"
#include "proto.h"

struct txns *
txns_new(const struct txns_config *c, struct coord_env *env)
{
	assert(c->npartition > 0 && c->timeout_max_ms > 0);
	assert(c->abort_interval_ms > 0 && c->expiry_interval_ms > 0);
	struct txns *t = NEW(struct txns);
	t->config = *c;
	t->env = env;
	t->by_id.seed = (uint32_t)env->random(env);
	t->waits.seed = (uint32_t)env->random(env);
	list_init(&t->ongoing);
	list_init(&t->stuck);
	list_init(&t->unfinished);
	list_init(&t->batches);
	t->next_scan_ms = t->next_expiry_ms = INT64_MAX;
	return t;
}

void
txns_free(struct txns *t)
{
	if (!t)
		return;
	MAP_EACH(e, &t->by_id)
		txn_free(e->value);
	MAP_EACH(e, &t->waits)
		mem_free(e->value);
	LIST_EACH(l, &t->batches)
		mem_free(CONTAINER_OF(l, struct txn_batch, link));
	map_release(&t->by_id);
	map_release(&t->waits);
	arena_release(&t->scratch);
	buf_release(&t->key);
	buf_release(&t->value);
	mem_free(t);
}

int32_t
txns_count(const struct txns *t)
{
	return (int32_t)t->by_id.n;
}

/* ---- ids ---- */

struct txn *
txn_find(const struct txns *t, struct str id)
{
	return map_get(&t->by_id, id);
}

struct txn *
txn_new(struct txns *t, struct str id)
{
	struct txn *x = mem_alloc(sizeof *x + (size_t)id.n);
	memcpy(x->id_bytes, id.p, (size_t)id.n);
	x->id = (struct str){ x->id_bytes, id.n };
	x->partition = coord_partition_of(id, t->config.npartition);
	x->m = (struct txn_meta){ .producer_id = -1, .previous_producer_id = -1,
		.next_producer_id = -1, .start_ms = -1, .epoch = -1, .last_epoch = -1 };
	list_init(&x->link);
	return x;
}

void
txn_put(struct txns *t, struct txn *x)
{
	assert(!txn_find(t, x->id));
	map_put(&t->by_id, x->id, x);
	t->ids_size += x->id.n;
}

void
txn_free(struct txn *x)
{
	txn_parts_release(&x->parts);
	mem_free(x);
}

void
txn_drop(struct txns *t, struct txn *x)
{
	assert(x->nwait == 0);
	map_remove(&t->by_id, x->id);
	t->ids_size -= x->id.n;
	t->parts_size -= x->parts.size;
	list_unlink(&x->link);
	txn_free(x);
}

void
txn_link(struct txns *t, struct txn *x, struct list *to)
{
	(void)t;
	list_unlink(&x->link);
	if (to)
		list_append(to, &x->link);
}

/* ---- requests ---- */

typedef void (*handler_fn)(struct txns *t, struct coord_call *call, struct coord_now now);

static const handler_fn handlers[] = { /* by API key */
	[API_INIT_PRODUCER_ID] = txn_handle_init,
	[API_ADD_PARTITIONS_TO_TXN] = txn_handle_add_partitions,
	[API_ADD_OFFSETS_TO_TXN] = txn_handle_add_offsets,
	[API_END_TXN] = txn_handle_end,
	[API_DESCRIBE_TRANSACTIONS] = txn_handle_describe,
	[API_LIST_TRANSACTIONS] = txn_handle_list,
};

bool
txns_handles(int16_t api_key)
{
	return api_key >= 0 && api_key < (int)ARRAY_LEN(handlers) && handlers[api_key];
}

/* Timers start with the first call that needs them: nobody told us the time
 * before. */
void
txn_see_time(struct txns *t, struct coord_now now)
{
	if (t->by_id.n > 0 && t->next_expiry_ms == INT64_MAX)
		t->next_expiry_ms = now.mono_ms + t->config.expiry_interval_ms;
	bool need = !list_is_empty(&t->ongoing) || !list_is_empty(&t->stuck);
	if (need && t->next_scan_ms == INT64_MAX)
		t->next_scan_ms = now.mono_ms + t->config.abort_interval_ms;
}

void
txns_handle(struct txns *t, struct coord_call *call, struct coord_now now)
{
	assert(txns_handles(call->api_key));
	call->partition = -1;
	handlers[call->api_key](t, call, now);
	arena_reset(&t->scratch);
	txn_see_time(t, now);
}

void
txn_respond(struct txns *t, struct coord_call *call, struct str id, const void *response)
{
	/* Errors wait as well: they, too, tell of what was written before. */
	call->partition = id.n > 0 ? coord_partition_of(id, t->config.npartition) : -1;
	t->env->respond(t->env, call, response);
}

/* ---- tickets ---- */

static struct str
ticket_key(const uint64_t *ticket)
{
	return (struct str){ (const uint8_t *)ticket, sizeof *ticket };
}

uint64_t
txn_ticket(struct txns *t, enum txn_wait_kind kind, struct txn *x, struct txn_batch *b)
{
	struct txn_wait *w = NEW(struct txn_wait);
	*w = (struct txn_wait){ ++t->last_ticket, kind, x, b };
	map_put(&t->waits, ticket_key(&w->ticket), w);
	if (x)
		x->nwait++;
	if (b)
		b->nwait++;
	return w->ticket;
}

/* False: told before, or never asked for. */
static bool
take_ticket(struct txns *t, uint64_t ticket, struct txn_wait *out)
{
	struct txn_wait *w = map_remove(&t->waits, ticket_key(&ticket));
	if (!w)
		return false;
	*out = *w;
	mem_free(w);
	if (out->txn)
		out->txn->nwait--;
	if (out->batch)
		out->batch->nwait--;
	return true;
}

void
txns_committed(struct txns *t, uint64_t ticket, struct coord_now now)
{
	struct txn_wait w;
	if (!take_ticket(t, ticket, &w))
		return;
	assert(w.kind != TXN_WAIT_MARKERS);
	if (w.kind == TXN_WAIT_PREPARED)
		txn_send_markers(t, w.txn, now);
	else if (w.kind == TXN_WAIT_ADDED && w.txn->add_ticket == ticket)
		w.txn->add_ticket = 0;
	else if (w.batch && w.batch->nwait == 0)
		txn_batch_respond(t, w.batch);
	arena_reset(&t->scratch);
	txn_see_time(t, now);
}

void
txns_markers_written(struct txns *t, uint64_t ticket, struct coord_now now)
{
	struct txn_wait w;
	if (!take_ticket(t, ticket, &w))
		return;
	assert(w.kind == TXN_WAIT_MARKERS);
	txn_complete(t, w.txn, now);
	arena_reset(&t->scratch);
	txn_see_time(t, now);
}

void
txns_stop(struct txns *t)
{
	LIST_EACH(l, &t->batches) {
		struct txn_batch *b = CONTAINER_OF(l, struct txn_batch, link);
		struct add_partitions_to_txn_response r;
		wire_defaults(&add_partitions_to_txn_response_desc, &r);
		r.error_code = KERR_NOT_COORDINATOR;
		b->response = r;
		b->call->partition = -1;
		txn_batch_respond(t, b);
	}
	/* What their tickets stood for is over. */
	MAP_EACH(e, &t->waits) {
		struct txn_wait *w = e->value;
		if (w->kind == TXN_WAIT_BATCH)
			w->batch = NULL;
	}
}

/* ---- timers ---- */

int64_t
txns_next_tick(const struct txns *t)
{
	return MIN(t->next_scan_ms, t->next_expiry_ms);
}

/* Transactions that ran out of time, and ends whose last record was refused. */
static void
scan(struct txns *t, struct coord_now now)
{
	LIST_EACH(l, &t->stuck)
		txn_complete(t, CONTAINER_OF(l, struct txn, link), now);
	LIST_EACH(l, &t->ongoing) {
		struct txn *x = CONTAINER_OF(l, struct txn, link);
		if (now.mono_ms - x->start_mono_ms > x->m.timeout_ms)
			txn_fence(t, x, now); /* refused: the next scan tries again */
		arena_reset(&t->scratch);
	}
	t->next_scan_ms = INT64_MAX; /* txn_see_time knows better */
}

static void
expire(struct txns *t, struct coord_now now)
{
	struct txn **old = arena_alloc(&t->scratch, TXN_EXPIRE_MAX * sizeof *old);
	int n = 0;
	MAP_EACH(e, &t->by_id) {
		struct txn *x = e->value;
		bool is_old = x->m.update_ms <= now.wall_ms - t->config.id_expiration_ms;
		if (is_old && txn_is_idle(x) && x->nwait == 0 && n < TXN_EXPIRE_MAX)
			old[n++] = x;
	}
	int done = 0;
	while (done < n && txn_write_tombstone(t, old[done], now) == KERR_NONE)
		txn_drop(t, old[done++]);
	bool more = n == TXN_EXPIRE_MAX && done == n;
	t->next_expiry_ms = now.mono_ms
		+ (more ? TXN_EXPIRE_AGAIN_MS : t->config.expiry_interval_ms);
	arena_reset(&t->scratch);
}

void
txns_tick(struct txns *t, struct coord_now now)
{
	if (now.mono_ms >= t->next_scan_ms)
		scan(t, now);
	if (now.mono_ms >= t->next_expiry_ms)
		expire(t, now);
	if (t->by_id.n == 0)
		t->next_expiry_ms = INT64_MAX;
	txn_see_time(t, now);
}
