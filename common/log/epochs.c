#include "log/epochs.h"

#include "log/lines.h"
#include "sys/fs.h"

#include <errno.h>
#include <inttypes.h>

enum { FILE_SIZE_MAX = 16 << 20 };

static int
read_line(void *ctx, const struct str *word, int nword)
{
	struct epochs *s = ctx;
	int64_t epoch, offset;
	if (nword != 2 || !lines_int(word[0], 0, INT32_MAX, &epoch) ||
		!lines_int(word[1], 0, INT64_MAX, &offset))
		return -1;
	if (s->n && (epoch <= s->v[s->n - 1].epoch || offset < s->v[s->n - 1].start_offset))
		return -1;
	epochs_note(s, (int32_t)epoch, offset);
	return 0;
}

int
epochs_read(struct epochs *s, int dirfd, const char *path, struct err *e)
{
	int r = lines_read(dirfd, path, FILE_SIZE_MAX, read_line, s, e);
	s->is_dirty = false;
	return r;
}

void
epochs_print(const struct epochs *s, struct buf *b)
{
	buf_printf(b, "0\n%d\n", s->n);
	for (int i = 0; i < s->n; i++)
		buf_printf(b, "%" PRId32 " %" PRId64 "\n", s->v[i].epoch, s->v[i].start_offset);
}

void
epochs_note(struct epochs *s, int32_t epoch, int64_t offset)
{
	if (epoch < 0 || (s->n && epoch <= s->v[s->n - 1].epoch))
		return;
	/* An epoch that no batch came of is no epoch of this log. */
	if (s->n && s->v[s->n - 1].start_offset == offset)
		s->n--;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->v = mem_realloc(s->v, (size_t)s->cap * sizeof *s->v);
	}
	s->v[s->n++] = (struct epoch){ epoch, offset };
	s->is_dirty = true;
}

void
epochs_cut(struct epochs *s, int64_t offset)
{
	while (s->n && s->v[s->n - 1].start_offset >= offset) {
		s->n--;
		s->is_dirty = true;
	}
}

void
epochs_trim(struct epochs *s, int64_t offset)
{
	int gone = 0;
	while (gone + 1 < s->n && s->v[gone + 1].start_offset <= offset)
		gone++;
	if (gone) {
		s->n -= gone;
		memmove(s->v, s->v + gone, (size_t)s->n * sizeof *s->v);
		s->is_dirty = true;
	}
	if (s->n && s->v[0].start_offset < offset) {
		s->v[0].start_offset = offset;
		s->is_dirty = true;
	}
}

int32_t
epochs_at(const struct epochs *s, int64_t offset)
{
	int low = -1, high = s->n;
	while (high - low > 1) {
		int mid = low + (high - low) / 2;
		if (s->v[mid].start_offset <= offset)
			low = mid;
		else
			high = mid;
	}
	return low < 0 ? -1 : s->v[low].epoch;
}

void
epochs_end(const struct epochs *s, int32_t asked, int64_t next_offset, int32_t *epoch,
	int64_t *end_offset)
{
	*epoch = -1;
	*end_offset = -1;
	if (asked < 0 || s->n == 0 || asked > s->v[s->n - 1].epoch)
		return;
	if (asked == s->v[s->n - 1].epoch) {
		*epoch = asked;
		*end_offset = next_offset;
		return;
	}
	int i = 0;
	while (s->v[i].epoch <= asked)
		i++;
	/* Before the first one known, Kafka answers with the epoch asked for. */
	*epoch = i ? s->v[i - 1].epoch : asked;
	*end_offset = s->v[i].start_offset;
}

void
epochs_release(struct epochs *s)
{
	mem_free(s->v);
	*s = (struct epochs)EPOCHS_INIT;
}
