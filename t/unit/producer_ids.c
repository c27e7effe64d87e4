/* Producer IDs: blocks follow each other, and are durable before they are used. */
#include "tap.h"

#include "kq-broker/producer_ids.c"

static struct loop control;
static struct metastore *meta;
static struct producer_ids ids;

static void
begin(const char *value)
{
	struct err e;
	meta = metastore_open_local(-1, &e);
	if (value) {
		struct metastore_op op = { STR("/producer-ids"), str_of(value), METASTORE_ANY };
		check_int(metastore_txn(meta, &op, 1, &e), 0);
	}
	check_int(loop_init(&control, &e), 0);
	producer_ids_init(&ids, meta, &control);
}

static void
end(void)
{
	producer_ids_release(&ids);
	loop_release(&control);
	metastore_close(meta);
}

void
test_producer_ids__blocks_follow_each_other(void)
{
	struct err e;
	begin("{\"next\":5000}");
	check_int(producer_ids_take(&ids), -1);
	for (int64_t id = 5000; id < 5000 + 3 * BLOCK; id++) {
		check_int(producer_ids_refill(&ids, &e), 0);
		check_int(producer_ids_take(&ids), id);
	}
	end();
}

void
test_producer_ids__a_block_is_reserved_before_its_first_id_is_taken(void)
{
	struct err e;
	int64_t next;
	begin(NULL);
	check_int(producer_ids_refill(&ids, &e), 0);
	check_int(read_next(&ids, &next, &e), 0);
	check_int(next, BLOCK);
	check_int(producer_ids_take(&ids), 0);
	end();
}

void
test_producer_ids__an_entry_out_of_range_is_not_understood(void)
{
	static const char *const bad[] = { "{\"next\":-1}", "{\"next\":9223372036854775807}",
		"{\"next\":9223372036854775000}", "{\"next\":\"7\"}", "7", "" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e;
		begin(bad[i]);
		check_int(producer_ids_refill(&ids, &e), -1);
		check_int(e.class, ERR_CORRUPT);
		check_int(producer_ids_take(&ids), -1);
		end();
	}
}
