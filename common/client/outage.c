/* Brokers that cannot be reached: how long that is borne, and what is said. */
#include "client/cluster_int.h"
#include "sys/clock.h"
#include "text/units.h"

enum {
	QUIET_MS = 1500,   /* a restart, or a moved leader, is not worth a line */
	FIRST_PAUSE_MS = 50,
	FIRST_PAUSE_MAX_MS = 500,
};

/* Say it once per outage, when it has lasted.  text is what failed. */
static bool
is_to_be_said(const struct cluster *cl, struct cluster_outage *o, int64_t now_ms)
{
	if (!o->since_ms)
		o->since_ms = now_ms;
	if (!cl->opts.say || o->is_said || now_ms - o->since_ms < QUIET_MS)
		return false;
	o->is_said = true;
	return true;
}

void
cluster_node_failed(struct cluster *cl, struct cluster_node *n, const struct err *why)
{
	char z[UNITS_TEXT_SIZE];
	if (!is_to_be_said(cl, &n->outage, clock_mono_ms()))
		return;
	if (cl->opts.retry_timeout_ms)
		cl->opts.say("broker %d is lost: %s; trying again for up to %s", n->id, why->msg,
			units_format_duration(cl->opts.retry_timeout_ms, z));
	else
		cl->opts.say("broker %d is lost: %s; trying again", n->id, why->msg);
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
	if (is_to_be_said(cl, &cl->outage, now))
		cl->opts.say("%s; trying again for up to %s", why->msg,
			units_format_duration(cl->opts.wait_ms, z));
	int64_t pause_ms = MIN(FIRST_PAUSE_MS + (now - since_ms) / 4, FIRST_PAUSE_MAX_MS);
	cluster_pause(cl, (int)MIN(pause_ms, left));
	return !cl->is_woken;
}
