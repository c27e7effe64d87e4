/*
 * Configuration keys, from share/config.tab: their names, the values that they
 * accept, and their defaults.
 *
 * A topic's key, and a group's, has a synonym among the broker's keys, which is the
 * default for all topics or groups: retention.ms and log.retention.ms.  Some
 * synonyms have coarser forms (log.retention.hours), which apply while the finer form
 * is unset; putting a coarse key into a set also puts the finer one, converted.
 *
 * Uses: base, units.  Any thread; a set belongs to its owner.
 */
#ifndef KQ_TEXT_CONFIG_H
#define KQ_TEXT_CONFIG_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

#include "config_gen.h" /* enum config_id { CONFIG_CLEANUP_POLICY, ..., CONFIG_N } */

enum config_scope { CONFIG_SCOPE_TOPIC, CONFIG_SCOPE_BROKER, CONFIG_SCOPE_GROUP };

enum config_type {
	CONFIG_TYPE_BOOL, CONFIG_TYPE_INT, CONFIG_TYPE_LONG, CONFIG_TYPE_DOUBLE,
	CONFIG_TYPE_STRING, CONFIG_TYPE_LIST, CONFIG_TYPE_ENUM,
	CONFIG_TYPE_ANYCASE,  /* an enum in upper or lower case */
	CONFIG_TYPE_REPLICAS, /* PARTITION:BROKER,... or * */
};

enum config_effect {
	CONFIG_EFFECT_NO,    /* accepted and shown, without effect yet */
	CONFIG_EFFECT_YES,
	CONFIG_EFFECT_LIVE,  /* a broker's own key that can change while it runs */
	CONFIG_EFFECT_FIXED, /* only the default is accepted */
};

struct config_key {
	const char *name;
	enum config_scope scope;
	enum config_type type;
	const char *def;     /* "" for an empty or absent string */
	int64_t min, max;
	int64_t other;       /* an allowed number outside the limits; or min */
	const char *choices; /* "a,b", of a list or an enum; "": anything */
	const char *synonym; /* the broker's name for a topic's or group's key; or NULL */
	enum config_effect effect;
	const char *text;    /* a sentence without a full stop */
};

extern const struct config_key config_table[CONFIG_N];

/* Kafka's keys that kq does not have; the last name is NULL. */
struct config_foreign {
	enum config_scope scope;
	const char *name;
};
extern const struct config_foreign config_foreign_table[];

/* The key of that name, or NULL.  For the broker, synonyms of topic keys are also
 * keys. */
const struct config_key *config_find(enum config_scope scope, struct str name);

/* A key's name in a scope, or NULL if the scope does not have it. */
const char *config_name(const struct config_key *key, enum config_scope scope);

/* The known name that is closest to this one, or NULL. */
const char *config_suggest(enum config_scope scope, const char *name);

/* Set *e to the reason why config_find found nothing: only Kafka has the key, it is
 * misspelt, or it does not exist.  Returns -1 (ERR_USAGE). */
int config_unknown(enum config_scope scope, struct str name, struct err *e);

/* Bytes of a value: the limit of a string of the protocol. */
enum { CONFIG_VALUE_MAX = INT16_MAX };

/* Check a value and return it in canonical form: without blanks around it or between
 * the members of a list, numbers in plain form, true and false in lower case.  The
 * caller frees it.  NULL if the key cannot have this value: ERR_USAGE in Kafka's words,
 * "Invalid value x for configuration retention.ms: ...", with the key's name in that
 * scope. */
char *config_parse(const struct config_key *key, enum config_scope scope, struct str value,
	struct err *e);

/* Append a value with its unit resolved, since Kafka takes plain numbers: "7d" for a
 * key that ends in ".ms", "1G" for one of bytes.  Any other value is appended as it
 * is.  The key need not be one of kq's. */
void config_put_plain(const char *name, const char *value, struct buf *out);

/* Take the next member of a list, without blanks around it; *rest is what follows it.
 * Returns false at the end.  An empty list has one empty member. */
bool config_next_member(struct str *rest, struct str *member);

/* Is the key listed only where it is set? */
bool config_is_hidden(const struct config_key *key);

/* Can the broker's key be changed while it runs?  The defaults of topics can. */
bool config_is_live(const struct config_key *key);

/* Values by key; keys that are not set have their defaults. */
struct config_set {
	char *value[CONFIG_N]; /* NULL: not set; owned by the set */
	uint32_t derived;      /* bit i: see config.c's coarse[i] */
};

/* NULL is the empty set, so that a topic without overrides takes no memory. */
struct config_set *config_set_copy(const struct config_set *set); /* NULL: empty */
void config_set_put(struct config_set *set, enum config_id id, const char *value); /* NULL: unset */
void config_set_free(struct config_set *set);

/* The effective value: from the topic's set, else the broker's, else the default.
 * Either set may be NULL. */
const char *config_value(const struct config_set *topic, const struct config_set *broker,
	enum config_id id);
int64_t config_int(const struct config_set *topic, const struct config_set *broker,
	enum config_id id); /* a number or bool */
bool config_is(const struct config_set *topic, const struct config_set *broker,
	enum config_id id, const char *word); /* an enum or string */

static inline enum config_id
config_id_of(const struct config_key *key)
{
	return (enum config_id)(key - config_table);
}

/* Check values that depend on each other.  own is a topic's or group's set, or NULL.
 * Returns 0, or -1 with ERR_USAGE. */
int config_check_together(const struct config_set *own, const struct config_set *broker,
	struct err *e);

/* The end of a key's documentation if its value has no effect.  kq-topic searches for
 * it in the documentation that a broker sends. */
#define CONFIG_WITHOUT_EFFECT "; without effect yet"

/* Print all keys, for --help=config and for the manual. */
void config_print_help(void);
void config_print_mdoc(void);

#endif
