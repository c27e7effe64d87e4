/*
 * -X name=value: the settings of Kafka's producer that apply to kq-produce.
 *
 * Uses: text/opt, text/units, client/producer.
 */
#ifndef KQ_PRODUCE_PRODUCER_SETTINGS_H
#define KQ_PRODUCE_PRODUCER_SETTINGS_H

#include "client/producer.h"

struct producer_settings {
	struct producer_opts producer;
	struct cluster_opts cluster;
	uint32_t given; /* bit i: table[i] was taken */
};

/* Take one "name=value".  Returns 0, or -1 (ERR_USAGE; an unknown name with a
 * suggestion). */
int producer_settings_take(struct producer_settings *settings, const char *text, struct err *e);

/* Fail (ERR_USAGE) if the setting of this name was taken, for an option that means the
 * same. */
int producer_settings_check_once(const struct producer_settings *settings, const char *name,
	const char *option, struct err *e);

/* Parse "0", "1", "all" or "-1".  Returns 0, or -1 (ERR_USAGE). */
int producer_settings_parse_acks(const char *text, int *acks, struct err *e);

/* The names, for --help. */
#define PRODUCER_SETTINGS_NAMES \
	"acks, batch.size, bootstrap.servers, buffer.memory, client.id,\n" \
	"compression.type, delivery.timeout.ms, enable.idempotence, linger.ms,\n" \
	"max.in.flight.requests.per.connection, metadata.max.age.ms,\n" \
	"request.timeout.ms, retry.backoff.ms, socket.connection.setup.timeout.ms,\n" \
	"transaction.timeout.ms, transactional.id"

#endif
