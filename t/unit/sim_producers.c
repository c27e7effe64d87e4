/*
 * Simulated producers against the state that a partition keeps of them:
 * requests and answers get lost, come twice and in any order, the log crashes
 * and comes back without what was not synced, transactions commit and abort
 * while late batches are under way.  Each history has a seed of its own:
 *
 *   KQ_SEED=N          run that one only
 *   KQ_HISTORIES=N     that many (several thousand by default)
 */
#include "tap.h"

#include "log/prodstate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PRODUCERS = 4, /* the first two have transactions */
	IN_FLIGHT = 5,
	MESSAGES = 40,
	ENTRIES = 600,
	SNAPSHOTS = 3,
	STEPS = 500,
	REFUSALS_MAX = 30,
};

/* A batch in the log. */
struct entry {
	struct batch b;
	int32_t coordinator_epoch;
	bool is_marker, is_commit;
};

/* A produce request under way, or being verified by the broker. */
struct message {
	struct batch b;
	int producer;
	int64_t ticket;
	bool is_used, is_verifying, is_allowed;
};

/* A batch that its producer has no answer for. */
struct pending {
	struct batch b;
	int64_t end_offset; /* the answer is held back until that is synced; or -1 */
	int64_t base_offset;
	int nrefused;
};

struct writer {
	bool has_txns;
	int16_t epoch;
	int32_t sequence;
	struct pending v[IN_FLIGHT];
	int n;
	/* The coordinator's part: */
	bool is_ongoing; /* the transaction, and this partition is part of it */
	int ending;      /* 0, 'c' or 'a' */
	int64_t marker_end; /* after the marker that was written; -1: none */
	int16_t marker_epoch;
};

struct acked {
	int64_t id, base_offset;
	int32_t sequence;
	int16_t epoch;
};

struct snapshot {
	int64_t offset;
	struct buf bytes;
};

static struct {
	uint64_t seed, random;
	struct prodstate state;
	struct entry log[ENTRIES];
	int nlog;
	int64_t end, synced, high_watermark;
	struct prodstate_txn aborted[ENTRIES];
	int naborted;
	struct snapshot snapshot[SNAPSHOTS];
	struct message message[MESSAGES];
	struct writer writer[PRODUCERS];
	struct acked acked[ENTRIES];
	int nacked;
	int64_t nduplicate, ncrash, nabort; /* over all, to know that there were any */
} sim;

#define broken(...) broken_at(__LINE__, __VA_ARGS__)
#define rule(x) do { if (!(x)) broken("%s", #x); } while (0)

static void __attribute__((format(printf, 2, 3)))
broken_at(int line, const char *fmt, ...)
{
	char text[500];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	tap_fail(__FILE__, line, "KQ_SEED=%llu: %s", (unsigned long long)sim.seed, text);
}

static uint32_t
roll(uint32_t n)
{
	sim.random ^= sim.random << 13;
	sim.random ^= sim.random >> 7;
	sim.random ^= sim.random << 17;
	return (uint32_t)(sim.random >> 32) % n;
}

static int
writer_of(int64_t id)
{
	return (int)(id - 1000);
}

/* ---- the log ---- */

static int64_t
last_synced_entry_end(int i)
{
	return i ? batch_last_offset(&sim.log[i - 1].b) + 1 : 0;
}

static void
note_entry(const struct entry *t, int64_t now_ms)
{
	struct prodstate_txn txn;
	if (!t->is_marker)
		prodstate_append(&sim.state, &t->b, now_ms);
	else if (prodstate_end(&sim.state, &t->b, t->coordinator_epoch, now_ms, &txn) && !t->is_commit)
		sim.aborted[sim.naborted++] = txn;
	if (now_ms == 0)
		prodstate_replicated(&sim.state, INT64_MAX);
}

static void
append(struct entry t)
{
	t.b.base_offset = sim.end;
	sim.log[sim.nlog++] = t;
	sim.end = batch_last_offset(&t.b) + 1;
	note_entry(&t, 1);
}

static void
take_snapshot(void)
{
	struct snapshot *s = &sim.snapshot[roll(SNAPSHOTS)];
	buf_reset(&s->bytes);
	prodstate_encode(&sim.state, &s->bytes);
	s->offset = sim.end;
}

