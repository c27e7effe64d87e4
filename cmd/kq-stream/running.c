#include "kq-stream/running.h"

#include "sys/clock.h"

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
