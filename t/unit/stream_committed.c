/* What the group has committed, as the coordinator answers. */
#include "tap.h"

#include "kq-stream/worker_committed.c"

struct seen {
	int n;
	int64_t offset[4];
};

static void
note(void *arg, int32_t partition, int64_t offset, struct str text)
{
	struct seen *seen = arg;
	(void)text;
	seen->n++;
	seen->offset[partition] = offset;
}

/* An answer for three partitions; the one in the middle and the whole have these errors. */
static int
answer(int16_t whole, int16_t middle, struct seen *seen, struct err *e)
{
	static const struct layout_source source = { .npart = 3 };
	struct offset_fetch_response_partition part[3];
	struct offset_fetch_response_topic topic;
	struct offset_fetch_response r;
	wire_defaults(&offset_fetch_response_desc, &r);
	wire_defaults(&offset_fetch_response_topic_desc, &topic);
	for (int32_t i = 0; i < 3; i++) {
		wire_defaults(&offset_fetch_response_partition_desc, &part[i]);
		part[i].partition_index = i;
		part[i].committed_offset = 10 + i;
	}
	part[1].error_code = middle;
	r.error_code = whole;
	topic.partitions.v = part;
	topic.partitions.n = 3;
	r.topics.v = &topic;
	r.topics.n = 1;
	*seen = (struct seen){ .n = 0 };
	return read_answer(&r, &source, note, seen, e);
}

void
test_committed__all_partitions_are_told(void)
{
	struct seen seen;
	struct err e;
	check_int(answer(0, 0, &seen, &e), 0);
	check_int(seen.n, 3);
	check_int(seen.offset[2], 12);
}

/* A transaction is ending: there is an offset, which is not known yet. */
void
test_committed__an_offset_that_is_not_known_now_is_none_that_is_missing(void)
{
	struct seen seen;
	struct err e;
	check_int(answer(0, KERR_UNSTABLE_OFFSET_COMMIT, &seen, &e), -1);
	check_int(e.class, ERR_RETRY);
	check_int(seen.n, 0);
}

void
test_committed__an_error_of_the_whole_answer_is_one(void)
{
	struct seen seen;
	struct err e;
	check_int(answer(KERR_NOT_COORDINATOR, 0, &seen, &e), -1);
	check_int(e.class, ERR_RETRY);
	check_int(answer(KERR_GROUP_AUTHORIZATION_FAILED, 0, &seen, &e), -1);
	check_int(e.class, ERR_PEER);
	check_int(seen.n, 0);
}
