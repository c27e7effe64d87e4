/*
 * Inside classic groups: what classic.c offers to classic_join.c, classic_sync.c and
 * classic_replay.c.
 *
 * Uses: group.h.
 */
#ifndef KQ_GROUP_CLASSIC_H
#define KQ_GROUP_CLASSIC_H

#include "group/group.h"

/* Whether the group (NULL: none) is a consumer group with members, which answers
 * the classic protocol itself: consumer_classic_*. */
static inline bool
classic_is_for_consumers(const struct group *g)
{
	return g && g->kind == &group_consumer && !group_is_empty(g);
}

/* A new member, which is in no list of the group yet. */
struct classic_member *classic_member_new(struct groups *groups, struct group *g,
	const struct classic_spec *spec);
void classic_member_free(struct groups *groups, struct classic_member *member);
/* Copies the spec's protocols and timeouts. */
void classic_update(struct groups *groups, struct classic_member *member,
	const struct classic_spec *spec);
/* fresh, in no list yet, takes the place, the assignment and the leadership of the
 * static member old, which is fenced and freed. */
void classic_replace(struct groups *groups, struct classic_member *old,
	struct classic_member *fresh);

/* Parks the call; a call that was parked before gets REBALANCE_IN_PROGRESS. */
void classic_park_join(struct groups *groups, struct classic_member *member,
	struct coord_call *call);
void classic_park_sync(struct groups *groups, struct classic_member *member,
	struct coord_call *call);
/* The member has synced in this generation. */
void classic_synced(struct groups *groups, struct classic_member *member);
/* Answers a join with the present generation; the member may be in no list. */
void classic_answer_joined(struct groups *groups, const struct classic_member *member,
	struct coord_call *call, const struct classic_member *leader, bool with_members,
	bool skip_assignment);

/* Sets the member's session timer. */
void classic_alive_for(struct groups *groups, struct classic_member *member, int32_t ms,
	struct coord_now now);
/* After members were removed: rebalances, or completes the rebalance. */
void classic_removed(struct groups *groups, struct group *g, struct coord_now now);

void classic_pending_add(struct groups *groups, struct group *g, struct str id, int32_t ms,
	struct coord_now now);
/* False: the id was not pending. */
bool classic_pending_remove(struct groups *groups, struct group *g, struct str id);

/* Answers all parked syncs with the error and stops waiting for others.  In state
 * COMPLETING, drops the assignments, too. */
void classic_end_syncs(struct groups *groups, struct group *g, int16_t error,
	struct coord_now now);
void classic_stable(struct classic *classic, struct coord_now now);

/* Of the protocols that all members offer, the one that most members prefer; with
 * fresh in old's place (both NULL: no change). */
struct str classic_select(const struct group *g, const struct classic_member *old,
	const struct classic_member *fresh);

#endif
