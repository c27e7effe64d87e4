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
	int in_ring;            /* syncs in the ring */
	int njob;               /* running jobs, and those that wait */
	int nfile, nfile_max;   /* reserved descriptors */
	struct list turns;      /* those that wait for a reservation */
	struct loop_task serve_task;
	bool is_serve_posted;
	bool is_postponed;      /* no turn comes before the timer fires */
	struct loop_timer postpone_timer;
};

/* The threads serve every syncer of the process; they are started as needed. */
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

/* A directory needs fsync, since fdatasync may leave out its entries; for a file
 * fdatasync is enough, and spares a journal write for its time stamps. */
static bool
is_directory(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- threads ---- */

static void
job_is_done(struct loop_task *task)
{
	struct sync_job *job = CONTAINER_OF(task, struct sync_job, task);
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
	/* Each idle thread takes one job; jobs queued before this one may still wait
	 * for theirs. */
	if (++pool.njob > pool.nidle && pool.nthread < THREAD_MAX) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, pool_thread, NULL) == 0) {
			pthread_detach(thread);
			pool.nthread++;
		} else if (!pool.nthread) {
			abort(); /* no thread would ever run the job */
		}
	}
	pthread_cond_signal(&pool.has_work);
	pthread_mutex_unlock(&pool.lock);
}

/* ---- io_uring ---- */

/* Put the job's syncs into the ring; false: they do not fit now. */
static bool
ring_put(struct syncer *syncer, struct sync_job *job)
{
	if (syncer->in_ring + job->nfd > RING_ENTRIES)
		return false;
	for (int i = 0; i < job->nfd; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&syncer->ring);
		assert(sqe);
		io_uring_prep_fsync(sqe, job->fd[i],
			is_directory(job->fd[i]) ? 0 : IORING_FSYNC_DATASYNC);
		io_uring_sqe_set_data(sqe, job);
	}
	syncer->in_ring += job->nfd;
	return true;
}