/* The process dies, and what was not synced may be gone. */
static void
crash(void)
{
	struct prodstate_txn before[ENTRIES];
	int nbefore = 0, cut = sim.nlog, from = 0;
	struct snapshot *best = NULL;
	struct err e;
	while (cut > 0 && batch_last_offset(&sim.log[cut - 1].b) >= sim.synced && roll(3))
		cut--;
	sim.nlog = cut;
	sim.end = last_synced_entry_end(cut);
	for (int i = 0; i < sim.naborted; i++)
		if (sim.aborted[i].last_offset < sim.end)
			before[nbefore++] = sim.aborted[i];
	for (int i = 0; i < SNAPSHOTS; i++) {
		struct snapshot *s = &sim.snapshot[i];
		if (s->offset > sim.end)
			s->offset = -1;
		else if (s->offset >= 0 && (!best || s->offset > best->offset))
			best = s;
	}
	prodstate_clear(&sim.state);
	sim.naborted = 0;
	if (best) {
		rule(prodstate_decode(&sim.state, buf_str(&best->bytes), best->offset, &e) == 0);
		while (sim.naborted < nbefore && before[sim.naborted].last_offset < best->offset) {
			sim.aborted[sim.naborted] = before[sim.naborted];
			sim.naborted++;
		}
		while (from < cut && sim.log[from].b.base_offset < best->offset)
			from++;
	}
	for (int i = from; i < cut; i++)
		note_entry(&sim.log[i], 0);
	rule(sim.naborted == nbefore);
	rule(nbefore == 0 || memcmp(before, sim.aborted, (size_t)nbefore * sizeof *before) == 0);
	sim.synced = MIN(sim.synced, sim.end);
	sim.high_watermark = sim.end;
	for (int i = 0; i < PRODUCERS; i++) {
		for (int k = 0; k < sim.writer[i].n; k++)
			sim.writer[i].v[k].end_offset = -1; /* connections are gone */
		sim.writer[i].marker_end = -1;
	}
	for (int i = 0; i < MESSAGES; i++)
		sim.message[i].is_used &= !sim.message[i].is_verifying;
	sim.ncrash++;
}

/* ---- what ought to be ---- */

struct open {
	int64_t first_offset; /* -1: none */
};

static int64_t
stable_by_hand(const struct open *open, int without, int64_t end)
{
	int64_t stable = end;
	for (int i = 0; i < PRODUCERS; i++)
		if (i != without && open[i].first_offset >= 0)
			stable = MIN(stable, open[i].first_offset);
	return stable;
}

/* Go through the log as a reader with infinite patience. */
static void
check_transactions(void)
{
	struct open open[PRODUCERS];
	int naborted = 0;
	int64_t unstable = INT64_MAX;
	for (int i = 0; i < PRODUCERS; i++)
		open[i].first_offset = -1;
	for (int i = 0; i < sim.nlog; i++) {
		const struct entry *t = &sim.log[i];
		int w = writer_of(t->b.producer_id);
		int64_t last = batch_last_offset(&t->b);
		if (!t->is_marker && t->b.attributes & BATCH_TRANSACTIONAL && open[w].first_offset < 0)
			open[w].first_offset = t->b.base_offset;
		rule(t->is_marker || t->b.attributes & BATCH_TRANSACTIONAL || open[w].first_offset < 0);
		if (!t->is_marker || open[w].first_offset < 0)
			continue;
		if (last >= sim.high_watermark)
			unstable = MIN(unstable, open[w].first_offset);
		if (!t->is_commit) {
			rule(naborted < sim.naborted);
			struct prodstate_txn *a = &sim.aborted[naborted++];
			rule(a->producer_id == t->b.producer_id);
			rule(a->first_offset == open[w].first_offset);
			rule(a->last_offset == last);
			rule(a->stable_offset == stable_by_hand(open, w, last + 1));
		}
		open[w].first_offset = -1;
	}
	rule(naborted == sim.naborted);
	unstable = MIN(unstable, stable_by_hand(open, -1, INT64_MAX));
	prodstate_replicated(&sim.state, sim.high_watermark);
	rule(prodstate_unstable(&sim.state) == unstable);
	/* Every open transaction will be ended. */
	for (int i = 0; i < PRODUCERS; i++)
		if (open[i].first_offset >= 0 && !sim.writer[i].is_ongoing)
			broken("a transaction of producer %d hangs at %lld", i,
				(long long)open[i].first_offset);
}

