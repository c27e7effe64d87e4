#include "kq-consume/reading.h"

#include "client/offsets.h"
#include "text/say.h"

#include <poll.h>

static int
ask_offset(struct reading *r, const struct fetcher_part *part, int64_t which,
	int64_t *found, struct err *e)
{
	int32_t n = part->index + 1;
	int64_t *offset = mem_alloc((size_t)n * sizeof *offset);
	bool *wants = mem_alloc((size_t)n);
	wants[part->index] = true;
	int got = offsets_list(r->fetcher->cluster, part->topic, n, which, wants, offset, e);
	*found = offset[part->index];
	mem_free(offset);
	mem_free(wants);
	return got;
}

/* The partition's offset is no longer there.  Records that were deleted
 * before we came to them are told of, and reading goes on with the first
 * there is; an offset past the end cannot be explained. */
int
reading_out_of_range(struct reading *r, struct fetcher_part *part, struct err *e)
{
	int64_t first;
	if (ask_offset(r, part, OFFSETS_EARLIEST, &first, e) < 0)
		return -1;
	if (first <= part->offset && uuid_is_zero(&part->topic->id) && part->topic->was_gone) {
		say_error("topic '%s' was deleted and created again; reading partition %d of the new "
			"one from its beginning", part->topic->name, part->index);
		fetcher_seek(r->fetcher, part, first);
		return 0;
	}
	if (first <= part->offset && r->reset) {
		int64_t to;
		if (ask_offset(r, part, r->reset, &to, e) < 0)
			return -1;
		say_error("partition %d of '%s': offset %lld is past the end; continuing at %lld",
			part->index, part->topic->name, (long long)part->offset, (long long)to);
		fetcher_seek(r->fetcher, part, to);
		return 0;
	}
	if (first <= part->offset)
		return err_set(e, ERR_PEER, "offset %lld of partition %d of '%s' is past the end: "
			"was the log cut, or the topic deleted and created again?",
			(long long)part->offset, part->index, part->topic->name);
	say_error("partition %d of '%s': offsets %lld to %lld are deleted; continuing at %lld",
		part->index, part->topic->name, (long long)part->offset, (long long)first - 1,
		(long long)first);
	fetcher_seek(r->fetcher, part, first);
	return 0;
}

static int
print_fetched(struct reading *r, struct fetched *ch, struct err *e)
{
	struct fetch_iter *it = &r->iter;
	struct record rec;
	struct origin from = { str_of(ch->part->topic->name), ch->part->index, false };
	int got;
	fetch_iter_begin(it, r->fetcher, ch);
	while (r->left > 0 && (got = fetch_iter_next(it, &rec, e)) != 0) {
		if (got < 0)
			return -1;
		from.is_append_time = fetch_iter_batch(it)->attributes & BATCH_LOG_APPEND_TIME;
		format_put(r->format, &rec, &from, &r->output->buf);
		r->left--;
		r->done++;
		if (output_record_done(r->output, e) < 0)
			return -1;
	}
	return 0;
}

int
reading_print(struct reading *r, struct err *e)
{
	struct fetched *ch;
	int got = 0;
	while (got == 0 && r->left > 0 && !*r->is_stopped && (ch = fetcher_take(r->fetcher))) {
		struct fetcher_part *part = ch->part;
		bool is_new_topic = ch->is_new_topic;
		if (ch->is_out_of_range)
			got = reading_out_of_range(r, part, e);
		else if (!is_new_topic)
			got = print_fetched(r, ch, e);
		fetcher_give_back(r->fetcher, ch);
		if (is_new_topic && r->alone) /* of a group: its member loses it */
			got = alone_take_new(r->alone, part, e);
	}
	return got;
}

static int
run(struct reading *r, struct err *e)
{
	int watched = reading_watched(r);
	while (r->left > 0 && !*r->is_stopped && !fetcher_is_done(r->fetcher)) {
		if (reading_print(r, e) < 0 || alone_look(r->alone, e) < 0)
			return -1;
		if (r->left == 0 || fetcher_is_done(r->fetcher))
			break;
		/* Nothing more at hand: what there is shall be seen. */
		short seen = fetcher_wait(r->fetcher, watched, 0, 0);
		if (!seen && !fetcher_has_ready(r->fetcher)) {
			if (output_flush(r->output, e) < 0)
				return -1;
			seen = fetcher_wait(r->fetcher, watched, 0, reading_topics_timeout(&r->alone->topics, -1));
		}
		if (seen & (POLLERR | POLLHUP)) {
			r->output->is_closed = true;
			return 0;
		}
		if (r->fetcher->is_failed && !fetcher_has_ready(r->fetcher)) {
			*e = r->fetcher->err;
			return -1;
		}
	}
	return 0;
}

int
reading_run(struct reading *r, struct err *e)
{
	struct err why;
	int got = run(r, e);
	if (!r->output->is_closed && output_flush(r->output, &why) < 0 && got == 0) {
		*e = why;
		got = -1;
	}
	fetch_iter_release(&r->iter);
	return r->output->is_closed ? 0 : got;
}
