#include "kq-consume/reading.h"

#include "client/offsets.h"
#include "text/say.h"

#include <poll.h>

static int
ask_offset(struct reading *reading, const struct fetcher_part *part, int64_t which,
	int64_t *found, struct err *e)
{
	int32_t n = part->index + 1;
	int64_t *offset = mem_alloc((size_t)n * sizeof *offset);
	bool *wants = mem_alloc((size_t)n);
	wants[part->index] = true;
	int rc = offsets_list(reading->fetcher->cluster, part->topic, n, which, wants, offset, e);
	*found = offset[part->index];
	mem_free(offset);
	mem_free(wants);
	return rc;
}

/* Records that were deleted before they were read are reported, and reading continues
 * with the first record.  An offset past the end is an error, unless reset is set or the
 * topic was recreated. */
int
reading_out_of_range(struct reading *reading, struct fetcher_part *part, struct err *e)
{
	int64_t first;
	if (ask_offset(reading, part, OFFSETS_EARLIEST, &first, e) < 0)
		return -1;
	if (first <= part->offset && uuid_is_zero(&part->topic->id) && part->topic->was_gone) {
		say_error("topic '%s' was deleted and created again; reading partition %d of the new "
			"one from its beginning", part->topic->name, part->index);
		fetcher_seek(reading->fetcher, part, first);
		return 0;
	}
	if (first <= part->offset && reading->reset) {
		int64_t to;
		if (ask_offset(reading, part, reading->reset, &to, e) < 0)
			return -1;
		say_error("partition %d of '%s': offset %lld is past the end; continuing at %lld",
			part->index, part->topic->name, (long long)part->offset, (long long)to);
		fetcher_seek(reading->fetcher, part, to);
		return 0;
	}
	if (first <= part->offset)
		return err_set(e, ERR_PEER, "offset %lld of partition %d of '%s' is past the end: "
			"was the log cut, or the topic deleted and created again?",
			(long long)part->offset, part->index, part->topic->name);
	say_error("partition %d of '%s': offsets %lld to %lld are deleted; continuing at %lld",
		part->index, part->topic->name, (long long)part->offset, (long long)first - 1,
		(long long)first);
	fetcher_seek(reading->fetcher, part, first);
	return 0;
}

static int
print_fetched(struct reading *reading, struct fetched *ch, struct err *e)
{
	struct fetch_iter *it = &reading->iter;
	struct record rec;
	struct origin from = { str_of(ch->part->topic->name), ch->part->index, false };
	int rc;
	fetch_iter_begin(it, reading->fetcher, ch);
	while (reading->left > 0 && (rc = fetch_iter_next(it, &rec, e)) != 0) {
		if (rc < 0)
			return -1;
		from.is_append_time = fetch_iter_batch(it)->attributes & BATCH_LOG_APPEND_TIME;
		format_put(reading->format, &rec, &from, &reading->output->buf);
		reading->left--;
		reading->done++;
		if (output_record_done(reading->output, e) < 0)
			return -1;
	}
	return 0;
}

int
reading_print(struct reading *reading, struct err *e)
{
	struct fetched *ch;
	int rc = 0;
	while (rc == 0 && reading->left > 0 && !*reading->is_stopped
		&& (ch = fetcher_take(reading->fetcher))) {
		struct fetcher_part *part = ch->part;
		bool is_new_topic = ch->is_new_topic;
		if (ch->is_out_of_range)
			rc = reading_out_of_range(reading, part, e);
		else if (!is_new_topic)
			rc = print_fetched(reading, ch, e);
		fetcher_give_back(reading->fetcher, ch);
		if (is_new_topic && reading->alone) /* in a group, the member loses it */
			rc = alone_restart(reading->alone, part, e);
	}
	return rc;
}

static int
run(struct reading *reading, struct err *e)
{
	int watched = reading_watched(reading);
	while (reading->left > 0 && !*reading->is_stopped && !fetcher_is_done(reading->fetcher)) {
		if (reading_print(reading, e) < 0 || alone_refresh(reading->alone, e) < 0)
			return -1;
		if (reading->left == 0 || fetcher_is_done(reading->fetcher))
			break;
		/* Nothing more is buffered: flush the output before waiting. */
		short seen = fetcher_wait(reading->fetcher, watched, 0, 0);
		if (!seen && !fetcher_has_ready(reading->fetcher)) {
			if (output_flush(reading->output, e) < 0)
				return -1;
			int wait_ms = reading_topics_timeout(&reading->alone->topics, -1);
			seen = fetcher_wait(reading->fetcher, watched, 0, wait_ms);
		}
		if (seen & (POLLERR | POLLHUP)) {
			reading->output->is_closed = true;
			return 0;
		}
		if (reading->fetcher->is_failed && !fetcher_has_ready(reading->fetcher)) {
			*e = reading->fetcher->err;
			return -1;
		}
	}
	return 0;
}

int
reading_run(struct reading *reading, struct err *e)
{
	struct err why;
	int rc = run(reading, e);
	if (!reading->output->is_closed && output_flush(reading->output, &why) < 0 && rc == 0) {
		*e = why;
		rc = -1;
	}
	fetch_iter_release(&reading->iter);
	return reading->output->is_closed ? 0 : rc;
}
