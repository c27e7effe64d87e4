/*
 * Going on when a broker does not have the offset that is to be read (is_out_of_range in
 * fetcher.h): records were deleted, or the log was cut, or the topic is a new one.
 *
 * Uses: fetcher, offsets.  One thread.
 */
#ifndef KQ_CLIENT_GAP_H
#define KQ_CLIENT_GAP_H

#include "client/fetcher.h"

enum { GAP_TEXT_SIZE = 640 };

/* Seek to where reading continues: the first record, if the offset is before it or the
 * topic was created again; else, past the end, to reset (OFFSETS_EARLIEST, OFFSETS_LATEST;
 * 0: that is an error).  Fills text with a sentence for the user.  Asks the leader, and
 * waits.  Returns 0, or -1. */
int gap_skip(struct fetcher *f, struct fetcher_part *part, int64_t reset,
	char text[GAP_TEXT_SIZE], struct err *e);

#endif
