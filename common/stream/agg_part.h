/*
 * The parts of agg.c: one aggregator of a column.  For agg*.c only.
 *
 * A state of columns is the states of those of a fixed size, one after the other, then for
 * each of the others its length in 4 bytes and its bytes.  All bytes zero, and no bytes,
 * are the state before the first value.  Nothing is aligned.
 *
 * Uses: agg.h.
 */
#ifndef KQ_STREAM_AGG_PART_H
#define KQ_STREAM_AGG_PART_H

#include "stream/agg.h"

struct agg_kind;

struct agg_part {
	const struct agg_kind *kind;
	struct expr *expr;  /* NULL: none */
	double param;
	struct str lead;    /* what comes before its value in the row: {"name": or ,"name": */
	int32_t at;         /* of a fixed size: where its state begins */
};

/* What the expression gave. */
struct agg_value {
	double number;
	struct str text;
};

/* A part's state while it changes: p in place for one of a fixed size; otherwise the new
 * one is made from old and appended to out. */
struct agg_cell {
	uint8_t *p;
	struct str old;
	struct buf *out;
};

/* Reads what pack wrote.  After the first fault is_bad is set, and all is zero or empty. */
struct agg_reader {
	const uint8_t *p, *end;
	bool is_bad;
};
void agg_read(struct agg_reader *from, const char *literal);
bool agg_read_if(struct agg_reader *from, const char *literal); /* is it there? */
double agg_read_number(struct agg_reader *from);
int64_t agg_read_int(struct agg_reader *from);
struct str agg_read_json(struct agg_reader *from); /* brackets and strings fit, no more */

enum agg_wants { AGG_NOTHING, AGG_ANY, AGG_NOT_NULL, AGG_NUMBER };
enum agg_param { AGG_NO_PARAM, AGG_MAY_LIMIT, AGG_FRACTION };

struct agg_kind {
	const char *name;
	enum agg_wants wants;   /* values that do not fit are passed over */
	enum agg_param param;
	double param_default;
	int32_t size;           /* 0: it varies */
	bool is_number;         /* the state of a fixed size depends on numbers only, and add fails
	                         * for numbers only that are beyond AGG_SAFE */
	int (*add)(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
		struct err *e);
	int (*sub)(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
		struct err *e); /* NULL: it cannot be taken back */
	int (*merge)(const struct agg_part *part, struct agg_cell *cell, struct str right,
		struct err *e);
	void (*put)(const struct agg_part *part, struct str state, struct buf *out);
	void (*pack)(const struct agg_part *part, struct str state, struct buf *out); /* NULL: put */
	void (*unpack)(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell);
};

/* A sum that is finite stays so with a number that is smaller than half the distance of the
 * largest numbers, 2^971. */
#define AGG_SAFE 0x1p969

extern const struct agg_kind agg_count_all, agg_count, agg_sum, agg_min, agg_max, agg_avg,
	agg_first, agg_last, agg_collect, agg_distinct, agg_distinct_approx, agg_quantile;

/* Parse one spec.  Returns 0, or -1 (ERR_USAGE, with the column in the spec). */
int agg_parse(struct flow_fns *fns, struct str spec, struct agg_part *part, struct err *e);

void agg_put_number(struct buf *out, double number);
void agg_put_text(struct buf *out, struct str json); /* null is "null" */

#endif
