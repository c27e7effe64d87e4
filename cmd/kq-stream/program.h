/*
 * A plan made runnable: its topology, its expressions, and the formats at its borders.
 *
 *	program = program_new(plan, &e);
 *	task = flow_task_new(program->topo, ..., &env, set, &e);    env.next calls program_next
 *	for each record {
 *		program_take(program, source, &raw, &rec, &e);
 *		flow_task_take_at(task, ..., &rec, &e);             env.emit calls program_put
 *	}
 *
 * The tasks of one thread share a program.  It may be freed when they are.
 *
 * Uses: plan; common/stream, common/json.  One thread at a time.
 */
#ifndef KQ_STREAM_CMD_PROGRAM_H
#define KQ_STREAM_CMD_PROGRAM_H

#include "kq-stream/plan.h"
#include "stream/task.h"

struct program {
	const struct plan *plan;
	struct topology *topo;   /* finished */
	int64_t fingerprint;     /* what its state depends on (fingerprint.h); 0: it has none */
	int64_t nprinted;        /* lines that peek printed */
	struct program_int *in;  /* the rest */
};

/* Which expression does not compile, and where in it. */
struct program_fault {
	struct plan_expr expr;   /* text NULL: the failure is of another kind */
	int line, column;        /* from 1; the column counts characters */
};

/* NULL: ERR_USAGE, with the place in the plan.  fault may be NULL. */
struct program *program_new(const struct plan *plan, struct program_fault *fault, struct err *e);
void program_free(struct program *program); /* NULL: no effect */

/* A new input record begins: results of functions, and what program_take and program_put
 * returned, are no longer valid.  To be called by flow_env's next; program_take has done
 * it for the record that it made. */
void program_next(struct program *program);

/* A record as it is in a topic, or on stdin. */
struct program_raw {
	struct str key, value, headers;
	int32_t nheader;
	int64_t ts_ms;
};

/* Make *rec from the bytes: the value becomes JSON, and the time is that of the source's
 * expression.  Returns 0, or -1 (ERR_CORRUPT): it is malformed, or has no such time; what
 * is done then is the caller's choice (plan->settings.errors). */
int program_take(struct program *program, const struct plan_source *source,
	const struct program_raw *raw, struct flow_rec *rec, struct err *e);

/* Only the time of the record that program_take would make.  If that is called next, for the
 * same bytes, it is cheap; if the bytes go before, program_next is to be called. */
int program_peek(struct program *program, const struct plan_source *source,
	const struct program_raw *raw, int64_t *ts_ms, struct err *e);

/* The sink of a record that leaves, by flow_out.node. */
const struct plan_sink *program_sink(const struct program *program, int node);

/* Make the key and value for a topic from a record that leaves.  A windowed key becomes
 * {"key": K, "start": S, "end": E}, or Kafka's bytes by window_key_is_kafka.  *part is the
 * bytes by which it is partitioned.  Returns 0, or -1. */
int program_put(struct program *program, const struct plan_sink *sink, const struct flow_rec *rec,
	struct str *key, struct str *value, struct str *part, struct err *e);

/* Append the record as a line for stdout, with its line feed. */
int program_print(struct program *program, const struct plan_sink *sink,
	const struct flow_rec *rec, struct buf *out, struct err *e);

#endif
