/* Sets of partitions; records of __transaction_state: encoded, appended, replayed. */
#include "txn/txn.h"

/* ---- sets of partitions ---- */

/* The index of the topic, or of where it belongs. */
static int32_t
topic_at(const struct txn_parts *parts, struct str name)
{
	int32_t lo = 0, hi = parts->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (str_cmp(parts->v[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int32_t
index_at(const struct txn_topic *topic, int32_t index)
{
	int32_t lo = 0, hi = topic->n;
	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		if (topic->v[mid] < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
txn_parts_has(const struct txn_parts *parts, const struct coord_partition *part)
{
	int32_t i = topic_at(parts, part->topic);
	if (i == parts->n || !str_eq(parts->v[i].name, part->topic))
		return false;
	int32_t k = index_at(&parts->v[i], part->index);
	return k < parts->v[i].n && parts->v[i].v[k] == part->index;
}

static struct str
own(struct str s)
{
	return (struct str){ (const uint8_t *)mem_strndup(s), s.n };
}

static struct txn_topic *
topic_get(struct txn_parts *parts, struct str name)
{
	int32_t i = topic_at(parts, name);
	if (i < parts->n && str_eq(parts->v[i].name, name))
		return &parts->v[i];
	if (parts->n == parts->cap) {
		parts->cap = parts->cap ? 2 * parts->cap : 2;
		parts->v = mem_realloc(parts->v, (size_t)parts->cap * sizeof *parts->v);
	}
	memmove(parts->v + i + 1, parts->v + i, (size_t)(parts->n - i) * sizeof *parts->v);
	parts->v[i] = (struct txn_topic){ own(name), NULL, 0, 0 };
	parts->n++;
	parts->size += (int64_t)sizeof *parts->v + name.n;
	return &parts->v[i];
}

void
txn_parts_add(struct txn_parts *parts, const struct coord_partition *part)
{
	struct txn_topic *topic = topic_get(parts, part->topic);
	int32_t k = index_at(topic, part->index);
	if (k < topic->n && topic->v[k] == part->index)
		return;
	if (topic->n == topic->cap) {
		topic->cap = topic->cap ? 2 * topic->cap : 2;
		topic->v = mem_realloc(topic->v, (size_t)topic->cap * sizeof *topic->v);
	}
	memmove(topic->v + k + 1, topic->v + k, (size_t)(topic->n - k) * sizeof *topic->v);
	topic->v[k] = part->index;
	topic->n++;
	parts->total++;
	parts->size += (int64_t)sizeof *topic->v;
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
		const struct txn_topic *topic = &from->v[i];
		struct txn_topic *copy = &to->v[i];
		*copy = (struct txn_topic){ own(topic->name), NULL, topic->n, topic->n };
		copy->v = mem_alloc((size_t)topic->n * sizeof *copy->v);
		memcpy(copy->v, topic->v, (size_t)topic->n * sizeof *copy->v);
	}
}

void
txn_parts_release(struct txn_parts *parts)
{
	for (int32_t i = 0; i < parts->n; i++) {
		mem_free((void *)(uintptr_t)parts->v[i].name.p);
		mem_free(parts->v[i].v);
	}
	mem_free(parts->v);
	*parts = (struct txn_parts)TXN_PARTS_INIT;
}

/* ---- writing ---- */

static struct str
encode_key(struct txns *txns, struct str id)
{
	struct transaction_log_key key = { id };
	buf_reset(&txns->key);
	wire_data_encode(&transaction_log_key_data, 0, &key, &txns->key);
	return buf_str(&txns->key);
}

static struct str
encode_value(struct txns *txns, const struct txn_meta *meta, const struct txn_parts *parts)
{
	struct transaction_log_value value;
	wire_defaults(transaction_log_value_data.desc, &value);
	value.producer_id = meta->producer_id;
	value.previous_producer_id = meta->previous_producer_id;
	value.next_producer_id = meta->next_producer_id;
	value.producer_epoch = meta->epoch;
	value.transaction_timeout_ms = meta->timeout_ms;
	value.transaction_status = (int8_t)meta->status;
	value.transaction_last_update_timestamp_ms = meta->update_ms;
	value.transaction_start_timestamp_ms = meta->start_ms;
	value.client_transaction_version = meta->version;
	/* In state Empty the list is null, in all others not, as Kafka writes it. */
	int32_t n = parts ? parts->n : 0;
	value.transaction_partitions.n = meta->status == TXN_EMPTY ? -1 : n;
	if (meta->status == TXN_EMPTY)
		n = 0;
	value.transaction_partitions.v = arena_alloc(&txns->scratch,
		(size_t)n * sizeof *value.transaction_partitions.v);
	for (int32_t i = 0; i < n; i++) {
		struct transaction_log_value_topic *topic = &value.transaction_partitions.v[i];
		topic->topic = parts->v[i].name;
		topic->partition_ids.v = parts->v[i].v;
		topic->partition_ids.n = parts->v[i].n;
	}
	buf_reset(&txns->value);
	wire_data_encode(&transaction_log_value_data, 1, &value, &txns->value);
	return buf_str(&txns->value);
}

/* The error for the client when an append is refused. */
static int16_t
client_error(int16_t error)
{
	switch (error) {
	case KERR_NONE:
		return KERR_NONE;
	case KERR_MESSAGE_TOO_LARGE:
	case KERR_RECORD_LIST_TOO_LARGE:
		return KERR_UNKNOWN_SERVER_ERROR; /* a retry does not help */
	default:
		return KERR_COORDINATOR_NOT_AVAILABLE;
	}
}

int16_t
txn_write(struct txns *txns, struct txn *txn, const struct txn_meta *meta,
	struct txn_parts *parts, struct coord_now now)
{
	bool may_have_parts = meta->status == TXN_ONGOING || meta->status == TXN_PREPARE_COMMIT
		|| meta->status == TXN_PREPARE_ABORT;
	assert(meta->status < TXN_STATUSES);
	assert(!parts || may_have_parts);
	struct coord_record rec = { encode_key(txns, txn->id), encode_value(txns, meta, parts) };
	int16_t error = txns->env->append(txns->env, txn->partition, &rec, 1, NULL, now.wall_ms);
	if (error)
		return client_error(error);
	txn->meta = *meta;
	if (parts != &txn->parts) {
		txns->parts_size -= txn->parts.size;
		txn_parts_release(&txn->parts);
		if (parts) {
			txn->parts = *parts;
			*parts = (struct txn_parts)TXN_PARTS_INIT;
		}
		txns->parts_size += txn->parts.size;
		assert(txns->parts_size >= txn->parts.size);
	}
	return KERR_NONE;
}

int16_t
txn_write_tombstone(struct txns *txns, const struct txn *txn, struct coord_now now)
{
	assert(txn_is_idle(txn) && txn->nwait == 0);
	struct coord_record rec = { encode_key(txns, txn->id), STR_NULL };
	return txns->env->append(txns->env, txn->partition, &rec, 1, NULL, now.wall_ms);
}

/* ---- replay ---- */

static void
replay_value(struct txns *txns, struct str id, const struct transaction_log_value *value)
{
	struct txn *txn = txn_find(txns, id);
	if (!txn) {
		txn = txn_new(txns, id);
		txn_put(txns, txn);
	}
	txn->meta = (struct txn_meta){
		.producer_id = value->producer_id,
		.previous_producer_id = value->previous_producer_id,
		.next_producer_id = value->next_producer_id,
		.start_ms = value->transaction_start_timestamp_ms,
		.update_ms = value->transaction_last_update_timestamp_ms,
		.timeout_ms = value->transaction_timeout_ms,
		.epoch = value->producer_epoch,
		.last_epoch = -1,
		.version = value->client_transaction_version,
		.status = (uint8_t)value->transaction_status,
	};
	txns->parts_size -= txn->parts.size;
	txn_parts_release(&txn->parts);
	for (int32_t i = 0; i < value->transaction_partitions.n; i++) {
		const struct transaction_log_value_topic *topic = &value->transaction_partitions.v[i];
		for (int32_t k = 0; k < topic->partition_ids.n; k++)
			txn_parts_add(&txn->parts,
				&(struct coord_partition){ topic->topic, topic->partition_ids.v[k] });
	}
	txns->parts_size += txn->parts.size;
	txn_link(txns, txn, txn_is_idle(txn) ? NULL : &txns->unfinished);
}

void
txns_replay(struct txns *txns, int32_t partition, const struct coord_record *rec)
{
	struct transaction_log_key key;
	struct transaction_log_value value;
	/* Records in a newer format are skipped, as in Kafka, and so are ids in a
	 * partition where they do not belong. */
	if (rec->key.n < 0
			|| wire_data_decode(&transaction_log_key_data, rec->key.p, (size_t)rec->key.n,
			&txns->scratch, &key) < 0)
		return;
	if (coord_partition_of(key.transactional_id, txns->config.npartition) == partition) {
		if (rec->value.n < 0) {
			struct txn *txn = txn_find(txns, key.transactional_id);
			if (txn)
				txn_drop(txns, txn);
		} else if (wire_data_decode(&transaction_log_value_data, rec->value.p, (size_t)rec->value.n,
				&txns->scratch, &value) >= 0
				&& value.transaction_status >= 0 && value.transaction_status < TXN_STATUSES) {
			replay_value(txns, key.transactional_id, &value);
		}
	}
	arena_reset(&txns->scratch);
}

void
txns_loaded(struct txns *txns, int32_t partition, struct coord_now now)
{
	assert(partition >= 0 && partition < txns->config.npartition);
	assert(txns->parts_size >= 0 && txns->ids_size >= 0);
	LIST_EACH(l, &txns->unfinished) {
		struct txn *txn = CONTAINER_OF(l, struct txn, link);
		if (txn->partition != partition)
			continue;
		if (txn->meta.status == TXN_ONGOING) {
			/* The monotonic clock did not count the downtime: use the wall
			 * clock, but at most the whole timeout. */
			int64_t ran = now.wall_ms - txn->meta.start_ms;
			ran = MAX(0, MIN(ran, txn->meta.timeout_ms));
			txn->start_mono_ms = now.mono_ms - ran;
			txn_link(txns, txn, &txns->ongoing);
		} else {
			txn_link(txns, txn, NULL);
			txn_send_markers(txns, txn, now);
		}
		arena_reset(&txns->scratch);
	}
	if (txns->by_id.n > 0) {
		txns->next_expiry_ms = now.mono_ms + txns->config.expiry_interval_ms;
		txns->next_scan_ms = now.mono_ms + txns->config.abort_interval_ms;
	}
}
