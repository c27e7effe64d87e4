#include "kq-consume/reading_topics.h"

#include "sys/clock.h"
#include "text/say.h"
#include "text/units.h"

enum {
	QUIET_MS = 1000,      /* a topic that is missing for less is not reported */
	GONE_MAX_MS = 5000,   /* then the deletion is taken as final */
	LOOK_MS = 500,
};

/* Wait until the topic exists. */
static struct cluster_topic *
wait_for(struct reading_topics *topics, const char *name, struct err *e)
{
	struct cluster_topic *t;
	say_error("topic '%s' does not exist yet; waiting for it", name);
	do
		cluster_pause(topics->cluster, LOOK_MS);
	while (!topics->cluster->is_woken && !(t = cluster_topic(topics->cluster, name, false, e))
		&& (e->kafka == KERR_UNKNOWN_TOPIC_OR_PARTITION || e->class == ERR_RETRY));
	if (topics->cluster->is_woken) {
		err_set(e, ERR_RETRY, "interrupted");
		return NULL;
	}
	if (t)
		say_error("topic '%s' exists now", name);
	return t;
}

struct cluster_topic *
reading_topics_add(struct reading_topics *topics, const char *name, struct err *e)
{
	struct cluster_topic *t = cluster_topic(topics->cluster, name, false, e);
	if (!t && topics->waits && e->kafka == KERR_UNKNOWN_TOPIC_OR_PARTITION)
		t = wait_for(topics, name, e);
	if (!t)
		return NULL;
	topics->one = mem_realloc(topics->one, (size_t)(topics->n + 1) * sizeof *topics->one);
	topics->one[topics->n++] = (struct reading_topic){ t, t->generation, false };
	return t;
}

static int
check_gone(const struct reading_topics *topics, struct reading_topic *one, struct err *e)
{
	char z[UNITS_TEXT_SIZE];
	const struct cluster_topic *t = one->topic;
	int64_t since_ms = clock_mono_ms() - t->gone_since_ms;
	if (!one->is_gone && since_ms >= QUIET_MS) {
		one->is_gone = true;
		if (topics->waits)
			say_error("topic '%s' was deleted; waiting until it is created again", t->name);
		else
			say_error("topic '%s' was deleted; waiting for up to %s until it is created again",
				t->name, units_format_duration(GONE_MAX_MS, z));
	}
	if (topics->waits || since_ms < GONE_MAX_MS)
		return 0;
	return err_set(e, ERR_RETRY, "topic '%s' was deleted and not created again", t->name);
}

int
reading_topics_report(struct reading_topics *topics, struct err *e)
{
	for (int i = 0; i < topics->n; i++) {
		struct reading_topic *one = &topics->one[i];
		const struct cluster_topic *t = one->topic;
		if (t->gone_since_ms) {
			if (check_gone(topics, one, e) < 0)
				return -1;
			continue;
		}
		if (one->generation != t->generation)
			say_error("topic '%s' was deleted and created again; "
				"reading the new one from its beginning", t->name);
		else if (one->is_gone)
			say_error("topic '%s' exists again", t->name);
		one->generation = t->generation;
		one->is_gone = false;
	}
	return 0;
}

int
reading_topics_timeout(const struct reading_topics *topics, int timeout_ms)
{
	for (int i = 0; i < topics->n; i++)
		if (topics->one[i].topic->gone_since_ms)
			return timeout_ms < 0 ? LOOK_MS : MIN(timeout_ms, LOOK_MS);
	return timeout_ms;
}

void
reading_topics_release(struct reading_topics *topics)
{
	mem_free(topics->one);
	topics->one = NULL;
	topics->n = 0;
}
