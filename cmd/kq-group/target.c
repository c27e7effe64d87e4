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

int
where_parse(struct place *w, const char *text, int64_t now_ms, struct err *e)
{
	return place_parse(w, text, PLACE_BEGINNING | PLACE_END | PLACE_CURRENT | PLACE_OFFSET | PLACE_SHIFT
		| PLACE_TIME, now_ms, e);
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
where_go(const struct place *w, struct row *row, struct err *e)
{
	assert(row->start >= 0);
	assert(row->end >= 0);
	switch (w->kind) {
	case PLACE_BEGINNING:
		row->to = row->start;
		break;
	case PLACE_END:
		row->to = row->end;
		break;
	case PLACE_CURRENT:
		row->to = row->committed >= 0 ? row->committed : row->end;
		break;
	case PLACE_OFFSET:
		row->to = w->n;
		break;
	case PLACE_TIME:
		row->to = row->to >= 0 ? row->to : row->end;
		break;
	case PLACE_SHIFT:
		if (row->committed < 0)
			return err_set(e, ERR_PEER, "topic '%.*s', partition %d: nothing is committed, "
				"so +N and -N do not apply", STR_ARG(row->topic), row->partition);
		row->to = shifted(row->committed, w->n);
		break;
	default:
		assert(!"a place that where_parse does not take");
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
