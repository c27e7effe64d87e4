/*
 * Kafka's error codes: the enum KERR_... and the table of their names and texts,
 * both generated from share/errors.tab.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_WIRE_KERR_H
#define KQ_WIRE_KERR_H

#include "base/base.h"

#include "kerr_gen.h" /* enum kerr { KERR_NONE = 0, KERR_OFFSET_OUT_OF_RANGE = 1, ... } */

struct kerr_info {
	int16_t code;
	const char *name; /* "OFFSET_OUT_OF_RANGE" */
	bool is_retriable;
	const char *text; /* a sentence without a full stop */
};

/* Never NULL: a code that is not in the table is "UNKNOWN_ERROR". */
const struct kerr_info *kerr_info(int16_t code);

/* All codes, ascending.  Generated. */
extern const struct kerr_info kerr_table[];
extern const int kerr_table_n;

#endif
