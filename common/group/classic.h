/*
 * Inside classic groups: what classic.c gives to the requests' files.
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

/* A member that is in no group's lists yet; link puts it there. */
struct classic_member *classic_member_new(struct groups *groups, struct group *g,
	const struct classic_spec *spec);
void classic_member_free(struct groups *groups, struct classic_member *member);
void classic_link(struct groups *groups, struct group *g, struct classic_member *member);
/* Take over the spec's protocols and time-outs. */
void classic_update(struct groups *groups, struct classic_member *member,
	const struct classic_spec *spec);
/* fresh, in no list yet, takes the place, the assignment and the leadership of
 * the static member old, which is freed; its parked calls hear of that. */
void classic_replace(struct groups *groups, struct classic_member *old,
	struct classic_member *fresh);
/* Answer what the member waits for: another took its instance id. */
void classic_fence(struct groups *groups, struct classic_member *member);

/* Keep the call; one that was kept already is told to come again. */
void classic_park_join(struct groups *groups, struct classic_member *member,
	struct coord_call *call);
void classic_park_sync(struct groups *groups, struct classic_member *member,
	struct coord_call *call);
/* The member has what it needs of this generation. */
void classic_synced(struct groups *groups, struct classic_member *member);
/* Answer a join with the present generation; m may be outside the lists. */
void classic_answer_joined(struct groups *groups, const struct classic_member *member,
	struct coord_call *call, const struct classic_member *leader, bool with_members,
	bool skip_assignment);

void classic_alive_for(struct groups *groups, struct classic_member *member, int32_t ms,
	struct coord_now now);
/* Members were removed. */
void classic_gone(struct groups *groups, struct group *g, struct coord_now now);

void classic_pending_add(struct groups *groups, struct group *g, struct str id, int32_t ms,
	struct coord_now now);
bool classic_pending_remove(struct groups *g, struct group *gr, struct str id); /* was it? */

/* Answer all parked syncs with the error, and wait for none; assignments of a
 * generation that did not come to be are forgotten. */
void classic_end_syncs(struct groups *groups, struct group *g, int16_t error,
	struct coord_now now);
void classic_stable(struct classic *classic, struct coord_now now);

/* The protocol that most members like best of those that all have, as if fresh
 * stood in old's place (both may be NULL). */
struct str classic_select(const struct group *g, const struct classic_member *old,
	const struct classic_member *fresh);

#endif
