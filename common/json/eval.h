/*
 * Runs trees.  A node gives results (values) for an input; most give one.
 *
 * What libjq is to decide makes the pool full (eval_ask), which no '?' hides.
 *
 * Uses: json/tree.h, json/value.h.  One thread at a time.
 */
#ifndef KQ_JSON_EVAL_H
#define KQ_JSON_EVAL_H

#include "json/tree.h"

struct eval {
	struct doc *doc;      /* its slots are those of the program's input */
	struct val_pool pool; /* of one record */
	struct val var[EXPR_NVAR];
	struct val local[TREE_LOCAL_MAX];
	struct buf scratch;
};

struct val_list {
	struct val *v;
	int n, cap;
};

/* All functions that return int: 1, the number of results, is in *out; 0: no result; -1: an
 * error, or libjq is to be asked. */

/* Of a node that has at most one result (not is_many). */
int eval_one(struct eval *eval, const struct tree_node *tree, struct val dot, struct val *out);

/* Append all results.  0; -1: behind those, an error. */
int eval_all(struct eval *eval, const struct tree_node *tree, struct val dot, struct val_list *out);

/* Append the result's text to a buffer; of a node that has at most one. */
int eval_put(struct eval *eval, const struct tree_node *tree, struct val dot, struct buf *out);

/* ---- for eval.c's other half ---- */

/* A '?' has caught an error: no result more.  But in jq 1.6 a '?' also catches errors that are
 * raised behind it: if there is another one in what was tried, libjq is asked. */
int eval_caught(struct eval *eval, const struct tree_node *tree);
/* An operator of two values. */
int eval_operator(struct eval *eval, enum tree_op op, struct val x, struct val y,
	struct val *out);
int eval_negate(struct val v, struct val *out);
int eval_index(struct eval *eval, struct val v, struct val key, struct val *out);
int eval_slice(struct eval *eval, struct val v, struct val from, struct val to,
	struct val *out);
/* A function: its arguments are values, but not those of map, select, any and all. */
int eval_call(struct eval *eval, enum tree_call call, struct val dot, struct val arg,
	struct val *out);
int eval_fromdate(struct eval *eval, struct val v, struct val *out);
int eval_todate(struct eval *eval, struct val v, struct val *out);
/* The items of an array or the values of an object; -1 if it is neither. */
int eval_each(struct eval *eval, struct val v, struct val_list *out);
/* The value as a string, as tostring. */
struct val eval_tostring(struct eval *eval, struct val v);

static inline int
eval_ask(struct eval *eval)
{
	eval->pool.is_full = true;
	return -1;
}

/* One result: 1. */
static inline int
eval_give(struct val *out, struct val v)
{
	*out = v;
	return 1;
}

/* The same of one that was made: -1 if the pool is full. */
static inline int
eval_give_made(const struct eval *eval, struct val *out, struct val v)
{
	*out = v;
	return eval->pool.is_full ? -1 : 1;
}

static inline int
eval_give_list(const struct eval *eval, struct val *out, const struct val_list *list)
{
	return eval_give_made(eval, out,
		(struct val){ .kind = VAL_ARRAY, .n = list->n, .item = list->v });
}

/* rc: of the argument.  An error of the node itself is none with '?'. */
static inline int
eval_optional(const struct eval *eval, const struct tree_node *tree, int rc)
{
	return rc < 0 && tree->is_optional && !eval->pool.is_full ? 0 : rc;
}

/* Append; false: the pool is full. */
bool val_list_add(struct val_pool *pool, struct val_list *list, struct val v);

#endif
