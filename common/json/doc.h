/*
 * A JSON text, checked in one pass that also finds the members which programs want.
 *
 * What passes is JSON as of RFC 8259 in UTF-8, with at most DOC_DEPTH_MAX levels, with no
 * control character in a string and no lone surrogate: all of it is JSON to libjq, too,
 * with the same meaning.  Of what does not pass libjq takes a part and refuses the rest;
 * that is for the caller to ask.
 *
 *	doc_want(doc, 0, STR("id"));                    before the first scan
 *	if (doc_scan(doc, text)) ... doc->slot[1] ...   the value of .id
 *
 * A text that has the shape of a recent one is not walked through: see shape.h.
 *
 * Uses: base, json/shape.h, json/value.h, json/number.h.  One thread at a time.
 */
#ifndef KQ_JSON_DOC_H
#define KQ_JSON_DOC_H

#include "json/shape.h"
#include "json/value.h"

enum { DOC_DEPTH_MAX = 64, DOC_SLOT_MAX = 256, DOC_SHAPE_MAX = 16, DOC_HOLE_MAX = 120 };

struct doc {
	struct val *slot; /* the text itself; then the members that are wanted, else null */
	int nslot;
	struct doc_path *path;
	struct quotes quotes;
	/* Shapes of recent texts, those that fit often before the others. */
	struct shape *shape[DOC_SHAPE_MAX];
	int nshape;
	int nfit, nmiss; /* texts that fitted, and those that did not; halved at times */
	struct shape_hole hole[DOC_HOLE_MAX];
	int nhole;       /* more than there is room for: no shape */
};

void doc_init(struct doc *doc);
void doc_release(struct doc *doc);

/* Want the member of an object that slot `parent` holds (0: of the text itself).  Returns
 * its slot, or -1: there are too many. */
int doc_want(struct doc *doc, int parent, struct str key);

/* Check the text, and fill the slots.  doc may be NULL. */
bool doc_scan(struct doc *doc, struct str text);

/* Fill the slots as of a text that is null. */
void doc_clear(struct doc *doc);

/* The text without the white space around it. */
struct str doc_trim(struct str text);

#endif
