/*
 * A batch as the network brings it.  Its length and CRC are put right first,
 * so that the records, and not those two, are what is tried.
 */
#include "record/batch.h"
#include "record/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const uint8_t *p)
{
	struct record_iter it = RECORD_ITER_INIT;
	struct record r;
	struct err e;
	int32_t nrecord = 0;
	int rc = record_iter_begin(&it, p, 1 << 20, &e);
	assert(it.plain.n <= 1 << 20);
	while (rc == 0 && (rc = record_iter_next(&it, &r, &e)) == 1) {
		struct str left = r.headers, name, value;
		int32_t nheader = 0;
		while (header_next(&left, &name, &value))
			nheader++;
		assert(nheader == r.nheader);
		nrecord++;
		rc = 0;
	}
	assert(rc < 0 || nrecord == it.batch.count);
	record_iter_release(&it);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batch b;
	if (size < BATCH_HEADER_SIZE || size > 1 << 20)
		return 0;
	uint8_t *p = mem_alloc(size);
	memcpy(p, data, size);
	if (batch_parse(&b, p) && (size_t)b.size <= size)
		batch_crc_is_good(&b, p);
	store_be32(p + 8, (uint32_t)(size - BATCH_PREFIX_SIZE));
	p[16] = 2;
	store_be32(p + 17, crc32c(p + 21, size - 21));
	bool is_batch = batch_parse(&b, p) && batch_crc_is_good(&b, p);
	assert(is_batch);
	walk(p);
	batch_set_log_append_time(p, 1);
	is_batch = batch_parse(&b, p) && batch_crc_is_good(&b, p);
	assert(is_batch);
	mem_free(p);
	return 0;
}
