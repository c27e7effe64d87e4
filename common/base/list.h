/*
 * A doubly linked ring; the links are embedded in the listed structs.
 *
 *      head <-> a <-> b <-> c <-> head
 *
 * A link that is in no list points to itself, so it may be unlinked again.
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_LIST_H
#define KQ_BASE_LIST_H

#include "base/base.h"

/* may_alias: gcc 12 assumed that a link reached through its neighbour
 * (list->prev->next) and the same link reached through the struct around it
 * (c->out.next) differ, kept the latter in a register, and looped forever. */
struct __attribute__((may_alias)) list {
	struct list *prev, *next;
};

static inline void
list_init(struct list *list)
{
	list->prev = list->next = list;
}

static inline bool
list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline void
list_unlink(struct list *list)
{
	list->prev->next = list->next;
	list->next->prev = list->prev;
	list_init(list);
}

/* Append a link that is in no list. */
static inline void
list_append(struct list *head, struct list *list)
{
	assert(list_is_empty(list));
	list->prev = head->prev;
	list->next = head;
	head->prev->next = list;
	head->prev = list;
}

/* Move all links of from to the end of to. */
static inline void
list_splice(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

/* For each link, in order; the body may unlink it. */
#define LIST_EACH(it, head) \
	for (struct list *it = (head)->next, *it##_next = it->next; \
	     it != (head); it = it##_next, it##_next = it->next)

#endif
