#include "kq-broker/producer_ids.h"

#include "text/json.h"
#include "text/say.h"

enum {
	BLOCK = 1000, /* IDs reserved at a time */
	LOW = 250,    /* IDs left when more are asked for */
};

void
producer_ids_init(struct producer_ids *ids, struct metastore *meta, struct loop *control)
{
	*ids = (struct producer_ids){ .meta = meta, .control = control };
	pthread_mutex_init(&ids->lock, NULL);
}

void
producer_ids_release(struct producer_ids *ids)
{
	if (ids->meta)
		pthread_mutex_destroy(&ids->lock);
}

static void
on_refill(struct loop_task *task)
{
	struct producer_ids *ids = CONTAINER_OF(task, struct producer_ids, task);
	struct err e;
	if (producer_ids_refill(ids, &e) < 0)
		log_bounded(LOG_ERROR, "cannot allocate producer IDs: %s", e.msg);
	pthread_mutex_lock(&ids->lock);
	ids->is_refilling = false;
	pthread_mutex_unlock(&ids->lock);
}

int64_t
producer_ids_take(struct producer_ids *ids)
{
	pthread_mutex_lock(&ids->lock);
	int64_t left = ids->end - ids->next;
	int64_t id = left > 0 ? ids->next++ : -1;
	bool must_refill = left < LOW && !ids->is_refilling;
	ids->is_refilling |= must_refill;
	pthread_mutex_unlock(&ids->lock);
	if (must_refill) {
		ids->task.fn = on_refill;
		loop_post(ids->control, &ids->task);
	}
	return id;
}

static int
read_next(struct producer_ids *ids, int64_t *next, struct err *e)
{
	struct metastore_entry entry;
	*next = 0;
	if (!metastore_get(ids->meta, STR("/producer-ids"), &entry))
		return 0;
	json_t *object = json_loadb((const char *)entry.value.p, (size_t)entry.value.n, 0, NULL);
	*next = json_integer_value(json_object_get(object, "next"));
	bool ok = json_is_integer(json_object_get(object, "next")) && *next >= 0
		&& *next <= INT64_MAX - BLOCK;
	json_decref(object);
	return ok ? 0 : err_set(e, ERR_CORRUPT, "metastore: the producer ids are not understood");
}

int
producer_ids_refill(struct producer_ids *ids, struct err *e)
{
	int64_t next;
	pthread_mutex_lock(&ids->lock);
	bool has_enough = ids->end - ids->next > BLOCK / 2;
	pthread_mutex_unlock(&ids->lock);
	if (has_enough)
		return 0;
	if (read_next(ids, &next, e) < 0)
		return -1;
	struct buf value = BUF_INIT;
	buf_printf(&value, "{\"next\":%lld}", (long long)next + BLOCK);
	struct metastore_op op = { STR("/producer-ids"), buf_str(&value), METASTORE_ANY };
	int rc = metastore_txn(ids->meta, &op, 1, e);
	buf_release(&value);
	if (rc < 0)
		return -1;
	/* Blocks follow each other, unless an earlier broker took some. */
	pthread_mutex_lock(&ids->lock);
	if (ids->end != next)
		ids->next = next;
	ids->end = next + BLOCK;
	assert(ids->next < ids->end);
	pthread_mutex_unlock(&ids->lock);
	return 0;
}
