/* The order in which a task takes records of several inputs. */
#include "tap.h"

#include "stream/merge.h"

/* A queue of timestamps, ended by -1. */
struct queue {
	const int64_t *v;
	int at;
};

static void
refill(struct merge *m, int i, struct queue *q)
{
	if (q->v[q->at] >= 0)
		merge_fill(m, i, q->v[q->at]);
}

static void
take(struct merge *m, int i, struct queue *q)
{
	if (q->v[++q->at] >= 0)
		merge_step(m, i, q->v[q->at]);
	else
		merge_empty(m, i);
}

void
test_merge__the_lowest_first_record_is_next(void)
{
	static const int64_t one[] = { 100, 10, 110, -1 }, two[] = { 50, 60, 105, -1 };
	static const int64_t want[] = { 50, 60, 100, 10, 105, 110 };
	struct queue q[2] = { { one, 0 }, { two, 0 } };
	struct merge m;
	int64_t until;
	merge_init(&m, 2, 0, 0);
	for (int i = 0; i < 2; i++) {
		refill(&m, i, &q[i]);
		merge_set_behind(&m, i, false);
	}
	for (size_t n = 0; n < ARRAY_LEN(want); n++) {
		int i = merge_next(&m, 1, &until);
		check(i >= 0);
		check_int(q[i].v[q[i].at], want[n]);
		take(&m, i, &q[i]);
	}
	check_int(merge_next(&m, 1, &until), -1);
	check_int(until, INT64_MAX);
	merge_release(&m);
}

void
test_merge__of_equal_times_the_queue_filled_first_wins(void)
{
	struct merge m;
	int64_t until;
	merge_init(&m, 3, 0, 0);
	merge_fill(&m, 2, 7);
	merge_fill(&m, 0, 7);
	merge_fill(&m, 1, 7);
	check_int(merge_next(&m, 1, &until), 2);
	merge_empty(&m, 2);
	merge_fill(&m, 2, 7);
	check_int(merge_next(&m, 1, &until), 0);
	merge_release(&m);
}

void
test_merge__an_input_whose_records_are_on_their_way_is_waited_for(void)
{
	struct merge m;
	int64_t until;
	merge_init(&m, 2, 0, 0);
	merge_fill(&m, 0, 100);
	check_int(merge_next(&m, 1, &until), -1); /* nothing is known of input 1 */
	check_int(until, INT64_MAX);
	merge_set_behind(&m, 1, true);
	check_int(merge_next(&m, 1000000, &until), -1);
	merge_fill(&m, 1, 50);
	check_int(merge_next(&m, 1000001, &until), 1);
	merge_empty(&m, 1);
	merge_set_behind(&m, 1, false);
	check_int(merge_next(&m, 1000002, &until), 0);
	merge_release(&m);
}

void
test_merge__idle_time_is_waited_once(void)
{
	struct merge m;
	int64_t until;
	merge_init(&m, 2, 1000, 0);
	merge_set_behind(&m, 0, false);
	merge_set_behind(&m, 1, false);
	check_int(merge_next(&m, 5000, &until), -1); /* no records: time does not run */
	merge_fill(&m, 0, 1);
	check_int(merge_next(&m, 8000, &until), -1);
	check_int(until, 9000);
	check_int(merge_next(&m, 8999, &until), -1);
	check_int(merge_next(&m, 9000, &until), 0);
	merge_empty(&m, 0);
	merge_fill(&m, 0, 2);
	check_int(merge_next(&m, 9500, &until), 0); /* the second one does not wait again */
	merge_fill(&m, 1, 1);
	check_int(merge_next(&m, 9500, &until), 1);
	merge_empty(&m, 1);
	check_int(merge_next(&m, 9600, &until), -1); /* both had records */
	check_int(until, 10600);
	merge_release(&m);
}

void
test_merge__idle_time_begins_when_the_broker_has_no_more(void)
{
	struct merge m;
	int64_t until;
	merge_init(&m, 2, 1000, 0);
	merge_fill(&m, 0, 1);
	merge_set_behind(&m, 1, false);
	check_int(merge_next(&m, 5000, &until), -1);
	merge_set_behind(&m, 1, true);
	check_int(merge_next(&m, 5500, &until), -1);
	check_int(until, INT64_MAX);
	merge_set_behind(&m, 1, false);
	check_int(merge_next(&m, 7000, &until), -1);
	check_int(until, 8000);
	merge_release(&m);
}

void
test_merge__with_minus_one_nothing_is_waited_for(void)
{
	struct merge m;
	int64_t until;
	merge_init(&m, 2, -1, 0);
	merge_fill(&m, 0, 100);
	check_int(merge_next(&m, 1, &until), 0);
	merge_release(&m);
}

void
test_merge__an_input_that_has_ended_holds_nothing_up(void)
{
	struct merge m;
	int64_t until;
	merge_init(&m, 2, 60000, 0);
	merge_fill(&m, 0, 100);
	check_int(merge_next(&m, 1, &until), -1);
	merge_set_ended(&m, 1);
	check_int(merge_next(&m, 1, &until), 0);
	merge_release(&m);
}

void
test_merge__a_stalled_input_holds_the_others_up_for_a_limited_time(void)
{
	struct merge m;
	int64_t until;
	merge_init(&m, 2, 0, 5000);
	merge_fill(&m, 0, 100);
	check_int(merge_next(&m, 1000, &until), -1);
	check_int(until, 6000);
	check_int(merge_next(&m, 5999, &until), -1);
	check_int(merge_next(&m, 6000, &until), 0);
	merge_empty(&m, 0);
	merge_fill(&m, 0, 101);
	check_int(merge_next(&m, 6001, &until), 0);
	merge_fill(&m, 1, 90); /* it has recovered: it is waited for again */
	check_int(merge_next(&m, 7000, &until), 1);
	merge_empty(&m, 1);
	check_int(merge_next(&m, 7001, &until), -1);
	check_int(until, 12001);
	merge_release(&m);
}
