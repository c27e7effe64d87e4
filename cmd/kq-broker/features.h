/*
 * The features that ApiVersions announces besides versions: transactions with an
 * epoch for each (KIP-890), and groups of KIP-848.  The levels are the program's;
 * nobody can change them.
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
