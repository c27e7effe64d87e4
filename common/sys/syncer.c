#include "sys/syncer.h"

#include "base/mem.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RING_ENTRIES = 64, THREAD_MAX = 8, POSTPONE_MS = 20 };

struct syncer {
	struct loop *loop;
	bool has_ring;
	struct io_uring ring;
	struct loop_io done_io; /* an eventfd that the ring signals */
	struct list waiting;    /* jobs that found the ring full */
	int in_ring;
	int njob;               /* under way */
	int nfile, nfile_max;   /* reserved */
	struct list turns;      /* that wait for a reservation */
	struct loop_task serve_task;
	bool is_serve_posted;
	bool is_postponed;      /* nobody's turn comes before the timer */
	struct loop_timer postpone_timer;
};

/* The threads serve every syncer of the process; they start at need. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct list jobs;
	int njob, nthread, nidle;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .has_work = PTHREAD_COND_INITIALIZER };

static void
note(struct sync_job *job, int sys)
{
	if (sys && !job->result)
		job->result = sys;
}

/* A directory's entries are what matters of it, and fdatasync leaves open
 * whether they are data; a file's time stamps are not worth a journal write. */
static bool
is_directory(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* --- threads --- */

static void
job_is_done(struct loop_task *t)
{
	struct sync_job *job = CONTAINER_OF(t, struct sync_job, task);
	job->syncer->njob--;
	job->done(job);
}

static void *
pool_thread(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		pool.nidle++;
		while (list_is_empty(&pool.jobs))
			pthread_cond_wait(&pool.has_work, &pool.lock);
		pool.nidle--;
		struct sync_job *job = CONTAINER_OF(pool.jobs.next, struct sync_job, link);
		list_unlink(&job->link);
		pool.njob--;
		pthread_mutex_unlock(&pool.lock);
		for (int i = 0; i < job->nfd; i++)
			note(job, (is_directory(job->fd[i]) ? fsync(job->fd[i])
				: fdatasync(job->fd[i])) < 0 ? errno : 0);
		job->task.fn = job_is_done;
		loop_post(job->syncer->loop, &job->task);
		pthread_mutex_lock(&pool.lock);
	}
	return NULL;
}

static void
pool_submit(struct sync_job *job)
{
	pthread_mutex_lock(&pool.lock);
	if (!pool.jobs.next)
		list_init(&pool.jobs);
	list_init(&job->link);
	list_append(&pool.jobs, &job->link);
	/* An idle thread is good for one job: those before it may not have
	 * been taken yet. */
	if (++pool.njob > pool.nidle && pool.nthread < THREAD_MAX) {
		pthread_t t;
		if (pthread_create(&t, NULL, pool_thread, NULL) == 0) {
			pthread_detach(t);
			pool.nthread++;
		} else if (!pool.nthread) {
			abort(); /* nobody will ever do it */
		}
	}
	pthread_cond_signal(&pool.has_work);
	pthread_mutex_unlock(&pool.lock);
}

/* --- io_uring --- */

/* Put the job's syncs into the ring; false when they do not fit now. */
static bool
ring_put(struct syncer *s, struct sync_job *job)
{
	if (s->in_ring + job->nfd > RING_ENTRIES)
		return false;
	for (int i = 0; i < job->nfd; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
		assert(sqe);
		io_uring_prep_fsync(sqe, job->fd[i],
			is_directory(job->fd[i]) ? 0 : IORING_FSYNC_DATASYNC);
		io_uring_sqe_set_data(sqe, job);
	}
	s->in_ring += job->nfd;
	return true;
}

static void
ring_enter(struct syncer *s)
{
	int r;
	do
		r = io_uring_submit(&s->ring);
	while (r == -EINTR || r == -EAGAIN || r == -EBUSY);
	assert(r >= 0);
}

static void
on_ring(struct loop_io *io, uint32_t events)
{
	(void)events;
	struct syncer *s = CONTAINER_OF(io, struct syncer, done_io);
	uint64_t n;
	while (read(io->fd, &n, sizeof n) < 0 && errno == EINTR)
		;
	struct io_uring_cqe *cqe;
	while (io_uring_peek_cqe(&s->ring, &cqe) == 0) {
		struct sync_job *job = io_uring_cqe_get_data(cqe);
		note(job, cqe->res < 0 ? -cqe->res : 0);
		io_uring_cqe_seen(&s->ring, cqe);
		s->in_ring--;
		if (--job->left == 0) {
			s->njob--;
			job->done(job);
		}
	}
	bool any = false;
	while (!list_is_empty(&s->waiting)) {
		struct sync_job *job = CONTAINER_OF(s->waiting.next, struct sync_job, link);
		if (!ring_put(s, job))
			break;
		list_unlink(&job->link);
		any = true;
	}
	if (any)
		ring_enter(s);
}

