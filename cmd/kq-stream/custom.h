/*
 * Operators that only kq-stream has, beside those of common/stream.  What they need is in
 * the plan_node of their spec's tag.
 *
 * Uses: plan, common/stream/node, tool/coprocess.
 */
#ifndef KQ_STREAM_CMD_CUSTOM_H
#define KQ_STREAM_CMD_CUSTOM_H

#include "kq-stream/plan.h"
#include "stream/node.h"

/* A record of each result of fn.pairs; the key stays, so nothing is repartitioned. */
extern const struct flow_node_ops custom_each_ops;

/* Drop a record if one with the same key, or the same result of fn.value, was let through
 * whose time differs by at most interval_ms.  A record that is behind stream time by more than
 * that may be let through all the same.  Null results are let through. */
extern const struct flow_node_ops custom_dedupe_ops;

/* Keep the latest value of each key, and send what is new at each multiple of interval_ms
 * in event time or of the wall clock.  A jump over several multiples is one. */
extern const struct flow_node_ops custom_every_ops;

/* Send each value as a line to a command, which answers with any number of lines (values of
 * the same key) and an empty line.  The command runs as long as the task. */
extern const struct flow_node_ops custom_exec_ops;

#endif
