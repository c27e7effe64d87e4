#include "log/scan.h"

#include "sys/fs.h"

enum { WINDOW = 1 << 20 };

void
scan_begin(struct scan *s, int fd, int64_t size, int64_t position, int64_t next_offset)
{
	*s = (struct scan){ .fd = fd, .size = size, .position = position,
		.next_offset = next_offset };
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

/* What, if anything, speaks against the header at p? */
static const char *
header_fault(const uint8_t *p, struct batch *b, int64_t next_offset)
{
	if (!batch_parse(b, p))
		return "no record batch";
	if (b->last_offset_delta < 0 || b->base_offset < next_offset ||
		b->base_offset > INT64_MAX - INT32_MAX - 1)
		return "a record batch with the wrong offset";
	return NULL;
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
	if (s->size - position < BATCH_HEADER_SIZE)
		return bad(s, "a batch header that is cut off");
	const uint8_t *p = scan_bytes(s, position, BATCH_HEADER_SIZE, e);
	if (!p)
		return SCAN_FAILED;
	const char *reason = header_fault(p, b, next_offset);
	if (reason)
		return bad(s, reason);
	if (b->size > s->size - position)
		return bad(s, "a record batch that is cut off");
	p = scan_bytes(s, position, b->size, e);
	if (!p)
		return SCAN_FAILED;
	if (!batch_crc_is_good(b, p))
		return bad(s, "a record batch with the wrong CRC");
	return SCAN_BATCH;
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
			return !p ? -1 : header_fault(p, &b, next_offset) == NULL;
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
		if (p[16] == 2 && !header_fault(p, &b, s->next_offset + 1) &&
			b.base_offset - s->next_offset <= INT32_MAX)
			r = is_chain(s, at, e);
		if (r > 0)
			*position = at;
	}
	s->reason = reason;
	return r;
}
