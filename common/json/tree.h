/*
 * A program of the compiled subset as a tree: what compile.c makes and eval.c runs.
 *
 * Uses: json/value.h, json/doc.h.
 */
#ifndef KQ_JSON_TREE_H
#define KQ_JSON_TREE_H

#include "json/doc.h"
#include "json/expr.h"
#include "json/regex.h"

enum tree_op {
	TREE_DOT,
	TREE_CONST,    /* value */
	TREE_SLOT,     /* a wanted member of the input: index; arg 0: its parent's SLOT or DOT */
	TREE_VAR,      /* index: enum expr_var */
	TREE_LOCAL,    /* index: of `as` */
	TREE_MEMBER,   /* arg 0, key value */
	TREE_INDEX,    /* arg 0 at arg 1 */
	TREE_SLICE,    /* arg 0 from arg 1 to arg 2 */
	TREE_EACH,     /* arg 0 */
	TREE_PIPE, TREE_COMMA, TREE_ALT, TREE_AND, TREE_OR, /* arg 0, arg 1 */
	TREE_TRY,      /* arg 0 */
	TREE_NEGATE,
	TREE_ADD, TREE_SUB, TREE_MUL, TREE_DIV, TREE_MOD,
	TREE_EQ, TREE_NE, TREE_LT, TREE_LE, TREE_GT, TREE_GE,
	TREE_IF,       /* arg 0 to 2 */
	TREE_AS,       /* arg 0 as index: arg 1 */
	TREE_REDUCE,   /* reduce arg 0 as index (arg 1; arg 2) */
	TREE_OBJECT,   /* arg 0: chain of TREE_PAIR */
	TREE_PAIR,     /* arg 0: key, arg 1: value */
	TREE_ARRAY,    /* arg 0; NULL: empty */
	TREE_STRING,   /* arg 0: chain of parts, each a node */
	TREE_CALL,     /* call; arg 0, arg 1 */
};

enum tree_call {
	/* Of kinds of values: select those.  In the order of call_kinds. */
	CALL_NULLS, CALL_BOOLEANS, CALL_NUMBERS, CALL_STRINGS, CALL_ARRAYS, CALL_OBJECTS,
	CALL_SCALARS, CALL_ITERABLES, CALL_VALUES,
	CALL_EMPTY, CALL_NOT, CALL_LENGTH, CALL_TYPE, CALL_TOSTRING, CALL_TONUMBER, CALL_TOJSON,
	CALL_DOWNCASE, CALL_UPCASE, CALL_KEYS, CALL_KEYS_UNSORTED, CALL_ADD, CALL_MIN, CALL_MAX,
	CALL_FLOOR, CALL_SQRT, CALL_ANY, CALL_ALL, CALL_FIRST, CALL_LAST, CALL_TO_ENTRIES,
	CALL_REVERSE, CALL_FROMDATE, CALL_TODATE,
	CALL_TEST,         /* regex */
	/* With an argument. */
	CALL_SELECT, CALL_MAP, CALL_STARTSWITH, CALL_ENDSWITH, CALL_CONTAINS, CALL_LTRIMSTR,
	CALL_RTRIMSTR, CALL_SPLIT, CALL_JOIN, CALL_HAS, CALL_RANGE, CALL_ANY_OF, CALL_ALL_OF,
	/* With two. */
	CALL_RANGE_TO,
};

struct tree_node {
	uint8_t op, call;
	bool is_many;       /* may have more than one result */
	bool is_fixed;      /* OBJECT: distinct constant keys; PAIR's value: what is printed before */
	bool is_optional;   /* MEMBER, SLOT, INDEX, SLICE, EACH: '?' behind */
	bool has_try;       /* a '?' in it */
	int16_t index;
	struct tree_node *arg[3];
	struct tree_node *next;  /* of a chain */
	struct val value;
	struct regex *regex;
};

enum { TREE_LOCAL_MAX = 32, TREE_REGEX_MAX = 8 };

/* What is known of a compiled text. */
struct tree_info {
	bool uses[EXPR_NVAR];
	int nlocal;
	struct regex *regex[TREE_REGEX_MAX];
	int nregex;
};

/* Compile: the tree and its constants are in the arena; members that the program reads of
 * its input are wanted of the doc.  NULL: not covered, or wrong.  tree_info_release frees
 * what the info holds, in both cases. */
struct tree_node *tree_compile(struct str text, struct arena *a, struct doc *doc,
	struct tree_info *info);
void tree_info_release(struct tree_info *info);

#endif
