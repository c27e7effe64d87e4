/*
 * Records and functions of stream processing.
 *
 * A key in flight is the bytes that it has in topics; a value is a JSON text.  Null is no
 * key, no value, or a deletion.  Operators only compare and copy bytes: what a key means
 * as JSON ($key) is known to the functions, which get and give the bytes of their place.
 *
 * Uses: base.
 */
#ifndef KQ_STREAM_FLOW_H
#define KQ_STREAM_FLOW_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

struct flow_window;

/* A record's key.  A windowed one (the result of a windowed aggregation) has the times of
 * its window; its bytes in topics are these, then the times (keys.h).  Where windowed keys
 * were put into windows again, the bytes are those of the inner key in a topic, and inner
 * says what windows it has. */
struct flow_key {
	struct str bytes;
	int64_t start_ms, end_ms; /* 0 unless is_windowed */
	bool is_windowed;
	const struct flow_window *inner; /* NULL: the bytes are a plain key */
};

/* A record in flight.  In a table it is an update of the row of its key: value is the new
 * row, or null: deleted; old is the row that was sent last for this key, null: none was
 * since the last deletion.  In a stream old is null. */
struct flow_rec {
	struct flow_key key;
	struct str value, old;
	int64_t ts_ms;
	bool is_stale; /* an update of a versioned table that has a newer row: old is the row as
	                * of ts_ms, and joins and aggregations of tables leave the update out */
	struct str headers; /* nheader of them, as in a batch (record/batch.h) */
	int32_t nheader;
};

/* What a function sees: '.' is value.  A slice that is not set (its address is NULL) is null.
 * The bytes do not change until the next input record: what comes from a store is copied to
 * the arena first. */
struct flow_args {
	const struct flow_key *key;
	struct str value;       /* the record's value */
	struct str acc;         /* the aggregate so far */
	struct str left, right; /* sides of a join or of a merge of sessions */
	int64_t ts_ms;
};

struct flow_pair {
	struct str key, value;
};

/*
 * A function of the user.  The embedding struct has its program.  Each call returns -1
 * on failure; results are valid until the task takes the next record (see flow_task).
 * Only the pointers that the place asks for are set.
 */
struct flow_fn {
	/* Is it true?  1 or 0. */
	int (*test)(struct flow_fn *fn, const struct flow_args *args, struct err *e);
	/* A new value, key or aggregate.  0. */
	int (*value)(struct flow_fn *fn, const struct flow_args *args, struct str *out, struct err *e);
	/* New records, in order.  Their number. */
	int (*pairs)(struct flow_fn *fn, const struct flow_args *args, struct flow_pair **out,
		struct err *e);
};

/*
 * An aggregate's functions.  A state is bytes that only they understand; null is no state
 * (none yet, or deleted).  Unless result is set, the state is the row's value.
 *
 * A state of fixed size (state_size > 0) is changed in place: init, add and sub get its
 * bytes in state->p, aligned to 8, and out is NULL; one that fails leaves it as it was, and
 * result never gives null.  Otherwise they set *state to the new state, or to null: bytes
 * appended to out, or others that are valid until the next record.  state is then not where
 * args->acc is.
 */
struct flow_agg {
	int32_t state_size;  /* bytes; 0: it varies */
	bool is_reduce;      /* the first value is the first state, without a call */
	/* The state before the first value. */
	int (*init)(struct flow_agg *agg, const struct flow_args *args, struct str *state,
		struct buf *out, struct err *e);
	/* Take a record into the state; args->value is never null; args->acc is the state. */
	int (*add)(struct flow_agg *agg, const struct flow_args *args, struct str *state,
		struct buf *out, struct err *e);
	/* add in two steps, so that the memory of the state can be loaded between them: for states
	 * of a fixed size that begin as zeroed bytes.  read gives the nread numbers of a record
	 * that add_read, which cannot fail, takes into the state: 1; 0: the record is for add;
	 * -1.  NULL: there is add only. */
	int nread;
	int (*read)(struct flow_agg *agg, const struct flow_args *args, double *v, struct err *e);
	void (*add_read)(struct flow_agg *agg, const double *v, struct str state);
	/* Take a record out of it (a grouped table). */
	int (*sub)(struct flow_agg *agg, const struct flow_args *args, struct str *state,
		struct buf *out, struct err *e);
	/* Join the states args->left (earlier) and args->right of two sessions; the new one is
	 * appended to out, also if it has a fixed size. */
	int (*merge)(struct flow_agg *agg, const struct flow_args *args, struct str *state,
		struct buf *out, struct err *e);
	/* The row's value, appended to out, from a state that is not null.  NULL: the state. */
	int (*result)(struct flow_agg *agg, struct str state, struct str *value, struct buf *out,
		struct err *e);
	/* The state as bytes for a changelog and back (NULL: the same bytes).  A changelog
	 * entry that pack did not write is an error. */
	int (*pack)(struct flow_agg *agg, struct str state, struct buf *out, struct err *e);
	int (*unpack)(struct flow_agg *agg, struct str packed, struct buf *out, struct err *e);
};

#endif
