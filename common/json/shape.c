#include "json/shape.h"
#include "json/number.h"

enum { RUN_MAX = 128, TEXT_MAX = 4096, PAD = 8 };

/* Constant bytes, from the end of a hole to the begin of the next one. */
struct run_of_shape {
	uint16_t text;    /* where its bytes are in the shape's */
	uint16_t n;
	uint16_t quote;   /* the first quote at or behind its begin, of all quotes */
	bool is_behind_string;
};

/* A position relative to a run's begin. */
struct shape_place {
	uint8_t run;
	uint16_t offset;
};

struct slot_place {
	bool is_there;
	struct shape_place begin, end;
};

struct shape {
	int nquote, nrun, nslot;
	struct run_of_shape run[RUN_MAX];
	struct slot_place *slot;
	uint8_t *text;
};

/* ---- make ---- */

static struct shape_place
place_of(const struct shape *shape, const uint32_t *begin, uint32_t at)
{
	for (int i = 0; i < shape->nrun; i++)
		if (at >= begin[i] && at <= begin[i] + shape->run[i].n)
			return (struct shape_place){ (uint8_t)i, (uint16_t)(at - begin[i]) };
	assert(!"values begin and end in runs");
	return (struct shape_place){ 0, 0 };
}

static void
add_run(struct shape *shape, struct str text, const struct quotes *quotes, uint32_t begin,
	uint32_t end, bool is_behind_string)
{
	struct run_of_shape *run = &shape->run[shape->nrun];
	int quote = shape->nrun ? run[-1].quote : 0;
	while (quote < quotes->n && quotes->at[quote] < begin)
		quote++;
	run->text = shape->nrun ? (uint16_t)(run[-1].text + run[-1].n) : 0;
	run->n = (uint16_t)(end - begin);
	run->quote = (uint16_t)quote;
	run->is_behind_string = is_behind_string;
	memcpy(shape->text + run->text, text.p + begin, end - begin);
	shape->nrun++;
}

struct shape *
shape_new(struct str text, const struct quotes *quotes, const struct shape_hole *hole,
	int nhole, const struct val *slot, int nslot)
{
	uint32_t begin[RUN_MAX], at = 0;
	if (nhole >= RUN_MAX || text.n > TEXT_MAX)
		return NULL;
	/* One allocation: the slots' places and the text are behind the struct. */
	size_t size = sizeof(struct shape) + (size_t)nslot * sizeof(struct slot_place);
	struct shape *shape = mem_alloc(size + (size_t)text.n + PAD);
	shape->slot = (struct slot_place *)(void *)(shape + 1);
	shape->text = (uint8_t *)shape + size;
	shape->nquote = quotes->n;
	shape->nslot = nslot;
	for (int i = 0; i <= nhole; i++) {
		/* A string's quotes belong to the runs around. */
		uint32_t end = i == nhole ? (uint32_t)text.n : hole[i].begin + hole[i].is_string;
		begin[i] = at;
		add_run(shape, text, quotes, at, end, i > 0 && hole[i - 1].is_string);
		at = i == nhole ? end : hole[i].end - hole[i].is_string;
	}
	for (int i = 0; i < nslot; i++) {
		if (!slot[i].is_text)
			continue;
		uint32_t from = (uint32_t)(slot[i].p - text.p);
		shape->slot[i].is_there = true;
		shape->slot[i].begin = place_of(shape, begin, from);
		shape->slot[i].end = place_of(shape, begin, from + (uint32_t)slot[i].n);
	}
	return shape;
}

/* ---- match ---- */

/* Equal bytes?  y has PAD bytes behind it, x may be read up to end. */
static inline bool
is_same(const uint8_t *x, const uint8_t *y, size_t n, const uint8_t *end)
{
	uint64_t a, b;
	if (n < 8) {
		if (end - x < 8)
			return (size_t)(end - x) >= n && memcmp(x, y, n) == 0;
		memcpy(&a, x, 8);
		memcpy(&b, y, 8);
		return n == 0 || (a ^ b) << (64 - 8 * n) == 0;
	}
	if ((size_t)(end - x) < n)
		return false;
	uint64_t differ = 0;
	for (size_t i = 0; i + 8 < n; i += 8) {
		memcpy(&a, x + i, 8);
		memcpy(&b, y + i, 8);
		differ |= a ^ b;
	}
	memcpy(&a, x + n - 8, 8);
	memcpy(&b, y + n - 8, 8);
	return (differ | (a ^ b)) == 0;
}

/* Past the scalar at p, or NULL.  *is_printed: does jq print the same bytes? */
static inline const uint8_t *
scalar_end(const uint8_t *p, const uint8_t *end, bool *is_printed)
{
	struct number number;
	*is_printed = true;
	if (end - p >= 4 && (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0))
		return p + 4;
	if (end - p >= 5 && memcmp(p, "false", 5) == 0)
		return p + 5;
	p = number_scan(p, end, &number);
	*is_printed = number.is_printed;
	return p;
}

bool
shape_match(const struct shape *shape, struct str text, const struct quotes *quotes,
	struct val *slot)
{
	bool is_printed[RUN_MAX + 1]; /* of the hole before the run */
	const uint8_t *begin[RUN_MAX], *p = text.p, *end = text.p + text.n;
	if (shape->nquote != quotes->n)
		return false;
	/* Of strings: without escapes and DEL.  Arrays and objects are not known. */
	bool is_plain = !(quotes->has & (QUOTES_ESCAPE | QUOTES_OTHER));
	for (int i = 0; i < shape->nrun; i++) {
		const struct run_of_shape *run = &shape->run[i];
		if (run->is_behind_string)
			p = text.p + quotes->at[run->quote];
		else if (i > 0 && !(p = scalar_end(p, end, &is_printed[i])))
			return false;
		begin[i] = p;
		if (!is_same(p, shape->text + run->text, run->n, end))
			return false;
		p += run->n;
	}
	if (p != end)
		return false;
	for (int i = 0; i < shape->nslot; i++) {
		const struct slot_place *place = &shape->slot[i];
		if (place->is_there) {
			const uint8_t *from = begin[place->begin.run] + place->begin.offset;
			slot[i] = val_of_text((struct str){ from,
				(int32_t)(begin[place->end.run] + place->end.offset - from) });
			slot[i].is_printed = slot[i].kind == VAL_STRING ? is_plain
				: slot[i].kind < VAL_STRING && shape->nrun > 1 && is_printed[place->begin.run + 1];
		} else {
			slot[i] = val_of_kind(VAL_NULL);
		}
	}
	return true;
}
