#include "record/control.h"

enum {
	KEY_SIZE = 4,
	VALUE_SIZE = 6,
	AT_TYPE = 2,
	AT_COORDINATOR_EPOCH = 2,
};

enum control_type
control_type(struct str key)
{
	int type = key.n < KEY_SIZE ? CONTROL_UNKNOWN : load_be16(key.p + AT_TYPE);
	return type < CONTROL_UNKNOWN ? (enum control_type)type : CONTROL_UNKNOWN;
}

bool
control_parse(const uint8_t *p, const struct batch *batch, struct control_marker *marker)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct record rec;
	struct err ignored;
	assert(batch->attributes & BATCH_CONTROL);
	bool is_marker = record_iter_begin(&it, p, (size_t)batch->size, &ignored) == 0
		&& record_iter_next(&it, &rec, &ignored) == 1
		&& control_type(rec.key) != CONTROL_UNKNOWN && rec.value.n >= VALUE_SIZE;
	if (is_marker)
		*marker = (struct control_marker){
			.producer_id = batch->producer_id,
			.producer_epoch = batch->producer_epoch,
			.coordinator_epoch = (int32_t)load_be32(rec.value.p + AT_COORDINATOR_EPOCH),
			.is_commit = control_type(rec.key) == CONTROL_COMMIT,
		};
	record_iter_release(&it);
	return is_marker;
}

struct str
control_build(struct builder *builder, const struct control_marker *marker, int64_t timestamp_ms)
{
	uint8_t key[KEY_SIZE] = { 0 }, value[VALUE_SIZE] = { 0 };
	struct builder_producer producer = { .id = marker->producer_id,
		.epoch = marker->producer_epoch, .base_sequence = -1, .is_transactional = true };
	assert(marker->producer_id >= 0);
	store_be16(key + AT_TYPE, marker->is_commit ? CONTROL_COMMIT : CONTROL_ABORT);
	store_be32(value + AT_COORDINATOR_EPOCH, (uint32_t)marker->coordinator_epoch);
	builder_reset(builder);
	builder_append(builder, timestamp_ms, (struct str){ key, sizeof key },
		(struct str){ value, sizeof value }, STR(""), 0);
	struct str batch = builder_finish(builder, CODEC_NONE, &producer, NULL);
	uint8_t *p = builder->buf.p;
	assert(batch.p == p);
	batch_set_attributes(p, (int16_t)(batch_attributes(p) | BATCH_CONTROL));
	return batch;
}
