/* Sequence numbers, epochs and transactions, against kafka-clients' rules. */
#include "tap.h"

#include "log/prodstate.h"
#include "record/builder.h"
#include "record/crc32c.h"

enum { TXN = BATCH_TRANSACTIONAL };

static struct prodstate state;
static int64_t next_offset;
static int64_t ticket;
static struct prodstate_batch seen;

static void
begin(void)
{
	prodstate_init(&state, 7);
	next_offset = 0;
	ticket = 0;
}

static struct batch
batch_of(int64_t id, int16_t epoch, int32_t sequence, int32_t n, int attributes)
{
	return (struct batch){ .base_offset = next_offset, .size = 100,
		.attributes = (int16_t)attributes, .last_offset_delta = n - 1, .count = n,
		.base_timestamp = 1000 + next_offset,
		.max_timestamp = 1000 + next_offset, .producer_id = id, .producer_epoch = epoch,
		.base_sequence = sequence };
}

static enum prodstate_verdict
ask(int64_t id, int16_t epoch, int32_t sequence, int32_t n, int attributes)
{
	struct batch batch = batch_of(id, epoch, sequence, n, attributes);
	return prodstate_check(&state, &batch, false, 1, &ticket, &seen);
}

static void
put_at(int64_t now_ms, int64_t id, int16_t epoch, int32_t sequence, int32_t n, int attributes)
{
	struct batch batch = batch_of(id, epoch, sequence, n, attributes);
	prodstate_append(&state, &batch, now_ms);
	next_offset += n;
}

static void
put(int64_t id, int16_t epoch, int32_t sequence, int32_t n, int attributes)
{
	put_at(1, id, epoch, sequence, n, attributes);
}

/* Check, and append if it is good. */
static enum prodstate_verdict
produce(int64_t id, int16_t epoch, int32_t sequence, int32_t n, int attributes)
{
	enum prodstate_verdict v = ask(id, epoch, sequence, n, attributes);
	if (v == PRODSTATE_GOOD)
		put(id, epoch, sequence, n, attributes);
	return v;
}

/* With the verification first, as the broker does it. */
static enum prodstate_verdict
produce_txn(int64_t id, int16_t epoch, int32_t sequence, int32_t n)
{
	ticket = 0;
	enum prodstate_verdict v = produce(id, epoch, sequence, n, TXN);
	if (v == PRODSTATE_VERIFY)
		v = produce(id, epoch, sequence, n, TXN);
	ticket = 0;
	return v;
}

static bool
end_epoch(int64_t id, int16_t epoch, int32_t coordinator_epoch, struct prodstate_txn *txn)
{
	struct batch batch = batch_of(id, epoch, -1, 1, BATCH_TRANSACTIONAL | BATCH_CONTROL);
	bool was_open = prodstate_end(&state, &batch, coordinator_epoch, 1, txn);
	next_offset++;
	return was_open;
}

static struct prodstate_txn
end(int64_t id, int16_t epoch)
{
	struct prodstate_txn txn;
	check(end_epoch(id, epoch, 0, &txn));
	return txn;
}

