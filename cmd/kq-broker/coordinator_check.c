#include "kq-broker/coordinator.h"

#include "kq-broker/broker.h"

#include "wire/kerr.h"

enum {
	RETRY_MS = 50,      /* a write that finds its last transaction still ending
	                       is looked at again, if nobody told of the end */
	RETRY_MAX_MS = 5000,/* and how long it is worth waiting for that: for
	                       those behind it the error is not one of order */
};

/* One transactional id's checks go on in the order of their coming, as its
 * batches have to: c->checks has all that are not over, and of each id only the
 * first is looked at. */
static struct txn_check *
next_check(struct coordinator *c, struct list *behind, struct str id)
{
	for (struct list *it = behind->next; it != &c->checks; it = it->next) {
		struct txn_check *k = CONTAINER_OF(it, struct txn_check, link);
		if (str_eq(k->transactional_id, id))
			return k;
	}
	return NULL;
}

static void on_check_committed(struct loop_task *t);

/* Sets k->error; returns the partition to wait for, or NULL. */
static struct partition *
ask(struct coordinator *c, struct txn_check *k)
{
	int32_t partition = -1;
	bool must_wait = false;
	k->error = c->is_cut ? KERR_COORDINATOR_NOT_AVAILABLE
		: !atomic_load(&c->topic[COORD_TXNS].is_there) ? KERR_INVALID_PRODUCER_ID_MAPPING
		: txns_check_write(c->txns, k->transactional_id, &k->producer, k->v, k->n,
			k->may_add, coordinator_now(c), &partition, &must_wait);
	coordinator_set_timers(c);
	if (k->error || !must_wait)
		return NULL;
	struct partition *p = coordinator_partition(c, COORD_TXNS, partition);
	if (!p)
		k->error = KERR_COORDINATOR_NOT_AVAILABLE;
	return p;
}

/* True: the check is over, with k->error set.  Else it waits. */
static bool
check(struct txn_check *k)
{
	struct coordinator *c = k->coordinator;
	k->awaits_end = false;
	k->ack.partition = ask(c, k);
	if (k->error == KERR_CONCURRENT_TRANSACTIONS && c->loop.now_ms < k->give_up_ms) {
		/* Its last transaction's markers are being written: soon over. */
		k->awaits_end = true;
		loop_timer_set(&c->loop, &k->retry, c->loop.now_ms + RETRY_MS);
		return false;
	}
	if (!k->ack.partition)
		return true;
	k->ack.loop = &c->loop;
	k->ack.task.fn = on_check_committed;
	if (partition_wait_committed(k->ack.partition, c->syncer, &k->ack))
		return false;
	k->error = k->ack.error;
	return true;
}

/* k is over; it is its reactor's from here on.  The next one of its id. */
static struct txn_check *
end_check(struct txn_check *k)
{
	struct txn_check *next = next_check(k->coordinator, &k->link, k->transactional_id);
	loop_timer_clear(&k->coordinator->loop, &k->retry);
	list_unlink(&k->link);
	loop_post(k->loop, &k->done);
	return next;
}

/* Look at k, the first of its id, and at those behind it as far as they go. */
static void
advance_checks(struct txn_check *k)
{
	while (k && check(k))
		k = end_check(k);
}

/* Looks again: the transaction may have ended meanwhile. */
static void
on_check_committed(struct loop_task *t)
{
	struct txn_check *k = CONTAINER_OF(t, struct txn_check, ack.task);
	if (k->ack.error) {
		k->error = k->ack.error;
		k = end_check(k);
	}
	advance_checks(k);
}

static void
on_retry(struct loop_timer *t)
{
	advance_checks(CONTAINER_OF(t, struct txn_check, retry));
}

void
coordinator_note_end(struct coordinator *c, int64_t producer_id)
{
	LIST_EACH(it, &c->checks) {
		struct txn_check *k = CONTAINER_OF(it, struct txn_check, link);
		if (!k->awaits_end || k->producer.id != producer_id)
			continue;
		loop_timer_clear(&c->loop, &k->retry);
		advance_checks(k);
		return;
	}
}

static void
begin(struct coordinator *c, struct txn_check *k)
{
	bool is_first = !next_check(c, &c->checks, k->transactional_id);
	k->give_up_ms = c->loop.now_ms + RETRY_MAX_MS;
	list_append(&c->checks, &k->link);
	if (is_first)
		advance_checks(k);
}

static void
on_check(struct loop_task *t)
{
	struct txn_check *k = CONTAINER_OF(t, struct txn_check, task);
	coordinator_unpost(k->coordinator);
	begin(k->coordinator, k);
}

void
coordinator_check(struct coordinator *c, struct txn_check *k)
{
	k->coordinator = c;
	k->task.fn = on_check;
	k->awaits_end = false;
	k->ack.partition = NULL;
	k->retry = (struct loop_timer){ .fn = on_retry };
	list_init(&k->link);
	if (!coordinator_enter(c)) {
		coordinator_post(c, &k->task);
		return;
	}
	begin(c, k);
	coordinator_leave(c);
}

bool
coordinator_check_now(struct coordinator *c, struct txn_check *k)
{
	if (!coordinator_enter(c))
		return false;
	bool is_told = false;
	if (!next_check(c, &c->checks, k->transactional_id)) {
		struct partition *p = ask(c, k);
		is_told = k->error != KERR_CONCURRENT_TRANSACTIONS
			&& (k->error || !p || partition_is_committed(p));
	}
	coordinator_leave(c);
	return is_told;
}
