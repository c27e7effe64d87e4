/* From fetched batches to records. */
#include "client/fetcher.h"

void
fetch_iter_begin(struct fetch_iter *it, const struct fetcher *f,
	struct fetched *ch)
{
	it->f = f;
	it->ch = ch;
	it->p = ch->batches.p;
	it->end = it->p ? it->p + ch->batches.n : NULL;
	it->is_open = false;
	it->nbegun = 0;
}

static int
place(const struct fetch_iter *it, struct err *e, int64_t offset)
{
	return err_wrap(e, "partition %d of '%s', batch at offset %lld",
		it->ch->part->index, it->ch->part->topic->name, (long long)offset);
}

static int
check_crc(const struct fetch_iter *it, const struct batch *b, const uint8_t *p,
	struct err *e)
{
	if (!it->f->opts.checks_crc || batch_crc_is_good(b, p))
		return 0;
	err_set(e, ERR_CORRUPT, "the CRC does not match");
	return place(it, e, b->base_offset);
}

/* Is it the marker that ends a transaction by giving it up?  Its only record's key
 * is a version i16 and a type i16, 0 for that. */
static bool
is_abort_marker(struct fetch_iter *it, const uint8_t *p)
{
	struct record r;
	struct err ignored;
	return record_iter_begin(&it->records, p, it->f->opts.batch_max, &ignored) == 0
		&& record_iter_next(&it->records, &r, &ignored) > 0
		&& r.key.n >= 4 && load_be16(r.key.p + 2) == 0;
}

/* Is the batch part of a transaction that was given up? */
static bool
is_aborted(struct fetch_iter *it, const struct batch *b, const uint8_t *p)
{
	struct fetched *ch = it->ch;
	if (ch->naborted == 0 || !(b->attributes & BATCH_TRANSACTIONAL))
		return false;
	for (; it->nbegun < ch->naborted
		&& ch->aborted[it->nbegun].first_offset <= batch_last_offset(b); it->nbegun++)
		ch->aborted[it->nbegun].is_open = true;
	bool is_in = false;
	for (int32_t i = 0; i < it->nbegun; i++)
		is_in |= ch->aborted[i].is_open && ch->aborted[i].producer_id == b->producer_id;
	if (is_in && b->attributes & BATCH_CONTROL && is_abort_marker(it, p))
		for (int32_t i = 0; i < it->nbegun; i++)
			if (ch->aborted[i].producer_id == b->producer_id)
				ch->aborted[i].is_open = false;
	return is_in;
}

/* Open the next batch that has records for us.  1, 0: none, -1: bad. */
static int
next_batch(struct fetch_iter *it, struct err *e)
{
	struct fetcher_part *part = it->ch->part;
	while (it->p < it->end) {
		struct batch b;
		const uint8_t *p = it->p;
		if (!batch_parse(&b, p)) /* it was fine when it was measured */
			return err_set(e, ERR_CORRUPT, "not a record batch");
		it->p += b.size;
		/* of markers only those that we look into */
		if (b.attributes & BATCH_CONTROL && it->ch->naborted > 0 && check_crc(it, &b, p, e) < 0)
			return -1;
		part->epoch = b.leader_epoch;
		if (is_aborted(it, &b, p) || batch_last_offset(&b) < part->deliver || b.base_offset >= part->stop
			|| b.attributes & BATCH_CONTROL) {
			part->deliver = MAX(part->deliver, batch_last_offset(&b) + 1);
			continue;
		}
		if (check_crc(it, &b, p, e) < 0)
			return -1;
		if (record_iter_begin(&it->records, p, it->f->opts.batch_max, e) < 0)
			return place(it, e, b.base_offset);
		it->is_open = true;
		return 1;
	}
	return 0;
}

int
fetch_iter_next(struct fetch_iter *it, struct record *r, struct err *e)
{
	struct fetcher_part *part = it->ch->part;
	for (;;) {
		if (!it->is_open) {
			int got = next_batch(it, e);
			if (got <= 0)
				return got;
		}
		int got;
		while ((got = record_iter_next(&it->records, r, e)) > 0) {
			if (unlikely(r->offset < part->deliver || r->offset >= part->stop))
				continue;
			part->deliver = r->offset + 1;
			return 1;
		}
		if (got < 0)
			return place(it, e, it->records.batch.base_offset);
		it->is_open = false;
		part->deliver = MAX(part->deliver, batch_last_offset(&it->records.batch) + 1);
	}
}

void
fetch_iter_release(struct fetch_iter *it)
{
	record_iter_release(&it->records);
}
