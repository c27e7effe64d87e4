/* Brokers that cannot be reached: how long that is borne, and what is said. */
#include "client/cluster_int.h"
#include "sys/clock.h"
#include "text/units.h"

#include <stdio.h>

enum {
	QUIET_MS = 1500,   /* a restart, or a moved leader, is not worth a line */
	FIRST_PAUSE_MS = 50,
	FIRST_PAUSE_MAX_MS = 500,
};

/* Say it once per outage, when it has lasted.  text is what failed. */
static bool
is_to_report(const struct cluster *cl, struct cluster_outage *o, int64_t now_ms)
{
	if (!o->since_ms)
		o->since_ms = now_ms;
	if (!cl->opts.say || o->is_said || now_ms - o->since_ms < QUIET_MS)
		return false;
	o->is_said = true;
	return true;
}

/* ", for up to 30 s" or "", as the owner has said how long it repeats. */
static const char *
for_up_to(const struct cluster *cl, char z[UNITS_TEXT_SIZE + 16])
{
	char text[UNITS_TEXT_SIZE];
	*z = 0;
	if (cl->opts.retry_timeout_ms)
		snprintf(z, UNITS_TEXT_SIZE + 16, " for up to %s",
			units_format_duration(cl->opts.retry_timeout_ms, text));
	return z;
}

void
cluster_node_failed(struct cluster *cl, struct cluster_node *n, const struct err *why)
{
	char z[UNITS_TEXT_SIZE + 16];
	if (!cl->opts.is_quiet && is_to_report(cl, &n->outage, clock_mono_ms()))
		cl->opts.say("broker %d is lost: %s; trying again%s", n->id, why->msg, for_up_to(cl, z));
}

void
cluster_say_refused(struct cluster *cl, struct cluster_outage *o, const struct err *why)
{
	char z[UNITS_TEXT_SIZE + 16];
	if (is_to_report(cl, o, clock_mono_ms()))
		cl->opts.say("%s; trying again%s", why->msg, for_up_to(cl, z));
}

void
cluster_say_accepted(struct cluster *cl, struct cluster_outage *o)
{
	char z[UNITS_TEXT_SIZE];
	if (o->is_said)
		cl->opts.say("continuing after %s",
			units_format_duration(clock_mono_ms() - o->since_ms, z));
	*o = (struct cluster_outage){ 0 };
}

/* Has the node left a request without an answer for too long? */
void
cluster_say_late(struct cluster *cl, struct cluster_node *n, int64_t now_ms)
{
	int64_t late_ms = INT64_MAX, deadline_ms = 0;
	char z[UNITS_TEXT_SIZE];
	struct conn *c[] = { n->conn, n->second };
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		if (c[i])
			conn_late(c[i], &late_ms, &deadline_ms);
	bool is_late = late_ms <= now_ms;
	if (is_late == n->is_late || !cl->opts.say || cl->opts.is_quiet)
		return;
	n->is_late = is_late;
	if (is_late)
		cl->opts.say("broker %d does not answer; waiting for up to %s more", n->id,
			units_format_duration(MAX(deadline_ms - now_ms, 0), z));
	else if (n->conn || n->second)
		cl->opts.say("broker %d answers again", n->id);
}

void
cluster_node_reached(struct cluster *cl, struct cluster_node *n)
{
	char z[UNITS_TEXT_SIZE];
	if (n->outage.is_said)
		cl->opts.say("broker %d is back after %s", n->id,
			units_format_duration(clock_mono_ms() - n->outage.since_ms, z));
	n->outage = (struct cluster_outage){ 0 };
}

bool
cluster_wait_for_first(struct cluster *cl, int64_t since_ms, const struct err *why)
{
	char z[UNITS_TEXT_SIZE];
	int64_t now = clock_mono_ms(), left = since_ms + cl->opts.wait_ms - now;
	if (left <= 0 || cl->is_woken)
		return false;
	if (is_to_report(cl, &cl->outage, now))
		cl->opts.say("%s; trying again for up to %s", why->msg,
			units_format_duration(cl->opts.wait_ms, z));
	int64_t pause_ms = MIN(FIRST_PAUSE_MS + (now - since_ms) / 4, FIRST_PAUSE_MAX_MS);
	cluster_pause(cl, (int)MIN(pause_ms, left));
	return !cl->is_woken;
}
