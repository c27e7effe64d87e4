/*
 * A topic as the metastore keeps it:
 *
 *   /topics/NAME   {"id":"...","partitions":4,"configs":{"retention.ms":"-1"}}
 *
 * No state; any thread.
 */
#ifndef KQ_BROKER_TOPIC_ENTRY_H
#define KQ_BROKER_TOPIC_ENTRY_H

#include "base/mem.h"
#include "base/uuid.h"
#include "text/config.h"

#define TOPIC_ENTRY_PREFIX "/topics/"

/* Append the text of an entry to out.  overrides: what was set for this topic;
 * NULL: nothing. */
void topic_entry_format(const struct uuid *id, int32_t npartition,
	const struct config_set *overrides, struct buf *out);

struct topic_entry {
	struct uuid id;
	int32_t npartition;
	struct config_set *overrides; /* owned; NULL: nothing was set */
};

/* The reverse.  A setting that is unknown or no longer allowed is left out, and
 * logged: the metastore keeps it until the topic is changed.  False: the name is not
 * a topic's, or the text is not understood; nothing is allocated. */
bool topic_entry_parse(struct topic_entry *entry, struct str topic, struct str text);

#endif
