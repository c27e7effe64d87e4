/*
 * What the windowed aggregations share: for the files win_*.c only.
 *
 * Three operators run them: win_fixed.c (tumbling, hopping and unlimited windows),
 * win_sliding.c and win_session.c.  Each keeps its stream time as a number of the node: the
 * highest time of the records that it was given with a key and a value.  Windows close by
 * it; so a restart neither sends a final result again (spec->emits_on_close) nor takes a
 * record that was refused before.
 *
 * The end of the input sends the final results of windows that are still open, but the
 * application may be started again and read on.  So such a window is marked: its result is
 * sent again, when it closes or at the next end, only if a record has changed it since.  The
 * mark is an entry of a store of its own, by the same key; in the changelog, it is a header
 * of the window's record.
 *
 * States that are computed anew are in the task's arena, as are the values made from them.
 *
 * Uses: node.
 */
#ifndef KQ_STREAM_WIN_H
#define KQ_STREAM_WIN_H

#include "stream/node.h"

struct win {
	struct flow_node node;
	struct store *store;
	struct store *index;     /* the windows by time; NULL: the store is ordered by it */
	struct store *sent;      /* windows whose result the end of the input sent; NULL: that is
	                          * not to be known */
	bool has_sent;           /* sent may have entries */
	int64_t *time_ms;        /* stream time; INT64_MIN: none yet */
	int64_t close_at_ms;     /* no window closes before this stream time */
	struct buf key;          /* of the store */
	struct buf row;          /* of the index, or a second key of the store */
	struct buf to;           /* the end of a scan */
	struct buf state, value; /* of functions */
	struct buf plain;        /* a key of the store, as bytes */
	struct buf headers;      /* of a record of the changelog */
	char *index_name, *sent_name;
	bool is_seen;            /* do users do more with a result than write it to a topic? */
};

/* Open the store and, with an index, a second one; retention_ms is that of its changelog. */
int win_open(struct win *win, enum store_order order, bool has_index, int64_t retention_ms,
	struct err *e);
void win_close(struct flow_node *node);

/* Does it send an update for each record? */
static inline bool
win_sends(const struct win *win)
{
	return !win->node.spec->emits_on_close && win->node.nuser > 0;
}

/* ---- aggregates ---- */

/* What takes the records of an input. */
static inline struct flow_agg *
win_adder(const struct win *win, int port)
{
	const struct flow_spec *spec = win->node.spec;
	return spec->op == FLOW_COGROUP ? spec->cases[port].agg : spec->agg;
}

/* The state before the first value. */
int win_init(struct win *win, const struct flow_rec *rec, struct str *state, struct err *e);

/* The state with the record, from one that may be null: then it starts from init.  With
 * is_begun it does not, and the adder gets null. */
int win_add(struct win *win, struct flow_agg *adder, const struct flow_rec *rec, bool is_begun,
	struct str acc, struct str *state, struct err *e);

/* The states of two sessions as one.  left may be null. */
int win_merge(struct win *win, const struct flow_rec *rec, struct str left, struct str right,
	struct str *state, struct err *e);

/* The row's value of a state, valid until the next input record if state is; one of a fixed
 * size may change. */
int win_value(struct win *win, struct str state, struct str *value, struct err *e);

/* The same of a state that is about to change: if nobody wants old values, any that is not
 * null does. */
int win_old(struct win *win, struct str state, struct str *old, struct err *e);

/* ---- results ---- */

/* Send an update of a window for the record that caused it.  Null for null is none. */
int win_send(struct win *win, const struct flow_rec *rec, int64_t start_ms, int64_t end_ms,
	struct str value, struct str old, int64_t ts_ms, struct err *e);

/* Send the final result of a window; key and state may be those of a store that users do not
 * change.  rec is the record that moved the time; NULL: the input has ended. */
int win_final(struct win *win, const struct flow_rec *rec, const struct flow_key *key,
	struct str state, int64_t ts_ms, struct err *e);

/* The final result of an open window, which has the key at in the store, at the end of the
 * input: it is sent and marked, unless it is marked already. */
int win_final_at_end(struct win *win, const struct flow_key *key, struct str at,
	const struct store_entry *entry, struct str state, struct err *e);

/* Was the window's result, as it is now, sent when the input ended? */
bool win_was_sent(struct win *win, struct str at);

/* A record changes the window. */
static inline void
win_changed(struct win *win, struct str at)
{
	if (unlikely(win->has_sent))
		store_remove(win->sent, at);
}

/* Windows were forgotten, and their marks. */
void win_forgot(struct win *win);

/* A record came too late for all windows. */
int win_late(struct win *win, const struct flow_rec *rec, struct err *e);

/* A window of the record has an end beyond 2^63 - 1. */
int win_beyond(struct win *win, const struct flow_rec *rec, struct err *e);

/* ---- changelog ---- */

/* A state as a changelog has it, and back; null stays null.  Valid until the next call. */
int win_pack(struct win *win, struct str state, struct str *packed, struct err *e);
int win_unpack(struct win *win, struct str packed, struct str *state, struct err *e);

/* The key of a window store's changelog, and back: bytes | start 8 | 00000000.  Source:
 * Kafka's WindowKeySchema.java. */
void win_put_key(struct buf *b, struct str bytes, int64_t start_ms);
int win_take_key(struct win *win, struct str key, struct str *bytes, int64_t *start_ms,
	struct err *e);

/* Put the mark of the window at the key into the headers of its record, which are those of
 * win->headers, the first of them. */
void win_log_mark(struct win *win, struct str at, struct flow_change *out);

/* Take the mark from the headers of such a record: was it there?  win_mark puts it into the
 * store again, once the window is there. */
bool win_restore_mark(struct flow_change *change);
void win_mark(struct win *win, struct str at);

/* A window in the changelog ends beyond 2^63 - 1: -1. */
int win_beyond_last(struct win *win, struct err *e);

#endif
