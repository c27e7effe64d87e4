/* Reports about brokers that cannot be reached, are late, or refuse. */
#include "client/cluster_int.h"
#include "sys/clock.h"
#include "text/units.h"

#include <stdio.h>

enum {
	QUIET_MS = 1500,   /* a restart or a moved leader is not reported */
	FIRST_PAUSE_MS = 50,
	FIRST_PAUSE_MAX_MS = 500,
};

/* Is the outage to be reported?  Once, when it has lasted for QUIET_MS. */
static bool
is_to_report(const struct cluster *cl, struct cluster_outage *outage, int64_t now_ms)
{
	if (!outage->since_ms)
		outage->since_ms = now_ms;
	if (!cl->opts.say || outage->is_reported || now_ms - outage->since_ms < QUIET_MS)
		return false;
	outage->is_reported = true;
	return true;
}

/* " for up to 30 s"; "" if the owner has not said how long it retries. */
static const char *
for_up_to(const struct cluster *cl, char text[UNITS_TEXT_SIZE + 16])
{
	char time[UNITS_TEXT_SIZE];
	*text = 0;
	if (cl->opts.retry_timeout_ms)
		snprintf(text, UNITS_TEXT_SIZE + 16, " for up to %s",
			units_format_duration(cl->opts.retry_timeout_ms, time));
	return text;
}

void
cluster_node_failed(struct cluster *cl, struct cluster_node *node, const struct err *why)
{
	char text[UNITS_TEXT_SIZE + 16];
	if (!cl->opts.is_quiet && is_to_report(cl, &node->outage, clock_mono_ms()))
		cl->opts.say("broker %d is lost: %s; trying again%s", node->id, why->msg,
			for_up_to(cl, text));
}

void
cluster_say_refused(struct cluster *cl, struct cluster_outage *outage, const struct err *why)
{
	char text[UNITS_TEXT_SIZE + 16];
	if (is_to_report(cl, outage, clock_mono_ms()))
		cl->opts.say("%s; trying again%s", why->msg, for_up_to(cl, text));
}

void
cluster_say_accepted(struct cluster *cl, struct cluster_outage *outage)
{
	char text[UNITS_TEXT_SIZE];
	if (outage->is_reported)
		cl->opts.say("continuing after %s",
			units_format_duration(clock_mono_ms() - outage->since_ms, text));
	*outage = (struct cluster_outage){ 0 };
}

void
cluster_say_late(struct cluster *cl, struct cluster_node *node, int64_t now_ms)
{
	int64_t late_ms = INT64_MAX, deadline_ms = 0;
	char text[UNITS_TEXT_SIZE];
	struct conn *c[] = { node->conn, node->second };
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		if (c[i])
			conn_late(c[i], &late_ms, &deadline_ms);
	bool is_late = late_ms <= now_ms;
	if (is_late == node->is_late || !cl->opts.say || cl->opts.is_quiet)
		return;
	node->is_late = is_late;
	if (is_late)
		cl->opts.say("broker %d does not answer; waiting for up to %s more", node->id,
			units_format_duration(MAX(deadline_ms - now_ms, 0), text));
	else if (node->conn || node->second)
		cl->opts.say("broker %d answers again", node->id);
}

void
cluster_node_reached(struct cluster *cl, struct cluster_node *node)
{
	char text[UNITS_TEXT_SIZE];
	if (node->outage.is_reported)
		cl->opts.say("broker %d is back after %s", node->id,
			units_format_duration(clock_mono_ms() - node->outage.since_ms, text));
	node->outage = (struct cluster_outage){ 0 };
}

bool
cluster_wait_for_first(struct cluster *cl, int64_t since_ms, const struct err *why)
{
	char text[UNITS_TEXT_SIZE];
	int64_t now = clock_mono_ms(), left = since_ms + cl->opts.wait_ms - now;
	if (left <= 0 || cl->is_woken)
		return false;
	if (is_to_report(cl, &cl->outage, now))
		cl->opts.say("%s; trying again for up to %s", why->msg,
			units_format_duration(cl->opts.wait_ms, text));
	int64_t pause_ms = MIN(FIRST_PAUSE_MS + (now - since_ms) / 4, FIRST_PAUSE_MAX_MS);
	cluster_pause(cl, (int)MIN(pause_ms, left));
	return !cl->is_woken;
}
