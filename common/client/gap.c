#include "client/gap.h"

#include "client/offsets.h"

#include <stdio.h>

static int
ask_offset(struct fetcher *f, const struct fetcher_part *part, int64_t which, int64_t *found,
	struct err *e)
{
	int32_t n = part->index + 1;
	int64_t *offset = mem_alloc((size_t)n * sizeof *offset);
	bool *wants = mem_alloc((size_t)n);
	wants[part->index] = true;
	int rc = offsets_list(f->cluster, part->topic, n, which, wants, offset, e);
	*found = offset[part->index];
	mem_free(offset);
	mem_free(wants);
	return rc;
}

int
gap_skip(struct fetcher *f, struct fetcher_part *part, int64_t reset, char text[GAP_TEXT_SIZE],
	struct err *e)
{
	const char *name = part->topic->name;
	int64_t first, to;
	if (ask_offset(f, part, OFFSETS_EARLIEST, &first, e) < 0)
		return -1;
	to = first;
	if (first > part->offset) {
		snprintf(text, GAP_TEXT_SIZE, "partition %d of '%s': offsets %lld to %lld are deleted; "
			"continuing at %lld", part->index, name, (long long)part->offset,
			(long long)first - 1, (long long)first);
	} else if (uuid_is_zero(&part->topic->id) && part->topic->was_gone) {
		snprintf(text, GAP_TEXT_SIZE, "topic '%s' was deleted and created again; reading "
			"partition %d of the new one from its beginning", name, part->index);
	} else if (reset) {
		if (ask_offset(f, part, reset, &to, e) < 0)
			return -1;
		snprintf(text, GAP_TEXT_SIZE, "partition %d of '%s': offset %lld is past the end; "
			"continuing at %lld", part->index, name, (long long)part->offset, (long long)to);
	} else {
		return err_set(e, ERR_PEER, "offset %lld of partition %d of '%s' is past the end: "
			"was the log cut, or the topic deleted and created again?",
			(long long)part->offset, part->index, name);
	}
	fetcher_seek(f, part, to);
	return 0;
}
