#include "kq-group/topic_parts.h"

#include "text/units.h"
#include "wire/topic.h"

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
topic_parts_parse(struct topic_parts *parts, const char *text, struct arena *a, struct err *e)
{
	size_t n = strcspn(text, ":");
	*parts = (struct topic_parts){ .topic = { (const uint8_t *)text, (int32_t)MIN(n, INT32_MAX) } };
	if (n == 0)
		return err_set(e, ERR_USAGE, "'%s' is not TOPIC or TOPIC:PARTITION,...", text);
	if (n > TOPIC_NAME_MAX)
		return err_set(e, ERR_USAGE, "the topic's name '%.20s...' is longer than %d characters",
			text, TOPIC_NAME_MAX);
	if (!text[n])
		return 0;
	parts->part = arena_alloc(a, (strlen(text) - n) * sizeof *parts->part);
	for (const char *p = text + n + 1;; p++) {
		size_t k = strcspn(p, ",");
		if (parse_partition(p, k, &parts->part[parts->npart], e) < 0)
			return err_wrap(e, "'%s'", text);
		parts->npart++;
		p += k;
		if (!*p)
			return 0;
	}
}
