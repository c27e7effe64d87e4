#include "kq-broker/checkpoints.h"

#include "base/mem.h"
#include "log/checkpoint.h"
#include "text/say.h"

#include <stdio.h>

#define RECOVERY "recovery-point-offset-checkpoint"
#define HIGH_WATERMARK "replication-offset-checkpoint"
#define LOG_START "log-start-offset-checkpoint"

enum { NAME_SIZE = TOPIC_NAME_MAX + sizeof "-2147483647" };

/* ---- reading ---- */

struct saved_offsets_reader {
	struct saved_offsets *offsets;
	size_t field; /* position in struct saved_offset */
};

static struct str
put_name(char *z, struct str topic, int32_t index)
{
	int n = snprintf(z, NAME_SIZE, "%.*s-%d", STR_ARG(topic), index);
	return (struct str){ (const uint8_t *)z, MIN(n, NAME_SIZE - 1) };
}

static void
take_offset(void *ctx, struct str topic, int32_t index, int64_t offset)
{
	struct saved_offsets_reader *reader = ctx;
	char z[NAME_SIZE];
	struct str key = put_name(z, topic, index);
	struct saved_offset *it = map_get(&reader->offsets->entries, key);
	if (!it) {
		it = mem_alloc(sizeof *it + (size_t)key.n);
		memcpy(it + 1, key.p, (size_t)key.n);
		it->name = (struct str){ (uint8_t *)(it + 1), key.n };
		it->high_watermark = INT64_MAX; /* unknown: the log end */
		map_put(&reader->offsets->entries, it->name, it);
	}
	*(int64_t *)(void *)((char *)it + reader->field) = offset;
}

int
saved_offsets_read(struct saved_offsets *offsets, int dir_fd, struct err *e)
{
	static const struct { const char *file; size_t field; } from[] = {
		{ RECOVERY, offsetof(struct saved_offset, recovery_offset) },
		{ HIGH_WATERMARK, offsetof(struct saved_offset, high_watermark) },
		{ LOG_START, offsetof(struct saved_offset, log_start_offset) },
	};
	*offsets = (struct saved_offsets){ .entries = MAP_INIT };
	for (size_t i = 0; dir_fd >= 0 && i < ARRAY_LEN(from); i++) {
		struct saved_offsets_reader reader = { offsets, from[i].field };
		if (checkpoint_read(dir_fd, from[i].file, take_offset, &reader, e) < 0)
			return -1;
	}
	return 0;
}

void
saved_offsets_release(struct saved_offsets *offsets)
{
	MAP_EACH(it, &offsets->entries)
		mem_free(it->value);
	map_release(&offsets->entries);
}

const struct saved_offset *
saved_offsets_find(const struct saved_offsets *offsets, const char *topic, int32_t index)
{
	char z[NAME_SIZE];
	return map_get(&offsets->entries, put_name(z, str_of(topic), index));
}

/* ---- writing ---- */

static void
on_deleted(struct topics_listener *listener, struct str topic)
{
	(void)topic;
	CONTAINER_OF(listener, struct checkpoints, listener)->names_deleted = true;
}

static void
on_timer(struct loop_timer *timer)
{
	struct checkpoints *checkpoints = CONTAINER_OF(timer, struct checkpoints, timer);
	struct err e;
	atomic_store(&checkpoints->is_behind, false);
	if (checkpoints_write(checkpoints, &e) < 0)
		log_bounded(LOG_ERROR, "cannot write the checkpoints: %s", e.msg);
}

static void
arm_timer(struct loop_task *task)
{
	struct checkpoints *checkpoints = CONTAINER_OF(task, struct checkpoints, task);
	loop_timer_set(checkpoints->control, &checkpoints->timer,
		checkpoints->control->now_ms + checkpoints->interval_ms);
}

void
checkpoints_init(struct checkpoints *checkpoints, int dir_fd, struct topics *topics,
	struct loop *control, int64_t interval_ms)
{
	*checkpoints = (struct checkpoints){ .dir_fd = dir_fd, .topics = topics, .control = control,
		.interval_ms = interval_ms, .listener.deleted = on_deleted, .timer.fn = on_timer,
		.task.fn = arm_timer };
	topics_listen(topics, &checkpoints->listener);
}

void
checkpoints_appended(struct checkpoints *checkpoints)
{
	if (atomic_load_explicit(&checkpoints->is_behind, memory_order_relaxed)
		|| atomic_exchange(&checkpoints->is_behind, true) || checkpoints->dir_fd < 0)
		return;
	/* Only the control thread's timer clears the flag, so the task is idle. */
	loop_post(checkpoints->control, &checkpoints->task);
}

int
checkpoints_write(struct checkpoints *checkpoints, struct err *e)
{
	int dir_fd = checkpoints->dir_fd;
	if (dir_fd < 0)
		return 0;
	struct checkpoint recovery = CHECKPOINT_INIT, hw = CHECKPOINT_INIT, start = CHECKPOINT_INIT;
	topics_read_begin(checkpoints->topics);
	MAP_EACH(it, &checkpoints->topics->by_name) {
		struct topic *t = it->value;
		struct str name = str_of(t->name);
		for (int32_t i = 0; i < t->npartition; i++) {
			struct partition *part = t->partition[i];
			pthread_mutex_lock(&part->lock);
			if (part->log.synced_offset > 0)
				checkpoint_add(&recovery, name, i, part->log.synced_offset);
			if (part->high_watermark > 0)
				checkpoint_add(&hw, name, i, part->high_watermark);
			if (part->log.log_start_offset > 0)
				checkpoint_add(&start, name, i, part->log.log_start_offset);
			pthread_mutex_unlock(&part->lock);
		}
	}
	topics_read_end(checkpoints->topics);
	int rc = checkpoint_write(&start, dir_fd, LOG_START, e) < 0
		|| checkpoint_write(&hw, dir_fd, HIGH_WATERMARK, e) < 0
		|| checkpoint_write(&recovery, dir_fd, RECOVERY, e) < 0 ? -1 : 0;
	checkpoint_release(&recovery);
	checkpoint_release(&hw);
	checkpoint_release(&start);
	if (rc == 0)
		checkpoints->names_deleted = false;
	return rc;
}

int
checkpoints_drop_deleted(struct checkpoints *checkpoints, struct err *e)
{
	return checkpoints->names_deleted ? checkpoints_write(checkpoints, e) : 0;
}
