#include "tap.h"

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { JOBS = 300 }; /* of up to six files each: far more than ring entries */

/* A loop with a syncer, and its running jobs. */
struct rig {
	struct loop loop;
	struct syncer *syncer;
	struct loop_timer start;
	pthread_t owner;
	int left, again;
	struct work {
		struct sync_job job;
		struct rig *rig;
		int want, ndone;
	} work[JOBS];
};

static void
rig_init(struct rig *r, bool use_uring)
{
	struct err e;
	if (loop_init(&r->loop, &e) < 0)
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
	r->syncer = syncer_new(&r->loop, use_uring);
	if (!use_uring)
		check(strcmp(syncer_name(r->syncer), "threads") == 0);
	else if (strcmp(syncer_name(r->syncer), "io_uring") != 0)
		printf("# no io_uring here: these are threads too\n");
}

static void
rig_release(struct rig *r)
{
	check_int(r->left, 0);
	syncer_free(r->syncer);
	loop_release(&r->loop);
}

static void
on_done(struct sync_job *job)
{
	struct work *w = CONTAINER_OF(job, struct work, job);
	struct rig *r = w->rig;
	check(pthread_equal(pthread_self(), r->owner)); /* the loop's thread */
	check_int(job->result, w->want);
	w->ndone++;
	if (r->again > 0) {
		r->again--;
		syncer_submit(r->syncer, job);
		return;
	}
	if (--r->left == 0)
		loop_stop(&r->loop);
}

static void
submit_all(struct loop_timer *t)
{
	struct rig *r = CONTAINER_OF(t, struct rig, start);
	r->owner = pthread_self();
	int n = r->left;
	for (int i = 0; i < n; i++) {
		r->work[i].rig = r;
		r->work[i].job.done = on_done;
		r->work[i].job.result = 77; /* the old value is ignored */
		syncer_submit(r->syncer, &r->work[i].job);
	}
}

/* Submit the first n jobs on the loop's thread; returns when all are done. */
static void
run(struct rig *r, int n)
{
	r->left = n;
	r->start.fn = submit_all;
	loop_timer_set(&r->loop, &r->start, 0);
	loop_run(&r->loop);
}

static int
file_of(int i)
{
	struct err e;
	char name[20];
	snprintf(name, sizeof name, "f%d", i);
	int fd = fs_open(AT_FDCWD, name, O_RDWR | O_CREAT, 0644, &e);
	check(fd >= 0);
	check(fs_write_at(fd, STR("some bytes"), 0, &e) == 0);
	return fd;
}

static void
many(bool use_uring)
{
	static struct rig r;
	int fd[20];
	for (int i = 0; i < 20; i++)
		fd[i] = file_of(i);
	rig_init(&r, use_uring);
	for (int i = 0; i < JOBS; i++) {
		r.work[i].job.nfd = 1 + i % SYNC_JOB_FILES_MAX;
		for (int j = 0; j < r.work[i].job.nfd; j++)
			r.work[i].job.fd[j] = fd[(i * 7 + j) % 20];
	}
	run(&r, JOBS);
	for (int i = 0; i < JOBS; i++)
		check_int(r.work[i].ndone, 1);
	rig_release(&r);
	for (int i = 0; i < 20; i++)
		close(fd[i]);
}

void
test_syncer__threads_do_many_jobs_of_several_files(void)
{
	many(false);
}

void
test_syncer__io_uring_does_many_jobs_of_several_files(void)
{
	many(true);
}

/* Good jobs among jobs with a bad descriptor, at every position. */
static void
failures(bool use_uring)
{
	static struct rig r;
	int good = file_of(0), p[2], bad[2], n = 0;
	check(pipe(p) == 0);
	bad[0] = 900; /* not open */
	bad[1] = p[0]; /* a pipe: cannot be synced */
	rig_init(&r, use_uring);
	for (int nfd = 1; nfd <= SYNC_JOB_FILES_MAX; nfd++)
		for (int at = -1; at < nfd; at++)
			for (int which = 0; which < 2; which++, n++) {
				struct work *w = &r.work[n];
				w->job.nfd = nfd;
				for (int j = 0; j < nfd; j++)
					w->job.fd[j] = j == at ? bad[which] : good;
				w->want = at < 0 ? 0 : which == 0 ? EBADF : EINVAL;
			}
	run(&r, n);
	for (int i = 0; i < n; i++)
		check_int(r.work[i].ndone, 1);
	rig_release(&r);
}

