/* What the files of assign share among themselves. */
#ifndef KQ_CLIENT_ASSIGN_INT_H
#define KQ_CLIENT_ASSIGN_INT_H

#include "client/assign.h"

void assign_range(struct assign *assign);
void assign_roundrobin(struct assign *assign);
void assign_sticky(struct assign *assign);
void assign_cooperative(struct assign *assign);

/* Does the member subscribe to the topic? */
bool assign_has_topic(const struct assign_member *member, int32_t topic);

/* Give a partition to a member; its list grows in the arena. */
void assign_give(struct assign *assign, struct assign_member *member, int32_t topic,
	int32_t partition);

/* The members in the order in which Kafka serves them: static ones first, by
 * instance, then by id.  In the arena. */
struct assign_member **assign_order(struct assign *assign);

#endif
