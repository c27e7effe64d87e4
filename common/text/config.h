/*
 * Configuration keys, from share/config.tab: what there is, what a value must
 * look like, what holds when nothing is set.
 *
 * A topic's key, and a group's, has a synonym among the broker's keys, which
 * gives the default for all topics or groups: retention.ms and
 * log.retention.ms.  Some of those have coarser forms (log.retention.hours),
 * which hold while the finer is unset; putting one into a set puts the key
 * that it stands for, too.
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
	CONFIG_EFFECT_FIXED, /* nothing but the default is accepted */
};

struct config_key {
	const char *name;
	enum config_scope scope;
	enum config_type type;
	const char *def;     /* "" for an empty or absent string */
	int64_t min, max;
	int64_t other;       /* a number outside the limits that is allowed; or min */
	const char *choices; /* "a,b", of a list or an enum; "": anything */
	const char *synonym; /* the broker's name for a topic's or group's key; or NULL */
	enum config_effect effect;
	const char *text;    /* a sentence without a full stop */
};

extern const struct config_key config_table[CONFIG_N];

/* The keys of Kafka that kq does not have; the last name is NULL. */
struct config_foreign {
	enum config_scope scope;
	const char *name;
};
extern const struct config_foreign config_foreign_table[];

/* The key of that name; for the broker, synonyms of topic keys are keys, too.
 * NULL: there is none. */
const struct config_key *config_find(enum config_scope scope, struct str name);

/* The name that a key goes by in a scope; NULL: it is not known there. */
const char *config_name(const struct config_key *key, enum config_scope scope);

/* A known name close to this one, or NULL. */
const char *config_suggest(enum config_scope scope, const char *name);

/* Why config_find found nothing: Kafka has the key and kq does not yet, it is
 * misspelt, or nobody knows it.  ERR_USAGE; returns -1. */
int config_unknown(enum config_scope scope, struct str name, struct err *e);

/* Bytes of a value: no string of the protocol can carry more. */
enum { CONFIG_VALUE_MAX = INT16_MAX };

/* The value as it is kept and shown: without blanks around it or between the
 * members of a list, numbers in their plain form, true and false in lower
 * case.  The caller frees it.  NULL: the key may not have this value;
 * ERR_USAGE, in Kafka's words: "Invalid value x for configuration
 * retention.ms: ...", with the key's name in that scope. */
char *config_parse(const struct config_key *key, enum config_scope scope, struct str value,
	struct err *e);

/* What people may write where Kafka wants a number: "7d" for a key that ends
 * in ".ms", "1G" for one of bytes.  Appends the plain number; any other value
 * as it is.  The key need not be one of kq's. */
void config_put_plain(const char *name, const char *value, struct buf *out);

/* The next member of a list, without blanks around it; *rest is what is
 * behind it.  False: there is none.  An empty list has one empty member. */
bool config_next_member(struct str *rest, struct str *member);

/* Is it shown only where it is set? */
bool config_is_hidden(const struct config_key *key);

/* Can the broker's key of that scope be changed while it runs?  The defaults
 * of topics can. */
bool config_is_live(const struct config_key *key);

/* Values that were set, by key; the rest is default. */
struct config_set {
	char *value[CONFIG_N]; /* NULL: not set; the set's own */
	uint32_t derived;      /* bit i: see config.c's coarse[i] */
};

/* Only what is set takes memory: the set of a topic without overrides is
 * NULL.  Copying, changing and freeing one: */
struct config_set *config_set_copy(const struct config_set *set); /* NULL: empty */
void config_set_put(struct config_set *set, enum config_id id, const char *value); /* NULL: unset */
void config_set_free(struct config_set *set);

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

/* Do values that depend on each other fit?  own: a topic's or group's set, or
 * NULL.  0, or -1 with ERR_USAGE. */
int config_check_together(const struct config_set *own, const struct config_set *broker,
	struct err *e);

/* Ends the documentation of a key whose value has no effect: kq's tools look
 * for it in what a broker says of its keys. */
#define CONFIG_WITHOUT_EFFECT "; without effect yet"

/* All keys, for --help=config and for the manual. */
void config_print_help(void);
void config_print_mdoc(void);

#endif
