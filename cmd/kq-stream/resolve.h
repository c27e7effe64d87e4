/*
 * Steps made a plan: names resolved, kinds of streams and tables checked, formats of keys
 * settled.
 *
 * A key has one format on each way between two nodes.  'by' makes JSON keys, topics have
 * text keys unless told otherwise; where two sides of a join differ, the left side of a
 * stream is recoded.
 *
 * Uses: plan, steps.
 */
#ifndef KQ_STREAM_CMD_RESOLVE_H
#define KQ_STREAM_CMD_RESOLVE_H

#include "kq-stream/plan.h"
#include "kq-stream/steps.h"

/* The steps and settings must outlive the plan.  NULL (ERR_USAGE), with the place of the
 * step that makes no sense. */
struct plan *plan_new(const struct steps *steps, const struct plan_settings *settings,
	struct err *e);

#endif
