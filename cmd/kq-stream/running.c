#include "kq-stream/running.h"

#include "sys/clock.h"
#include "text/units.h"

#include <stdio.h>

enum { NOTE_MS = 1000 };

void
running_begin(struct running *app)
{
	pthread_mutex_init(&app->rate.lock, NULL);
	app->start_ms = clock_ms();
	app->rate.at_ms[0] = app->rate.at_ms[1] = clock_mono_ms();
}

void
running_note_rate(struct running *app, int64_t now_ms)
{
	struct running_rate *rate = &app->rate;
	pthread_mutex_lock(&rate->lock);
	if (now_ms - rate->at_ms[0] >= NOTE_MS) {
		rate->at_ms[1] = rate->at_ms[0];
		rate->n[1] = rate->n[0];
		rate->at_ms[0] = now_ms;
		rate->n[0] = atomic_load_explicit(&app->counts.in, memory_order_relaxed);
	}
	pthread_mutex_unlock(&rate->lock);
}

double
running_get_rate(struct running *app, int64_t now_ms)
{
	struct running_rate *rate = &app->rate;
	pthread_mutex_lock(&rate->lock);
	/* After a pause, the older note would spread it over the records before. */
	int i = now_ms - rate->at_ms[0] >= NOTE_MS ? 0 : 1;
	int64_t n = atomic_load_explicit(&app->counts.in, memory_order_relaxed) - rate->n[i];
	int64_t ms = now_ms - rate->at_ms[i];
	pthread_mutex_unlock(&rate->lock);
	return (double)n * 1e3 / (double)MAX(ms, 1);
}

/* ---- progress ---- */

/* The time of the thread that is farthest; INT64_MIN: there is none. */
static int64_t
find_stream_time(struct running *app)
{
	int64_t time_ms = INT64_MIN;
	for (int i = 0; i < app->nthread; i++)
		time_ms = MAX(time_ms, atomic_load(&app->thread[i].stream_ms));
	return time_ms;
}

/* Of all threads; -1: not known. */
static int64_t
sum_lag(struct running *app)
{
	int64_t sum = 0;
	for (int i = 0; i < app->nthread; i++) {
		int64_t lag = atomic_load(&app->thread[i].lag);
		if (lag < 0)
			return -1;
		sum += lag;
	}
	return sum;
}

void
running_show(struct running *app, struct progress *progress)
{
	char stream[UNITS_TEXT_SIZE], behind[UNITS_TEXT_SIZE];
	if (!progress_is_due(progress))
		return;
	int64_t time_ms = find_stream_time(app), lag = sum_lag(app);
	snprintf(behind, sizeof behind, "%lld", (long long)lag);
	progress_print(progress, "%lld records in, %.0f/s; %lld out; stream time %s; lag %s",
		(long long)atomic_load(&app->counts.in), running_get_rate(app, clock_mono_ms()),
		(long long)atomic_load(&app->counts.out),
		time_ms == INT64_MIN ? "-" : units_format_time(time_ms, stream), lag < 0 ? "-" : behind);
}
