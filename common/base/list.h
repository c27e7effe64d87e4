/*
 * A doubly linked ring whose links live inside the things listed.
 *
 *      head <-> a <-> b <-> c <-> head
 *
 * A link that is in no list points at itself, so unlinking twice is fine.
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_LIST_H
#define KQ_BASE_LIST_H

#include "base/base.h"

/* may_alias: gcc 12 took a link reached through a neighbour (l->prev->next) and
 * the same one reached through the struct it lives in (c->out.next) for
 * different ones, kept the latter in a register, and looped for ever. */
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

/* Put l, which is in no list, last (before head). */
static inline void
list_append(struct list *head, struct list *list)
{
	assert(list_is_empty(list));
	list->prev = head->prev;
	list->next = head;
	head->prev->next = list;
	head->prev = list;
}

/* Move everything in from to the end of to. */
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

/* Walk; the body may unlink it. */
#define LIST_EACH(it, head) \
	for (struct list *it = (head)->next, *it##_next = it->next; \
	     it != (head); it = it##_next, it##_next = it->next)

#endif
