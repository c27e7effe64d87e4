#include "kq-consume/reading.h"

#include "client/gap.h"
#include "text/say.h"

#include <poll.h>

int
reading_out_of_range(struct reading *reading, struct fetcher_part *part, struct err *e)
{
	char text[GAP_TEXT_SIZE];
	if (gap_skip(reading->fetcher, part, reading->reset, text, e) < 0)
		return -1;
	say_error("%s", text);
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
