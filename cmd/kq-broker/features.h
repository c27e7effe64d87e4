/*
 * What a client can rely on beyond versions: transactions with an epoch for
 * each (KIP-890), and groups of KIP-848.  The levels are those of the program;
 * nobody can change them.
 */
#ifndef KQ_BROKER_FEATURES_H
#define KQ_BROKER_FEATURES_H

#include "kq-broker/broker.h"

struct feature {
	const char *name;
	int16_t level; /* the highest there is, and the one in force */
};

/* The broker's features; *n says how many. */
const struct feature *features(const struct broker *b, int *n);

#endif
