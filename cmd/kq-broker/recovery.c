#include "kq-broker/recovery.h"

#include "base/mem.h"
#include "text/say.h"
#include "text/units.h"

#include <pthread.h>
#include <stdatomic.h>

typedef void partition_fn(struct partition *part, void *ctx);

struct each {
	struct partition **v;
	size_t n;
	atomic_size_t at;
	partition_fn *fn;
	void *ctx;
};

static void *
each_thread(void *arg)
{
	struct each *each = arg;
	for (size_t i; (i = atomic_fetch_add(&each->at, 1)) < each->n;)
		each->fn(each->v[i], each->ctx);
	return NULL;
}

/* Call fn for each partition, on nthread threads. */
static void
each_partition(struct topics *topics, int nthread, partition_fn *fn, void *ctx)
{
	assert(nthread > 0 && nthread <= RECOVERY_THREADS_MAX);
	struct each each = { .fn = fn, .ctx = ctx };
	each.v = mem_alloc((size_t)topics->npartition * sizeof *each.v);
	MAP_EACH(entry, &topics->by_name) {
		struct topic *t = entry->value;
		for (int32_t i = 0; i < t->npartition; i++)
			each.v[each.n++] = t->partition[i];
	}
	pthread_t thread[RECOVERY_THREADS_MAX];
	int n = 0;
	while (n < nthread - 1 && (size_t)n + 1 < each.n
		&& pthread_create(&thread[n], NULL, each_thread, &each) == 0)
		n++;
	each_thread(&each);
	while (n > 0)
		pthread_join(thread[--n], NULL);
	mem_free(each.v);
}

static void
check_one(struct partition *part, void *ctx)
{
	const bool *same_boot = ctx;
	struct err e;
	int64_t cut = 0;
	if (partlog_recover(&part->log, *same_boot, &cut, &e) < 0) {
		log_line(LOG_ERROR, "partition %s-%d is not served: %s", part->topic, part->index, e.msg);
		return;
	}
	if (cut)
		log_line(LOG_WARN, "partition %s-%d: cut %lld byte%s of an unfinished write off its end",
			part->topic, part->index, (long long)cut, units_plural(cut));
	partition_recovered(part);
}

void
recovery_check_all(struct topics *topics, bool same_boot, int nthread)
{
	each_partition(topics, nthread, check_one, &same_boot);
}

static void
sync_one(struct partition *part, void *ctx)
{
	atomic_int *nfailed = ctx;
	struct partlog_sync sync;
	struct err e;
	while (partlog_sync_begin(&part->log, &sync) > 0) {
		partlog_sync_run(&sync);
		partlog_sync_end(&part->log, &sync);
		if (part->log.is_failed)
			break;
	}
	bool ok = !part->log.is_failed && part->log.synced_offset == part->log.next_offset
		&& partlog_flush(&part->log, &e) == 0;
	/* A log that was refused at the start keeps the next start unclean. */
	if (!ok)
		atomic_fetch_add(nfailed, 1);
}

int
recovery_sync_all(struct topics *topics, int nthread)
{
	atomic_int nfailed = 0;
	each_partition(topics, nthread, sync_one, &nfailed);
	return nfailed;
}
