/*
 * One task on topics: a partition number of all topics that a sub-topology reads, its
 * operators, and its state.
 *
 *	TASK_WAITING     until the group has told the committed offsets of all inputs, and no
 *	                 other process has the task's folder any more
 *	TASK_RESTORING   the stores are filled from the local checkpoint and the changelogs
 *	                 (restore.h)
 *	TASK_RUNNING
 *	TASK_STANDBY     another process has the task; the stores follow its changelogs
 *
 * What is between two commits can be lost: the task is then closed, and opened again from
 * what is committed.
 *
 * Uses: running, offset_note, program; client/fetcher, client/member; common/stream.
 * One thread.
 */
#ifndef KQ_STREAM_CMD_TASK_RUN_H
#define KQ_STREAM_CMD_TASK_RUN_H

#include "client/fetcher.h"
#include "client/member.h"
#include "kq-stream/running.h"
#include "kq-stream/program.h"
#include "stream/merge.h"

enum task_state { TASK_WAITING, TASK_RESTORING, TASK_RUNNING, TASK_STANDBY };

enum { TASK_NAME_SIZE = 32 };

/* A partition that a task reads. */
struct task_input {
	struct task_run *task;
	const struct layout_source *from; /* its topic */
	const struct plan_source *plan; /* how bytes become JSON; NULL: an internal topic */
	int source;                  /* of flow_task_source */
	struct cluster_topic *topic;
	struct member_part *part;    /* NULL: not assigned now */
	struct fetcher_part *reader; /* NULL: not begun */
	struct list queue;           /* fetched, not begun */
	int nqueue;
	struct fetched *chunk;       /* the first record is in it; or NULL */
	struct fetch_iter iter;
	struct record first;         /* if merge has one */
	int64_t stop;                /* with --until-end: it ends there; INT64_MAX: never */
	int64_t time_ms;             /* highest timestamp taken; INT64_MIN: none */
	int64_t fed_until_ms;        /* with --until-end: records may be on their way until then */
	int64_t purged;              /* of an internal topic: we have deleted what is before it */
	struct buf note, next_note;  /* of the last commit, and of the one under way (offset_note.h) */
};

/* The changelog of a store; or a partition of a global table's topic. */
struct task_log {
	struct task_run *task;
	const struct flow_store *store; /* NULL: a global table */
	int32_t partition;
	int source;                  /* of a global table: of flow_task_source */
	const struct plan_source *plan;
	char *topic;
	int sink;                    /* topic of the sink */
	int64_t offset;              /* the store has all before it; -1: unknown */
	int64_t end;                 /* while it is restored: up to there */
	struct fetcher_part *reader; /* while it is restored; of a global table always */
	bool is_restoring;
	bool was_written;            /* since the last commit */
};

/* Numbers of records, since the task was assigned to this thread. */
struct task_counts {
	int64_t in, out, late, late_partly, late_kept, dropped, failed;
	int64_t internal_in, internal_out; /* of these: from and to internal topics */
};

struct task_run {
	struct flow_env env;         /* first */
	struct running *app;
	struct program *program;
	void *owner;
	int part, number;
	char name[TASK_NAME_SIZE];   /* PART_NUMBER */
	enum task_state state;
	struct store_set *set;
	struct store_set *globals;   /* rows of global tables, in no checkpoint; NULL: none */
	struct flow_task *flow;
	char *dir;
	int lock_fd;
	bool has_stores, has_globals;
	struct task_input *input;
	int ninput;
	struct merge merge;
	bool needs_time;             /* merge is told event times also of the only input */
	struct task_log *log;
	int nlog, nrestoring;
	bool is_dirty;               /* records or ticks since the last commit */
	int64_t checkpoint_ms;       /* when the checkpoint that was opened was written (wall clock);
	                              * -1: there was none */
	int64_t until_ms;            /* to be asked again then (monotonic); INT64_MAX: never */
	int64_t checkpoint_at_ms;
	struct task_input *current;  /* whose record is being processed; or NULL */
	struct task_counts counts;
	struct task_counts told;     /* of these, what is in app->counts */
	struct task_counts kept;     /* of these, what is committed */
};

/* A new task, in TASK_WAITING.  Its inputs are the topics that have such a partition,
 * of those that the cluster knows: a partition may be without a leader for a while. */
