/* Batches and logs for the tests of the log room. */
#ifndef KQ_T_LOG_HELP_H
#define KQ_T_LOG_HELP_H

#include "tap.h"

#include "base/varint.h"
#include "log/partlog.h"
#include "sys/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A batch of n records with values of size bytes, timestamps t, t + 1, ...;
 * the bytes are in b, and the caller releases it. */
static inline struct batch
make_batch(struct buf *b, int n, int size, int64_t t)
{
	buf_reset(b);
	memset(buf_grow(b, BATCH_HEADER_SIZE), 0, BATCH_HEADER_SIZE);
	for (int i = 0; i < n; i++) {
		uint8_t record[32], *p = record;
		*p++ = 0;
		p = varint_put(p, i); /* timestamp delta */
		p = varint_put(p, i); /* offset delta */
		p = varint_put(p, -1); /* no key */
		p = varint_put(p, size);
		uint8_t length[10];
		size_t head = (size_t)(p - record);
		uint8_t *end = varint_put(length, (int64_t)head + size + 1);
		buf_put(b, length, (size_t)(end - length));
		buf_put(b, record, head);
		memset(buf_grow(b, (size_t)size), 'a' + (int)(t % 26), (size_t)size);
		buf_putc(b, 0); /* headers */
	}
	struct batch parsed;
	batch_put_header(b->p, &(struct batch){
		.size = (int32_t)b->n,
		.last_offset_delta = n - 1,
		.base_timestamp = t,
		.max_timestamp = t + n - 1,
		.producer_id = -1,
		.producer_epoch = -1,
		.base_sequence = -1,
		.count = n,
	});
	check(batch_parse(&parsed, b->p));
	return parsed;
}

static inline int
root_dir(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	check(fd >= 0);
	return fd;
}

static const struct uuid some_topic __attribute__((unused)) = { { 1, 2, 3 } };

#define must(x) do { if ((x) < 0) tap_fail(__FILE__, __LINE__, "%s: %s", #x, e.msg); } while (0)

static inline void
append_epoch(struct partlog *l, int n, int size, int64_t t, int32_t epoch)
{
	struct err e;
	struct buf b = BUF_INIT;
	struct batch batch = make_batch(&b, n, size, t);
	int64_t before = l->next_offset;
	must(partlog_append(l, b.p, &batch, epoch, t, &e));
	check_int(batch.base_offset, before);
	check_int(l->next_offset, before + n);
	buf_release(&b);
}

static inline void
append(struct partlog *l, int n, int size, int64_t t)
{
	append_epoch(l, n, size, t, 0);
}

static inline void
sync_all(struct partlog *l)
{
	struct partlog_sync sync;
	while (partlog_sync_begin(l, &sync)) {
		partlog_sync_run(&sync);
		partlog_sync_end(l, &sync);
		check(!l->is_failed);
	}
	check_int(l->synced_offset, l->next_offset);
}

/* Stop cleanly; returns the state for the next start. */
static inline struct partlog_state
stop(struct partlog *l)
{
	struct err e;
	sync_all(l);
	must(partlog_flush(l, &e));
	struct partlog_state s = { l->log_start_offset, l->next_offset, true };
	partlog_release(l);
	return s;
}

/* How many segments the directory has. */
static inline int
nsegment(const char *dir)
{
	char cmd[100];
	int n = -1;
	snprintf(cmd, sizeof cmd, "ls %s | grep -c '[.]log$'", dir);
	FILE *f = popen(cmd, "r");
	check(f && fscanf(f, "%d", &n) == 1);
	pclose(f);
	return n;
}

/* Read the slice and check that it is what it says; then put it. */
static inline void
check_slice(struct partlog_slice *slice)
{
	struct err e;
	uint8_t *p = mem_alloc((size_t)slice->size + 1);
	struct batch batch;
	int64_t next = slice->first_offset, at = 0;
	check_int(fs_read_at(partlog_slice_fd(slice), p, (size_t)slice->size, slice->position, &e),
		slice->size);
	while (at < slice->size) {
		check(slice->size - at >= BATCH_HEADER_SIZE);
		check(batch_parse(&batch, p + at));
		check(batch.size <= slice->size - at);
		check(batch_crc_is_good(&batch, p + at));
		if (at == 0)
			check(batch.base_offset <= next && batch_last_offset(&batch) >= next);
		else
			check_int(batch.base_offset, next);
		next = batch_last_offset(&batch) + 1;
		at += batch.size;
	}
	check_int(next, slice->next_offset);
	mem_free(p);
	partlog_slice_put(slice);
	partlog_slice_put(slice);
}

/* Trim up to the offset, in rounds, and free the files. */
static inline int
trim(struct partlog *l, int64_t offset, struct err *err)
{
	struct partlog_trimmed trimmed;
	int r = 1;
	while (r > 0) {
		r = partlog_trim(l, offset, &trimmed, err);
		partlog_trimmed_release(&trimmed);
	}
	return r;
}

#endif
