#include "kq-produce/progress.h"

#include "sys/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { EVERY_MS = 250 };

void
progress_init(struct progress *p)
{
	*p = (struct progress){ .is_on = isatty(STDERR_FILENO) };
	p->start_ms = clock_mono_ms();
	p->next_ms = p->start_ms + EVERY_MS;
}

static void
print(const struct progress *p, int64_t now_ms, int64_t records, int64_t bytes)
{
	double s = (double)(now_ms - p->start_ms) / 1e3, mb = (double)bytes / 1e6;
	if (s <= 0)
		s = 1e-3;
	fprintf(stderr, "\r%lld records, %.1f MB, %.0f records/s, %.1f MB/s\033[K",
		(long long)records, mb, (double)records / s, mb / s);
	fflush(stderr);
}

void
progress_show(struct progress *p, int64_t records, int64_t bytes)
{
	if (!p->is_on)
		return;
	int64_t now = clock_mono_ms();
	if (now < p->next_ms)
		return;
	p->next_ms = now + EVERY_MS;
	p->is_shown = true;
	print(p, now, records, bytes);
}

void
progress_end(struct progress *p, int64_t records, int64_t bytes)
{
	if (!p->is_shown)
		return;
	print(p, clock_mono_ms(), records, bytes);
	fputc('\n', stderr);
}