void
test_syncer__threads_report_failures(void)
{
	failures(false);
}

void
test_syncer__io_uring_reports_failures(void)
{
	failures(true);
}

static void
directories(bool use_uring)
{
	static struct rig r;
	int dir = open(".", O_RDONLY | O_DIRECTORY), file = file_of(0);
	check(dir >= 0);
	rig_init(&r, use_uring);
	for (int i = 0; i < 20; i++) {
		r.work[i].job.nfd = 2;
		r.work[i].job.fd[i % 2] = dir;
		r.work[i].job.fd[!(i % 2)] = i < 10 ? file : dir;
	}
	run(&r, 20);
	for (int i = 0; i < 20; i++)
		check_int(r.work[i].ndone, 1);
	rig_release(&r);
}

void
test_syncer__threads_sync_directories(void)
{
	directories(false);
}

void
test_syncer__io_uring_syncs_directories(void)
{
	directories(true);
}

void
test_syncer__a_done_job_may_be_submitted_again(void)
{
	for (int use_uring = 0; use_uring < 2; use_uring++) {
		static struct rig r;
		memset(&r, 0, sizeof r);
		int fd = file_of(0), sum = 0;
		rig_init(&r, use_uring);
		for (int i = 0; i < 30; i++) {
			r.work[i].job.nfd = SYNC_JOB_FILES_MAX; /* 180 at once */
			for (int j = 0; j < SYNC_JOB_FILES_MAX; j++)
				r.work[i].job.fd[j] = fd;
		}
		r.again = 200;
		run(&r, 30);
		for (int i = 0; i < 30; i++) {
			check(r.work[i].ndone >= 1);
			sum += r.work[i].ndone;
		}
		check_int(sum, 230);
		rig_release(&r);
		close(fd);
	}
}

static void *
loop_thread(void *arg)
{
	run(arg, 100);
	return NULL;
}

void
test_syncer__several_loops_share_the_threads(void)
{
	enum { LOOPS = 4 };
	static struct rig r[LOOPS];
	pthread_t t[LOOPS];
	for (int i = 0; i < LOOPS; i++) {
		int fd = file_of(i);
		rig_init(&r[i], i == 3); /* one of them has a ring */
		for (int j = 0; j < 100; j++) {
			r[i].work[j].job.nfd = 1;
			r[i].work[j].job.fd[0] = fd;
		}
	}
	for (int i = 0; i < LOOPS; i++)
		check(pthread_create(&t[i], NULL, loop_thread, &r[i]) == 0);
	for (int i = 0; i < LOOPS; i++) {
		check(pthread_join(t[i], NULL) == 0);
		for (int j = 0; j < 100; j++)
			check_int(r[i].work[j].ndone, 1);
		rig_release(&r[i]);
	}
}

static int
count(void *ctx, const char *name)
{
	(void)name;
	++*(int *)ctx;
	return 0;
}

static int
count_threads(void)
{
	struct err e;
	int n = 0, fd = fs_open(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0, &e);
	check(fd >= 0 && fs_list(fd, count, &n, &e) == 0);
	fs_close(fd);
	return n;
}

void
test_syncer__a_burst_takes_more_than_one_thread(void)
{
	static struct rig r;
	int fd = file_of(0), threads[2];
	for (int n = 1; n <= 61; n += 60) {
		rig_init(&r, false);
		for (int i = 0; i < n; i++) {
			r.work[i].job.nfd = 1;
			r.work[i].job.fd[0] = fd;
		}
		run(&r, n);
		rig_release(&r);
		memset(&r, 0, sizeof r);
		poll(NULL, 0, 20); /* now the first job's thread is idle */
		threads[n > 1] = count_threads();
	}
	check(threads[1] > threads[0]);
	check(threads[1] < threads[0] + 8);
}

