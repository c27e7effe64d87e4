#include "log/scan.h"

#include "sys/fs.h"

enum { WINDOW = 1 << 20 };

void
scan_begin(struct scan *s, int fd, int64_t size, int64_t base_offset)
{
	*s = (struct scan){ .fd = fd, .size = size, .base_offset = base_offset,
		.next_offset = base_offset };
}

void
scan_release(struct scan *s)
{
	buf_release(&s->window);
}

const uint8_t *
scan_bytes(struct scan *s, int64_t position, int64_t n, struct err *e)
{
	n = MIN(n, s->size - position);
	assert(position >= 0 && n >= 0);
	if (position < s->at || position + n > s->at + (int64_t)s->window.n) {
		int64_t want = MIN(MAX(n, WINDOW), s->size - position);
		buf_reset(&s->window);
		buf_reserve(&s->window, (size_t)want);
		int64_t r = fs_read_at(s->fd, s->window.p, (size_t)want, position, e);
		if (r < 0)
			return NULL;
		s->at = position;
		s->window.n = (size_t)r;
		if (r < n) {
			err_set(e, ERR_SYS, "the file became shorter while it was read");
			return NULL;
		}
	}
	return s->window.p + (position - s->at);
}

/* May a batch of this header come where offsets go on from next_offset? */
static bool
is_in_place(const struct scan *s, const struct batch *b, int64_t next_offset)
{
	return b->base_offset >= next_offset && b->last_offset_delta >= 0 &&
		b->base_offset - s->base_offset <= INT32_MAX - b->last_offset_delta;
}

/* A header, and not just any bytes. */
static bool
is_header(const struct scan *s, const uint8_t *p, struct batch *b, int64_t next_offset)
{
	return batch_parse(b, p) && is_in_place(s, b, next_offset);
}

static enum scan_result
bad(struct scan *s, const char *reason)
{
	s->reason = reason;
	return SCAN_BAD;
}

/* The batch at the position, if it is good. */
static enum scan_result
check_at(struct scan *s, int64_t position, int64_t next_offset, struct batch *b, struct err *e)
{
	s->is_misplaced = false;
	if (s->size - position < BATCH_HEADER_SIZE)
		return bad(s, "a batch header that is cut off");
	const uint8_t *p = scan_bytes(s, position, BATCH_HEADER_SIZE, e);
	if (!p)
		return SCAN_FAILED;
	if (!batch_parse(b, p))
		return bad(s, "no record batch");
	if (b->size > s->size - position)
		return bad(s, "a record batch that is cut off");
	p = scan_bytes(s, position, b->size, e);
	if (!p)
		return SCAN_FAILED;
	if (!batch_crc_is_good(b, p))
		return bad(s, "a record batch with the wrong CRC");
	if (is_in_place(s, b, next_offset))
		return SCAN_BATCH;
	s->is_misplaced = true;
	return bad(s, "a record batch with the wrong offset");
}

enum scan_result
scan_next(struct scan *s, struct batch *b, struct err *e)
{
	if (s->position == s->size)
		return SCAN_END;
	enum scan_result r = check_at(s, s->position, s->next_offset, b, e);
	if (r == SCAN_BATCH) {
		s->position += b->size;
		s->next_offset = batch_last_offset(b) + 1;
	}
	return r;
}

/* Is there a chain of good batches from here to the end, or to a header? */
static int
is_chain(struct scan *s, int64_t position, struct err *e)
{
	int64_t next_offset = s->next_offset + 1;
	for (int n = 0; position < s->size; n++) {
		struct batch b;
		enum scan_result r = check_at(s, position, next_offset, &b, e);
		if (r == SCAN_FAILED)
			return -1;
		if (r == SCAN_BAD) {
			if (n == 0)
				return 0;
			if (s->size - position < BATCH_HEADER_SIZE)
				return 1;
			const uint8_t *p = scan_bytes(s, position, BATCH_HEADER_SIZE, e);
			return !p ? -1 : is_header(s, p, &b, next_offset);
		}
		position += b.size;
		next_offset = batch_last_offset(&b) + 1;
	}
	return 1;
}

int
scan_seek(struct scan *s, int64_t *position, struct err *e)
{
	const char *reason = s->reason;
	int r = 0;
	for (int64_t at = s->position + 1; at + BATCH_HEADER_SIZE <= s->size && r == 0; at++) {
		struct batch b;
		const uint8_t *p = scan_bytes(s, at, BATCH_HEADER_SIZE, e);
		if (!p) {
			r = -1;
			break;
		}
		/* The offsets of one segment are close together: this keeps
		 * chance, and CRCs of what is no batch, out. */
		if (p[16] == 2 && is_header(s, p, &b, s->next_offset + 1))
			r = is_chain(s, at, e);
		if (r > 0)
			*position = at;
	}
	s->reason = reason;
	return r;
}
