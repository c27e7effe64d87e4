/*
 * Which APIs a broker of Apache Kafka 4.4.0 announces, and why kq-broker serves
 * others: share/apis.tab.
 *
 * Uses: base.
 */
#ifndef KQ_WIRE_KAFKA_API_H
#define KQ_WIRE_KAFKA_API_H

#include "base/base.h"

#include "apis_gen.h" /* KAFKA_API_N */

struct kafka_api {
	int16_t key;
	const char *name;
	int16_t min, max; /* -1: Kafka announces none */
	const char *note; /* why kq-broker's versions differ; "": they don't */
};

/* By ascending key.  Generated. */
extern const struct kafka_api kafka_apis[KAFKA_API_N];

#endif
