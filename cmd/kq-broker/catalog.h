/*
 * Topics as facts in the metastore, and the table made of them.
 *
 *   /cluster            {"id":"...","epoch":3}    epoch: unclean starts
 *   /topics/NAME        {"id":"...","partitions":4,"configs":{"retention.ms":"-1"}}
 *
 * A change is first committed to the metastore, then done in the table.
 * Start, and the control thread.
 */
#ifndef KQ_BROKER_CATALOG_H
#define KQ_BROKER_CATALOG_H

#include "base/err.h"
#include "kq-broker/broker.h"
#include "text/config.h"

/* What a client is told. */
struct catalog_error {
	int16_t code;
	char message[300];
};

/* Read everything at the start, and make the logs known by their states. */
int catalog_load(struct broker *b, const struct saved_offsets *offsets, bool is_clean, struct err *e);

/* Each returns 0, or -1 with *e filled; with validate_only nothing is done.
 * npartition -1: num.partitions; overrides NULL: none (a copy is taken). */
int catalog_create(struct broker *b, struct str name, int32_t npartition,
	const struct config_set *overrides, bool validate_only, struct catalog_error *e);
int catalog_delete(struct broker *b, struct str name, struct catalog_error *e);
int catalog_grow(struct broker *b, struct str name, int32_t npartition,
	bool validate_only, struct catalog_error *e);
int catalog_configure(struct broker *b, struct str name,
	const struct config_set *overrides, bool validate_only, struct catalog_error *e);

/* The defaults of topics were changed: all topics without a value of their
 * own go by the new ones. */
void catalog_follow_defaults(struct broker *b);

/* Check key and value and put them into the set (value null: take it out). */
int catalog_put_config(struct config_set *s, enum config_scope scope, struct str key,
	struct str value, struct catalog_error *e);

int catalog_fail(struct catalog_error *e, int16_t code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
