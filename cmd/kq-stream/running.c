#include "kq-stream/running.h"

#include "kq-stream/offset_note.h"
#include "stream/murmur3.h"
#include "sys/clock.h"
#include "text/units.h"

#include <stdio.h>

#define FINGERPRINT "fingerprint" /* its name in notes */

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

/* ---- the end ---- */

static bool
is_busy(const struct running *app, int part)
{
	const struct layout *layout = &app->layout;
	for (int i = 0; i < app->nthread; i++)
		if (atomic_load(&app->thread[i].is_busy[part]))
			return true;
	for (int i = 0; i < layout->nsource; i++)
		if (layout->source[i].part == part && running_is_fed(app, &layout->source[i]))
			return true;
	return false;
}

bool
running_is_fed(const struct running *app, const struct layout_source *source)
{
	const int *level = app->layout.level;
	return source->is_internal && level[source->writer] < level[source->part]
		&& is_busy(app, source->writer);
}

/* ---- facts ---- */

static void
add_fact(struct running *app, const char *topic, int64_t value)
{
	struct running_fact *fact = &app->fact[app->nfact++];
	uint8_t hash[MURMUR3_SIZE];
	*fact = (struct running_fact){ { fact->name, value }, topic, FINGERPRINT };
	if (!topic)
		return;
	murmur3(str_of(topic), hash); /* names may be long, and what can be noted is limited */
	snprintf(fact->name, sizeof fact->name, "topic-%08x", load_be32(hash));
}

void
running_set_facts(struct running *app, int64_t fingerprint)
{
	app->fact = mem_alloc((size_t)(app->layout.nsource + 1) * sizeof *app->fact);
	add_fact(app, NULL, fingerprint);
	for (int i = 0; fingerprint && i < app->layout.nsource; i++) {
		const struct layout_source *source = &app->layout.source[i];
		if (source->part >= 0 && source->id != 0)
			add_fact(app, source->name, source->id);
	}
}

struct facts {
	const struct running *app;
	const struct running_fact *changed; /* since they were noted; or NULL */
};

static void
compare_fact(void *arg, struct str name, int64_t value)
{
	struct facts *facts = arg;
	const struct running_fact *fact = facts->app->fact;
	for (int i = 0; i < facts->app->nfact && !facts->changed; i++)
		if (str_eq(name, str_of(fact[i].name)) && value != fact[i].number.value)
			facts->changed = &fact[i];
}

static int
refuse_state(const struct running_fact *changed, const char *id, struct err *e)
{
	if (changed->topic)
		return err_set(e, ERR_USAGE, "topic '%s' was deleted and created again: the state of "
			"application '%s' is that of the old one; 'kq-stream reset %s' begins again",
			changed->topic, id, id);
	return err_set(e, ERR_USAGE, "the state of application '%s' is that of another topology: "
		"windows, what is aggregated, keys or the order of steps have changed; "
		"'kq-stream reset %s' begins again, or give the changed application another ID; "
		"a step with a name (agg n=count name counts) keeps its state when steps without any are "
		"added", id, id);
}

int
running_read_note(const struct running *app, struct str note, int64_t *time_ms, struct err *e)
{
	struct facts facts = { .app = app };
	if (offset_note_read(note, time_ms, compare_fact, &facts, e) < 0)
		return -1;
	return facts.changed ? refuse_state(facts.changed, app->id, e) : 0;
}

static void
take_fingerprint(void *arg, struct str name, int64_t value)
{
	if (str_eq(name, STR(FINGERPRINT)))
		*(int64_t *)arg = value;
}

int
running_check_unread(const struct running *app, struct str note, struct err *e)
{
	int64_t time_ms, noted = 0, own = app->fact[0].number.value;
	if (offset_note_read(note, &time_ms, take_fingerprint, &noted, e) < 0)
		return 0; /* another program's */
	return noted && own && noted != own ? refuse_state(&app->fact[0], app->id, e) : 0;
}

void
running_end(struct running *app)
{
	pthread_mutex_destroy(&app->rate.lock);
	mem_free(app->fact);
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
