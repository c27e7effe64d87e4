/* Input split into records: pieces of any size give the same records. */
#include "tap.h"

#include "tool/input.c"

#include <stdio.h>
#include <stdlib.h>

static int pipe_fd[2];

static void
begin(struct input *in, struct str delimiter)
{
	check_int(pipe(pipe_fd), 0);
	*in = (struct input){ .delimiter = delimiter, .record_max = 1 << 20 };
	input_begin(in, pipe_fd[0], "test");
	check(in->is_pollable);
}

static void
end(struct input *in)
{
	input_release(in);
	close(pipe_fd[0]);
}

/* Feed text in pieces of n bytes, and return the records joined by '|'. */
static void
check_records(const char *text, size_t size, size_t n, struct str delimiter, const char *want)
{
	struct input in;
	struct buf got = BUF_INIT;
	struct str s;
	struct err e;
	begin(&in, delimiter);
	for (size_t at = 0; at < size || pipe_fd[1] >= 0;) {
		size_t k = MIN(n, size - at);
		if (k > 0) {
			check_int(write(pipe_fd[1], text + at, k), (long long)k);
			at += k;
		} else {
			close(pipe_fd[1]);
			pipe_fd[1] = -1;
		}
		check(input_fill(&in, &e) >= 0);
		int more;
		while ((more = input_next(&in, &s, &e)) > 0) {
			buf_put_str(&got, s);
			buf_putc(&got, '|');
		}
		check_int(more, 0);
	}
	if (!str_eq(buf_str(&got), str_of(want)))
		tap_fail(__FILE__, __LINE__, "'%.*s', want '%s'", STR_ARG(buf_str(&got)), want);
	buf_release(&got);
	end(&in);
}

void
test_input__pieces_of_any_size_give_the_same_records(void)
{
	for (size_t n = 1; n < 20; n++) {
		check_records("", 0, n, STR("\n"), "");
		check_records("\n", 1, n, STR("\n"), "|");
		check_records("a\nbc\n\nd", 7, n, STR("\n"), "a|bc||d|");
		check_records("a\nbc\n\nd\n", 8, n, STR("\n"), "a|bc||d|");
		check_records("a--b---c----d-", 14, n, STR("--"), "a|b|-c||d-|");
		check_records("xabcyababcz", 11, n, STR("abc"), "x|yab|z|");
	}
}

void
test_input__long_records_grow_the_buffer_short_ones_do_not(void)
{
	struct input in;
	struct str s;
	struct err e;
	begin(&in, STR("\n"));
	char line[1000];
	memset(line, 'x', sizeof line);
	size_t total = 700000;
	for (size_t at = 0; at < total; at += sizeof line) {
		check_int(input_next(&in, &s, &e), 0);
		check_int(write(pipe_fd[1], line, sizeof line), sizeof line);
		check_int(input_fill(&in, &e), 1);
	}
	check_int(write(pipe_fd[1], "\ny\n", 3), 3);
	check_int(input_fill(&in, &e), 1);
	check_int(input_next(&in, &s, &e), 1);
	check_int(s.n, (long long)total);
	check_int(input_next(&in, &s, &e), 1);
	check(str_eq(s, STR("y")));
	size_t cap = in.buf.cap;
	check(cap < 4 << 20);
	for (int i = 0; i < 5000; i++) {
		check_int(write(pipe_fd[1], "short\n", 6), 6);
		check_int(input_fill(&in, &e), 1);
		check_int(input_next(&in, &s, &e), 1);
	}
	check_int(in.buf.cap, (long long)cap);
	close(pipe_fd[1]);
	end(&in);
}

void
test_input__a_record_past_the_limit_is_refused_finished_or_not(void)
{
	struct input in;
	struct str s;
	struct err e;
	begin(&in, STR("\n"));
	in.record_max = 5;
	check_int(write(pipe_fd[1], "12345\n123456\n", 13), 13);
	check_int(input_fill(&in, &e), 1);
	check_int(input_next(&in, &s, &e), 1);
	check_int(input_next(&in, &s, &e), -1);
	check_int(e.class, ERR_LIMIT);
	end(&in);
	close(pipe_fd[1]);
	begin(&in, STR("\n"));
	in.record_max = 5;
	check_int(write(pipe_fd[1], "123456", 6), 6);
	check_int(input_fill(&in, &e), 1);
	check_int(input_next(&in, &s, &e), -1);
	check_int(e.class, ERR_LIMIT);
	end(&in);
	close(pipe_fd[1]);
}
