/*
 * Kafka's internal topics: the coordinators store their state in them.
 * Clients may read these topics, but not create, delete or write them.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_COORD_INTERNAL_H
#define KQ_COORD_INTERNAL_H

#include "base/base.h"

#define INTERNAL_OFFSETS "__consumer_offsets" /* groups and their committed offsets */
#define INTERNAL_TXNS "__transaction_state"   /* transactional ids */
#define INTERNAL_SHARE "__share_group_state"  /* reserved: share groups */

bool topic_is_internal(struct str name);

#endif
