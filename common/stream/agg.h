/*
 * Aggregates: reduce and aggregate with jq expressions, and columns such as
 * total='sum(.amount)' n=count, several of them in one state.
 *
 * The aggregators of a column; E is an expression of '.' and $key:
 *
 *	count                records
 *	count(E)             records for which E is not null
 *	sum(E) avg(E)        of numbers; the sum of none is 0, their average null
 *	min(E) max(E)        of numbers; of none: null
 *	first(E) last(E)     in the order of arrival; of none: null
 *	collect(E; N)        an array in the order of arrival, nulls too; N: at most so many
 *	                     (1000 if it is left out), one more is an error
 *	distinct(E; N)       how many different values there are; N: at most so many (1000)
 *	distinct_approx(E)   the same by HyperLogLog: standard error 1.6 %, in 4 KiB
 *	quantile(E; P)       of numbers: a value at most 1 % from the one of rank ceil(P * n);
 *	                     with P 0 or 1, except of a grouped table, it is min(E) or max(E)
 *
 * All but count and collect pass over null, and a missing result.  E of a record that is
 * no number where one is wanted, or is beyond the largest double, is an error, as is a sum
 * that becomes so.  Numbers are doubles, as everywhere in jq.  Two values are different if
 * their compact texts are: 1 and 1.0 are one value, "1" is another, as are {"a":1,"b":2}
 * and {"b":2,"a":1}; 0 and -0 are one.
 *
 * A row is the object of its columns, in their order.  In a changelog it is the same,
 * except for what a row does not tell:
 *
 *	avg               {"sum":S,"n":N}
 *	distinct          {"values":[[V,N],...]}   each value and how often it came
 *	distinct_approx   {"hll":"BASE64"}         its 4096 registers, a byte each
 *	quantile          {"buckets":[[B,N],...]}  buckets by rising values (agg_sketch.c)
 *
 * Uses: fn_expr, json/number.h.  A set of functions owns its aggregates.
 */
#ifndef KQ_STREAM_AGG_H
#define KQ_STREAM_AGG_H

#include "stream/fn_expr.h"

/* Where the aggregate is used. */
struct agg_place {
	enum flow_key_format in_key; /* of the records' keys */
	bool is_table;               /* of a grouped table: needs sub */
	bool is_session;             /* of session windows: needs merge */
};

struct agg_column {
	struct str name, spec;
};

/* NULL (ERR_USAGE): a spec is wrong ("total: column 5: ..."), a name comes twice, or a
 * column of a grouped table cannot be taken back (min, max, first, last, distinct_approx). */
struct flow_agg *agg_of_columns(struct flow_fns *fns, const struct agg_column *v, int n,
	const struct agg_place *place, struct err *e);

/* The number of records, as a plain number. */
struct flow_agg *agg_of_count(struct flow_fns *fns);

struct agg_exprs {
	bool is_reduce;  /* the first value is the first state */
	struct str init; /* the state before the first value, without variables; null: null */
	struct str add;  /* of $acc, . and $key: the new state; null: only init and merge count */
	struct str sub;  /* likewise, for a row that goes; or null */
	struct str merge; /* of $left, $right and $key; null: a reduce takes $right as '.' */
};

/* NULL (ERR_USAGE): one does not compile, or one that the place needs is missing. */
struct flow_agg *agg_of_exprs(struct flow_fns *fns, const struct agg_exprs *exprs,
	const struct agg_place *place, struct err *e);

#endif
