/*
 * An application in a YAML file:
 *
 *	application: revenue
 *	streams:
 *	  orders:
 *	    - from: orders
 *	      time: .ts
 *	    - filter: .amount > 0
 *	    - to: '-'
 *
 * The keys beside streams are settings.  A step is a map whose first key is its verb; the
 * verb's arguments are the other keys.
 *
 * Uses: steps, settings, text/ytree.
 */
#ifndef KQ_STREAM_CMD_YAML_H
#define KQ_STREAM_CMD_YAML_H

#include "kq-stream/steps.h"
#include "text/ytree.h"

/* Parse a file, whose name is in messages.  The tree is in steps->arena.  NULL: ERR_USAGE
 * with "FILE:LINE:COLUMN: ...", or the file cannot be read. */
struct ytree *yaml_open(struct steps *steps, const char *path, struct err *e);

/* Make steps and settings of a map; keys listed in others (which ends with NULL) are left
 * out.  Returns 0, or -1 (ERR_USAGE). */
int yaml_take(struct steps *steps, const struct ytree *map, const char *const *others,
	struct err *e);

/* Append the settings that are given, and the chains, as such a file. */
void yaml_print(const struct steps *steps, struct buf *out);

#endif
