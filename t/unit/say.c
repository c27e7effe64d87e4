#include "tap.h"
#include "text/escape.h"
#include "text/say.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char text[1 << 14];
static int out_fd = -1;

static void
catch(void)
{
	out_fd = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600);
	check(dup2(out_fd, STDERR_FILENO) == STDERR_FILENO);
}

/* The output on stderr since the last call. */
static const char *
caught(void)
{
	ssize_t n = pread(out_fd, text, sizeof text - 1, 0);
	check(n >= 0 && ftruncate(out_fd, 0) == 0 && lseek(out_fd, 0, SEEK_SET) == 0);
	text[n] = 0;
	printf("# %s\n", text);
	return text;
}

void
test_say__errors_carry_the_programs_name(void)
{
	catch();
	say_init("/usr/bin/kq-topic");
	say_error("cannot open '%s': %s", "x", "reason");
	check(strcmp(caught(), "kq-topic: cannot open 'x': reason\n") == 0);
	say_error("write \\n, not \n or \033[2J");
	check(strcmp(caught(), "kq-topic: write \\n, not \\n or \\x1b[2J\n") == 0);
}

void
test_say__the_exit_code_follows_the_class(void)
{
	struct err e;
	catch();
	err_set(&e, ERR_USAGE, "odd");
	check_int(say_err(&e, true), EXIT_USAGE);
	err_set(&e, ERR_RETRY, "later");
	check_int(say_err(&e, false), EXIT_RETRY);
	err_set(&e, ERR_PEER, "no");
	check_int(say_err(&e, false), EXIT_FAILED);
	check_int(say_err(&e, true), EXIT_RETRY);
	err_set(&e, ERR_CORRUPT, "rot");
	check_int(say_err(&e, true), EXIT_FAILED);
	errno = ENOSPC;
	err_sys(&e, "cannot write");
	check_int(say_err(&e, true), EXIT_FAILED);
	check(strstr(caught(), ": cannot write: No space left on device\n"));
}

void
test_say__a_full_disk_is_told_and_a_closed_pipe_is_not(void)
{
	catch();
	check_int(say_flush_stdout(), EXIT_DONE);
	int old = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY), fd[2];
	check(full >= 0 && pipe(fd) == 0);
	fflush(stdout);
	dup2(full, STDOUT_FILENO);
	printf("data\n");
	int at_full = say_flush_stdout();
	clearerr(stdout);
	signal(SIGPIPE, SIG_IGN);
	close(fd[0]);
	dup2(fd[1], STDOUT_FILENO);
	printf("data\n");
	int at_pipe = say_flush_stdout();
	clearerr(stdout);
	dup2(old, STDOUT_FILENO);
	check_int(at_full, EXIT_FAILED);
	check_int(at_pipe, EXIT_FAILED);
	const char *told = caught();
	check(strstr(told, ": cannot write to stdout: No space left on device\n"));
	check(strchr(told, '\n')[1] == 0);
}

/* The line after "2026-11-24T10:00:00.123Z ", whose form is checked. */
static const char *
logged(void)
{
	static const char form[] = "0000-00-00T00:00:00.000Z ";
	const char *line = caught();
	for (size_t i = 0; form[i]; i++)
		check(form[i] == '0' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i]);
	check(strchr(line, '\n') && strchr(line, '\n')[1] == 0);
	return line + sizeof form - 1;
}

void
test_say__a_log_line_cannot_be_forged(void)
{
	catch();
	log_line(LOG_WARN, "client '%s'", "a\n2026-11-24T10:00:00.123Z error b");
	check(strcmp(logged(), "warn client 'a\\n2026-11-24T10:00:00.123Z error b'\n") == 0);
	log_line(LOG_ERROR, "%s", "\\n \r\t\x7f\x1b");
	check(strcmp(logged(), "error \\\\n \\x0d\\x09\\x7f\\x1b\n") == 0);
	log_line(LOG_INFO, "%s", "gr\xc3\xbc\xc3\x9f");
	check(strcmp(logged(), "info gr\xc3\xbc\xc3\x9f\n") == 0);
	log_line(LOG_INFO, "%s", "\xc2\x85 is a control");
	check(strcmp(logged(), "info \\xc2\\x85 is a control\n") == 0);
	log_line(LOG_INFO, "%s", "\xff\xc3");
	check(strcmp(logged(), "info \\xff\\xc3\n") == 0);
}

