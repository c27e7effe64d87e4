/*
 * Changes of topics: checks them and commits them to the metastore.
 *
 * The table of topics follows from what is committed (catalog_apply.h).  The
 * local store applies a change before its transaction returns, so a change is
 * visible when the function here returns; a cluster's store may take longer.
 *
 * Threads: the control thread, which reads the table without its lock: it alone
 * changes it.
 */
#ifndef KQ_BROKER_CATALOG_H
#define KQ_BROKER_CATALOG_H

#include "base/err.h"
#include "text/config.h"

struct checkpoints;
struct dynamic;
struct metastore;
struct topics;

/* All borrowed. */
struct catalog {
	struct metastore *meta;
	struct topics *topics;
	const struct dynamic *dynamic; /* the defaults of topics' settings */
	struct checkpoints *checkpoints;
	int64_t partition_max;         /* max.partitions */
};

/* Why a change was refused, for the client. */
struct catalog_error {
	int16_t code;
	char message[300];
};

/* Each returns 0, or -1 with *error filled; with validate_only nothing is
 * changed.  npartition -1: num.partitions.  overrides are the topic's own
 * settings; NULL: none. */
int catalog_create(struct catalog *catalog, struct str name, int32_t npartition,
	const struct config_set *overrides, bool validate_only, struct catalog_error *error);
int catalog_delete(struct catalog *catalog, struct str name, struct catalog_error *error);
int catalog_grow(struct catalog *catalog, struct str name, int32_t npartition,
	bool validate_only, struct catalog_error *error);
int catalog_configure(struct catalog *catalog, struct str name,
	const struct config_set *overrides, bool validate_only, struct catalog_error *error);

/* Check key and value and put them into the set; a null value removes the key. */
int catalog_put_config(struct config_set *set, enum config_scope scope, struct str key,
	struct str value, struct catalog_error *error);

/* Fill *error; returns -1. */
int catalog_fail(struct catalog_error *error, int16_t code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
