/*
 * The facts about the cluster as a whole, read from the metastore at the start:
 *
 *   /cluster   {"id":"...","epoch":3}
 */
#ifndef KQ_BROKER_CLUSTER_FACTS_H
#define KQ_BROKER_CLUSTER_FACTS_H

#include "base/err.h"
#include "base/uuid.h"
#include "meta/metastore.h"

struct cluster_facts {
	char id[UUID_TEXT_SIZE];
	int32_t epoch; /* number of unclean stops; partitions and the coordinator begin with it */
};

/* At the first start the id is made.  is_clean: how the broker last stopped; if
 * uncleanly, the epoch is raised, durably. */
int cluster_facts_load(struct cluster_facts *facts, struct metastore *meta, bool is_clean,
	struct err *e);

#endif
