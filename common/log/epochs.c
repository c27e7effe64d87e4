#include "log/epochs.h"

#include "base/mem.h"
#include "log/lines.h"
#include "sys/fs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { FILE_SIZE_MAX = 16 << 20 };

static int
read_line(void *ctx, const struct str *word, int nword)
{
	struct epochs *epochs = ctx;
	int64_t epoch, offset;
	if (nword != 2 || !lines_int(word[0], 0, INT32_MAX, &epoch)
		|| !lines_int(word[1], 0, INT64_MAX, &offset))
		return -1;
	const struct epoch *last = epochs->n ? &epochs->v[epochs->n - 1] : NULL;
	if (last && (epoch <= last->epoch || offset < last->start_offset))
		return -1;
	epochs_note(epochs, (int32_t)epoch, offset);
	return 0;
}

int
epochs_read(struct epochs *epochs, int dirfd, const char *path, struct err *e)
{
	int rc = lines_read(dirfd, path, FILE_SIZE_MAX, read_line, epochs, e);
	epochs->is_dirty = false;
	return rc;
}

/* The file's path below root_fd, and its text. */
static void
print(const struct epochs *epochs, const struct logdir *dir, char path[LOGDIR_PATH_SIZE],
	struct buf *text)
{
	snprintf(path, LOGDIR_PATH_SIZE, "%s/" EPOCHS_FILE, dir->name);
	buf_printf(text, "0\n%d\n", epochs->n);
	for (int i = 0; i < epochs->n; i++)
		buf_printf(text, "%" PRId32 " %" PRId64 "\n", epochs->v[i].epoch,
			epochs->v[i].start_offset);
}

int
epochs_write(struct epochs *epochs, const struct logdir *dir, struct err *e)
{
	struct buf text = BUF_INIT;
	char path[LOGDIR_PATH_SIZE];
	print(epochs, dir, path, &text);
	int fd = fs_replace_unsynced(dir->root_fd, path, buf_str(&text), e);
	buf_release(&text);
	if (fd >= 0)
		epochs->is_dirty = false;
	return fd;
}

int
epochs_flush(struct epochs *epochs, const struct logdir *dir, struct err *e)
{
	struct buf text = BUF_INIT;
	char path[LOGDIR_PATH_SIZE];
	print(epochs, dir, path, &text);
	int rc = fs_replace_file(dir->root_fd, path, buf_str(&text), e);
	buf_release(&text);
	if (rc == 0)
		epochs->is_dirty = false;
	return rc;
}

void
epochs_note(struct epochs *epochs, int32_t epoch, int64_t offset)
{
	if (epoch < 0 || (epochs->n && epoch <= epochs->v[epochs->n - 1].epoch))
		return;
	/* An epoch without a batch is none of this log. */
	if (epochs->n && epochs->v[epochs->n - 1].start_offset == offset)
		epochs->n--;
	if (epochs->n == epochs->cap) {
		epochs->cap = epochs->cap ? epochs->cap * 2 : 4;
		epochs->v = mem_realloc(epochs->v, (size_t)epochs->cap * sizeof *epochs->v);
	}
	epochs->v[epochs->n++] = (struct epoch){ epoch, offset };
	epochs->is_dirty = true;
}

void
epochs_cut(struct epochs *epochs, int64_t offset)
{
	while (epochs->n && epochs->v[epochs->n - 1].start_offset >= offset) {
		epochs->n--;
		epochs->is_dirty = true;
	}
}

void
epochs_trim(struct epochs *epochs, int64_t offset)
{
	int gone = 0;
	while (gone + 1 < epochs->n && epochs->v[gone + 1].start_offset <= offset)
		gone++;
	if (gone) {
		epochs->n -= gone;
		memmove(epochs->v, epochs->v + gone, (size_t)epochs->n * sizeof *epochs->v);
		epochs->is_dirty = true;
	}
	if (epochs->n && epochs->v[0].start_offset < offset) {
		epochs->v[0].start_offset = offset;
		epochs->is_dirty = true;
	}
}

int32_t
epochs_at(const struct epochs *epochs, int64_t offset)
{
	int low = -1, high = epochs->n;
	while (high - low > 1) {
		int mid = low + (high - low) / 2;
		if (epochs->v[mid].start_offset <= offset)
			low = mid;
		else
			high = mid;
	}
	return low < 0 ? -1 : epochs->v[low].epoch;
}

void
epochs_end(const struct epochs *epochs, int32_t asked, int64_t next_offset, int32_t *epoch,
	int64_t *end_offset)
{
	*epoch = -1;
	*end_offset = -1;
	if (asked < 0 || epochs->n == 0 || asked > epochs->v[epochs->n - 1].epoch)
		return;
	if (asked == epochs->v[epochs->n - 1].epoch) {
		*epoch = asked;
		*end_offset = next_offset;
		return;
	}
	int i = 0;
	while (epochs->v[i].epoch <= asked)
		i++;
	/* Before the first known epoch Kafka answers with the one asked for. */
	*epoch = i ? epochs->v[i - 1].epoch : asked;
	*end_offset = epochs->v[i].start_offset;
}

void
epochs_release(struct epochs *epochs)
{
	mem_free(epochs->v);
	*epochs = (struct epochs)EPOCHS_INIT;
}