/* Does this kernel let us, and does an fsync through it really work? */
static bool
ring_init(struct syncer *s)
{
	struct io_uring_params params = { 0 };
	if (io_uring_queue_init_params(RING_ENTRIES, &s->ring, &params) < 0)
		return false;
	struct io_uring_probe *probe = io_uring_get_probe_ring(&s->ring);
	bool ok = probe && io_uring_opcode_supported(probe, IORING_OP_FSYNC)
		&& (params.features & IORING_FEAT_NODROP);
	if (probe)
		io_uring_free_probe(probe);
	int fd = ok ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (fd < 0 || io_uring_register_eventfd(&s->ring, fd) < 0) {
		if (fd >= 0)
			close(fd);
		io_uring_queue_exit(&s->ring);
		return false;
	}
	s->done_io = (struct loop_io){ .fd = fd, .fn = on_ring };
	loop_watch(s->loop, &s->done_io, EPOLLIN);
	return true;
}

/* --- reservations --- */

static bool
has_room(const struct syncer *s)
{
	return !s->is_postponed && s->nfile + SYNC_JOB_FILES_MAX <= s->nfile_max;
}

static void
serve(struct syncer *s)
{
	while (has_room(s) && !list_is_empty(&s->turns)) {
		struct sync_turn *turn = CONTAINER_OF(s->turns.next, struct sync_turn, link);
		list_unlink(&turn->link);
		s->nfile += SYNC_JOB_FILES_MAX;
		turn->fn(turn);
	}
}

static void
serve_posted(struct loop_task *t)
{
	struct syncer *s = CONTAINER_OF(t, struct syncer, serve_task);
	s->is_serve_posted = false;
	serve(s);
}

static void
serve_postponed(struct loop_timer *t)
{
	struct syncer *s = CONTAINER_OF(t, struct syncer, postpone_timer);
	s->is_postponed = false;
	serve(s);
}

bool
syncer_reserve(struct syncer *s, struct sync_turn *turn)
{
	list_init(&turn->link);
	if (has_room(s) && list_is_empty(&s->turns)) {
		s->nfile += SYNC_JOB_FILES_MAX;
		return true;
	}
	list_append(&s->turns, &turn->link);
	return false;
}

/* Turns come from the loop, as the caller may hold a lock that they take. */
void
syncer_give_back(struct syncer *s, int nfile)
{
	s->nfile -= nfile;
	assert(s->nfile >= 0);
	if (list_is_empty(&s->turns) || s->is_serve_posted)
		return;
	s->is_serve_posted = true;
	loop_post(s->loop, &s->serve_task);
}

void
syncer_postpone(struct syncer *s, struct sync_turn *turn)
{
	list_append(s->turns.next, &turn->link);
	s->is_postponed = true;
	loop_timer_set(s->loop, &s->postpone_timer, s->loop->now_ms + POSTPONE_MS);
	syncer_give_back(s, SYNC_JOB_FILES_MAX);
}

void
syncer_limit(struct syncer *s, int nfile_max)
{
	s->nfile_max = MAX(nfile_max, (int)SYNC_JOB_FILES_MAX);
}

struct syncer *
syncer_new(struct loop *l, bool use_uring)
{
	struct syncer *s = NEW(struct syncer);
	s->loop = l;
	s->nfile_max = RING_ENTRIES;
	list_init(&s->waiting);
	list_init(&s->turns);
	list_init(&s->serve_task.link);
	s->serve_task.fn = serve_posted;
	s->postpone_timer.fn = serve_postponed;
	s->has_ring = use_uring && ring_init(s);
	return s;
}

void
syncer_free(struct syncer *s)
{
	if (!s)
		return;
	assert(s->njob == 0 && list_is_empty(&s->turns) && !s->is_serve_posted);
	loop_timer_clear(s->loop, &s->postpone_timer);
	if (s->has_ring) {
		loop_unwatch(s->loop, &s->done_io);
		io_uring_queue_exit(&s->ring);
		close(s->done_io.fd);
	}
	mem_free(s);
}

void
syncer_submit(struct syncer *s, struct sync_job *job)
{
	assert(job->nfd > 0 && job->nfd <= SYNC_JOB_FILES_MAX);
	s->njob++;
	job->syncer = s;
	job->left = job->nfd;
	job->result = 0;
	list_init(&job->link);
	if (!s->has_ring)
		pool_submit(job);
	else if (list_is_empty(&s->waiting) && ring_put(s, job))
		ring_enter(s);
	else
		list_append(&s->waiting, &job->link);
}

void
syncer_drain(struct syncer *s)
{
	loop_drain(s->loop);
	while (s->njob || !list_is_empty(&s->turns)) {
		struct pollfd p = { s->has_ring ? s->done_io.fd : s->loop->event_fd, POLLIN, 0 };
		poll(&p, 1, 10);
		if (s->has_ring)
			on_ring(&s->done_io, EPOLLIN);
		s->is_postponed = false; /* the timer does not run any more */
		serve(s);
		loop_drain(s->loop);
	}
}

const char *
syncer_name(const struct syncer *s)
{
	return s->has_ring ? "io_uring" : "threads";
}
