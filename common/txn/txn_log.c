#include "txn/txn.h"

/* ---- sets of partitions ---- */

/* Where the topic is, or would be. */
static int32_t
topic_at(const struct txn_parts *p, struct str name)
{
	int32_t lo = 0, hi = p->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (str_cmp(p->v[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int32_t
index_at(const struct txn_topic *t, int32_t index)
{
	int32_t lo = 0, hi = t->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (t->v[mid] < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
txn_parts_has(const struct txn_parts *p, const struct coord_partition *x)
{
	int32_t i = topic_at(p, x->topic);
	if (i == p->n || !str_eq(p->v[i].name, x->topic))
		return false;
	int32_t k = index_at(&p->v[i], x->index);
	return k < p->v[i].n && p->v[i].v[k] == x->index;
}

static struct str
own(struct str s)
{
	return (struct str){ (const uint8_t *)mem_strndup(s), s.n };
}

static struct txn_topic *
topic_get(struct txn_parts *p, struct str name)
{
	int32_t i = topic_at(p, name);
	if (i < p->n && str_eq(p->v[i].name, name))
		return &p->v[i];
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 2;
		p->v = mem_realloc(p->v, (size_t)p->cap * sizeof *p->v);
	}
	memmove(p->v + i + 1, p->v + i, (size_t)(p->n - i) * sizeof *p->v);
	p->v[i] = (struct txn_topic){ own(name), NULL, 0, 0 };
	p->n++;
	p->size += (int64_t)sizeof *p->v + name.n;
	return &p->v[i];
}

void
txn_parts_add(struct txn_parts *p, const struct coord_partition *x)
{
	struct txn_topic *t = topic_get(p, x->topic);
	int32_t k = index_at(t, x->index);
	if (k < t->n && t->v[k] == x->index)
		return;
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 2;
		t->v = mem_realloc(t->v, (size_t)t->cap * sizeof *t->v);
	}
	memmove(t->v + k + 1, t->v + k, (size_t)(t->n - k) * sizeof *t->v);
	t->v[k] = x->index;
	t->n++;
	p->total++;
	p->size += (int64_t)sizeof *t->v;
}

void
txn_parts_copy(struct txn_parts *to, const struct txn_parts *from)
{
	*to = (struct txn_parts)TXN_PARTS_INIT;
	if (from->n == 0)
		return;
	to->v = mem_alloc((size_t)from->n * sizeof *to->v);
	to->n = to->cap = from->n;
	to->total = from->total;
	to->size = from->size;
	for (int32_t i = 0; i < from->n; i++) {
		const struct txn_topic *f = &from->v[i];
		struct txn_topic *x = &to->v[i];
		*x = (struct txn_topic){ own(f->name), NULL, f->n, f->n };
		x->v = mem_alloc((size_t)f->n * sizeof *x->v);
		memcpy(x->v, f->v, (size_t)f->n * sizeof *x->v);
	}
}

void
txn_parts_release(struct txn_parts *p)
{
	for (int32_t i = 0; i < p->n; i++) {
		mem_free((void *)(uintptr_t)p->v[i].name.p);
		mem_free(p->v[i].v);
	}
	mem_free(p->v);
	*p = (struct txn_parts)TXN_PARTS_INIT;
}

/* ---- records out of state ---- */

static struct str
encode_key(struct txns *t, struct str id)
{
	struct transaction_log_key k = { id };
	buf_reset(&t->key);
	wire_data_encode(&transaction_log_key_data, 0, &k, &t->key);
	return buf_str(&t->key);
}

static struct str
encode_value(struct txns *t, const struct txn_meta *m, const struct txn_parts *parts)
{
	struct transaction_log_value v;
	wire_defaults(transaction_log_value_data.desc, &v);
	v.producer_id = m->producer_id;
	v.previous_producer_id = m->previous_producer_id;
	v.next_producer_id = m->next_producer_id;
	v.producer_epoch = m->epoch;
	v.transaction_timeout_ms = m->timeout_ms;
	v.transaction_status = (int8_t)m->status;
	v.transaction_last_update_timestamp_ms = m->update_ms;
	v.transaction_start_timestamp_ms = m->start_ms;
	v.client_transaction_version = m->version;
	/* Empty has no list, all others have one: as Kafka writes it. */
	int32_t n = parts ? parts->n : 0;
	v.transaction_partitions.n = m->status == TXN_EMPTY ? -1 : n;
	if (m->status == TXN_EMPTY)
		n = 0;
	v.transaction_partitions.v = arena_alloc(&t->scratch,
		(size_t)n * sizeof *v.transaction_partitions.v);
	for (int32_t i = 0; i < n; i++) {
		struct transaction_log_value_topic *p = &v.transaction_partitions.v[i];
		p->topic = parts->v[i].name;
		p->partition_ids.v = parts->v[i].v;
		p->partition_ids.n = parts->v[i].n;
	}
	buf_reset(&t->value);
	wire_data_encode(&transaction_log_value_data, 1, &v, &t->value);
	return buf_str(&t->value);
}

/* What a client hears when our topic does not take a record. */
static int16_t
client_error(int16_t error)
{
	switch (error) {
	case KERR_NONE:
		return KERR_NONE;
	case KERR_MESSAGE_TOO_LARGE:
	case KERR_RECORD_LIST_TOO_LARGE:
		return KERR_UNKNOWN_SERVER_ERROR; /* trying again won't help */
	default:
		return KERR_COORDINATOR_NOT_AVAILABLE;
	}
}

int16_t
txn_write(struct txns *t, struct txn *x, const struct txn_meta *m,
	struct txn_parts *parts, struct coord_now now)
{
	struct coord_record r = { encode_key(t, x->id), encode_value(t, m, parts) };
	int16_t error = t->env->append(t->env, x->partition, &r, 1, NULL, now.wall_ms);
	if (error)
		return client_error(error);
	x->m = *m;
	if (parts != &x->parts) {
		t->parts_size -= x->parts.size;
		txn_parts_release(&x->parts);
		if (parts) {
			x->parts = *parts;
			*parts = (struct txn_parts)TXN_PARTS_INIT;
		}
		t->parts_size += x->parts.size;
	}
	return KERR_NONE;
}

int16_t
txn_write_tombstone(struct txns *t, const struct txn *x, struct coord_now now)
{
	struct coord_record r = { encode_key(t, x->id), STR_NULL };
	return t->env->append(t->env, x->partition, &r, 1, NULL, now.wall_ms);
}

/* ---- state out of records ---- */

static void
replay_value(struct txns *t, struct str id, const struct transaction_log_value *v)
{
	struct txn *x = txn_find(t, id);
	if (!x) {
		x = txn_new(t, id);
		txn_put(t, x);
	}
	x->m = (struct txn_meta){
		.producer_id = v->producer_id,
		.previous_producer_id = v->previous_producer_id,
		.next_producer_id = v->next_producer_id,
		.start_ms = v->transaction_start_timestamp_ms,
		.update_ms = v->transaction_last_update_timestamp_ms,
		.timeout_ms = v->transaction_timeout_ms,
		.epoch = v->producer_epoch,
		.last_epoch = -1,
		.version = v->client_transaction_version,
		.status = (uint8_t)v->transaction_status,
	};
	t->parts_size -= x->parts.size;
	txn_parts_release(&x->parts);
	for (int32_t i = 0; i < v->transaction_partitions.n; i++) {
		const struct transaction_log_value_topic *p = &v->transaction_partitions.v[i];
		for (int32_t k = 0; k < p->partition_ids.n; k++)
			txn_parts_add(&x->parts, &(struct coord_partition){ p->topic, p->partition_ids.v[k] });
	}
	t->parts_size += x->parts.size;
	txn_link(t, x, txn_is_idle(x) ? NULL : &t->unfinished);
}

void
txns_replay(struct txns *t, int32_t partition, const struct coord_record *r)
{
	struct transaction_log_key k;
	struct transaction_log_value v;
	/* What a newer coordinator wrote in a format of its own is passed over,
	 * as in Kafka, and so is an id in a partition that is not its. */
	if (r->key.n < 0 || wire_data_decode(&transaction_log_key_data, r->key.p, (size_t)r->key.n,
			&t->scratch, &k) < 0)
		return;
	if (coord_partition_of(k.transactional_id, t->config.npartition) == partition) {
		if (r->value.n < 0) {
			struct txn *x = txn_find(t, k.transactional_id);
			if (x)
				txn_drop(t, x);
		} else if (wire_data_decode(&transaction_log_value_data, r->value.p, (size_t)r->value.n,
				&t->scratch, &v) >= 0
				&& v.transaction_status >= 0 && v.transaction_status < TXN_STATUSES) {
			replay_value(t, k.transactional_id, &v);
		}
	}
	arena_reset(&t->scratch);
}

void
txns_loaded(struct txns *t, int32_t partition, struct coord_now now)
{
	LIST_EACH(l, &t->unfinished) {
		struct txn *x = CONTAINER_OF(l, struct txn, link);
		if (x->partition != partition)
			continue;
		if (x->m.status == TXN_ONGOING) {
			/* The steady clock did not run while we were down: what the
			 * other one says, but no more than all of the time-out. */
			int64_t ran = now.wall_ms - x->m.start_ms;
			ran = MAX(0, MIN(ran, x->m.timeout_ms));
			x->start_mono_ms = now.mono_ms - ran;
			txn_link(t, x, &t->ongoing);
		} else {
			txn_link(t, x, NULL);
			txn_send_markers(t, x, now);
		}
		arena_reset(&t->scratch);
	}
	if (t->by_id.n > 0) {
		t->next_expiry_ms = now.mono_ms + t->config.expiry_interval_ms;
		t->next_scan_ms = now.mono_ms + t->config.abort_interval_ms;
	}
}