static void
ring_enter(struct syncer *syncer)
{
	int rc;
	do
		rc = io_uring_submit(&syncer->ring);
	while (rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
	assert(rc >= 0);
}

static void
on_ring(struct loop_io *io, uint32_t events)
{
	(void)events;
	struct syncer *syncer = CONTAINER_OF(io, struct syncer, done_io);
	uint64_t n;
	while (read(io->fd, &n, sizeof n) < 0 && errno == EINTR)
		;
	struct io_uring_cqe *cqe;
	while (io_uring_peek_cqe(&syncer->ring, &cqe) == 0) {
		struct sync_job *job = io_uring_cqe_get_data(cqe);
		note(job, cqe->res < 0 ? -cqe->res : 0);
		io_uring_cqe_seen(&syncer->ring, cqe);
		syncer->in_ring--;
		if (--job->left == 0) {
			syncer->njob--;
			job->done(job);
		}
	}
	bool any = false;
	while (!list_is_empty(&syncer->waiting)) {
		struct sync_job *job = CONTAINER_OF(syncer->waiting.next, struct sync_job, link);
		if (!ring_put(syncer, job))
			break;
		list_unlink(&job->link);
		any = true;
	}
	if (any)
		ring_enter(syncer);
}

/* False: the kernel has no io_uring, forbids it, or cannot fsync through it. */
static bool
ring_init(struct syncer *syncer)
{
	struct io_uring_params params = { 0 };
	if (io_uring_queue_init_params(RING_ENTRIES, &syncer->ring, &params) < 0)
		return false;
	struct io_uring_probe *probe = io_uring_get_probe_ring(&syncer->ring);
	bool ok = probe && io_uring_opcode_supported(probe, IORING_OP_FSYNC)
		&& (params.features & IORING_FEAT_NODROP);
	if (probe)
		io_uring_free_probe(probe);
	int fd = ok ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (fd < 0 || io_uring_register_eventfd(&syncer->ring, fd) < 0) {
		if (fd >= 0)
			close(fd);
		io_uring_queue_exit(&syncer->ring);
		return false;
	}
	syncer->done_io = (struct loop_io){ .fd = fd, .fn = on_ring };
	loop_watch(syncer->loop, &syncer->done_io, EPOLLIN);
	return true;
}

/* ---- reservations ---- */

static bool
has_room(const struct syncer *syncer)
{
	return !syncer->is_postponed && syncer->nfile + SYNC_JOB_FILES_MAX <= syncer->nfile_max;
}

static void
serve(struct syncer *syncer)
{
	while (has_room(syncer) && !list_is_empty(&syncer->turns)) {
		struct sync_turn *turn = CONTAINER_OF(syncer->turns.next, struct sync_turn, link);
		list_unlink(&turn->link);
		syncer->nfile += SYNC_JOB_FILES_MAX;
		turn->fn(turn);
	}
}

static void
serve_posted(struct loop_task *task)
{
	struct syncer *syncer = CONTAINER_OF(task, struct syncer, serve_task);
	syncer->is_serve_posted = false;
	serve(syncer);
}

static void
serve_postponed(struct loop_timer *timer)
{
	struct syncer *syncer = CONTAINER_OF(timer, struct syncer, postpone_timer);
	syncer->is_postponed = false;
	serve(syncer);
}

bool
syncer_reserve(struct syncer *syncer, struct sync_turn *turn)
{
	list_init(&turn->link);
	if (has_room(syncer) && list_is_empty(&syncer->turns)) {
		syncer->nfile += SYNC_JOB_FILES_MAX;
		return true;
	}
	list_append(&syncer->turns, &turn->link);
	return false;
}

/* Turns are called from the loop: the caller may hold a lock that they take. */
void
syncer_give_back(struct syncer *syncer, int nfile)
{
	syncer->nfile -= nfile;
	assert(syncer->nfile >= 0);
	if (list_is_empty(&syncer->turns) || syncer->is_serve_posted)
		return;
	syncer->is_serve_posted = true;
	loop_post(syncer->loop, &syncer->serve_task);
}

void
syncer_postpone(struct syncer *syncer, struct sync_turn *turn)
{
	list_append(syncer->turns.next, &turn->link);
	syncer->is_postponed = true;
	loop_timer_set(syncer->loop, &syncer->postpone_timer, syncer->loop->now_ms + POSTPONE_MS);
	syncer_give_back(syncer, SYNC_JOB_FILES_MAX);
}

void
syncer_limit(struct syncer *syncer, int nfile_max)
{
	syncer->nfile_max = MAX(nfile_max, (int)SYNC_JOB_FILES_MAX);
}

struct syncer *
syncer_new(struct loop *loop, bool use_uring)
{
	struct syncer *syncer = NEW(struct syncer);
	syncer->loop = loop;
	syncer->nfile_max = RING_ENTRIES;
	list_init(&syncer->waiting);
	list_init(&syncer->turns);
	list_init(&syncer->serve_task.link);
	syncer->serve_task.fn = serve_posted;
	syncer->postpone_timer.fn = serve_postponed;
	syncer->has_ring = use_uring && ring_init(syncer);
	return syncer;
}

void
syncer_free(struct syncer *syncer)
{
	if (!syncer)
		return;
	assert(syncer->njob == 0 && list_is_empty(&syncer->turns) && !syncer->is_serve_posted);
	loop_timer_clear(syncer->loop, &syncer->postpone_timer);
	if (syncer->has_ring) {
		loop_unwatch(syncer->loop, &syncer->done_io);
		io_uring_queue_exit(&syncer->ring);
		close(syncer->done_io.fd);
	}
	mem_free(syncer);
}

void
syncer_submit(struct syncer *syncer, struct sync_job *job)
{
	assert(job->nfd > 0 && job->nfd <= SYNC_JOB_FILES_MAX);
	syncer->njob++;
	job->syncer = syncer;
	job->left = job->nfd;
	job->result = 0;
	list_init(&job->link);
	if (!syncer->has_ring)
		pool_submit(job);
	else if (list_is_empty(&syncer->waiting) && ring_put(syncer, job))
		ring_enter(syncer);
	else
		list_append(&syncer->waiting, &job->link);
}

void
syncer_drain(struct syncer *syncer)
{
	loop_drain(syncer->loop);
	while (syncer->njob || !list_is_empty(&syncer->turns)) {
		int fd = syncer->has_ring ? syncer->done_io.fd : syncer->loop->event_fd;
		struct pollfd poll_fd = { fd, POLLIN, 0 };
		poll(&poll_fd, 1, 10);
		if (syncer->has_ring)
			on_ring(&syncer->done_io, EPOLLIN);
		syncer->is_postponed = false; /* timers do not run any more */
		serve(syncer);
		loop_drain(syncer->loop);
	}
}

const char *
syncer_name(const struct syncer *syncer)
{
	return syncer->has_ring ? "io_uring" : "threads";
}
