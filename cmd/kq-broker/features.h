/*
 * The features that ApiVersions announces besides versions: a new producer epoch
 * for each transaction (KIP-890), and consumer groups (KIP-848).  Their levels are
 * fixed.
 */
#ifndef KQ_BROKER_FEATURES_H
#define KQ_BROKER_FEATURES_H

#include "base/base.h"

struct feature {
	const char *name;
	int16_t level; /* the highest supported, which is the one in force */
};

/* The broker's features; *n is their number. */
const struct feature *features(bool has_consumer_protocol, int *n);

#endif
