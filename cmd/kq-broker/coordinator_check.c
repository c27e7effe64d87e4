#include "kq-broker/coordinator_int.h"

#include "wire/kerr.h"

enum {
	/* A write whose producer's last transaction is still ending is checked
	 * again after this time, if the end was not reported before. */
	RETRY_MS = 50,
	/* How long it waits for the end before it fails. */
	RETRY_MAX_MS = 5000,
};

/* The checks of one transactional id are decided in order of arrival, as its
 * batches must be: coord->checks has all undecided ones, and only the first of
 * each id is examined.  Returns the next one of the id after a list entry. */
static struct txn_check *
next_check(struct coordinator *coord, struct list *after, struct str id)
{
	for (struct list *it = after->next; it != &coord->checks; it = it->next) {
		struct txn_check *check = CONTAINER_OF(it, struct txn_check, link);
		if (str_eq(check->transactional_id, id))
			return check;
	}
	return NULL;
}

static void on_check_committed(struct loop_task *task);

/* Sets check->error; returns the partition to wait for, or NULL. */
static struct partition *
ask(struct coordinator *coord, struct txn_check *check)
{
	int32_t partition = -1;
	bool must_wait = false;
	check->error = coord->load_aborted ? KERR_COORDINATOR_NOT_AVAILABLE
		: !atomic_load(&coord->topic[COORD_TXNS].is_there) ? KERR_INVALID_PRODUCER_ID_MAPPING
		: txns_check_write(coord->txns, check->transactional_id, &check->producer, check->v,
			check->n, check->may_add, coordinator_now(coord), &partition, &must_wait);
	coordinator_end_call(coord);
	if (check->error || !must_wait)
		return NULL;
	struct partition *part = coordinator_partition(coord, COORD_TXNS, partition);
	if (!part)
		check->error = KERR_COORDINATOR_NOT_AVAILABLE;
	return part;
}

/* True: decided, check->error is set.  False: the check waits. */
static bool
examine(struct txn_check *check)
{
	struct coordinator *coord = check->coordinator;
	check->awaits_end = false;
	check->ack.partition = ask(coord, check);
	if (check->error == KERR_CONCURRENT_TRANSACTIONS && coord->loop.now_ms < check->give_up_ms) {
		/* The markers of its last transaction are being written. */
		check->awaits_end = true;
		loop_timer_set(&coord->loop, &check->retry, coord->loop.now_ms + RETRY_MS);
		return false;
	}
	if (!check->ack.partition)
		return true;
	check->ack.loop = &coord->loop;
	check->ack.task.fn = on_check_committed;
	if (partition_wait_committed(check->ack.partition, coord->syncer, &check->ack))
		return false;
	check->error = check->ack.error;
	return true;
}

/* The check is decided, and its reactor's again.  Returns the next of its id. */
static struct txn_check *
end_check(struct txn_check *check)
{
	struct txn_check *next = next_check(check->coordinator, &check->link,
		check->transactional_id);
	loop_timer_clear(&check->coordinator->loop, &check->retry);
	list_unlink(&check->link);
	loop_post(check->loop, &check->done);
	return next;
}

/* Examine the check, which is the first of its id, and the ones after it until
 * one has to wait. */
static void
advance_checks(struct txn_check *check)
{
	while (check && examine(check))
		check = end_check(check);
}

/* Examines it again: the transaction may have ended meanwhile. */
static void
on_check_committed(struct loop_task *task)
{
	struct txn_check *check = CONTAINER_OF(task, struct txn_check, ack.task);
	if (check->ack.error) {
		check->error = check->ack.error;
		check = end_check(check);
	}
	advance_checks(check);
}

static void
on_retry(struct loop_timer *timer)
{
	advance_checks(CONTAINER_OF(timer, struct txn_check, retry));
}

void
coordinator_txn_ended(struct coordinator *coord, int64_t producer_id)
{
	LIST_EACH(it, &coord->checks) {
		struct txn_check *check = CONTAINER_OF(it, struct txn_check, link);
		if (!check->awaits_end || check->producer.id != producer_id)
			continue;
		loop_timer_clear(&coord->loop, &check->retry);
		advance_checks(check);
		return;
	}
}

static void
begin(struct coordinator *coord, struct txn_check *check)
{
	bool is_first = !next_check(coord, &coord->checks, check->transactional_id);
	check->give_up_ms = coord->loop.now_ms + RETRY_MAX_MS;
	list_append(&coord->checks, &check->link);
	if (is_first)
		advance_checks(check);
}

static void
on_check(struct loop_task *task)
{
	struct txn_check *check = CONTAINER_OF(task, struct txn_check, task);
	coordinator_unpost(check->coordinator);
	begin(check->coordinator, check);
}

void
coordinator_check(struct coordinator *coord, struct txn_check *check)
{
	check->coordinator = coord;
	check->task.fn = on_check;
	check->awaits_end = false;
	check->ack.partition = NULL;
	check->retry = (struct loop_timer){ .fn = on_retry };
	list_init(&check->link);
	if (!coordinator_enter(coord)) {
		coordinator_post(coord, &check->task);
		return;
	}
	begin(coord, check);
	coordinator_leave(coord);
}

bool
coordinator_check_now(struct coordinator *coord, struct txn_check *check)
{
	if (!coordinator_enter(coord))
		return false;
	bool is_decided = false;
	if (!next_check(coord, &coord->checks, check->transactional_id)) {
		struct partition *part = ask(coord, check);
		is_decided = check->error != KERR_CONCURRENT_TRANSACTIONS
			&& (check->error || !part || partition_is_committed(part));
	}
	coordinator_leave(coord);
	return is_decided;
}

/* All end, so that the requests that wait for them end, too. */
void
coordinator_drop_checks(struct coordinator *coord)
{
	LIST_EACH(it, &coord->checks) {
		struct txn_check *check = CONTAINER_OF(it, struct txn_check, link);
		if (check->ack.partition)
			partition_cancel_ack(&check->ack);
		check->error = KERR_COORDINATOR_NOT_AVAILABLE;
		end_check(check);
	}
}
