/*
 * Configuration keys, from share/config.tab: what there is, what a value must
 * look like, what holds when nothing is set.
 *
 * A topic's key has a synonym among the broker's keys, which gives the default
 * for all topics: retention.ms and log.retention.ms.  Some of those have
 * coarser forms (log.retention.hours), which hold while the finer is unset;
 * putting one into a set puts the key that it stands for, too.
 *
 * Uses: base, units.  Any thread; a set belongs to its owner.
 */
#ifndef KQ_TEXT_CONFIG_H
#define KQ_TEXT_CONFIG_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

#include "config_gen.h" /* enum config_id { CONFIG_CLEANUP_POLICY, ..., CONFIG_N } */

enum config_scope { CONFIG_SCOPE_TOPIC, CONFIG_SCOPE_BROKER };

enum config_type {
	CONFIG_TYPE_BOOL, CONFIG_TYPE_INT, CONFIG_TYPE_LONG, CONFIG_TYPE_DOUBLE,
	CONFIG_TYPE_STRING, CONFIG_TYPE_LIST, CONFIG_TYPE_ENUM,
};

struct config_key {
	const char *name;
	enum config_scope scope;
	enum config_type type;
	const char *def;     /* "" for an empty or absent string */
	int64_t min, max;
	const char *choices; /* "a,b", of a list or an enum */
	const char *synonym; /* the broker's name for a topic's key; or NULL */
	bool is_enforced;
	const char *text;    /* a sentence without a full stop */
};

extern const struct config_key config_table[CONFIG_N];

/* The key of that name; for the broker, synonyms of topic keys are keys, too.
 * NULL: there is none. */
const struct config_key *config_find(enum config_scope scope, struct str name);

/* A known name close to this one, or NULL. */
const char *config_suggest(enum config_scope scope, const char *name);

/* Is the value one that the key may have?  0, or -1 with ERR_USAGE, in Kafka's
 * words: "Invalid value x for configuration retention.ms: ...". */
int config_check(const struct config_key *key, const char *value, struct err *e);

/* Values that were set, by key; the rest is default. */
struct config_set {
	char *value[CONFIG_N]; /* NULL: not set; the set's own */
	uint32_t derived;      /* bit i: see config.c's coarse[i] */
};

/* Only what is set takes memory: the set of a topic without overrides is
 * NULL.  Copying, changing and freeing one: */
struct config_set *config_set_copy(const struct config_set *s); /* NULL: empty */
void config_set_put(struct config_set *s, enum config_id id, const char *value); /* NULL: unset */
void config_set_free(struct config_set *s);

/* The value that holds, from the first that has one: the topic's own set, the
 * broker's, the default.  Either set may be NULL. */
const char *config_value(const struct config_set *topic, const struct config_set *broker,
	enum config_id id);
int64_t config_int(const struct config_set *topic, const struct config_set *broker,
	enum config_id id); /* of a checked number or bool */
bool config_is(const struct config_set *topic, const struct config_set *broker,
	enum config_id id, const char *word); /* of an enum or string */

static inline enum config_id
config_id_of(const struct config_key *key)
{
	return (enum config_id)(key - config_table);
}

/* All keys, for --help=config and for the manual. */
void config_print_help(void);
void config_print_mdoc(void);

#endif
