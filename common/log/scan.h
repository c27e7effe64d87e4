/*
 * Reads a segment file batch by batch and checks every byte: lengths, magic,
 * CRC, ascending offsets.
 *
 * Uses: base, sys, record.  One thread at a time.
 */
#ifndef KQ_LOG_SCAN_H
#define KQ_LOG_SCAN_H

#include "base/mem.h"
#include "record/batch.h"

struct scan {
	int fd;
	int64_t size;        /* of the file, bytes */
	int64_t position;    /* where the next batch begins */
	int64_t next_offset; /* the least offset that it may begin with */
	int64_t base_offset; /* of the segment: no offset is 2^31 above it */
	const char *reason;  /* after SCAN_BAD: what is wrong with the batch */
	bool is_misplaced;   /* after SCAN_BAD: only its offset is wrong */
	struct buf window;   /* some bytes of the file */
	int64_t at;          /* position of the window */
};

enum scan_result { SCAN_FAILED = -1, SCAN_END, SCAN_BATCH, SCAN_BAD };

void scan_begin(struct scan *scan, int fd, int64_t size, int64_t base_offset);

/* The next batch.  SCAN_BATCH: *batch is its header, and position is after it;
 * SCAN_END: the file ends here; SCAN_BAD: bytes follow that are no good batch,
 * position stays; SCAN_FAILED: ERR_SYS. */
enum scan_result scan_next(struct scan *scan, struct batch *batch, struct err *e);

/* After SCAN_BAD: do good batches follow, up to the file's end or to another bad
 * one?  1: yes, from *position on; 0: no; -1: ERR_SYS.  A batch inside the bytes
 * of another one (records may hold logs) does not count, because no header
 * follows it. */
int scan_seek(struct scan *scan, int64_t *position, struct err *e);

/* The bytes [position, position + n) of the file, fewer at its end; valid until
 * the next call.  NULL: ERR_SYS. */
const uint8_t *scan_bytes(struct scan *scan, int64_t position, int64_t n, struct err *e);

void scan_release(struct scan *scan);

#endif
