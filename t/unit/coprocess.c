/* Co-processes and their frames. */
#include "tap.h"

#include "tool/coprocess.c"
#include "tool/coframe.c"

#include <signal.h>
#include <stdlib.h>

static const enum coframe_kind kinds[] = { COFRAME_LINE, COFRAME_COUNT, COFRAME_LENGTH,
	COFRAME_PAIR };
static const char *const words[] = { "line", "count", "length", "pair" };
static struct str no_key; /* for frames without keys */

/* A batch of records "r0" "r1x" "r2xx"..., as bytes. */
static size_t
make_batch(enum coframe_kind kind, int n, struct buf *out)
{
	struct err e;
	char text[64];
	coframe_begin(kind, out);
	for (int i = 0; i < n; i++) {
		int len = snprintf(text, sizeof text, "r%d%.*s", i, i % 7, "xxxxxxx");
		check_int(coframe_put(kind, STR_NULL, (struct str){ (uint8_t *)text, len }, out, &e), 0);
	}
	return coframe_end(kind, n, out);
}

void
test_coprocess__frames_come_back_as_they_went(void)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		for (int n = 0; n < 200; n += 33) {
			struct buf b = BUF_INIT;
			struct err e;
			struct str r;
			check_int(coframe_of(words[k]), kinds[k]);
			size_t at = make_batch(kinds[k], n, &b);
			struct coframe_cursor c = { .kind = kinds[k], .at = at };
			for (int i = 0; i < n; i++) {
				char want[64];
				snprintf(want, sizeof want, "r%d%.*s", i, i % 7, "xxxxxxx");
				check_int(coframe_next(&c, &b, &no_key, &r, &e), COFRAME_RECORD);
				check(str_eq(r, str_of(want)));
			}
			check_int(coframe_next(&c, &b, &no_key, &r, &e), COFRAME_END);
			check_int(c.at, b.n);
			check_int(coframe_next(&c, &b, &no_key, &r, &e), COFRAME_MORE);
			buf_release(&b);
		}
}

void
test_coprocess__a_frame_cut_anywhere_waits_for_the_rest(void)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct buf b = BUF_INIT, part = BUF_INIT;
		struct err e;
		struct str r;
		size_t at = make_batch(kinds[k], 20, &b);
		struct coframe_cursor c = { .kind = kinds[k] };
		int n = 0, got = COFRAME_MORE;
		for (; at < b.n; at++) { /* one byte at a time */
			check_int(got, COFRAME_MORE);
			buf_putc(&part, (char)b.p[at]);
			while ((got = coframe_next(&c, &part, &no_key, &r, &e)) == COFRAME_RECORD)
				n++;
		}
		check_int(got, COFRAME_END);
		check_int(n, 20);
		buf_release(&part);
		buf_release(&b);
	}
}

void
test_coprocess__records_that_a_frame_cannot_carry_are_refused(void)
{
	struct buf b = BUF_INIT;
	struct err e;
	struct str r;
	coframe_begin(COFRAME_LINE, &b);
	check_int(coframe_put(COFRAME_LINE, STR_NULL, STR(""), &b, &e), -1);
	check_int(e.class, ERR_USAGE);
	check_int(coframe_put(COFRAME_LINE, STR_NULL, STR_NULL, &b, &e), -1);
	check_int(coframe_put(COFRAME_LINE, STR_NULL, STR("a\nb"), &b, &e), -1);
	check_int(b.n, 0);
	coframe_begin(COFRAME_COUNT, &b);
	check_int(coframe_put(COFRAME_COUNT, STR_NULL, STR("a\n"), &b, &e), -1);
	check_int(coframe_put(COFRAME_COUNT, STR_NULL, STR(""), &b, &e), 0);
	coframe_begin(COFRAME_LENGTH, &b);
	check_int(coframe_put(COFRAME_LENGTH, STR_NULL, STR("\n\0\xff"), &b, &e), 0);
	check_int(coframe_put(COFRAME_LENGTH, STR_NULL, STR_NULL, &b, &e), 0);
	coframe_end(COFRAME_LENGTH, 2, &b);
	struct coframe_cursor c = { .kind = COFRAME_LENGTH };
	check_int(coframe_next(&c, &b, &no_key, &r, &e), COFRAME_RECORD);
	check(str_eq(r, STR("\n\0\xff")));
	check_int(coframe_next(&c, &b, &no_key, &r, &e), COFRAME_RECORD);
	check_int(r.n, -1); /* null, and not empty */
	check_int(coframe_next(&c, &b, &no_key, &r, &e), COFRAME_END);
	buf_release(&b);
}

