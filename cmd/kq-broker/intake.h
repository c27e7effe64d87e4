/*
 * Validation of a client's batch before it is appended: Kafka's rules
 * (UnifiedLog.analyzeAndValidateRecords and LogValidator), and a little more, so
 * that every client can read what is stored.
 *
 * Checked are the bytes with their CRC, the header, and each record
 * (record/inspect.h); a compressed batch is decompressed for that, unless the
 * topic's verify.compressed.records is false.  As in Kafka, a wrong largest
 * timestamp in the header is corrected.
 *
 * Threads: any; takes no lock.
 */
#ifndef KQ_BROKER_INTAKE_H
#define KQ_BROKER_INTAKE_H

#include "kq-broker/partition.h"

/* A refused record, and why. */
struct record_fault {
	int32_t index; /* in its batch */
	struct str message;
};

struct intake {
	const struct topic_config *config;
	int64_t now_ms;
	struct arena *arena; /* holds fault and the messages */
	int32_t nfault_max;  /* records to list, at least 1 */
	/* Decompressed bytes, of all batches of the request: they have a limit. */
	int64_t plain_size;
	/* The result for a refused batch: */
	int16_t error;
	const char *message;
	struct record_fault *fault;
	int32_t nfault;
};

/* Check n bytes that a client sent for one partition; the header may be corrected.
 * True: they are one valid batch.  False: refused; see the result. */
bool intake_check(struct intake *intake, uint8_t *bytes, int32_t n);

#endif
