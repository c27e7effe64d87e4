#include "kq-group/target.h"

#include "text/units.h"

enum { NAME_MAX_ = 249 /* Kafka's limit of a topic's name */ };

static int
parse_partition(const char *text, size_t n, int32_t *v, struct err *e)
{
	char digits[24];
	int64_t got;
	if (n >= sizeof digits || n == 0)
		return err_set(e, ERR_USAGE, "'%.*s' is not a partition", (int)MIN(n, 40), text);
	memcpy(digits, text, n);
	digits[n] = 0;
	if (strspn(digits, "0123456789") != n || units_parse_int(digits, 0, INT32_MAX, &got, e) < 0)
		return err_set(e, ERR_USAGE, "'%s' is not a partition", digits);
	*v = (int32_t)got;
	return 0;
}

int
target_parse(struct target *t, const char *text, struct arena *a, struct err *e)
{
	size_t n = strcspn(text, ":");
	*t = (struct target){ .topic = { (const uint8_t *)text, (int32_t)MIN(n, INT32_MAX) } };
	if (n == 0)
		return err_set(e, ERR_USAGE, "'%s' is not TOPIC or TOPIC:PARTITION,...", text);
	if (n > NAME_MAX_)
		return err_set(e, ERR_USAGE, "the topic's name '%.20s...' is longer than %d characters", text,
			NAME_MAX_);
	if (!text[n])
		return 0;
	t->part = arena_alloc(a, (strlen(text) - n) * sizeof *t->part);
	for (const char *p = text + n + 1;; p++) {
		size_t k = strcspn(p, ",");
		if (parse_partition(p, k, &t->part[t->npart], e) < 0)
			return err_wrap(e, "'%s'", text);
		t->npart++;
		p += k;
		if (!*p)
			return 0;
	}
}

/* --- where --- */

static bool
is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == 0;
}

int
where_parse(struct where *w, const char *text, int64_t now_ms, struct err *e)
{
	static const char *const word[] = { "earliest", "latest", "current" };
	*w = (struct where){ .n = 0 };
	for (size_t i = 0; i < ARRAY_LEN(word); i++)
		if (strcmp(text, word[i]) == 0) {
			w->kind = (enum where_kind)(WHERE_EARLIEST + (int)i);
			return 0;
		}
	bool has_sign = *text == '+' || *text == '-';
	if (is_number(text + has_sign)) {
		w->kind = has_sign ? WHERE_SHIFT : WHERE_OFFSET;
		return units_parse_int(text, -INT64_MAX, INT64_MAX, &w->n, e);
	}
	w->kind = WHERE_TIME;
	if (*text != '@' || units_parse_time(text, now_ms, &w->n, e) < 0)
		return err_set(e, ERR_USAGE, "'%s' is none of earliest, latest, current, an offset, "
			"+N or -N, and @TIME such as @2026-11-24T10:00 or @-1h", text);
	if (w->n < 0)
		return err_set(e, ERR_USAGE, "'%s' is before 1970", text);
	return 0;
}

static int64_t
shifted(int64_t offset, int64_t by)
{
	int64_t sum;
	if (__builtin_add_overflow(offset, by, &sum))
		return by < 0 ? 0 : INT64_MAX;
	return MAX(sum, 0);
}

int
where_go(const struct where *w, struct row *row, struct err *e)
{
	assert(row->start >= 0);
	assert(row->end >= 0);
	switch (w->kind) {
	case WHERE_EARLIEST:
		row->to = row->start;
		break;
	case WHERE_LATEST:
		row->to = row->end;
		break;
	case WHERE_CURRENT:
		row->to = row->committed >= 0 ? row->committed : row->end;
		break;
	case WHERE_OFFSET:
		row->to = w->n;
		break;
	case WHERE_TIME:
		row->to = row->to >= 0 ? row->to : row->end;
		break;
	case WHERE_SHIFT:
		if (row->committed < 0)
			return err_set(e, ERR_PEER, "topic '%.*s', partition %d: nothing is committed that "
				"could be shifted", STR_ARG(row->topic), row->partition);
		row->to = shifted(row->committed, w->n);
		break;
	}
	return 0;
}

int64_t
where_clamp(struct row *row)
{
	int64_t was = row->to;
	assert(was >= 0);
	row->to = MIN(MAX(was, row->start), row->end);
	return row->to == was ? -1 : was;
}
