#include "kq-broker/coordinator.h"

#include "kq-broker/broker.h"
#include "kq-broker/datadir.h"

#include "record/batch.h"
#include "sys/fs.h"
#include "text/say.h"
#include "text/units.h"

#include <unistd.h>

enum {
	LOAD_BYTES = 1 << 20,
	BATCH_BYTES_MAX = 256 << 20, /* opened */
};

struct loading {
	struct coordinator *coordinator;
	enum coordinator_kind kind;
	int32_t partition;
	struct buf bytes;
	struct record_iter records;
	int64_t nrecord;
};

/* The end of a transaction: key (version i16, type i16: 0 abort, 1 commit). */
static void
replay_marker(struct loading *l, const struct record *r, const struct coord_producer *producer)
{
	if (l->kind == COORD_GROUPS && r->key.n >= 4 && load_be16(r->key.p + 2) <= 1)
		groups_marker(l->coordinator->groups, l->partition, producer,
			load_be16(r->key.p + 2) == 1);
}

static int
replay_batch(struct loading *l, const uint8_t *p, const struct batch *b, struct err *e)
{
	struct coord_producer producer = { b->producer_id, b->producer_epoch };
	struct record r;
	int got;
	if (record_iter_begin(&l->records, p, BATCH_BYTES_MAX, e) < 0)
		return -1;
	while ((got = record_iter_next(&l->records, &r, e)) > 0) {
		struct coord_record c = { r.key, r.value };
		l->nrecord++;
		if (b->attributes & BATCH_CONTROL)
			replay_marker(l, &r, &producer);
		else if (r.key.n < 0)
			continue; /* not ours */
		else if (l->kind == COORD_GROUPS)
			groups_replay(l->coordinator->groups, l->partition, &c,
				b->attributes & BATCH_TRANSACTIONAL ? &producer : NULL, r.timestamp_ms);
		else
			txns_replay(l->coordinator->txns, l->partition, &c);
	}
	return got;
}

static int
replay_bytes(struct loading *l, const uint8_t *p, size_t n, struct err *e)
{
	while (n >= BATCH_HEADER_SIZE) {
		struct batch b;
		if (!batch_parse(&b, p) || (size_t)b.size > n)
			return err_set(e, ERR_CORRUPT, "a record batch is malformed");
		if (!batch_crc_is_good(&b, p))
			return err_set(e, ERR_CORRUPT, "the batch at offset %lld has a wrong CRC",
				(long long)b.base_offset);
		if (replay_batch(l, p, &b, e) < 0)
			return -1;
		p += b.size;
		n -= (size_t)b.size;
	}
	return 0;
}

static int
read_slice(struct loading *l, const struct partlog_slice *s, struct err *e)
{
	buf_reset(&l->bytes);
	uint8_t *to = buf_grow(&l->bytes, (size_t)s->size);
	for (int64_t at = 0; at < s->size;) {
		ssize_t n = pread(partlog_slice_fd(s), to + at, (size_t)(s->size - at), s->position + at);
		if (n <= 0)
			return n < 0 ? err_sys(e, "cannot read")
				: err_set(e, ERR_CORRUPT, "a segment ends too early");
		at += n;
	}
	return replay_bytes(l, to, (size_t)s->size, e);
}

static int
load_log(struct loading *l, struct partition *p, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	int64_t at = p->log.log_start_offset, end = p->log.next_offset;
	pthread_mutex_unlock(&p->lock);
	while (at < end && !l->coordinator->is_cut) {
		struct partlog_slice s;
		l->coordinator->is_cut = atomic_load(&l->coordinator->is_stopping);
		pthread_mutex_lock(&p->lock);
		int r = partlog_find(&p->log, at, end, LOAD_BYTES, true, &s, e);
		pthread_mutex_unlock(&p->lock);
		if (r < 0)
			return -1;
		r = s.size ? read_slice(l, &s, e) : err_set(e, ERR_CORRUPT, "the log ends too early");
		at = s.next_offset;
		partlog_slice_put(&s);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* Part of it would be worse than nothing: groups without the offsets that they
 * committed, ends of transactions that are over.  As no answer leaves before a
 * failed log is synced, nobody hears of any of it. */
static void
refuse_partition(struct partition *p, const struct err *e)
{
	log_line(LOG_ERROR, "partition %s-%d is not served, nor are its groups or transactions: %s",
		p->topic, p->index, e->msg);
	pthread_mutex_lock(&p->lock);
	partlog_fail(&p->log, e);
	pthread_mutex_unlock(&p->lock);
}

static void
load_partition(struct coordinator *c, enum coordinator_kind kind, int32_t i)
{
	struct partition *p = coordinator_partition(c, kind, i);
	struct loading l = { .coordinator = c, .kind = kind, .partition = i,
		.records = RECORD_ITER_INIT };
	struct err e;
	bool is_read = !p || load_log(&l, p, &e) == 0;
	if (!is_read)
		refuse_partition(p, &e);
	if (!c->is_cut && kind == COORD_GROUPS)
		groups_loaded(c->groups, i, coordinator_now(c));
	else if (!c->is_cut && is_read) /* else an end might be an old one */
		txns_loaded(c->txns, i, coordinator_now(c));
	if (l.nrecord)
		log_line(LOG_DEBUG, "%s-%d: %lld record%s", c->topic[kind].name, i,
			(long long)l.nrecord, units_plural(l.nrecord));
	record_iter_release(&l.records);
	buf_release(&l.bytes);
	coordinator_set_timers(c);
}

/* See coordinator.h. */
static void
abort_open(struct coordinator *c)
{
	log_line(LOG_INFO, "the machine had crashed: aborting the transactions that were open");
	if (txns_abort_ongoing(c->txns, coordinator_now(c)))
		datadir_forget_power_loss(c->broker);
	coordinator_set_timers(c);
}

void
coordinator_load(struct coordinator *c)
{
	for (int kind = 0; kind < COORD_N; kind++)
		for (int32_t i = 0; atomic_load(&c->topic[kind].is_there) && !c->is_cut
			&& i < c->topic[kind].npartition; i++)
			load_partition(c, (enum coordinator_kind)kind, i);
	if (!c->is_cut && datadir_has_power_loss(c->broker))
		abort_open(c);
}