void
test_syncer__goes_with_its_loop_as_soon_as_the_jobs_are_done(void)
{
	static struct rig r;
	int fd = file_of(0);
	for (int i = 0; i < 100; i++) {
		rig_init(&r, i % 2);
		for (int j = 0; j < 3; j++) {
			r.work[j].job.nfd = 1;
			r.work[j].job.fd[0] = fd;
		}
		run(&r, 3);
		rig_release(&r);
		memset(&r, 0, sizeof r); /* TSan sees a later access */
	}
	syncer_free(NULL);
}

static void *
submit_and_go(void *arg)
{
	struct rig *r = arg;
	submit_all(&r->start);
	return NULL;
}

/* The kernel finishes syncs in the ring of a thread that ends. */
void
test_syncer__jobs_outlive_the_thread_that_submitted_them(void)
{
	enum { FILES = 60 };
	static struct rig r;
	static uint8_t bytes[100000];
	int fd[FILES];
	for (int i = 0; i < FILES; i++)
		fd[i] = file_of(i);
	for (int round = 0; round < 5; round++) {
		rig_init(&r, true);
		for (int i = 0; i < FILES; i++) {
			struct err e;
			bytes[0] = (uint8_t)round;
			check(fs_write_at(fd[i], (struct str){ bytes, sizeof bytes }, 0, &e) == 0);
			r.work[i].job.nfd = 1;
			r.work[i].job.fd[0] = fd[i];
		}
		r.left = FILES;
		pthread_t t;
		check(pthread_create(&t, NULL, submit_and_go, &r) == 0);
		check(pthread_join(t, NULL) == 0);
		r.owner = pthread_self();
		syncer_drain(r.syncer);
		for (int i = 0; i < FILES; i++)
			check_int(r.work[i].ndone, 1);
		rig_release(&r);
		memset(&r, 0, sizeof r);
	}
	for (int i = 0; i < FILES; i++)
		close(fd[i]);
}

enum { TURNS = 20 };

struct turns {
	struct loop loop;
	struct syncer *syncer;
	struct turn {
		struct sync_turn turn;
		struct turns *turns;
	} v[TURNS];
	int next, held, npostponed;
	struct loop_timer end;
};

static void
end_loop(struct loop_timer *t)
{
	loop_stop(&CONTAINER_OF(t, struct turns, end)->loop);
}

/* Give the reservation back at once; turn 5 is postponed twice. */
static void
on_turn(struct sync_turn *turn)
{
	struct turn *t = CONTAINER_OF(turn, struct turn, turn);
	struct turns *all = t->turns;
	check_int(t - all->v, all->next); /* none overtakes a postponed one */
	if (all->next == 5 && all->npostponed < 2) {
		all->npostponed++;
		syncer_postpone(all->syncer, turn);
		return;
	}
	all->next++;
	syncer_give_back(all->syncer, SYNC_JOB_FILES_MAX);
}

void
test_syncer__reservations_are_served_in_turn(void)
{
	struct turns all = { .next = 2 };
	struct err e;
	check(loop_init(&all.loop, &e) == 0);
	all.syncer = syncer_new(&all.loop, false);
	syncer_limit(all.syncer, 2 * SYNC_JOB_FILES_MAX + 1);
	for (int i = 0; i < TURNS; i++) {
		all.v[i] = (struct turn){ .turn.fn = on_turn, .turns = &all };
		check_int(syncer_reserve(all.syncer, &all.v[i].turn), i < 2);
	}
	/* Too few for any job. */
	syncer_give_back(all.syncer, SYNC_JOB_FILES_MAX - 2);
	loop_drain(&all.loop);
	check_int(all.next, 2);
	syncer_give_back(all.syncer, 2);
	all.end.fn = end_loop;
	loop_timer_set(&all.loop, &all.end, clock_mono_ms() + 500);
	loop_run(&all.loop);
	check_int(all.next, TURNS);
	check_int(all.npostponed, 2);
	syncer_give_back(all.syncer, SYNC_JOB_FILES_MAX);
	syncer_free(all.syncer);
	loop_release(&all.loop);
}
