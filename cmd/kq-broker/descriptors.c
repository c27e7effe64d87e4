#include "kq-broker/descriptors.h"

#include "log/segfile.h"
#include "sys/syncer.h"
#include "text/units.h"

#include <stdlib.h>
#include <sys/resource.h>

enum {
	PROCESS_FILES = 8,  /* stdio, the data directory, its lock, the metastore; two spare */
	LOOP_FILES = 2,     /* epoll, eventfd */
	SYNCER_FILES = 2,   /* the ring, its eventfd */
	THREAD_FILES = 4,   /* briefly: a directory, an index, a new file */
	SYNC_MAX = 64,      /* more concurrent syncs gain nothing */
	CACHE_MIN = 8,
	CACHE_MAX = 100000,
	CONN_MIN = 8,
	LIMIT_MAX = 1 << 20, /* files above are not used */
};

int64_t
descriptors_divide(struct descriptors *descriptors, int64_t limit, int nreactor, int nlisten)
{
	int64_t nsyncer = nreactor + 1;  /* one of the coordinator */
	int64_t nthread = nreactor + 2;  /* the coordinator and the control thread */
	int64_t fixed = PROCESS_FILES + nthread * (LOOP_FILES + THREAD_FILES)
		+ nsyncer * SYNCER_FILES + (int64_t)nlisten * nreactor;
	int64_t least = fixed + nsyncer * SYNC_JOB_FILES_MAX + CACHE_MIN + CONN_MIN;
	if (limit < least)
		return least;
	int64_t rest = limit - fixed;
	descriptors->sync_max = MIN(MAX(rest / 4 / nsyncer, SYNC_JOB_FILES_MAX), SYNC_MAX);
	rest -= descriptors->sync_max * nsyncer;
	descriptors->cache_max = MIN(MAX(rest / 2, CACHE_MIN), CACHE_MAX);
	descriptors->conn_max = rest - descriptors->cache_max;
	descriptors->slice_max = MAX(descriptors->cache_max / 8, 1);
	return least;
}

int
descriptors_plan(struct descriptors *descriptors, int *nreactor, int nlisten, bool may_lower,
	struct err *e)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_sys(e, "cannot read the limit of open files");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files); /* what the kernel refuses is read below */
	getrlimit(RLIMIT_NOFILE, &files);
	int64_t limit = files.rlim_cur == RLIM_INFINITY || files.rlim_cur > LIMIT_MAX ? LIMIT_MAX
		: (int64_t)files.rlim_cur;
	int64_t least = descriptors_divide(descriptors, limit, *nreactor, nlisten);
	for (; limit < least && may_lower && *nreactor > 1; --*nreactor)
		least = descriptors_divide(descriptors, limit, *nreactor - 1, nlisten);
	if (limit < least)
		return err_set(e, ERR_LIMIT, "%lld open files are allowed, and %d reactor%s need%s %lld; "
			RAISE_FILE_LIMIT ", or set fewer reactors", (long long)limit, *nreactor,
			units_plural(*nreactor), *nreactor == 1 ? "s" : "", (long long)least);
	segfile_cache_limit((int)descriptors->cache_max);
	return 0;
}