void
test_prodstate__a_batch_sent_again_is_known(void)
{
	begin();
	next_offset = 40;
	check_int(produce(5, 0, 0, 3, 0), PRODSTATE_GOOD);
	check_int(produce(5, 0, 3, 2, 0), PRODSTATE_GOOD);
	check_int(ask(5, 0, 0, 3, 0), PRODSTATE_DUPLICATE);
	check_int(seen.last_offset, 42);
	check_int(seen.offset_delta, 2);
	check_int(seen.timestamp, 1040);
	check_int(ask(5, 0, 3, 2, 0), PRODSTATE_DUPLICATE);
	check_int(seen.last_offset, 44);
	/* The same numbers, divided differently, are no duplicate. */
	check_int(ask(5, 0, 0, 2, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(ask(5, 0, 0, 5, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(ask(5, 0, 4, 1, 0), PRODSTATE_OUT_OF_ORDER);
	prodstate_release(&state);
}

void
test_prodstate__only_the_last_five_are_known(void)
{
	begin();
	for (int i = 0; i < 7; i++)
		check_int(produce(5, 0, i, 1, 0), PRODSTATE_GOOD);
	for (int i = 0; i < 7; i++)
		check_int(ask(5, 0, i, 1, 0), i < 2 ? PRODSTATE_OUT_OF_ORDER : PRODSTATE_DUPLICATE);
	prodstate_release(&state);
}

void
test_prodstate__a_gap_is_refused(void)
{
	begin();
	check_int(produce(5, 0, 0, 3, 0), PRODSTATE_GOOD);
	check_int(produce(5, 0, 4, 1, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(produce(5, 0, 2, 1, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(produce(5, 0, 3, 1, 0), PRODSTATE_GOOD);
	prodstate_release(&state);
}

void
test_prodstate__sequence_numbers_wrap(void)
{
	begin();
	check_int(produce(5, 0, INT32_MAX - 1, 2, 0), PRODSTATE_GOOD);
	check_int(ask(5, 0, 1, 1, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(produce(5, 0, 0, 1, 0), PRODSTATE_GOOD);
	check_int(produce(5, 0, 1, 1, 0), PRODSTATE_GOOD);
	check_int(produce(6, 0, INT32_MAX - 1, 5, 0), PRODSTATE_GOOD); /* over the edge: up to 2 */
	check_int(ask(6, 0, INT32_MAX - 1, 5, 0), PRODSTATE_DUPLICATE);
	check_int(ask(6, 0, 4, 1, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(produce(6, 0, 3, 1, 0), PRODSTATE_GOOD);
	prodstate_release(&state);
}

void
test_prodstate__a_new_epoch_begins_at_zero(void)
{
	begin();
	check_int(produce(5, 0, 0, 3, 0), PRODSTATE_GOOD);
	check_int(produce(5, 1, 3, 3, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(produce(5, 1, 0, 3, 0), PRODSTATE_GOOD);
	check_int(ask(5, 1, 0, 3, 0), PRODSTATE_DUPLICATE);
	check_int(seen.last_offset, 5);
	prodstate_release(&state);
}

void
test_prodstate__an_old_epoch_is_refused(void)
{
	begin();
	check_int(produce(5, 3, 0, 1, 0), PRODSTATE_GOOD);
	check_int(produce(5, 2, 0, 1, 0), PRODSTATE_OLD_EPOCH);
	check_int(produce(5, 2, 1, 1, TXN), PRODSTATE_OLD_EPOCH);
	check_int(ticket, 0);
	prodstate_release(&state);
}

void
test_prodstate__an_unknown_producer_may_begin_anywhere(void)
{
	begin();
	check_int(produce(5, 3, 77, 1, 0), PRODSTATE_GOOD);
	check_int(produce(5, 3, 78, 1, 0), PRODSTATE_GOOD);
	check_int(prodstate_count(&state), 1);
	prodstate_release(&state);
}

void
test_prodstate__a_transaction_is_verified_once(void)
{
	begin();
	check_int(produce(5, 0, 0, 1, TXN), PRODSTATE_VERIFY);
	check(ticket != 0);
	int64_t token = ticket;
	check_int(prodstate_count(&state), 0);
	ticket = token + 1;
	check_int(produce(5, 0, 0, 1, TXN), PRODSTATE_NO_TXN);
	ticket = token;
	check_int(produce(5, 0, 0, 1, TXN), PRODSTATE_GOOD);
	ticket = 0;
	check_int(produce(5, 0, 1, 1, TXN), PRODSTATE_GOOD);
	/* The other batch, verified at the same time. */
	ticket = token;
	check_int(produce(5, 0, 2, 1, TXN), PRODSTATE_GOOD);
	end(5, 0);
	/* It was used: no more. */
	check_int(produce(5, 0, 3, 1, TXN), PRODSTATE_NO_TXN);
	prodstate_release(&state);
}

void
test_prodstate__a_marker_drops_the_token(void)
{
	struct prodstate_txn txn;
	begin();
	check_int(ask(5, 0, 0, 1, TXN), PRODSTATE_VERIFY);
	int64_t token = ticket;
	check(!end_epoch(5, 0, 0, &txn)); /* nothing was written */
	check_int(ask(5, 0, 0, 1, TXN), PRODSTATE_NO_TXN);
	ticket = 0;
	check_int(ask(5, 0, 0, 1, TXN), PRODSTATE_VERIFY);
	check(ticket != token);
	int64_t other = ticket;
	ticket = token;
	check_int(ask(5, 0, 0, 1, TXN), PRODSTATE_NO_TXN);
	ticket = other;
	check_int(ask(5, 0, 0, 1, TXN), PRODSTATE_GOOD);
	prodstate_release(&state);
}

void
test_prodstate__the_lowest_sequence_seen_goes_first(void)
{
	begin();
	check_int(ask(5, 0, 0, 5, TXN), PRODSTATE_VERIFY);
	int64_t token = ticket;
	ticket = 0;
	check_int(ask(5, 0, 5, 5, TXN), PRODSTATE_VERIFY);
	check_int(ticket, token);
	/* The coordinator could not be asked about the first one, but about the second. */
	check_int(ask(5, 0, 5, 5, TXN), PRODSTATE_OUT_OF_ORDER);
	check_int(produce(5, 0, 0, 5, TXN), PRODSTATE_GOOD);
	check_int(produce(5, 0, 5, 5, TXN), PRODSTATE_GOOD);
	end(5, 0);
	ticket = 0;
	check_int(ask(5, 0, 12, 1, TXN), PRODSTATE_VERIFY);
	check_int(ask(5, 0, 12, 1, TXN), PRODSTATE_OUT_OF_ORDER);
	ticket = 0;
	check_int(ask(5, 1, 0, 1, TXN), PRODSTATE_VERIFY); /* a newer epoch starts again */
	check_int(ask(5, 1, 0, 1, TXN), PRODSTATE_GOOD);
	prodstate_release(&state);
}

void
test_prodstate__no_other_batch_in_a_transaction(void)
{
	begin();
	check_int(produce_txn(5, 0, 0, 1), PRODSTATE_GOOD);
	check_int(produce(5, 0, 1, 1, 0), PRODSTATE_NO_TXN);
	check_int(produce(6, 0, 0, 1, 0), PRODSTATE_GOOD);
	end(5, 0);
	check_int(produce(5, 0, 1, 1, 0), PRODSTATE_GOOD);
	prodstate_release(&state);
}

void
test_prodstate__a_newer_epoch_is_verified_anew(void)
{
	begin();
	check_int(produce_txn(5, 0, 0, 1), PRODSTATE_GOOD);
	check_int(ask(5, 1, 0, 1, TXN), PRODSTATE_VERIFY);
	check_int(produce(5, 1, 0, 1, TXN), PRODSTATE_GOOD);
	struct prodstate_txn txn = end(5, 1);
	check_int(txn.first_offset, 0);
	check_int(txn.last_offset, 2);
	prodstate_release(&state);
}

void
test_prodstate__markers_of_old_epochs_are_refused(void)
{
	struct prodstate_txn txn;
	begin();
	check_int(prodstate_check_marker(&state, 5, 0, 0), PRODSTATE_GOOD);
	check_int(produce_txn(5, 2, 0, 1), PRODSTATE_GOOD);
	check_int(prodstate_check_marker(&state, 5, 1, 0), PRODSTATE_OLD_EPOCH);
	check_int(prodstate_check_marker(&state, 5, 2, 0), PRODSTATE_GOOD);
	check(end_epoch(5, 3, 9, &txn));
	check_int(prodstate_check_marker(&state, 5, 3, 8), PRODSTATE_OLD_COORDINATOR);
	check_int(prodstate_check_marker(&state, 5, 2, 9), PRODSTATE_OLD_EPOCH);
	check_int(prodstate_check_marker(&state, 5, 3, 9), PRODSTATE_GOOD);
	check(!end_epoch(5, 3, 9, &txn)); /* sent again: nothing is open */
	check_int(produce(5, 2, 1, 1, TXN), PRODSTATE_OLD_EPOCH);
	prodstate_release(&state);
}

void
test_prodstate__a_marker_alone_sets_the_epoch(void)
{
	struct prodstate_txn txn;
	begin();
	check(!end_epoch(5, 4, 0, &txn));
	check_int(prodstate_count(&state), 1);
	check_int(prodstate_find(&state, 5)->nbatch, 0);
	check_int(produce(5, 3, 0, 1, 0), PRODSTATE_OLD_EPOCH);
	check_int(produce(5, 4, 1, 1, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(produce(5, 4, 0, 1, 0), PRODSTATE_GOOD);
	/* The same epoch: the numbers continue after a marker. */
	check(!end_epoch(5, 4, 0, &txn));
	check_int(produce(5, 4, 1, 1, 0), PRODSTATE_GOOD);
	/* A marker that raises the epoch restarts them (KIP-890). */
	check(!end_epoch(5, 5, 0, &txn));
	check_int(produce(5, 5, 2, 1, 0), PRODSTATE_OUT_OF_ORDER);
	check_int(produce(5, 5, 0, 1, 0), PRODSTATE_GOOD);
	prodstate_release(&state);
}

void
test_prodstate__coordinators_have_no_sequence(void)
{
	begin();
	for (int i = 0; i < 3; i++) {
		struct batch batch = batch_of(5, 1, -1, 2, TXN);
		check_int(prodstate_check(&state, &batch, true, 1, &ticket, &seen), PRODSTATE_GOOD);
		check_int(ticket, 0);
		put(5, 1, -1, 2, TXN);
	}
	struct batch old = batch_of(5, 0, -1, 2, TXN);
	check_int(prodstate_check(&state, &old, true, 1, &ticket, &seen), PRODSTATE_OLD_EPOCH);
	struct prodstate_txn txn = end(5, 1);
	check_int(txn.first_offset, 0);
	check_int(txn.last_offset, 6);
	prodstate_release(&state);
}

void
test_prodstate__the_first_open_transaction_holds_back(void)
{
	begin();
	check_int(prodstate_unstable(&state), INT64_MAX);
	check_int(produce(9, 0, 0, 10, 0), PRODSTATE_GOOD);
	check_int(produce_txn(1, 0, 0, 5), PRODSTATE_GOOD); /* 10 */
	check_int(produce_txn(2, 0, 0, 5), PRODSTATE_GOOD); /* 15 */
	check_int(produce_txn(1, 0, 5, 5), PRODSTATE_GOOD); /* 20 */
	check_int(produce_txn(3, 0, 0, 5), PRODSTATE_GOOD); /* 25 */
	check_int(prodstate_unstable(&state), 10);
	struct prodstate_txn txn = end(2, 0); /* 30 */
	check_int(txn.first_offset, 15);
	check_int(txn.last_offset, 30);
	check_int(txn.stable_offset, 10);
	txn = end(1, 0); /* 31 */
	check_int(txn.first_offset, 10);
	check_int(txn.stable_offset, 25);
	prodstate_replicated(&state, next_offset);
	check_int(prodstate_unstable(&state), 25);
	txn = end(3, 0);
	check_int(txn.stable_offset, 33);
	prodstate_replicated(&state, next_offset);
	check_int(prodstate_unstable(&state), INT64_MAX);
	prodstate_release(&state);
}

void
test_prodstate__a_marker_counts_once_it_is_replicated(void)
{
	begin();
	check_int(produce_txn(1, 0, 0, 5), PRODSTATE_GOOD); /* 0 */
	check_int(produce_txn(2, 0, 0, 5), PRODSTATE_GOOD); /* 5 */
	end(2, 0);                                          /* 10 */
	end(1, 0);                                          /* 11 */
	prodstate_replicated(&state, 8);
	check_int(prodstate_unstable(&state), 0);
	prodstate_replicated(&state, 11); /* up to 10 */
	check_int(prodstate_unstable(&state), 0);
	prodstate_replicated(&state, 12);
	check_int(prodstate_unstable(&state), INT64_MAX);
	check_int(produce_txn(2, 0, 5, 5), PRODSTATE_GOOD); /* 12 */
	end(2, 0);
	prodstate_replicated(&state, 17);
	check_int(prodstate_unstable(&state), 12);
	prodstate_release(&state);
}

void
test_prodstate__idle_producers_expire(void)
{
	begin();
	for (int i = 0; i < 10; i++)
		put_at(100 + i, i, 0, 0, 1, 0);
	put_at(200, 0, 0, 1, 1, 0);
	prodstate_expire(&state, 204, 100);
	check_int(prodstate_count(&state), 6);
	check(prodstate_find(&state, 0));
	check(!prodstate_find(&state, 4));
	check(prodstate_find(&state, 5));
	prodstate_expire(&state, 1000, 100);
	check_int(prodstate_count(&state), 0);
	/* A producer that was only verified is removed, too. */
	check_int(ask(5, 0, 7, 1, TXN), PRODSTATE_VERIFY);
	prodstate_expire(&state, 1000, 100);
	check_int(state.by_id.n, 0);
	/* For producers loaded with the log the idle time starts at the first call. */
	put_at(0, 1, 0, 0, 1, 0);
	put_at(0, 2, 0, 0, 1, 0);
	put_at(1990, 3, 0, 0, 1, 0);
	prodstate_expire(&state, 2000, 100);
	check_int(prodstate_count(&state), 3);
	prodstate_expire(&state, 2095, 100);
	check_int(prodstate_count(&state), 3);
	prodstate_expire(&state, 2100, 100);
	check_int(prodstate_count(&state), 0);
	prodstate_release(&state);
}

void
test_prodstate__open_transactions_do_not_expire(void)
{
	begin();
	put_at(100, 1, 0, 0, 1, TXN);
	put_at(100, 2, 0, 0, 1, 0);
	prodstate_expire(&state, 10000, 100);
	check_int(prodstate_count(&state), 1);
	check_int(prodstate_unstable(&state), 0);
	end(1, 0);
	prodstate_expire(&state, 10000, 100);
	check_int(prodstate_count(&state), 0);
	prodstate_release(&state);
}

void
test_prodstate__the_idlest_goes_when_it_is_full(void)
{
	begin();
	put(0, 0, 0, 1, TXN);
	for (int i = 1; i < PRODSTATE_PRODUCERS_MAX; i++)
		put(i, 0, 0, 1, 0);
	check_int(prodstate_count(&state), PRODSTATE_PRODUCERS_MAX);
	put(1, 0, 1, 1, 0);
	put(1 << 20, 0, 0, 1, 0);
	check_int(prodstate_count(&state), PRODSTATE_PRODUCERS_MAX);
	check(prodstate_find(&state, 0));
	check(prodstate_find(&state, 1));
	check(!prodstate_find(&state, 2));
	check(prodstate_find(&state, 3));
	prodstate_release(&state);
}

void
test_prodstate__when_all_are_open_newcomers_wait(void)
{
	begin();
	for (int i = 0; i < PRODSTATE_PRODUCERS_MAX; i++)
		check_int(produce_txn(i, 0, 0, 1), PRODSTATE_GOOD);
	check_int(produce_txn(1 << 20, 0, 0, 1), PRODSTATE_FULL);
	check_int(produce(1 << 20, 0, 0, 1, 0), PRODSTATE_FULL);
	check_int(produce_txn(17, 0, 1, 1), PRODSTATE_GOOD);
	end(17, 0);
	check_int(produce_txn(1 << 20, 0, 0, 1), PRODSTATE_GOOD);
	check(!prodstate_find(&state, 17));
	prodstate_release(&state);
}

static void
encode_and_decode(struct prodstate *to)
{
	struct buf b = BUF_INIT;
	struct err e;
	prodstate_encode(&state, &b);
	prodstate_init(to, 3);
	check_int(prodstate_decode(to, buf_str(&b), next_offset, &e), 0);
	buf_release(&b);
}

void
test_prodstate__a_snapshot_holds_the_last_batch(void)
{
	struct prodstate_txn txn;
	begin();
	for (int i = 0; i < 4; i++)
		put(1, 3, 2 * i, 2, 0);
	put(2, 0, 0, 2, TXN);
	put(3, 0, 0, 3, TXN);
	check(!end_epoch(4, 7, 5, &txn));
	put(9, 0, 5, 1, 0);
	check_int(ask(77, 0, 5, 1, TXN), PRODSTATE_VERIFY); /* not written: it wrote nothing */
	struct prodstate before = state;
	encode_and_decode(&state);
	check_int(prodstate_count(&state), 5);
	check_int(ask(1, 3, 6, 2, 0), PRODSTATE_DUPLICATE);
	check_int(seen.last_offset, 7);
	check_int(seen.timestamp, 1006);
	check_int(ask(1, 3, 4, 2, 0), PRODSTATE_OUT_OF_ORDER); /* no more than that one */
	check_int(produce(1, 3, 8, 2, 0), PRODSTATE_GOOD);
	check_int(prodstate_unstable(&state), 8);
	check_int(produce(3, 0, 3, 1, TXN), PRODSTATE_GOOD);
	end(2, 0);
	prodstate_replicated(&state, next_offset);
	check_int(prodstate_unstable(&state), 10);
	check_int(produce(4, 6, 0, 1, 0), PRODSTATE_OLD_EPOCH);
	check_int(prodstate_check_marker(&state, 4, 7, 4), PRODSTATE_OLD_COORDINATOR);
	check_int(produce(4, 7, 0, 1, 0), PRODSTATE_GOOD);
	check_int(produce(9, 0, 6, 1, 0), PRODSTATE_GOOD);
	prodstate_release(&state);
	prodstate_release(&before);
}

void
test_prodstate__a_snapshot_is_kafkas_format(void)
{
	begin();
	next_offset = 0x0102030405;
	put(0x1122334455667788, 0x0a0b, 0x01020304, 0x11, TXN);
	struct buf b = BUF_INIT;
	prodstate_encode(&state, &b);
	static const uint8_t want[] = {
		0, 1, 0, 0, 0, 0, 0, 0, 0, 1,
		0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x0a, 0x0b,
		0x01, 0x02, 0x03, 0x14, 0, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x15,
		0, 0, 0, 0x10, 0, 0, 0, 0x01, 0x02, 0x03, 0x07, 0xed,
		0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05,
	};
	check_int(b.n, sizeof want);
	check_int(load_be32(b.p + 2), crc32c(b.p + 6, b.n - 6));
	memset(b.p + 2, 0, 4);
	check(memcmp(b.p, want, sizeof want) == 0);
	buf_release(&b);
	prodstate_release(&state);
}

static void
refuses(struct buf *b, size_t n, int64_t end_offset, bool fix_crc)
{
	struct prodstate s;
	struct err e;
	if (fix_crc)
		store_be32(b->p + 2, crc32c(b->p + 6, n - 6));
	prodstate_init(&s, 3);
	check_int(prodstate_decode(&s, (struct str){ b->p, (int32_t)n }, end_offset, &e), -1);
	check_int(e.class, ERR_CORRUPT);
	check_int(s.by_id.n, 0);
	prodstate_release(&s);
}

void
test_prodstate__broken_snapshots_are_refused(void)
{
	begin();
	put(1, 0, 0, 2, 0);
	put(2, 0, 0, 2, TXN);
	struct buf good = BUF_INIT, b = BUF_INIT;
	prodstate_encode(&state, &good);
	buf_put_str(&b, buf_str(&good));
	for (size_t n = 0; n < good.n; n++)
		refuses(&b, n, 4, false);
	for (size_t i = 0; i < good.n; i++) {
		b.p[i] ^= 0x10;
		refuses(&b, good.n, 4, false);
		b.p[i] ^= 0x10;
	}
	refuses(&b, good.n, 3, true); /* of a longer log */
	refuses(&b, good.n, 2, true);
	store_be32(b.p + 6, 1);
	refuses(&b, good.n, 4, true);
	store_be32(b.p + 6, 0xffffffff);
	refuses(&b, good.n, 4, true);
	store_be32(b.p + 6, 2);
	memcpy(b.p + 10, b.p + 56, 8); /* twice the same */
	refuses(&b, good.n, 4, true);
	buf_release(&good);
	buf_release(&b);
	prodstate_release(&state);
}
