#include "record/control.h"

#include "tap.h"

#include <string.h>

/* A control batch whose record has this type, and this much of a key and a value. */
static struct batch
build(struct builder *builder, uint8_t type, int32_t key_size, int32_t value_size)
{
	uint8_t key[8] = { 0, 0, 0, type }, value[8] = { 0, 0, 1, 2, 3, 4 };
	struct builder_producer producer = { 5, 1, -1, true };
	struct batch batch;
	builder_reset(builder);
	builder_append(builder, 77, (struct str){ key, key_size },
		(struct str){ value, value_size }, STR(""), 0);
	builder_finish(builder, CODEC_NONE, &producer, NULL);
	batch_set_attributes(builder->buf.p, BATCH_TRANSACTIONAL | BATCH_CONTROL);
	check(batch_parse(&batch, builder->buf.p));
	return batch;
}

void
test_control__a_marker_is_read_as_it_was_built(void)
{
	struct builder builder = BUILDER_INIT;
	for (int is_commit = 0; is_commit < 2; is_commit++) {
		struct control_marker marker = { 1LL << 40, 7, 9, is_commit }, seen;
		struct batch batch;
		struct str bytes = control_build(&builder, &marker, 1700000000000);
		check(batch_parse(&batch, bytes.p));
		check_int(batch.size, bytes.n);
		check(batch_crc_is_good(&batch, bytes.p));
		check_int(batch.attributes, BATCH_TRANSACTIONAL | BATCH_CONTROL);
		check_int(batch.base_sequence, -1);
		check_int(batch.base_timestamp, 1700000000000);
		/* The record as Kafka writes it: key is version 0 and type, value is
		 * version 0 and epoch. */
		uint8_t want[] = { 0x20, 0, 0, 0, 8, 0, 0, 0, (uint8_t)is_commit,
			12, 0, 0, 0, 0, 0, 9, 0 };
		check_int(bytes.n, BATCH_HEADER_SIZE + (int)sizeof want);
		check(memcmp(bytes.p + BATCH_HEADER_SIZE, want, sizeof want) == 0);
		check(control_parse(bytes.p, &batch, &seen));
		check_int(seen.producer_id, 1LL << 40);
		check_int(seen.producer_epoch, 7);
		check_int(seen.coordinator_epoch, 9);
		check_int(seen.is_commit, is_commit);
	}
	builder_release(&builder);
}

void
test_control__a_later_version_may_say_more(void)
{
	struct builder builder = BUILDER_INIT;
	struct control_marker seen;
	for (uint8_t type = 0; type < 2; type++) {
		struct batch batch = build(&builder, type, 8, 8);
		check(control_parse(builder.buf.p, &batch, &seen));
		check_int(seen.is_commit, type);
		check_int(seen.coordinator_epoch, 0x01020304);
	}
	builder_release(&builder);
}

void
test_control__what_is_no_marker_is_refused(void)
{
	static const struct { uint8_t type; int32_t key_size, value_size; } bad[] = {
		{ 2, 4, 6 }, { 255, 4, 6 }, { 0, 3, 6 }, { 1, -1, 6 }, { 0, 4, 5 }, { 1, 4, -1 },
	};
	struct builder builder = BUILDER_INIT;
	struct control_marker seen = { 42, 42, 42, true };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct batch batch = build(&builder, bad[i].type, bad[i].key_size, bad[i].value_size);
		check(!control_parse(builder.buf.p, &batch, &seen));
		check_int(seen.producer_id, 42);
	}
	struct batch batch = build(&builder, 1, 4, 6);
	builder.buf.p[BATCH_HEADER_SIZE] = 0xff; /* the record's size */
	check(!control_parse(builder.buf.p, &batch, &seen));
	builder_release(&builder);
}

void
test_control__the_key_alone_says_the_type(void)
{
	check_int(control_type(STR("\0\0\0\0")), CONTROL_ABORT);
	check_int(control_type(STR("\0\0\0\1")), CONTROL_COMMIT);
	check_int(control_type(STR("\0\1\0\1more")), CONTROL_COMMIT);
	check_int(control_type(STR("\0\0\0\2")), CONTROL_UNKNOWN);
	check_int(control_type(STR("\0\0\1\0")), CONTROL_UNKNOWN);
	check_int(control_type(STR("\0\0\0")), CONTROL_UNKNOWN);
	check_int(control_type(STR_NULL), CONTROL_UNKNOWN);
}
