#include "kq-stream/offset_note.h"

#include "text/jsonput.h"

enum {
	VERSION = 2,
	VERSION_TIME_ONLY = 1,
	TIME_NONE = -1,
};

static void
put_number(struct buf *out, struct str name, int64_t value)
{
	buf_put_be32(out, (uint32_t)name.n);
	buf_put_str(out, name);
	buf_put_be64(out, (uint64_t)value);
}

void
offset_note_put(struct buf *out, int64_t time_ms, const struct flow_number *v, int n)
{
	struct buf plain = BUF_INIT;
	buf_putc(&plain, VERSION);
	buf_put_be64(&plain, (uint64_t)(time_ms == INT64_MIN ? TIME_NONE : time_ms));
	if (n > 0)
		buf_put_be32(&plain, (uint32_t)n);
	for (int i = 0; i < n; i++)
		put_number(&plain, str_of(v[i].name), v[i].value);
	json_put_base64(buf_str(&plain), out);
	buf_release(&plain);
}

static int
bad(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "the metadata of a committed offset is not what kq-stream "
		"or Kafka Streams writes: was the offset moved by another tool?");
}

/* The numbers, from p to end. */
static int
read_numbers(const uint8_t *p, const uint8_t *end, offset_note_fn *fn, void *arg, struct err *e)
{
	if (end - p < 4)
		return bad(e);
	uint32_t n = load_be32(p);
	p += 4;
	for (uint32_t i = 0; i < n; i++) {
		if (end - p < 4 || (int64_t)load_be32(p) > end - p - 4 - 8)
			return bad(e);
		struct str name = { p + 4, (int32_t)load_be32(p) };
		p += 4 + name.n;
		fn(arg, name, (int64_t)load_be64(p));
		p += 8;
	}
	return p == end ? 0 : bad(e);
}

static int
read_plain(struct str in, int64_t *time_ms, offset_note_fn *fn, void *arg, struct err *e)
{
	if (in.n < 9 || (in.p[0] != VERSION && in.p[0] != VERSION_TIME_ONLY))
		return bad(e);
	*time_ms = (int64_t)load_be64(in.p + 1);
	if (*time_ms == TIME_NONE)
		*time_ms = INT64_MIN;
	if (in.n == 9)
		return 0;
	return in.p[0] == VERSION ? read_numbers(in.p + 9, in.p + in.n, fn, arg, e) : bad(e);
}

int
offset_note_read(struct str note, int64_t *time_ms, offset_note_fn *fn, void *arg, struct err *e)
{
	struct buf plain = BUF_INIT;
	int rc = json_parse_base64(note, &plain) < 0 ? bad(e)
		: read_plain(buf_str(&plain), time_ms, fn, arg, e);
	buf_release(&plain);
	return rc;
}