void
test_coprocess__pairs_carry_any_key_and_value(void)
{
	static const struct str some[] = { { NULL, -1 }, { (const uint8_t *)"", 0 },
		{ (const uint8_t *)"\n\0\t", 3 }, { (const uint8_t *)"\xff\xff\xff\xff", 4 } };
	struct buf b = BUF_INIT;
	struct err e;
	struct str key, value;
	coframe_begin(COFRAME_PAIR, &b);
	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		for (size_t k = 0; k < ARRAY_LEN(some); k++)
			check_int(coframe_put(COFRAME_PAIR, some[i], some[k], &b, &e), 0);
	coframe_end(COFRAME_PAIR, 16, &b);
	struct coframe_cursor c = { .kind = COFRAME_PAIR };
	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		for (size_t k = 0; k < ARRAY_LEN(some); k++) {
			check_int(coframe_next(&c, &b, &key, &value, &e), COFRAME_RECORD);
			check(key.n == some[i].n && str_eq(key, some[i]));
			check(value.n == some[k].n && str_eq(value, some[k]));
		}
	check_int(coframe_next(&c, &b, &key, &value, &e), COFRAME_END);
	check_int(c.at, b.n);
	buf_reset(&b);
	buf_put_str(&b, STR("\0\0\0\1k\xff\xff\xff\xff"));
	c = (struct coframe_cursor){ .kind = COFRAME_PAIR };
	check_int(coframe_next(&c, &b, &key, &value, &e), -1);
	check_int(e.class, ERR_CORRUPT);
	buf_release(&b);
}

static int
read_text(enum coframe_kind kind, struct str text, struct err *e)
{
	struct buf b = BUF_INIT;
	struct coframe_cursor c = { .kind = kind };
	struct str r;
	int got;
	buf_put_str(&b, text);
	while ((got = coframe_next(&c, &b, &no_key, &r, e)) == COFRAME_RECORD)
		;
	buf_release(&b);
	return got;
}

void
test_coprocess__what_is_no_frame_is_refused(void)
{
	struct err e;
	check_int(read_text(COFRAME_COUNT, STR("x\n"), &e), -1);
	check_int(e.class, ERR_CORRUPT);
	check_int(read_text(COFRAME_COUNT, STR("\n"), &e), -1);
	check_int(read_text(COFRAME_COUNT, STR("-1\n"), &e), -1);
	check_int(read_text(COFRAME_COUNT, STR("99999999999999999999999\n"), &e), -1);
	check_int(read_text(COFRAME_COUNT, STR("0\n"), &e), COFRAME_END);
	check_int(read_text(COFRAME_COUNT, STR("2\na\n"), &e), COFRAME_MORE);
	check_int(read_text(COFRAME_LENGTH, STR("\x7f\xff\xff\xff"), &e), -1);
	check_int(e.class, ERR_LIMIT);
	struct buf b = BUF_INIT;
	memset(buf_grow(&b, COFRAME_RECORD_MAX), 'x', COFRAME_RECORD_MAX);
	check_int(read_text(COFRAME_LINE, buf_str(&b), &e), COFRAME_MORE);
	buf_putc(&b, 'x');
	check_int(read_text(COFRAME_LINE, buf_str(&b), &e), -1);
	check_int(e.class, ERR_LIMIT);
	buf_release(&b);
}

/* ---- real commands ---- */

/* Send n records of the given size, and wait for the answer. */
static int
ask(struct coprocess *c, int n, int size, struct err *e)
{
	int got;
	char *text = malloc((size_t)size);
	memset(text, 'r', (size_t)size);
	coprocess_begin(c);
	for (int i = 0; i < n; i++)
		check_int(coprocess_put(c, STR_NULL, (struct str){ (uint8_t *)text, size }, e), 0);
	coprocess_end(c);
	while ((got = coprocess_work(c, e)) == 0)
		poll(&(struct pollfd){ c->poll_fd, POLLIN, 0 }, 1, coprocess_timeout(c));
	free(text);
	return got;
}

static int
count_answer(struct coprocess *c)
{
	struct str r;
	int n = 0;
	while (coprocess_next(c, &no_key, &r))
		n++;
	check_int(n, c->nout);
	return n;
}

static void
begin(struct coprocess *c, const char *command, enum coframe_kind frame)
{
	struct err e;
	signal(SIGPIPE, SIG_IGN);
	check_int(coprocess_open(c, command, frame, 10000, &e), 0);
}

void
test_coprocess__batches_are_answered_one_after_the_other(void)
{
	struct coprocess c;
	struct err e;
	begin(&c, "sed -u /./p", COFRAME_LINE);
	for (int i = 0; i < 5; i++) {
		check_int(ask(&c, 10 * i, 5, &e), 1);
		check_int(count_answer(&c), 20 * i);
		check_int(coprocess_check_idle(&c, &e), 0);
	}
	check_int(coprocess_close(&c, 10000, &e), 0);
}

void
test_coprocess__neither_side_waits_with_full_pipes(void)
{
	struct coprocess c;
	struct err e;
	begin(&c, "sed -u /./p", COFRAME_LINE);
	check_int(ask(&c, 1000, 2000, &e), 1);
	check_int(count_answer(&c), 2000);
	coprocess_release(&c);
	begin(&c, "while read -r n; do head -n $n >f.$$; wc -l <f.$$; cat f.$$; rm f.$$; done",
		COFRAME_COUNT);
	check_int(ask(&c, 0, 1, &e), 1);
	check_int(count_answer(&c), 0);
	coprocess_release(&c);
}

