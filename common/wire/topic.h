/*
 * Kafka's rule of topic names that both sides of the protocol need.
 *
 * Uses: nothing.
 */
#ifndef KQ_WIRE_TOPIC_H
#define KQ_WIRE_TOPIC_H

enum {
	TOPIC_NAME_MAX = 249, /* bytes */
};

#endif
