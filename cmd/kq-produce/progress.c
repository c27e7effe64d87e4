#include "kq-produce/progress.h"

#include "base/base.h"
#include "sys/clock.h"
#include "text/say.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FIRST_MS = 1000, EVERY_MS = 250, LINE_SIZE = 200, WIDTH_DEFAULT = 80, FREE_COLUMNS = 3 };

static bool is_shown;

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

static void
print(const struct progress *progress, int64_t now_ms, int64_t records, int64_t bytes)
{
	char line[LINE_SIZE];
	struct winsize window;
	double seconds = (double)(now_ms - progress->start_ms) / 1e3, mb = (double)bytes / 1e6;
	int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col
		? window.ws_col : WIDTH_DEFAULT;
	line[0] = '\r';
	int n = snprintf(line + 1, sizeof line - 1, "%lld records acknowledged, %.0f/s; %.1f MB read, "
		"%.1f MB/s", (long long)records, (double)records / seconds, mb, mb / seconds);
	/* A line that fills the last column would wrap, and so would the terminal's ^C. */
	n = 1 + MIN(n, MIN(MAX(width - FREE_COLUMNS, 0), LINE_SIZE - 8));
	n += snprintf(line + n, sizeof line - (size_t)n, "\033[K");
	put(line, (size_t)n);
	is_shown = true;
}

void
progress_show(struct progress *progress, int64_t records, int64_t bytes)
{
	if (!progress->is_on)
		return;
	int64_t now = clock_mono_ms();
	if (now < progress->next_ms)
		return;
	progress->next_ms = now + EVERY_MS;
	if (is_in_foreground())
		print(progress, now, records, bytes);
	else
		is_shown = false; /* the shell wrote over it */
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