struct task_run *task_run_new(struct running *app, struct program *program,
	const struct cluster *cl, int part, int number);

/* Open the operators on the stores, in TASK_RESTORING: the numbers are those of the inputs'
 * notes; log[] is filled, with the offsets of the local checkpoint or -1.  Returns 0; or -1:
 * ERR_LIMIT: another process still has the folder. */
int task_run_open(struct task_run *task, struct err *e);

/* A copy becomes the task itself: in TASK_RESTORING, with the numbers of the inputs' notes.
 * Returns 0, or -1. */
int task_run_take_over(struct task_run *task, struct err *e);

/* The numbers of a copy, by a note of the task that is elsewhere. */
void task_run_take_note(struct task_run *task, struct str note);

/* Note how far the stores of a copy are; before a checkpoint. */
void task_run_keep_positions(struct task_run *task);

/* Have tasks of the sub-topology state? */
bool task_run_has_stores(const struct topology *topo, int part);

/* The stores are restored. */
void task_run_begin(struct task_run *task);

/* Forget the operators and the stores; with keeps, write a checkpoint first, if nothing
 * is uncommitted.  Then in TASK_WAITING. */
void task_run_close(struct task_run *task, bool keeps);

/* Close, and free. */
void task_run_free(struct task_run *task);

/* What was counted is committed; or is discarded, and was never done. */
void task_run_keep_counts(struct task_run *task);
void task_run_discard_counts(struct task_run *task);

/* Write a checkpoint of a task that has nothing uncommitted.  Returns 0, or -1. */
int task_run_checkpoint(struct task_run *task, struct err *e);

/* The input of a partition; or NULL. */
struct task_input *task_run_input(struct task_run *task, const struct cluster_topic *t);

/* The input is read by reader from now on: forget what was fetched before. */
void task_run_attach(struct task_input *input, struct fetcher *f, struct fetcher_part *reader);

/* Forget the reader and all that it fetched. */
void task_run_detach(struct task_input *input, struct fetcher *f);

/* A chunk of records of the input was fetched.  Returns 0, or -1 (ERR_CORRUPT). */
int task_run_feed(struct task_input *input, struct fetcher *f, struct fetched *chunk,
	struct err *e);

/* Process at most nmax records.  Returns their number, or -1: the task has failed. */
int task_run_some(struct task_run *task, struct fetcher *f, int nmax, struct err *e);

/* Tell the task's merge what its inputs without a record wait for (task_behind.c). */
void task_run_look_behind(struct task_run *task);

/* Has it records to take or to commit, or will it have some soon? */
bool task_run_is_busy(const struct task_run *task);

/* Is an input of it empty that another task is about to write? */
bool task_run_is_fed(const struct task_run *task);

/*
 * The same in turns with other tasks, by the times of records, after task_run_need_time:
 *
 *	task_run_begin_some(task);          each task
 *	while (...) {
 *		task_run_next(...);             each task that may have changed
 *		task_run_upto(task, ...);       the one with the lowest time
 *	}
 *	task_run_end_some(task);            each task
 *
 * task_run_next: has the task a record to take now (*time_ms is its time)?  False:
 * *is_behind, one is on its way; *has_ended, none will come.
 * task_run_upto: no record with a time above limit_ms.
 */
void task_run_need_time(struct task_run *task);
void task_run_begin_some(struct task_run *task);
bool task_run_next(struct task_run *task, int64_t now, int64_t *time_ms, bool *is_behind,
	bool *has_ended);
int task_run_upto(struct task_run *task, struct fetcher *f, int nmax, int64_t limit_ms,
	int64_t now, struct err *e);
void task_run_end_some(struct task_run *task);

/* Let operators work that wait for the wall clock.  Returns 0, or -1. */
int task_run_tick(struct task_run *task, int64_t wall_ms, struct err *e);

/* The input has ended: what is still open comes out.  Returns 0, or -1. */
int task_run_end(struct task_run *task, struct err *e);

/* Records that the brokers have, from the next one to take on; of a copy, in changelogs.
 * -1: not known. */
int64_t task_run_lag(const struct task_run *task);

/* The highest time of the records taken; INT64_MIN: there were none. */
int64_t task_run_time(const struct task_run *task);

/* The offset of the next record to take. */
int64_t task_run_position(const struct task_input *input);

#endif
