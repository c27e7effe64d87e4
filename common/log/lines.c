#include "log/lines.h"

#include "base/mem.h"
#include "sys/fs.h"

#include <errno.h>

bool
lines_int(struct str word, int64_t min, int64_t max, int64_t *v)
{
	bool is_negative = word.n > 0 && word.p[0] == '-';
	int32_t i = is_negative;
	int64_t sum = 0; /* kept negative: INT64_MIN has no positive counterpart */
	if (word.n <= i)
		return false;
	for (; i < word.n; i++) {
		int digit = word.p[i] - '0';
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(sum, 10, &sum)
			|| __builtin_sub_overflow(sum, digit, &sum))
			return false;
	}
	if (!is_negative && __builtin_sub_overflow((int64_t)0, sum, &sum))
		return false;
	*v = sum;
	return sum >= min && sum <= max;
}

/* Take a line off *text and split it into words.  False: the end. */
static bool
next_line(struct str *text, struct str *word, int *nword)
{
	if (text->n <= 0)
		return false;
	const uint8_t *nl = memchr(text->p, '\n', (size_t)text->n);
	const uint8_t *p = text->p, *end = nl ? nl : p + text->n;
	*nword = 0;
	while (p < end) {
		while (p < end && *p == ' ')
			p++;
		const uint8_t *from = p;
		while (p < end && *p != ' ')
			p++;
		if (p > from && *nword < LINES_WORD_MAX)
			word[(*nword)++] = (struct str){ from, (int32_t)(p - from) };
	}
	end += nl != NULL;
	text->n -= (int32_t)(end - text->p);
	text->p = end;
	return true;
}

static int
parse(struct str text, lines_fn *fn, void *ctx, int *line)
{
	struct str word[LINES_WORD_MAX];
	int nword;
	int64_t v, n;
	*line = 1;
	if (!next_line(&text, word, &nword) || nword != 1 || !lines_int(word[0], 0, 0, &v))
		return -1;
	*line = 2;
	if (!next_line(&text, word, &nword) || nword != 1 || !lines_int(word[0], 0, INT32_MAX, &n))
		return -1;
	for (; n > 0; n--) {
		++*line;
		if (!next_line(&text, word, &nword) || fn(ctx, word, nword))
			return -1;
	}
	++*line;
	return text.n > 0 ? -1 : 0;
}

int
lines_read(int dirfd, const char *path, size_t size_max, lines_fn *fn, void *ctx, struct err *e)
{
	struct buf b = BUF_INIT;
	int line;
	if (fs_read_file(dirfd, path, size_max, &b, e) < 0)
		return e->class == ERR_SYS && e->sys == ENOENT ? 0 : -1;
	int rc = parse(buf_str(&b), fn, ctx, &line);
	buf_release(&b);
	if (rc < 0)
		return err_set(e, ERR_CORRUPT, "%s: line %d is invalid", path, line);
	return 0;
}
