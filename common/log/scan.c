#include "log/scan.h"

#include "sys/fs.h"

enum { WINDOW = 1 << 20 };

void
scan_begin(struct scan *scan, int fd, int64_t size, int64_t base_offset)
{
	*scan = (struct scan){ .fd = fd, .size = size, .base_offset = base_offset,
		.next_offset = base_offset };
}

void
scan_release(struct scan *scan)
{
	buf_release(&scan->window);
}

const uint8_t *
scan_bytes(struct scan *scan, int64_t position, int64_t n, struct err *e)
{
	n = MIN(n, scan->size - position);
	assert(position >= 0 && n >= 0);
	if (position < scan->at || position + n > scan->at + (int64_t)scan->window.n) {
		int64_t want = MIN(MAX(n, WINDOW), scan->size - position);
		buf_reset(&scan->window);
		buf_reserve(&scan->window, (size_t)want);
		int64_t got = fs_read_at(scan->fd, scan->window.p, (size_t)want, position, e);
		if (got < 0)
			return NULL;
		scan->at = position;
		scan->window.n = (size_t)got;
		if (got < n) {
			err_set(e, ERR_SYS, "the file became shorter while it was read");
			return NULL;
		}
	}
	return scan->window.p + (position - scan->at);
}

/* May a batch with this header follow, with next_offset or above? */
static bool
is_in_place(const struct scan *scan, const struct batch *batch, int64_t next_offset)
{
	return batch->base_offset >= next_offset && batch->last_offset_delta >= 0
		&& batch->base_offset - scan->base_offset <= INT32_MAX - batch->last_offset_delta;
}

/* Are the bytes a header that may follow? */
static bool
is_header(const struct scan *scan, const uint8_t *p, struct batch *batch, int64_t next_offset)
{
	return batch_parse(batch, p) && is_in_place(scan, batch, next_offset);
}

static enum scan_result
bad(struct scan *scan, const char *reason)
{
	scan->reason = reason;
	return SCAN_BAD;
}

/* Check the batch at the position; SCAN_BATCH: *batch is its header. */
static enum scan_result
check_at(struct scan *scan, int64_t position, int64_t next_offset, struct batch *batch,
	struct err *e)
{
	scan->is_misplaced = false;
	if (scan->size - position < BATCH_HEADER_SIZE)
		return bad(scan, "a batch header that is cut off");
	const uint8_t *p = scan_bytes(scan, position, BATCH_HEADER_SIZE, e);
	if (!p)
		return SCAN_FAILED;
	if (!batch_parse(batch, p))
		return bad(scan, "no record batch");
	if (batch->size > scan->size - position)
		return bad(scan, "a record batch that is cut off");
	p = scan_bytes(scan, position, batch->size, e);
	if (!p)
		return SCAN_FAILED;
	if (!batch_crc_is_good(batch, p))
		return bad(scan, "a record batch with the wrong CRC");
	if (is_in_place(scan, batch, next_offset))
		return SCAN_BATCH;
	scan->is_misplaced = true;
	return bad(scan, "a record batch with the wrong offset");
}

enum scan_result
scan_next(struct scan *scan, struct batch *batch, struct err *e)
{
	if (scan->position == scan->size)
		return SCAN_END;
	enum scan_result result = check_at(scan, scan->position, scan->next_offset, batch, e);
	if (result == SCAN_BATCH) {
		scan->position += batch->size;
		scan->next_offset = batch_last_offset(batch) + 1;
	}
	return result;
}

/* Does a chain of good batches lead from here to the end, or to a header?  1, 0,
 * or -1. */
static int
is_chain(struct scan *scan, int64_t position, struct err *e)
{
	int64_t next_offset = scan->next_offset + 1;
	for (int n = 0; position < scan->size; n++) {
		struct batch batch;
		enum scan_result result = check_at(scan, position, next_offset, &batch, e);
		if (result == SCAN_FAILED)
			return -1;
		if (result == SCAN_BAD) {
			if (n == 0)
				return 0;
			if (scan->size - position < BATCH_HEADER_SIZE)
				return 1;
			const uint8_t *p = scan_bytes(scan, position, BATCH_HEADER_SIZE, e);
			return !p ? -1 : is_header(scan, p, &batch, next_offset);
		}
		position += batch.size;
		next_offset = batch_last_offset(&batch) + 1;
	}
	return 1;
}

int
scan_seek(struct scan *scan, int64_t *position, struct err *e)
{
	const char *reason = scan->reason;
	int rc = 0;
	for (int64_t at = scan->position + 1; at + BATCH_HEADER_SIZE <= scan->size
		&& rc == 0; at++) {
		struct batch batch;
		const uint8_t *p = scan_bytes(scan, at, BATCH_HEADER_SIZE, e);
		if (!p) {
			rc = -1;
			break;
		}
		/* The offsets of a segment are close together: checking them first
		 * avoids chance hits, and CRCs of bytes that are no batch. */
		if (batch_magic(p) == BATCH_MAGIC
			&& is_header(scan, p, &batch, scan->next_offset + 1))
			rc = is_chain(scan, at, e);
		if (rc > 0)
			*position = at;
	}
	scan->reason = reason;
	return rc;
}
