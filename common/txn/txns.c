#include "txn/txn.h"
#include "proto.h"

struct txns *
txns_new(const struct txns_config *config, struct coord_env *env)
{
	assert(config->npartition > 0 && config->timeout_max_ms > 0);
	assert(config->abort_interval_ms > 0 && config->expiry_interval_ms > 0);
	struct txns *txns = NEW(struct txns);
	txns->config = *config;
	txns->env = env;
	txns->by_id.seed = (uint32_t)env->random(env);
	txns->waits.seed = (uint32_t)env->random(env);
	list_init(&txns->ongoing);
	list_init(&txns->stuck);
	list_init(&txns->unfinished);
	list_init(&txns->batches);
	txns->next_scan_ms = txns->next_expiry_ms = INT64_MAX;
	return txns;
}

void
txns_free(struct txns *txns)
{
	if (!txns)
		return;
	MAP_EACH(e, &txns->by_id)
		txn_free(e->value);
	MAP_EACH(e, &txns->waits)
		mem_free(e->value);
	LIST_EACH(l, &txns->batches)
		mem_free(CONTAINER_OF(l, struct txn_batch, link));
	map_release(&txns->by_id);
	map_release(&txns->waits);
	arena_release(&txns->scratch);
	buf_release(&txns->key);
	buf_release(&txns->value);
	mem_free(txns);
}

int32_t
txns_count(const struct txns *txns)
{
	return (int32_t)txns->by_id.n;
}

/* ---- ids ---- */

struct txn *
txn_find(const struct txns *txns, struct str id)
{
	return map_get(&txns->by_id, id);
}

struct txn *
txn_new(struct txns *txns, struct str id)
{
	struct txn *txn = mem_alloc(sizeof *txn + (size_t)id.n);
	memcpy(txn->id_bytes, id.p, (size_t)id.n);
	txn->id = (struct str){ txn->id_bytes, id.n };
	txn->partition = coord_partition_of(id, txns->config.npartition);
	txn->meta = (struct txn_meta){ .producer_id = -1, .previous_producer_id = -1,
		.next_producer_id = -1, .start_ms = -1, .epoch = -1, .last_epoch = -1 };
	list_init(&txn->link);
	return txn;
}

void
txn_put(struct txns *txns, struct txn *txn)
{
	assert(!txn_find(txns, txn->id));
	map_put(&txns->by_id, txn->id, txn);
	txns->ids_size += txn->id.n;
}

void
txn_free(struct txn *txn)
{
	txn_parts_release(&txn->parts);
	mem_free(txn);
}

void
txn_drop(struct txns *txns, struct txn *txn)
{
	assert(txn->nwait == 0);
	map_remove(&txns->by_id, txn->id);
	txns->ids_size -= txn->id.n;
	txns->parts_size -= txn->parts.size;
	list_unlink(&txn->link);
	txn_free(txn);
}

void
txn_link(struct txns *txns, struct txn *txn, struct list *to)
{
	(void)txns;
	list_unlink(&txn->link);
	if (to)
		list_append(to, &txn->link);
}

/* ---- requests ---- */

typedef void (*handler_fn)(struct txns *txns, struct coord_call *call, struct coord_now now);

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

void
txn_arm_timers(struct txns *txns, struct coord_now now)
{
	if (txns->by_id.n > 0 && txns->next_expiry_ms == INT64_MAX)
		txns->next_expiry_ms = now.mono_ms + txns->config.expiry_interval_ms;
	bool need = !list_is_empty(&txns->ongoing) || !list_is_empty(&txns->stuck);
	if (need && txns->next_scan_ms == INT64_MAX)
		txns->next_scan_ms = now.mono_ms + txns->config.abort_interval_ms;
}

void
txns_handle(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	assert(txns_handles(call->api_key));
	call->partition = -1;
	handlers[call->api_key](txns, call, now);
	arena_reset(&txns->scratch);
	txn_arm_timers(txns, now);
}

void
txn_respond(struct txns *txns, struct coord_call *call, struct str id, const void *response)
{
	/* Errors wait as well: they, too, depend on what was written before. */
	call->partition = id.n > 0 ? coord_partition_of(id, txns->config.npartition) : -1;
	txns->env->respond(txns->env, call, response);
}

/* ---- tickets ---- */

static struct str
ticket_key(const uint64_t *ticket)
{
	return (struct str){ (const uint8_t *)ticket, sizeof *ticket };
}

uint64_t
txn_ticket(struct txns *txns, enum txn_wait_kind kind, struct txn *txn, struct txn_batch *batch)
{
	struct txn_wait *wait = NEW(struct txn_wait);
	*wait = (struct txn_wait){ ++txns->last_ticket, kind, txn, batch };
	map_put(&txns->waits, ticket_key(&wait->ticket), wait);
	if (txn)
		txn->nwait++;
	if (batch)
		batch->nwait++;
	return wait->ticket;
}