/* No earlier batch of the producer was acknowledged. */
static bool
is_first_acked(const struct batch *batch)
{
	for (int i = 0; i < sim.nacked; i++)
		if (sim.acked[i].id == batch->producer_id && sim.acked[i].epoch == batch->producer_epoch)
			return false;
	return true;
}

/* Each batch once, in order, none left out, under each epoch.  Only one that has
 * not written before may begin anywhere. */
static void
check_sequences(void)
{
	int32_t next[PRODUCERS];
	int16_t epoch[PRODUCERS];
	for (int i = 0; i < PRODUCERS; i++)
		epoch[i] = -1;
	for (int i = 0; i < sim.nlog; i++) {
		const struct entry *t = &sim.log[i];
		int w = writer_of(t->b.producer_id);
		if (t->b.producer_epoch < epoch[w])
			broken("epoch %d of producer %d behind %d", t->b.producer_epoch, w, epoch[w]);
		if (t->is_marker) {
			if (epoch[w] != t->b.producer_epoch)
				next[w] = 0;
			epoch[w] = t->b.producer_epoch;
			continue;
		}
		if (epoch[w] < 0 && t->b.base_sequence > 0 && is_first_acked(&t->b))
			next[w] = t->b.base_sequence;
		else if (epoch[w] != t->b.producer_epoch)
			next[w] = 0;
		epoch[w] = t->b.producer_epoch;
		if (t->b.base_sequence != next[w])
			broken("producer %d epoch %d: sequence %d where %d was due", w, epoch[w],
				t->b.base_sequence, next[w]);
		next[w] = t->b.base_sequence + t->b.count;
	}
}

