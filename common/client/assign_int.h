/* Internals of assign.h, shared by assign*.c. */
#ifndef KQ_CLIENT_ASSIGN_INT_H
#define KQ_CLIENT_ASSIGN_INT_H

#include "client/assign.h"

void assign_range(struct assign *assign);
void assign_numbers(struct assign *assign);
void assign_roundrobin(struct assign *assign);
void assign_sticky(struct assign *assign);
void assign_cooperative(struct assign *assign);

/* Is the member subscribed to the topic? */
bool assign_has_topic(const struct assign_member *member, int32_t topic);

/* Append a partition to the member's result, which grows in the arena. */
void assign_give(struct assign *assign, struct assign_member *member, int32_t topic,
	int32_t partition);

/* The members in the order of Kafka's assignors: static ones first, by instance, then
 * the others by id.  In the arena. */
struct assign_member **assign_order(struct assign *assign);

#endif
