/*
 * Kafka's limit on topic names, for clients and brokers.
 *
 * Uses: nothing.
 */
#ifndef KQ_WIRE_TOPIC_H
#define KQ_WIRE_TOPIC_H

enum {
	TOPIC_NAME_MAX = 249, /* bytes */
};

#endif
