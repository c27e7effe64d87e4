#include "kq-broker/descriptors.h"

#include "kq-broker/broker.h"

#include "log/partlog.h"
#include "text/units.h"

#include <stdlib.h>
#include <sys/resource.h>

enum {
	PROCESS_FILES = 8,  /* stdio, the data directory, its lock, the metastore; two spare */
	LOOP_FILES = 2,     /* epoll, eventfd */
	SYNCER_FILES = 2,   /* the ring, its eventfd */
	THREAD_FILES = 4,   /* for a moment: a directory, an index, a new file */
	SYNC_MAX = 64,      /* more syncs side by side gain nothing */
	CACHE_MIN = 8,
	CACHE_MAX = 100000,
	CONN_MIN = 8,
	LIMIT_MAX = 1 << 20, /* no more than that are used */
};

int64_t
descriptors_divide(struct descriptors *d, int64_t limit, int nreactor, int nlisten)
{
	int64_t nsyncer = nreactor + 1;  /* the coordinator has one */
	int64_t nthread = nreactor + 2;  /* and the control thread has none */
	int64_t fixed = PROCESS_FILES + nthread * (LOOP_FILES + THREAD_FILES)
		+ nsyncer * SYNCER_FILES + (int64_t)nlisten * nreactor;
	int64_t least = fixed + nsyncer * SYNC_JOB_FILES_MAX + CACHE_MIN + CONN_MIN;
	if (limit < least)
		return least;
	int64_t rest = limit - fixed;
	d->sync_max = MIN(MAX(rest / 4 / nsyncer, SYNC_JOB_FILES_MAX), SYNC_MAX);
	rest -= d->sync_max * nsyncer;
	d->cache_max = MIN(MAX(rest / 2, CACHE_MIN), CACHE_MAX);
	d->conn_max = rest - d->cache_max;
	d->slice_max = MAX(d->cache_max / 8, 1);
	return least;
}

int
descriptors_plan(struct broker *b, struct err *e)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return err_sys(e, "cannot read the limit of open files");
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l); /* what the kernel refuses is read below */
	getrlimit(RLIMIT_NOFILE, &l);
	int64_t limit = l.rlim_cur == RLIM_INFINITY || l.rlim_cur > LIMIT_MAX ? LIMIT_MAX
		: (int64_t)l.rlim_cur;
	int64_t least = descriptors_divide(&b->descriptors, limit, b->nreactor,
		b->settings->listen.n);
	/* Where nobody has asked for a number of reactors, fewer will do. */
	bool is_free = config_int(NULL, b->settings->values, CONFIG_REACTORS) == 0;
	for (; limit < least && is_free && b->nreactor > 1; b->nreactor--)
		least = descriptors_divide(&b->descriptors, limit, b->nreactor - 1,
			b->settings->listen.n);
	if (limit < least)
		return err_set(e, ERR_LIMIT, "%lld open files are allowed, and %d reactor%s need%s %lld; "
			RAISE_FILE_LIMIT ", or set fewer reactors", (long long)limit, b->nreactor,
			units_plural(b->nreactor), b->nreactor == 1 ? "s" : "", (long long)least);
	segfile_cache_limit((int)b->descriptors.cache_max);
	return 0;
}
