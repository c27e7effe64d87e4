/*
 * Shapes: JSON texts that differ in their strings and numbers only.  Records of a topic
 * have few shapes.  A text that fits a known shape is known to be JSON, and where its
 * members are, by comparing what is constant.
 *
 *	{"id":"o-1","amount":7}    runs: {"id":"  ","amount":  }
 *	                           holes between them: a string, a scalar
 *
 * Uses: json/value.h, json/number.h, json/quotes.h.  One thread at a time.
 */
#ifndef KQ_JSON_SHAPE_H
#define KQ_JSON_SHAPE_H

#include "json/quotes.h"
#include "json/value.h"

/* A hole of the text from which the shape is made: a string with its quotes, or a scalar. */
struct shape_hole {
	uint32_t begin, end; /* offsets */
	bool is_string;
};

struct shape;

/* The shape of a text that was checked, with its quotes, its holes in order, and what slots
 * hold.  NULL: there is too much in it.  Freed with mem_free. */
struct shape *shape_new(struct str text, const struct quotes *quotes,
	const struct shape_hole *hole, int nhole, const struct val *slot, int nslot);

/* Does the text fit?  Then fill the slots.  Of strings only the ends are looked at. */
bool shape_match(const struct shape *shape, struct str text, const struct quotes *quotes,
	struct val *slot);

#endif
