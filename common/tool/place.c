#include "tool/place.h"

#include "base/mem.h"
#include "text/units.h"

static const struct {
	const char *word, *also;
	enum place_kind kind;
} words[] = {
	{ "beginning", "earliest", PLACE_BEGINNING },
	{ "end", "latest", PLACE_END },
	{ "current", NULL, PLACE_CURRENT },
};

static const struct {
	const char *word;
	enum place_kind kind;
} listed[] = {
	{ "beginning", PLACE_BEGINNING }, { "end", PLACE_END }, { "current", PLACE_CURRENT },
	{ "N (an offset)", PLACE_OFFSET }, { "-N", PLACE_LAST }, { "+N, -N", PLACE_SHIFT },
	{ "@TIME such as @2026-11-24T10:00 or @-1h", PLACE_TIME },
};

static int
refuse(const char *text, int kinds, struct err *e)
{
	struct buf b = BUF_INIT;
	for (size_t i = 0; i < ARRAY_LEN(listed); i++)
		if (kinds & (int)listed[i].kind)
			buf_printf(&b, "%s%s", b.n ? ", " : "", listed[i].word);
	err_set(e, ERR_USAGE, "'%.40s' is not a position; use one of: %.*s", text, (int)b.n,
		(char *)b.p);
	buf_release(&b);
	return -1;
}

static bool
is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == 0;
}

int
place_parse_time(const char *text, int64_t now_ms, int64_t *ms, struct err *e)
{
	if (units_parse_time(text, now_ms, ms, e) < 0)
		return -1;
	return *ms < 0 ? err_set(e, ERR_USAGE, "'%.40s' is before 1970", text) : 0;
}

static enum place_kind
kind_of(const char *text, int kinds)
{
	bool has_sign = *text == '+' || *text == '-';
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(text, words[i].word) == 0 || (words[i].also && strcmp(text, words[i].also) == 0))
			return words[i].kind;
	if (!is_number(text + has_sign))
		return PLACE_TIME;
	if (!has_sign) /* a time, where offsets are not accepted */
		return kinds & PLACE_OFFSET ? PLACE_OFFSET : PLACE_TIME;
	return kinds & PLACE_SHIFT ? PLACE_SHIFT : *text == '-' ? PLACE_LAST : PLACE_NONE;
}

int
place_parse(struct place *place, const char *text, int kinds, int64_t now_ms, struct err *e)
{
	bool is_time = *text == '@' || strncmp(text, "s@", 2) == 0;
	struct err why;
	*place = (struct place){ is_time ? PLACE_TIME : kind_of(text, kinds), 0 };
	if (!(kinds & (int)place->kind))
		return refuse(text, kinds, e);
	switch (place->kind) {
	case PLACE_TIME:
		if (is_time)
			return place_parse_time(strchr(text, '@') + 1, now_ms, &place->n, e);
		/* For an unknown word, the list of kinds is the better message. */
		return place_parse_time(text, now_ms, &place->n, &why) < 0 ? refuse(text, kinds, e) : 0;
	case PLACE_LAST:
		return units_parse_int(text + 1, 0, INT64_MAX, &place->n, e);
	case PLACE_OFFSET:
	case PLACE_SHIFT:
		return units_parse_int(text, -INT64_MAX, INT64_MAX, &place->n, e);
	default:
		return 0;
	}
}
