/*
 * A YAML file as a tree of maps, lists and texts, each with its place.
 *
 * Only ytree.c includes yaml.h.
 *
 * Limits: 1 MiB, 100,000 nodes, 16 levels; anchors, aliases, keys that occur twice in a
 * map, and a second document are refused.  Texts are not interpreted: yes is "yes".
 *
 * Uses: base, sys, libyaml.  Any thread.
 */
#ifndef KQ_TEXT_YTREE_H
#define KQ_TEXT_YTREE_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

enum ytree_kind { YTREE_TEXT, YTREE_LIST, YTREE_MAP };

struct ytree {
	enum ytree_kind kind;
	int line, column;      /* from 1 */
	const char *text;      /* of a text; no NUL is in it */
	bool is_plain;         /* without quotes or | */
	bool is_block;         /* after | or > */
	struct ytree_item *item; /* of a list or a map, in order */
	int n;
};

struct ytree_item {
	const char *key;       /* NULL in a list */
	int line, column;      /* of the key */
	struct ytree *value;
};

/* Parse a text, or read a file; name is in messages.  The tree belongs to the arena.  An
 * empty file is an empty map.  NULL: ERR_USAGE with "FILE:LINE:COLUMN: ...", or the file
 * cannot be read. */
struct ytree *ytree_parse(const char *name, struct str text, struct arena *a, struct err *e);
struct ytree *ytree_read(const char *path, struct arena *a, struct err *e);

/* The value of a map's key, or NULL. */
const struct ytree *ytree_get(const struct ytree *map, const char *key);

/* Append the text as a scalar that is read as the same text: plain where that is safe, or in
 * quotes. */
void ytree_put_text(struct str text, struct buf *out);

#endif
