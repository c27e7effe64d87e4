/*
 * Functions of the user as jq expressions: they see '.', $key, $acc, $left and $right, and
 * their results become values and keys.
 *
 * Uses: flow, json/expr.h, text/jsonput.h.  A set and its functions belong to one thread.
 */
#ifndef KQ_STREAM_FN_EXPR_H
#define KQ_STREAM_FN_EXPR_H

#include "json/expr.h"
#include "stream/flow.h"

/* ---- keys as JSON ---- */

enum flow_key_format {
	FLOW_KEY_JSON,  /* the bytes are one JSON text */
	FLOW_KEY_TEXT,  /* the bytes are a string; JSON that is no string is written as it is */
	FLOW_KEY_BYTES, /* as text; bytes that are not UTF-8 are {"b64": "..."} */
};

/* Append what $key is; null is "null", a windowed key {"key":K,"start":S,"end":E}.  The bytes
 * of a JSON key are not checked. */
void flow_key_put_json(const struct flow_key *key, enum flow_key_format format, struct buf *out);

/* Append the bytes of the key that a compact JSON text stands for.  Returns 0, or -1
 * (ERR_CORRUPT): b64 is not base64. */
int flow_key_parse_json(struct str json, enum flow_key_format format, struct buf *out,
	struct err *e);

/* ---- functions ---- */

enum flow_gives {
	FLOW_GIVES_TEST,    /* test */
	FLOW_GIVES_VALUE,   /* value: a new value; no result is null */
	FLOW_GIVES_KEY,     /* value: a new key, in out_key's format */
	FLOW_GIVES_PAIR,    /* pairs: [key, value] */
	FLOW_GIVES_PAIRS,   /* pairs: [[key, value], ...] */
	FLOW_GIVES_EACH,    /* pairs: each result is a value, with the record's key */
	FLOW_GIVES_ROW_KEY, /* pairs: a new key, with the record's value */
};

struct flow_place {
	enum flow_gives gives;
	enum flow_key_format in_key;  /* of the record: what $key is made from */
	enum flow_key_format out_key; /* of new keys */
};

struct flow_fns;

struct flow_fns *flow_fns_new(const struct expr_opts *o); /* o may be NULL */
void flow_fns_free(struct flow_fns *fns);                 /* and its functions */
void flow_fns_next(struct flow_fns *fns);                 /* a new input record: see flow_env */
struct expr_set *flow_fns_set(struct flow_fns *fns);      /* to add expressions of one's own */

/* The topology has unlimited windows: the end of one does not lose digits in values, too. */
void flow_fns_be_endless(struct flow_fns *fns);

/* A function; the set owns it.  NULL (ERR_USAGE, with the column): it does not compile. */
struct flow_fn *flow_fns_add(struct flow_fns *fns, struct str text,
	const struct flow_place *place, struct err *e);

/* ---- for aggregators ---- */

/* Memory as long as the set. */
struct arena *flow_fns_memory(struct flow_fns *fns);

/* What the expression sees.  $key is made only if it reads it. */
void flow_fns_input(struct flow_fns *fns, const struct expr *expr, enum flow_key_format format,
	const struct flow_args *args, struct expr_in *in);

/* expr_value; the end of a window without end in $key does not lose digits, and see
 * flow_fns_be_endless. */
int flow_fns_value(struct flow_fns *fns, struct expr *expr, const struct expr_in *in,
	struct str *out, struct err *e);

/* Goes over the items of a compact JSON array, whose text is checked. */
struct flow_items {
	const uint8_t *p, *end;
};
bool flow_items_init(struct flow_items *items, struct str array); /* false: it is none */
bool flow_items_next(struct flow_items *items, struct str *item); /* JSON null is null */

#endif
