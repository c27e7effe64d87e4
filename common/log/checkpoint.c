#include "log/checkpoint.h"

#include "log/lines.h"
#include "sys/fs.h"

#include <inttypes.h>

enum { FILE_SIZE_MAX = 1 << 30 };

struct checkpoint_reader {
	checkpoint_fn *fn;
	void *ctx;
};

static int
read_line(void *ctx, const struct str *word, int nword)
{
	struct checkpoint_reader *reader = ctx;
	int64_t partition, offset;
	if (nword != 3 || !lines_int(word[1], 0, INT32_MAX, &partition)
		|| !lines_int(word[2], 0, INT64_MAX, &offset))
		return -1;
	reader->fn(reader->ctx, word[0], (int32_t)partition, offset);
	return 0;
}

int
checkpoint_read(int dir_fd, const char *file, checkpoint_fn *fn, void *ctx, struct err *e)
{
	struct checkpoint_reader reader = { fn, ctx };
	return lines_read(dir_fd, file, FILE_SIZE_MAX, read_line, &reader, e);
}

void
checkpoint_add(struct checkpoint *ckpt, struct str topic, int32_t partition, int64_t offset)
{
	assert(topic.n > 0 && partition >= 0 && offset >= 0);
	assert(!memchr(topic.p, ' ', (size_t)topic.n) && !memchr(topic.p, '\n', (size_t)topic.n));
	buf_printf(&ckpt->lines, "%.*s %" PRId32 " %" PRId64 "\n", STR_ARG(topic), partition,
		offset);
	ckpt->n++;
}

int
checkpoint_write(struct checkpoint *ckpt, int dir_fd, const char *file, struct err *e)
{
	struct buf b = BUF_INIT;
	buf_printf(&b, "0\n%" PRId32 "\n", ckpt->n);
	buf_put(&b, ckpt->lines.p, ckpt->lines.n);
	int rc = fs_replace_file(dir_fd, file, buf_str(&b), e);
	buf_release(&b);
	return rc;
}

void
checkpoint_release(struct checkpoint *ckpt)
{
	buf_release(&ckpt->lines);
	ckpt->n = 0;
}