/* False: the ticket was taken before, or never given. */
static bool
take_ticket(struct txns *txns, uint64_t ticket, struct txn_wait *out)
{
	struct txn_wait *wait = map_remove(&txns->waits, ticket_key(&ticket));
	if (!wait)
		return false;
	*out = *wait;
	mem_free(wait);
	if (out->txn)
		out->txn->nwait--;
	if (out->batch)
		out->batch->nwait--;
	return true;
}

void
txns_committed(struct txns *txns, uint64_t ticket, struct coord_now now)
{
	struct txn_wait wait;
	if (!take_ticket(txns, ticket, &wait))
		return;
	assert(wait.kind != TXN_WAIT_MARKERS);
	if (wait.kind == TXN_WAIT_PREPARED)
		txn_send_markers(txns, wait.txn, now);
	else if (wait.kind == TXN_WAIT_ADDED && wait.txn->add_ticket == ticket)
		wait.txn->add_ticket = 0;
	else if (wait.batch && wait.batch->nwait == 0)
		txn_batch_respond(txns, wait.batch);
	arena_reset(&txns->scratch);
	txn_arm_timers(txns, now);
}

void
txns_markers_written(struct txns *txns, uint64_t ticket, struct coord_now now)
{
	struct txn_wait wait;
	if (!take_ticket(txns, ticket, &wait))
		return;
	assert(wait.kind == TXN_WAIT_MARKERS);
	txn_complete(txns, wait.txn, now);
	arena_reset(&txns->scratch);
	txn_arm_timers(txns, now);
}

void
txns_stop(struct txns *txns)
{
	LIST_EACH(l, &txns->batches) {
		struct txn_batch *batch = CONTAINER_OF(l, struct txn_batch, link);
		struct add_partitions_to_txn_response r;
		wire_defaults(&add_partitions_to_txn_response_desc, &r);
		r.error_code = KERR_NOT_COORDINATOR;
		batch->response = r;
		batch->call->partition = -1;
		txn_batch_respond(txns, batch);
	}
	/* No ticket may refer to a batch that is freed. */
	MAP_EACH(e, &txns->waits) {
		struct txn_wait *wait = e->value;
		if (wait->kind == TXN_WAIT_BATCH)
			wait->batch = NULL;
	}
}

/* ---- timers ---- */

int64_t
txns_next_tick(const struct txns *txns)
{
	return MIN(txns->next_scan_ms, txns->next_expiry_ms);
}

/* Aborts transactions that timed out; repeats Complete records that were refused. */
static void
scan(struct txns *txns, struct coord_now now)
{
	LIST_EACH(l, &txns->stuck)
		txn_complete(txns, CONTAINER_OF(l, struct txn, link), now);
	LIST_EACH(l, &txns->ongoing) {
		struct txn *txn = CONTAINER_OF(l, struct txn, link);
		if (now.mono_ms - txn->start_mono_ms > txn->meta.timeout_ms)
			txn_fence(txns, txn, now); /* refused: the next scan tries again */
		arena_reset(&txns->scratch);
	}
	txns->next_scan_ms = INT64_MAX; /* until txn_arm_timers */
}

static void
expire(struct txns *txns, struct coord_now now)
{
	struct txn **old = arena_alloc(&txns->scratch, TXN_EXPIRE_MAX * sizeof *old);
	int n = 0;
	MAP_EACH(e, &txns->by_id) {
		struct txn *txn = e->value;
		bool is_old = txn->meta.update_ms <= now.wall_ms - txns->config.id_expiration_ms;
		if (is_old && txn_is_idle(txn) && txn->nwait == 0 && n < TXN_EXPIRE_MAX)
			old[n++] = txn;
	}
	int done = 0;
	while (done < n && txn_write_tombstone(txns, old[done], now) == KERR_NONE)
		txn_drop(txns, old[done++]);
	bool more = n == TXN_EXPIRE_MAX && done == n;
	txns->next_expiry_ms = now.mono_ms
		+ (more ? TXN_EXPIRE_AGAIN_MS : txns->config.expiry_interval_ms);
	arena_reset(&txns->scratch);
}

void
txns_tick(struct txns *txns, struct coord_now now)
{
	if (now.mono_ms >= txns->next_scan_ms)
		scan(txns, now);
	if (now.mono_ms >= txns->next_expiry_ms)
		expire(txns, now);
	if (txns->by_id.n == 0)
		txns->next_expiry_ms = INT64_MAX;
	txn_arm_timers(txns, now);
}