void
test_coprocess__a_command_that_ends_is_told_of(void)
{
	struct coprocess c;
	struct err e;
	begin(&c, "read x; exit 3", COFRAME_LINE);
	check_int(ask(&c, 5, 5, &e), -1);
	check_int(e.class, ERR_PEER);
	check(strcmp(e.msg, "'read x; exit 3' exited (exit code 3) during a batch") == 0);
	coprocess_release(&c);
	begin(&c, "read x; exit 75", COFRAME_LINE);
	check_int(ask(&c, 5, 5, &e), -1);
	check_int(e.class, ERR_RETRY);
	coprocess_release(&c);
	begin(&c, "kill -9 $$", COFRAME_LINE);
	check_int(ask(&c, 1000, 1000, &e), -1);
	check(strstr(e.msg, "(signal 9)") != NULL);
	coprocess_release(&c);
	begin(&c, "exit 0", COFRAME_LINE);
	int got = 0;
	for (int i = 0; i < 1000 && got >= 0; i++) {
		poll(&(struct pollfd){ c.poll_fd, POLLIN, 0 }, 1, 10);
		got = coprocess_check_idle(&c, &e);
	}
	check_int(got, -1);
	coprocess_release(&c);
}

void
test_coprocess__a_command_that_hangs_is_given_up(void)
{
	struct coprocess c;
	struct err e;
	signal(SIGPIPE, SIG_IGN);
	check_int(coprocess_open(&c, "sleep 1000 | sleep 1000", COFRAME_LENGTH, 100, &e), 0);
	pid_t pid = c.proc.pid;
	int64_t began = clock_mono_ms();
	check_int(ask(&c, 1000, 1000, &e), -1);
	check_int(e.class, ERR_RETRY);
	check(clock_mono_ms() - began < 60000);
	coprocess_release(&c);
	check_int(kill(pid, 0), -1); /* the shell; init may still have to reap its group */
}

void
test_coprocess__an_answer_before_all_was_read_is_an_error(void)
{
	struct coprocess c;
	struct err e;
	begin(&c, "echo; exec sleep 1000", COFRAME_LINE);
	check_int(ask(&c, 1000, 1000, &e), -1);
	check(strstr(e.msg, "before it had read") != NULL);
	coprocess_release(&c);
	begin(&c, "read x; echo; echo; exec sleep 1000", COFRAME_LINE);
	int got = ask(&c, 1, 1, &e);
	for (int i = 0; i < 1000 && got >= 0; i++) { /* the second one arrives later */
		poll(&(struct pollfd){ c.poll_fd, POLLIN, 0 }, 1, 10);
		got = coprocess_check_quiet(&c, &e);
	}
	check_int(got, -1);
	check(strstr(e.msg, "wrote") != NULL);
	coprocess_release(&c);
}

void
test_coprocess__one_that_is_started_anew_knows_nothing(void)
{
	struct coprocess c;
	struct err e;
	begin(&c, "sed -u s/r/x/", COFRAME_LINE);
	coprocess_begin(&c);
	check_int(coprocess_put(&c, STR_NULL, STR("r"), &e), 0);
	coprocess_end(&c);
	check(coprocess_work(&c, &e) >= 0);
	check_int(coprocess_restart(&c, &e), 0);
	check_int(ask(&c, 3, 3, &e), 1);
	check_int(count_answer(&c), 3);
	check_int(coprocess_close(&c, 10000, &e), 0);
}

void
test_coprocess__its_end_is_awaited(void)
{
	struct coprocess c;
	struct err e;
	begin(&c, "cat; exit 4", COFRAME_LINE);
	check_int(ask(&c, 3, 3, &e), 1);
	check_int(coprocess_close(&c, 10000, &e), -1);
	check(strstr(e.msg, "(exit code 4)") != NULL);
	begin(&c, "cat; echo more", COFRAME_LINE);
	check_int(ask(&c, 3, 3, &e), 1);
	check_int(coprocess_close(&c, 10000, &e), -1);
	check(strstr(e.msg, "belongs to no batch") != NULL);
	begin(&c, "cat; sleep 1000", COFRAME_LINE);
	check_int(ask(&c, 3, 3, &e), 1);
	check_int(coprocess_close(&c, 50, &e), -1);
	check(strstr(e.msg, "did not exit") != NULL);
}

void
test_coprocess__commands_are_apart_from_us_and_each_other(void)
{
	struct coprocess c, other;
	struct err e;
	struct str r;
	/* SIGPIPE ends the command, although we ignore it */
	begin(&c, "read x; yes | head -n 1; cat", COFRAME_LINE);
	check_int(ask(&c, 1, 1, &e), 1);
	check(coprocess_next(&c, &no_key, &r));
	check(str_eq(r, STR("y")));
	coprocess_release(&c);
	/* one that is started later does not keep the other's pipe open */
	begin(&c, "cat", COFRAME_LINE);
	begin(&other, "exec sleep 1000", COFRAME_LINE);
	check_int(coprocess_close(&c, 10000, &e), 0);
	coprocess_release(&other);
}
