/*
 * Values of the compiled subset.  A value that came in is the slice of its text, which has
 * been checked; a value that was made has its parts in a pool.  Nothing is copied or
 * converted before it is needed.
 *
 * Memory comes from a pool with a cap on its bytes and on the values that are compared or
 * printed.  A pool that is full says so until the next reset (is_full), and what was
 * computed since is void: the caller looks once, at the end.
 *
 * Uses: base, json/number.h.  One thread at a time for a pool.
 */
#ifndef KQ_JSON_VALUE_H
#define KQ_JSON_VALUE_H

#include "base/base.h"
#include "base/mem.h"

/* In jq's order of types. */
enum val_kind {
	VAL_NULL, VAL_FALSE, VAL_TRUE, VAL_NUMBER, VAL_STRING, VAL_ARRAY, VAL_OBJECT
};

struct val {
	uint8_t kind;
	bool is_text;    /* p and n: a JSON text without white space around; else it was made: */
	bool is_printed; /* of a text: jq is known to print the same bytes */
	int32_t n;       /* bytes of a string, items of an array, members of an object */
	union {
		const uint8_t *p;
		double number;
		const struct val *item;
		const struct val_member *member; /* no key twice */
	};
};

struct val_member {
	struct val key, value;
};

struct val_pool {
	struct arena arena;
	int32_t nvisit; /* values that were compared or printed */
	bool is_full;
};
/* Bytes; NULL if the pool is full. */
void *val_alloc(struct val_pool *pool, size_t n);
void val_pool_reset(struct val_pool *pool);

/* ---- make ---- */

static inline struct val
val_of_kind(enum val_kind kind) /* null, false, true; an empty array or object */
{
	return (struct val){ .kind = (uint8_t)kind };
}

static inline struct val
val_of_bool(bool is_true)
{
	return val_of_kind(is_true ? VAL_TRUE : VAL_FALSE);
}

static inline struct val
val_of_number(double number)
{
	return (struct val){ .kind = VAL_NUMBER, .number = number };
}

static inline struct val
val_of_string(struct str s) /* the characters, in UTF-8; borrowed */
{
	return (struct val){ .kind = VAL_STRING, .n = s.n, .p = s.p };
}

extern const uint8_t val_kinds[256]; /* of a text, by its first byte */

static inline struct val
val_of_text(struct str text) /* checked, without white space around; borrowed */
{
	return (struct val){ .kind = val_kinds[*text.p], .is_text = true, .n = text.n, .p = text.p };
}

/* ---- look ---- */

static inline bool
val_is_true(struct val v)
{
	return v.kind > VAL_FALSE;
}

double val_number(struct val v);                          /* of a number */
struct str val_string(struct val_pool *pool, struct val v); /* of a string: its characters */

/* The item of an array at i, counted from the end if negative; null if there is none. */
struct val val_item(struct val v, int64_t i);

/* The member of an object; null if there is none, and *found, which may be NULL, is false. */
struct val val_member(struct val_pool *pool, struct val v, struct str key, bool *found);

/* The same array or object, made: all items or members at once. */
struct val val_made(struct val_pool *pool, struct val v);

int64_t val_length(struct val_pool *pool, struct val v); /* of an array or object */

/* ---- compare ---- */

bool val_is_equal(struct val_pool *pool, struct val x, struct val y);
int val_cmp(struct val_pool *pool, struct val x, struct val y); /* jq's order */

/* ---- print ---- */

/* Count a visit; false if there were too many. */
bool val_visit(struct val_pool *pool);

/* Append the value as jq -c prints it. */
void val_put(struct val_pool *pool, struct val v, struct buf *out);
/* Append the characters of a string as a JSON string. */
void val_put_string(struct str s, struct buf *out);

/* ---- texts ---- */

/* Goes over the items or members of a text. */
struct val_iter {
	const uint8_t *p;
	bool is_done;
};
void val_iter_init(struct val_iter *iter, struct val v);
/* The next value; of an object with its key, a text.  False: no more. */
bool val_iter_next(struct val_iter *iter, struct val *key, struct val *value);

#endif
