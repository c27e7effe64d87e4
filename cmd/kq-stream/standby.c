#include "kq-stream/standby.h"

#include "base/mem.h"

/* The members in the order in which range goes through them: by the tasks that they have. */
static void
sort_members(const struct standby_group *group, int *order)
{
	int n = 0;
	for (int member = 0; member < group->nmember; member++)
		order[member] = -1;
	bool *is_in = mem_alloc((size_t)group->nmember);
	for (int i = 0; i < group->ntask; i++)
		if (group->owner[i] >= 0 && !is_in[group->owner[i]]) {
			order[n++] = group->owner[i];
			is_in[group->owner[i]] = true;
		}
	for (int member = 0; member < group->nmember; member++)
		if (!is_in[member])
			order[n++] = member;
	mem_free(is_in);
}

/* The member to which range gives the task without a process; -1: nobody is left. */
static int
owner_without(const struct standby_group *group, const int *order, int process, int task)
{
	int n = 0;
	for (int i = 0; i < group->nmember; i++)
		n += group->process[order[i]] != process;
	if (n == 0)
		return -1;
	int each = group->ntask / n, more = group->ntask % n, next = 0;
	for (int i = 0; i < group->nmember; i++) {
		if (group->process[order[i]] == process)
			continue;
		next += each + (more-- > 0);
		if (task < next)
			return order[i];
	}
	return -1;
}

struct places {
	const struct standby_group *group;
	int own;             /* the task's process */
	int *member;
	int n, max;
};

static void
add(struct places *places, int member)
{
	if (member < 0 || places->n == places->max || places->group->process[member] == places->own)
		return;
	for (int i = 0; i < places->n; i++)
		if (places->group->process[places->member[i]] == places->group->process[member])
			return;
	places->member[places->n++] = member;
}

int
standby_place(const struct standby_group *group, int task, int ncopy, int *member)
{
	int owner = group->owner[task];
	if (owner < 0)
		return 0;
	struct places places = { group, group->process[owner], member, 0, ncopy };
	int *order = mem_alloc((size_t)group->nmember * sizeof *order), at = 0;
	sort_members(group, order);
	while (order[at] != owner)
		at++;
	add(&places, owner_without(group, order, places.own, task));
	for (int i = 1; i < group->nmember; i++) {
		int other = group->process[order[(at + i) % group->nmember]];
		if (other != places.own)
			add(&places, owner_without(group, order, other, task));
	}
	for (int i = 1; i < group->nmember; i++)
		add(&places, order[(at + i) % group->nmember]);
	mem_free(order);
	return places.n;
}
