#include "tool/progress.h"

#include "base/base.h"
#include "sys/clock.h"
#include "text/say.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FIRST_MS = 1000, EVERY_MS = 250, LINE_SIZE = 200, WIDTH_DEFAULT = 80, FREE_COLUMNS = 3 };

static atomic_bool is_shown; /* threads that print a message erase it */

/* A background job must not write over the shell's prompt. */
static bool
is_in_foreground(void)
{
	return tcgetpgrp(STDERR_FILENO) == getpgrp();
}

static void
put(const char *text, size_t n)
{
	ssize_t got = write(STDERR_FILENO, text, n);
	(void)got; /* a closed terminal needs no progress */
}

static void
erase(void)
{
	static const char back[] = "\r\033[K";
	if (is_shown && is_in_foreground())
		put(back, sizeof back - 1);
	is_shown = false;
}

void
progress_init(struct progress *progress)
{
	*progress = (struct progress){ .is_on = isatty(STDERR_FILENO) };
	progress->start_ms = clock_mono_ms();
	progress->next_ms = progress->start_ms + FIRST_MS;
	if (progress->is_on)
		say_before(erase);
}

double
progress_seconds(const struct progress *progress)
{
	return (double)MAX(clock_mono_ms() - progress->start_ms, 1) / 1e3;
}

bool
progress_is_due(struct progress *progress)
{
	if (!progress->is_on)
		return false;
	int64_t now = clock_mono_ms();
	if (now < progress->next_ms)
		return false;
	progress->next_ms = now + EVERY_MS;
	if (is_in_foreground())
		return true;
	is_shown = false; /* the shell wrote over it */
	return false;
}

void
progress_print(struct progress *progress, const char *fmt, ...)
{
	char line[LINE_SIZE];
	struct winsize window;
	assert(progress->is_on);
	int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col
		? window.ws_col : WIDTH_DEFAULT;
	va_list ap;
	line[0] = '\r';
	va_start(ap, fmt);
	int n = vsnprintf(line + 1, sizeof line - 1, fmt, ap);
	va_end(ap);
	/* A line that fills the last column would wrap, and so would the terminal's ^C. */
	n = 1 + MIN(n, MIN(MAX(width - FREE_COLUMNS, 0), LINE_SIZE - 8));
	n += snprintf(line + n, sizeof line - (size_t)n, "\033[K");
	put(line, (size_t)n);
	is_shown = true;
}

int
progress_timeout(const struct progress *progress)
{
	int64_t left = progress->next_ms - clock_mono_ms();
	return progress->is_on ? (int)MAX(left, 0) : -1;
}

void
progress_end(struct progress *progress)
{
	erase();
	progress->is_on = false;
}
