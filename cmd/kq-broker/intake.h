/*
 * What a client's batch must be before it is appended: Kafka's rules
 * (UnifiedLog.analyzeAndValidateRecords and LogValidator), and a little more:
 * whatever is stored can be read by every client.
 *
 * Bytes and CRC, the header, then each record (record/inspect.h); a compressed
 * batch is opened for that, unless the topic's verify.compressed.records says
 * no.  Where Kafka would mend a batch it is mended here: a header whose largest
 * timestamp is not that of its records.
 *
 * Threads: any; takes no lock.
 */
#ifndef KQ_BROKER_INTAKE_H
#define KQ_BROKER_INTAKE_H

#include "kq-broker/partition.h"

/* One record that was refused, and why. */
struct record_fault {
	int32_t index; /* in its batch */
	struct str message;
};

struct intake {
	const struct topic_config *config;
	int64_t now_ms;
	struct arena *arena; /* of what follows, and of its messages */
	int32_t nfault_max;  /* more are not listed; at least 1 */
	/* What compressed batches have opened to: counted on, for a limit on the
	 * batches of one request. */
	int64_t plain_size;
	/* Of a batch that was refused: */
	int16_t error;
	const char *message;
	struct record_fault *fault;
	int32_t nfault;
};

/* Check the n bytes at b, which are a client's for one partition and may be
 * changed here.  True: they are one good batch; false: see above. */
bool intake_check(struct intake *k, uint8_t *b, int32_t n);

#endif
