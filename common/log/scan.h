/*
 * Reads a segment file batch by batch and checks every byte: lengths, magic,
 * CRC, rising offsets.
 *
 * Uses: base, sys, record.  One thread at a time.
 */
#ifndef KQ_LOG_SCAN_H
#define KQ_LOG_SCAN_H

#include "base/mem.h"
#include "record/batch.h"

struct scan {
	int fd;
	int64_t size;        /* of the file */
	int64_t position;    /* where the next batch begins */
	int64_t next_offset; /* the least that it may begin with */
	int64_t base_offset; /* of the segment: no offset is 2^31 above it */
	const char *reason;  /* what is wrong with it, after SCAN_BAD... */
	bool is_misplaced;   /* ...is only its offset */
	struct buf window;   /* bytes of the file... */
	int64_t at;          /* ...from there */
};

enum scan_result { SCAN_FAILED = -1, SCAN_END, SCAN_BATCH, SCAN_BAD };

void scan_begin(struct scan *scan, int fd, int64_t size, int64_t base_offset);

/* The next batch.  SCAN_BATCH: *b is its header, position is behind it;
 * SCAN_BAD: there are bytes, but no good batch; position stays. */
enum scan_result scan_next(struct scan *scan, struct batch *batch, struct err *e);

/* After SCAN_BAD: do good batches follow, up to the file's end or to where
 * another one is bad?  1: yes, from *position on; 0: no; -1: failed.  A batch
 * that lies inside the bytes of another one (somebody may store logs in
 * records) does not count: what follows it is no header. */
int scan_seek(struct scan *scan, int64_t *position, struct err *e);

/* Bytes [position, position + n) of the file, as many of them as there are, in
 * memory; NULL: failed.  Valid until the next call. */
const uint8_t *scan_bytes(struct scan *scan, int64_t position, int64_t n, struct err *e);

void scan_release(struct scan *scan);

#endif
