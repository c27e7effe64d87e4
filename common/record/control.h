/*
 * Control batches: each holds one record, the marker that ends a producer's
 * transaction in a partition (KIP-98).
 *
 *   key    version i16 = 0 | type i16: 0 abort, 1 commit
 *   value  version i16 = 0 | coordinator epoch i32
 *
 * Readers accept longer keys and values, as later versions may have.  Source:
 * Kafka's ControlRecordType and EndTransactionMarker.
 *
 * Uses: base, batch, builder.  Any thread.
 */
#ifndef KQ_RECORD_CONTROL_H
#define KQ_RECORD_CONTROL_H

#include "base/base.h"
#include "record/batch.h"
#include "record/builder.h"

struct control_marker {
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t coordinator_epoch; /* of the coordinator that decided */
	bool is_commit;
};

enum control_type { CONTROL_ABORT, CONTROL_COMMIT, CONTROL_UNKNOWN };

/* The type that the key of a control batch's record names. */
enum control_type control_type(struct str key);

/* Parse the marker from a control batch, all of whose bytes are at p.  False:
 * it holds no record, one that is malformed, or one of an unknown type. */
bool control_parse(const uint8_t *p, const struct batch *batch, struct control_marker *marker);

/* Build a marker's batch in the builder, which is reset first.  Returns its
 * bytes, valid until the builder changes. */
struct str control_build(struct builder *builder, const struct control_marker *marker,
	int64_t timestamp_ms);

#endif
