/*
 * Random JSON texts: orders, some of whose members come at random, with strings and numbers
 * that are hard to scan or to print; and damaged ones.
 */
#ifndef KQ_T_JSON_ORDERS_H
#define KQ_T_JSON_ORDERS_H
#include "base/mem.h"

static uint64_t seed = 88172645463325252;

static inline unsigned
rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static inline const char *
pick(const char *const *words, size_t n)
{
	return words[rnd((unsigned)n)];
}

static inline const char *
any_string(void)
{
	static const char *const v[] = { "", "a", "o-0000001", "a b c", "\\\"", "x\\\\",
		"\\\\\\\"", "\\n",
		"\\u00e9\\ud83d\\ude00", "caf\xc3\xa9", "\x7f", "2026-11-30T12:00:00.123Z", "{\\\"a\\\":1}",
		"a rather long string that goes on behind the end of a block, and of the next one" };
	return pick(v, ARRAY_LEN(v));
}

static inline const char *
any_scalar(void)
{
	static const char *const v[] = { "0", "-0", "7", "123.45", "1e3", "true", "false", "null",
		"12345678901234567890", "-1.5E-7" };
	return pick(v, ARRAY_LEN(v));
}

/* An order; some of its members come at random. */
static inline void
put_order(struct buf *out)
{
	buf_reset(out);
	buf_printf(out, "{\"id\":\"%s\",\"ts\":\"%s\",", any_string(), any_string());
	if (rnd(8) == 0)
		buf_printf(out, "\"amount\":%s,", any_scalar());
	buf_printf(out, "\"amount\":%s,\"address\":{\"street\":\"%s\",\"city\":\"%s\"},", any_scalar(),
		any_string(), any_string());
	if (rnd(4) == 0)
		buf_printf(out, "\"\\u0069d\":\"%s\",", any_string());
	if (rnd(4) == 0)
		buf_printf(out, "\"address\":%s,", any_scalar());
	buf_printf(out, "\"tags\":[\"%s\", %s],\"note\":\"%s\",\"n\":[1,[2,{}],%s]}", any_string(),
		any_scalar(), any_string(), any_scalar());
}

/* Change, remove or add bytes, in place or at the end. */
static inline void
damage(struct buf *text)
{
	static const char bytes[] = "\"\\{}[]:,0-.eu \n\x01\x1f\x7f\x80\xc3\xff" "an";
	size_t at = rnd((unsigned)text->n);
	uint8_t c = (uint8_t)bytes[rnd(sizeof bytes - 1)];
	switch (rnd(4)) {
	case 0:
		text->p[at] = c;
		break;
	case 1:
		memmove(text->p + at, text->p + at + 1, text->n - at - 1);
		text->n--;
		break;
	case 2:
		buf_putc(text, 0);
		memmove(text->p + at + 1, text->p + at, text->n - at - 1);
		text->p[at] = c;
		break;
	default:
		text->n = at > 64 ? at : text->n;
		break;
	}
}

#endif
