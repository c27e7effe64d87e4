/* Iterating over the records of fetched batches. */
#include "client/fetcher.h"

#include "record/control.h"

void
fetch_iter_begin(struct fetch_iter *it, const struct fetcher *f,
	struct fetched *chunk)
{
	it->f = f;
	it->chunk = chunk;
	it->p = chunk->batches.p;
	it->end = it->p ? it->p + chunk->batches.n : NULL;
	it->is_open = false;
	it->nbegun = 0;
}

static int
place(const struct fetch_iter *it, struct err *e, int64_t offset)
{
	return err_wrap(e, "partition %d of '%s', batch at offset %lld",
		it->chunk->part->index, it->chunk->part->topic->name, (long long)offset);
}

static int
check_crc(const struct fetch_iter *it, const struct batch *batch, const uint8_t *p,
	struct err *e)
{
	if (!it->f->opts.checks_crc || batch_crc_is_good(batch, p))
		return 0;
	err_set(e, ERR_CORRUPT, "the CRC does not match");
	return place(it, e, batch->base_offset);
}

/* Is the control batch an abort marker? */
static bool
is_abort_marker(struct fetch_iter *it, const uint8_t *p)
{
	struct record rec;
	struct err ignored;
	return record_iter_begin(&it->records, p, it->f->opts.batch_max, &ignored) == 0
		&& record_iter_next(&it->records, &rec, &ignored) > 0
		&& control_type(rec.key) == CONTROL_ABORT;
}

/* Is the batch part of an aborted transaction? */
static bool
is_aborted(struct fetch_iter *it, const struct batch *batch, const uint8_t *p)
{
	struct fetched *chunk = it->chunk;
	if (chunk->naborted == 0 || !(batch->attributes & BATCH_TRANSACTIONAL))
		return false;
	for (; it->nbegun < chunk->naborted
		&& chunk->aborted[it->nbegun].first_offset <= batch_last_offset(batch); it->nbegun++)
		chunk->aborted[it->nbegun].is_open = true;
	bool is_in = false;
	for (int32_t i = 0; i < it->nbegun; i++)
		is_in |= chunk->aborted[i].is_open && chunk->aborted[i].producer_id == batch->producer_id;
	if (is_in && batch->attributes & BATCH_CONTROL && is_abort_marker(it, p))
		for (int32_t i = 0; i < it->nbegun; i++)
			if (chunk->aborted[i].producer_id == batch->producer_id)
				chunk->aborted[i].is_open = false;
	return is_in;
}

/* Open the next batch with records to deliver.  Returns 1; 0: none; -1: corrupt. */
static int
next_batch(struct fetch_iter *it, struct err *e)
{
	struct fetcher_part *part = it->chunk->part;
	while (it->p < it->end) {
		struct batch batch;
		const uint8_t *p = it->p;
		if (!batch_parse(&batch, p)) /* measure() has checked it */
			return err_set(e, ERR_CORRUPT, "not a record batch");
		it->p += batch.size;
		/* Of control batches, check only those that is_aborted reads. */
		if (batch.attributes & BATCH_CONTROL && it->chunk->naborted > 0
			&& check_crc(it, &batch, p, e) < 0)
			return -1;
		part->epoch = batch.leader_epoch;
		if (is_aborted(it, &batch, p) || batch_last_offset(&batch) < part->deliver
			|| batch.base_offset >= part->stop || batch.attributes & BATCH_CONTROL) {
			part->deliver = MAX(part->deliver, batch_last_offset(&batch) + 1);
			continue;
		}
		if (check_crc(it, &batch, p, e) < 0)
			return -1;
		if (record_iter_begin(&it->records, p, it->f->opts.batch_max, e) < 0)
			return place(it, e, batch.base_offset);
		it->is_open = true;
		return 1;
	}
	return 0;
}

int
fetch_iter_next(struct fetch_iter *it, struct record *rec, struct err *e)
{
	struct fetcher_part *part = it->chunk->part;
	for (;;) {
		if (!it->is_open) {
			int rc = next_batch(it, e);
			if (rc <= 0)
				return rc;
		}
		int rc;
		while ((rc = record_iter_next(&it->records, rec, e)) > 0) {
			if (unlikely(rec->offset < part->deliver || rec->offset >= part->stop))
				continue;
			part->deliver = rec->offset + 1;
			return 1;
		}
		if (rc < 0)
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