static const struct entry *
entry_at(int64_t offset)
{
	int low = 0, high = sim.nlog;
	while (low < high) {
		int mid = (low + high) / 2;
		if (sim.log[mid].b.base_offset < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low < sim.nlog && sim.log[low].b.base_offset == offset ? &sim.log[low] : NULL;
}

/* What was acknowledged is where it was said to be. */
static void
check_acked(void)
{
	for (int i = 0; i < sim.nacked; i++) {
		const struct acked *a = &sim.acked[i];
		const struct entry *t = entry_at(a->base_offset);
		if (!t || t->b.producer_id != a->id || t->b.producer_epoch != a->epoch
			|| t->b.base_sequence != a->sequence)
			broken("producer %lld epoch %d sequence %d is not at %lld", (long long)a->id,
				a->epoch, a->sequence, (long long)a->base_offset);
	}
}

static void
check_all(void)
{
	check_transactions();
	check_sequences();
	check_acked();
}

/* ---- producers ---- */

static void
send(int w, const struct batch *batch)
{
	for (int i = 0; i < MESSAGES; i++)
		if (!sim.message[i].is_used) {
			sim.message[i] = (struct message){ .b = *batch, .producer = w, .is_used = true };
			return;
		}
}

static void
produce(int w)
{
	struct writer *p = &sim.writer[w];
	if (p->n == IN_FLIGHT || p->ending)
		return;
	p->is_ongoing |= p->has_txns;
	int n = 1 + (int)roll(3);
	struct batch batch = { .size = 100, .attributes = p->has_txns ? BATCH_TRANSACTIONAL : 0,
		.last_offset_delta = n - 1, .count = n, .max_timestamp = (int64_t)roll(1000),
		.producer_id = 1000 + w, .producer_epoch = p->epoch, .base_sequence = p->sequence };
	p->sequence += n;
	p->v[p->n++] = (struct pending){ .b = batch, .end_offset = -1 };
	send(w, &batch);
}

static void
retry(int w)
{
	struct writer *p = &sim.writer[w];
	if (p->n)
		send(w, &p->v[roll((uint32_t)p->n)].b);
}

/* Give up what is under way and go on under a new epoch. */
static void
begin_anew(struct writer *p)
{
	p->n = 0;
	if (p->has_txns && p->is_ongoing) {
		if (!p->ending) {
			p->ending = 'a';
			p->marker_epoch = (int16_t)(p->epoch + 1);
		}
		return;
	}
	p->epoch++;
	p->sequence = 0;
}

static struct pending *
find_pending(int w, const struct batch *batch)
{
	struct writer *p = &sim.writer[w];
	for (int i = 0; i < p->n; i++)
		if (p->v[i].b.producer_epoch == batch->producer_epoch
			&& p->v[i].b.base_sequence == batch->base_sequence)
			return &p->v[i];
	return NULL;
}

static void
answer(int w, struct pending *it)
{
	struct writer *p = &sim.writer[w];
	sim.acked[sim.nacked++] = (struct acked){ it->b.producer_id, it->base_offset,
		it->b.base_sequence, it->b.producer_epoch };
	int i = (int)(it - p->v);
	p->n--;
	memmove(it, it + 1, (size_t)(p->n - i) * sizeof *it);
}

static void
refuse(int w, const struct batch *batch, enum prodstate_verdict v)
{
	struct pending *it = find_pending(w, batch);
	if (!it || roll(5) == 0)
		return; /* of no interest any more, or lost */
	if (v == PRODSTATE_OUT_OF_ORDER && ++it->nrefused < REFUSALS_MAX)
		return; /* the one before it may come yet */
	if (v == PRODSTATE_NO_TXN && ++it->nrefused < REFUSALS_MAX)
		return;
	begin_anew(&sim.writer[w]);
}

/* ---- the broker ---- */

static void
hold_back_answer(int w, const struct batch *batch, int64_t base_offset, int64_t end_offset)
{
	struct pending *it = find_pending(w, batch);
	if (!it || roll(4) == 0)
		return; /* the answer gets lost */
	it->base_offset = base_offset;
	it->end_offset = end_offset;
}

static void
handle(struct message *msg)
{
	struct prodstate_batch seen;
	struct batch batch = msg->b;
	int w = msg->producer;
	int64_t ticket = msg->ticket;
	enum prodstate_verdict v = prodstate_check(&sim.state, &batch, false, 1, &ticket, &seen);
	if (v == PRODSTATE_VERIFY) {
		rule(msg->ticket == 0);
		msg->ticket = ticket;
		msg->is_verifying = true;
		msg->is_allowed = sim.writer[w].is_ongoing && !sim.writer[w].ending
			&& sim.writer[w].epoch == batch.producer_epoch;
		return;
	}
	msg->is_used = msg->ticket == 0 && roll(4) == 0; /* once more, later */
	if (v == PRODSTATE_GOOD && sim.nlog < ENTRIES - 1) {
		append((struct entry){ .b = batch });
		hold_back_answer(w, &batch, sim.log[sim.nlog - 1].b.base_offset, sim.end);
	} else if (v == PRODSTATE_DUPLICATE) {
		sim.nduplicate++;
		hold_back_answer(w, &batch, seen.last_offset - seen.offset_delta, seen.last_offset + 1);
	} else if (v != PRODSTATE_GOOD) {
		refuse(w, &batch, v);
	}
}

/* As long as the broker knows nothing of a producer it takes anything, and it
 * is up to the connection to keep the order. */
static bool
overtakes(const struct message *msg)
{
	const struct writer *p = &sim.writer[msg->producer];
	const struct prodstate_producer *known = prodstate_find(&sim.state, msg->b.producer_id);
	return (!known || known->epoch < 0) && p->n && msg->b.producer_epoch == p->epoch
		&& msg->b.base_sequence != p->v[0].b.base_sequence;
}

static void
deliver(void)
{
	struct message *msg = &sim.message[roll(MESSAGES)];
	if (!msg->is_used || overtakes(msg))
		return;
	if (msg->is_verifying) {
		msg->is_verifying = false;
		if (!msg->is_allowed) {
			msg->is_used = false;
			refuse(msg->producer, &msg->b, PRODSTATE_NO_TXN);
			return;
		}
	} else if (roll(8) == 0) {
		msg->is_used = false;
		return;
	}
	handle(msg);
}

static void
sync_log(void)
{
	sim.synced = sim.end;
	for (int w = 0; w < PRODUCERS; w++) {
		struct writer *p = &sim.writer[w];
		for (int i = p->n - 1; i >= 0; i--)
			if (p->v[i].end_offset >= 0 && p->v[i].end_offset <= sim.synced)
				answer(w, &p->v[i]);
	}
}

/* ---- the coordinator ---- */

static void
end_transaction(int w)
{
	struct writer *p = &sim.writer[w];
	if (!p->is_ongoing || p->ending)
		return;
	if (p->n == 0) {
		p->ending = roll(2) ? 'c' : 'a';
		p->marker_epoch = (int16_t)(p->epoch + roll(2)); /* both versions of KIP-890 */
	} else if (roll(2)) {
		/* Time is up, and it neither waits for what is under way nor
		 * gets a new epoch, as before KIP-890. */
		p->ending = 'a';
		p->marker_epoch = p->epoch;
	} else if (roll(3) == 0) {
		begin_anew(p);
	}
}

static void
write_marker(int w)
{
	struct writer *p = &sim.writer[w];
	if (!p->ending || sim.nlog >= ENTRIES - 1)
		return;
	if (p->marker_end >= 0 && p->marker_end <= sim.synced) { /* it is over */
		sim.nabort += p->ending == 'a';
		if (p->epoch != p->marker_epoch)
			p->sequence = p->n = 0;
		p->epoch = p->marker_epoch;
		p->ending = 0;
		p->is_ongoing = false;
		p->marker_end = -1;
		return;
	}
	if (p->marker_end >= 0 && roll(5))
		return;
	rule(prodstate_check_marker(&sim.state, 1000 + w, p->marker_epoch, 7) == PRODSTATE_GOOD);
	append((struct entry){ .b = { .size = 78, .count = 1, .max_timestamp = 5,
		.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL, .producer_id = 1000 + w,
		.producer_epoch = p->marker_epoch, .base_sequence = -1 }, .coordinator_epoch = 7,
		.is_marker = true, .is_commit = p->ending == 'c' });
	p->marker_end = roll(4) ? sim.end : -1; /* or the answer gets lost */
}

/* ---- histories ---- */

static void
step(void)
{
	int w = (int)roll(PRODUCERS);
	uint32_t dice = roll(100);
	if (dice < 22)
		produce(w);
	else if (dice < 30)
		retry(w);
	else if (dice < 70)
		deliver();
	else if (dice < 78)
		sync_log();
	else if (dice < 83)
		end_transaction(w);
	else if (dice < 92)
		write_marker(w);
	else if (dice < 95)
		take_snapshot();
	else if (dice < 96)
		crash();
	else if (dice < 97)
		begin_anew(&sim.writer[w]); /* it was started again */
	else if (dice < 98)
		check_transactions();
	else
		sim.high_watermark += roll((uint32_t)(sim.end - sim.high_watermark) + 1);
}

static void
begin(uint64_t seed)
{
	sim.seed = seed;
	sim.random = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < 5; i++)
		roll(2);
	prodstate_init(&sim.state, (uint32_t)seed);
	sim.nlog = sim.naborted = sim.nacked = 0;
	sim.end = sim.synced = sim.high_watermark = 0;
	for (int i = 0; i < SNAPSHOTS; i++)
		sim.snapshot[i].offset = -1;
	memset(sim.message, 0, sizeof sim.message);
	memset(sim.writer, 0, sizeof sim.writer);
	for (int i = 0; i < PRODUCERS; i++) {
		sim.writer[i].has_txns = i < 2;
		sim.writer[i].marker_end = -1;
	}
}

static void
run(uint64_t seed)
{
	begin(seed);
	for (int i = 0; i < STEPS && sim.nacked < ENTRIES - IN_FLIGHT * PRODUCERS; i++)
		step();
	check_all();
	/* The end: everything under way arrives, transactions are over. */
	for (int i = 0; i < PRODUCERS; i++)
		if (sim.writer[i].is_ongoing && !sim.writer[i].ending)
			begin_anew(&sim.writer[i]);
	for (int i = 0; i < 200; i++) {
		deliver();
		sync_log();
		write_marker(i % PRODUCERS);
	}
	sim.high_watermark = sim.end;
	check_all();
	for (int i = 0; i < PRODUCERS; i++)
		rule(!sim.writer[i].ending || sim.nlog >= ENTRIES - 1);
	prodstate_release(&sim.state);
}

static uint64_t
number(const char *name, uint64_t otherwise)
{
	const char *z = getenv(name);
	return z ? strtoull(z, NULL, 10) : otherwise;
}

void
test_sim_producers__many_histories_keep_the_rules(void)
{
	uint64_t n = number("KQ_HISTORIES", 15000), first = 1;
	if (getenv("KQ_SEED")) {
		first = number("KQ_SEED", 1);
		n = 1;
	}
	alarm(0);
	for (uint64_t i = 0; i < n; i++)
		run(first + i);
	if (n >= 1000)
		check(sim.nduplicate > 1000 && sim.ncrash > 1000 && sim.nabort > 1000);
	for (int i = 0; i < SNAPSHOTS; i++)
		buf_release(&sim.snapshot[i].bytes);
}
