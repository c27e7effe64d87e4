/* Which members keep copies of tasks. */
#include "tap.h"

#include "kq-stream/standby.c"

enum { MEMBERS = 8, TASKS = 40 };

static int process[MEMBERS], owner[TASKS];
static struct standby_group group = { .process = process, .owner = owner };

/* Give the tasks as range does to the members that are not of the process; -1: to all. */
static void
assign(int without, int *to)
{
	int n = 0, next = 0;
	for (int i = 0; i < group.nmember; i++)
		n += process[i] != without;
	int more = group.ntask % n;
	for (int i = 0; i < group.nmember; i++) {
		if (process[i] == without)
			continue;
		for (int k = group.ntask / n + (more-- > 0); k > 0; k--)
			to[next++] = i;
	}
}

static void
begin(int nmember, int nthread, int ntask)
{
	group.nmember = nmember;
	group.ntask = ntask;
	for (int i = 0; i < nmember; i++)
		process[i] = i / nthread;
	assign(-1, owner);
}

/* Is the first copy of each task with the member that gets it when its process ends? */
static bool
first_takes_over(void)
{
	int next[TASKS], member[MEMBERS];
	for (int i = 0; i < group.ntask; i++) {
		assign(process[owner[i]], next);
		if (standby_place(&group, i, 1, member) != 1 || member[0] != next[i])
			return false;
	}
	return true;
}

/* Are the copies of each task in so many processes, none of which has the task? */
static bool
are_apart(int ncopy, int want)
{
	int member[MEMBERS];
	for (int i = 0; i < group.ntask; i++) {
		if (standby_place(&group, i, ncopy, member) != want)
			return false;
		for (int k = 0; k < want; k++) {
			if (process[member[k]] == process[owner[i]])
				return false;
			for (int j = 0; j < k; j++)
				if (process[member[j]] == process[member[k]])
					return false;
		}
	}
	return true;
}

void
test_standby__a_process_alone_keeps_no_copies(void)
{
	begin(1, 1, 5);
	check(are_apart(1, 0));
	begin(4, 4, 9);
	check(are_apart(2, 0));
}

void
test_standby__whoever_gets_a_task_has_the_copy(void)
{
	begin(2, 1, 7);
	check(first_takes_over());
	begin(3, 1, 6);
	check(first_takes_over());
	begin(8, 2, 40);
	check(first_takes_over());
}

void
test_standby__copies_are_in_different_processes(void)
{
	begin(2, 1, 7);
	check(are_apart(3, 1));
	begin(3, 1, 6);
	check(are_apart(2, 2));
	begin(8, 2, 40);
	check(are_apart(3, 3));
	begin(5, 1, 3); /* some have no task */
	check(are_apart(4, 4));
}

void
test_standby__a_task_that_nobody_has_is_not_copied(void)
{
	int member[MEMBERS];
	begin(3, 1, 6);
	owner[1] = -1;
	check_int(standby_place(&group, 1, 2, member), 0);
}
