/*
 * Applies committed changes to the table of topics: creates, grows, configures
 * and deletes topics as the metastore's entries say, and reports each change to
 * the table's listeners.  Nothing else changes the table.
 *
 * It watches the entries, so it makes no difference who committed a change.
 *
 * Threads: the main thread at the start; then the one that calls the metastore
 * (the control thread).
 */
#ifndef KQ_BROKER_CATALOG_APPLY_H
#define KQ_BROKER_CATALOG_APPLY_H

#include "base/err.h"
#include "meta/metastore.h"

struct dynamic;
struct partition_env;
struct saved_offsets;
struct topics;

struct catalog_apply {
	struct metastore_watch watch;
	/* Borrowed, set by the caller: */
	struct topics *topics;
	const struct dynamic *dynamic; /* the defaults of topics' settings */
	struct partition_env *env;
	int32_t leader_epoch;          /* of new partitions */
};

/* Create the topics that the metastore has, and apply its changes from now on.
 * saved and is_clean say in which state the logs were left.  -1: *e says why. */
int catalog_apply_begin(struct catalog_apply *apply, struct metastore *meta,
	const struct saved_offsets *saved, bool is_clean, struct err *e);

/* The defaults in dynamic were changed: give every topic its new configuration. */
void catalog_apply_defaults(struct catalog_apply *apply);

#endif