void
test_say__a_long_log_line_is_cut_and_still_ends(void)
{
	static char long_one[5000];
	catch();
	memset(long_one, '\n', sizeof long_one - 1);
	log_line(LOG_ERROR, "%s", long_one);
	check(strlen(logged()) < 2100);
	memset(long_one, '\x01', sizeof long_one - 1);
	log_line(LOG_ERROR, "%s", long_one);
	check(strlen(logged()) < 2100);
}

void
test_say__the_level_holds_lines_back(void)
{
	enum log_level level;
	catch();
	log_line(LOG_DEBUG, "hidden");
	check(*caught() == 0);
	check(log_parse_level("debug", &level) && level == LOG_DEBUG);
	log_set_level(level);
	log_line(LOG_DEBUG, "shown");
	check(strcmp(logged(), "debug shown\n") == 0);
	check(log_parse_level("error", &level));
	log_set_level(level);
	log_line(LOG_WARN, "hidden");
	check(*caught() == 0);
	check(!log_parse_level("loud", &level));
}

/* The number of lines on stderr that contain it. */
static int
lines_with(const char *told, const char *part)
{
	int n = 0;
	for (const char *p = told; (p = strstr(p, part)); p++)
		n++;
	return n;
}

void
test_say__a_flood_of_lines_is_bounded_and_counted(void)
{
	struct timespec second = { 1, 10000000 };
	catch();
	for (int i = 0; i < 1000; i++)
		log_bounded(LOG_WARN, "flood %d", i);
	const char *told = caught();
	/* A machine that pauses meanwhile starts another second. */
	int n = lines_with(told, "warn flood "), nmore = 0;
	check(n >= LOG_BURST && n <= 10 * LOG_BURST);
	for (const char *p = told; (p = strstr(p, "warn ")); p++)
		nmore += strstr(p, " more lines") == p + 5 + strspn(p + 5, "0123456789") ? atoi(p + 5) : 0;
	/* Other lines are not suppressed, and the count is logged before the next one. */
	log_bounded(LOG_WARN, "other %d", 1);
	check(lines_with(caught(), "warn other 1\n") == 1);
	nanosleep(&second, NULL);
	log_line(LOG_INFO, "next");
	told = caught();
	check(lines_with(told, "info next\n") == 1);
	const char *rest = strstr(told, "warn ");
	check(rest != NULL);
	check(strstr(rest, " more lines like \"flood ") != NULL);
	check(strstr(rest, "%d") == NULL);
	check_int(n + nmore + atoi(rest + 5), 1000);
	log_line(LOG_INFO, "next");
	check(strcmp(logged(), "info next\n") == 0);
	log_bounded(LOG_WARN, "flood %d", 1000);
	check(strcmp(logged(), "warn flood 1000\n") == 0);
	log_bounded(LOG_DEBUG, "flood %d", 1000);
	check(*caught() == 0);
}

void
test_say__the_same_line_is_written_once_and_counted(void)
{
	catch();
	for (int i = 0; i < 100; i++) {
		log_bounded(LOG_ERROR, "append to %s failed", "t-0");
		log_bounded(LOG_ERROR, "append to %s failed", i % 2 ? "t-1" : "t-2");
	}
	const char *told = caught();
	check_int(lines_with(told, "append to "), 3);
	check_int(lines_with(told, "append to t-0 failed\n"), 1);
	/* The counts are not lost at the end. */
	log_end();
	told = caught();
	check_int(lines_with(told,
		"error 197 more lines like \"append to t-0 failed\" were left out\n"), 1);
}

static bool
is_escape(struct str s, struct str want)
{
	struct buf b = BUF_INIT;
	struct err e;
	int r = escape_parse(s, &b, &e);
	bool same = want.n < 0 ? r == -1 && e.class == ERR_USAGE : r == 0 && str_eq(buf_str(&b), want);
	buf_release(&b);
	return same;
}

void
test_say__escapes_in_delimiters_are_those_of_the_shell_user(void)
{
	check(is_escape(STR("a\\n\\t\\r\\0\\\\"), STR("a\n\t\r\0\\")));
	check(is_escape(STR("\\x00\\xfF\\x1"), STR_NULL));
	check(is_escape(STR("\\x00\\xfFz"), STR("\0\xffz")));
	check(is_escape(STR("\\"), STR_NULL));
	check(is_escape(STR("\\q"), STR_NULL));
	check(is_escape(STR("\\x"), STR_NULL));
	check(is_escape(STR("\\xg0"), STR_NULL));
}
