#include "tap.h"

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/loop.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct loop loop; /* each test runs in a process of its own */

static void
begin(void)
{
	struct err e;
	if (loop_init(&loop, &e) < 0)
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
}

static uint32_t
rnd(uint32_t below)
{
	static uint64_t seed = 362436069;
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % below;
}

/* ---- timers ---- */

static int nfired;
static int64_t last_key;

struct timed {
	struct loop_timer timer;
	int64_t want_ms;
	int fired;
};

static void
stop_timer(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(&loop);
}

static void
on_timed(struct loop_timer *timer)
{
	struct timed *it = CONTAINER_OF(timer, struct timed, timer);
	check(clock_mono_ms() >= it->want_ms);
	check(loop.now_ms >= it->want_ms && loop.now_ms <= clock_mono_ms());
	check(it->want_ms >= last_key);
	last_key = it->want_ms;
	it->fired++;
	nfired++;
}

void
test_loop__timers_fire_in_order_and_not_early(void)
{
	enum { N = 200 };
	static struct timed v[N];
	begin();
	struct loop_timer end = { .fn = stop_timer };
	int64_t now = clock_mono_ms();
	for (int i = 0; i < N; i++) {
		v[i] = (struct timed){ .timer.fn = on_timed, .want_ms = now - 20 + rnd(120) };
		loop_timer_set(&loop, &v[i].timer, v[i].want_ms);
	}
	loop_timer_set(&loop, &end, now + 110);
	loop_run(&loop);
	for (int i = 0; i < N; i++)
		check_int(v[i].fired, 1);
	check_int(nfired, N);
	check(clock_mono_ms() - now >= 110);
	check(llabs(loop.wall_ms - clock_ms()) < 5000);
	loop_release(&loop);
}

static struct timed moved, cleared;

static void
move_others(struct loop_timer *timer)
{
	(void)timer;
	loop_timer_clear(&loop, &cleared.timer);
	moved.want_ms = loop.now_ms + 30;
	loop_timer_set(&loop, &moved.timer, moved.want_ms);
}

void
test_loop__a_timer_moves_and_goes(void)
{
	begin();
	struct loop_timer first = { .fn = move_others }, end = { .fn = stop_timer };
	moved.timer.fn = cleared.timer.fn = on_timed;
	int64_t now = clock_mono_ms();
	loop_timer_clear(&loop, &cleared.timer); /* unset: no effect */
	loop_timer_set(&loop, &first, now);
	/* Due in the same round as the first, which clears and moves them. */
	loop_timer_set(&loop, &cleared.timer, now + 1);
	loop_timer_set(&loop, &moved.timer, now + 1);
	loop_timer_set(&loop, &end, now + 60);
	poll(NULL, 0, 5);
	loop_run(&loop);
	check_int(cleared.fired, 0);
	check_int(moved.fired, 1);
	loop_release(&loop);
}

static int greedy;

static void
on_greedy_timer(struct loop_timer *timer)
{
	if (++greedy < 100000)
		loop_timer_set(&loop, timer, loop.now_ms);
}

static void
stop_io(struct loop_io *io, uint32_t events)
{
	char c;
	check(events & EPOLLIN);
	check_int(read(io->fd, &c, 1), 1);
	loop_stop(&loop);
}

/* A pipe with one byte in it. */
static void
full_pipe(int fd[2])
{
	check(pipe(fd) == 0);
	check_int(write(fd[1], "x", 1), 1);
}

void
test_loop__a_timer_for_now_does_not_starve_descriptors(void)
{
	begin();
	int fd[2];
	full_pipe(fd);
	struct loop_timer timer = { .fn = on_greedy_timer };
	struct loop_io io = { .fd = fd[0], .fn = stop_io };
	loop_timer_set(&loop, &timer, 0);
	loop_watch(&loop, &io, EPOLLIN);
	loop_run(&loop);
	check(greedy > 0 && greedy < 10);
	loop_release(&loop);
}

void
test_loop__sleeps_while_nothing_is_due(void)
{
	begin();
	struct loop_timer end = { .fn = stop_timer };
	struct timespec before, after;
	loop_timer_set(&loop, &end, clock_mono_ms() + 200);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	loop_run(&loop);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	int64_t spent_us = (after.tv_sec - before.tv_sec) * 1000000
		+ (after.tv_nsec - before.tv_nsec) / 1000;
	check(spent_us < 20000);
	loop_release(&loop);
}

/* ---- tasks ---- */

enum { THREADS = 4, TASKS = 5000 };

struct counted {
	struct loop_task task;
	int ran; /* the loop's thread only */
};
static struct counted work[THREADS][TASKS];
static int nran, order[THREADS];

static void
on_counted(struct loop_task *task)
{
	struct counted *it = CONTAINER_OF(task, struct counted, task);
	int who = (int)((it - work[0]) / TASKS), which = (int)((it - work[0]) % TASKS);
	check_int(it->ran++, 0);
	check_int(which, order[who]++); /* in the order posted */
	if (++nran == THREADS * TASKS)
		loop_stop(&loop);
}

static void *
poster(void *arg)
{
	struct counted *v = arg;
	for (int i = 0; i < TASKS; i++) {
		v[i].task.fn = on_counted;
		loop_post(&loop, &v[i].task);
		if (i % 1000 == 999)
			poll(NULL, 0, 1); /* let the loop begin to wait */
	}
	return NULL;
}

void
test_loop__tasks_of_many_threads_run_once_each(void)
{
	pthread_t t[THREADS];
	begin();
	for (int i = 0; i < THREADS; i++)
		check(pthread_create(&t[i], NULL, poster, work[i]) == 0);
	loop_run(&loop);
	check_int(nran, THREADS * TASKS);
	for (int i = 0; i < THREADS; i++)
		check(pthread_join(t[i], NULL) == 0);
	loop_release(&loop);
}

static void
stop_task(struct loop_task *task)
{
	(void)task;
	loop_stop(&loop);
}

static void *
late_poster(void *arg)
{
	poll(NULL, 0, 30);
	loop_post(&loop, arg);
	return NULL;
}

void
test_loop__a_task_of_another_thread_wakes_a_sleeper(void)
{
	begin();
	pthread_t t;
	struct loop_task task = { .fn = stop_task };
	int64_t now = clock_mono_ms();
	check(pthread_create(&t, NULL, late_poster, &task) == 0);
	loop_run(&loop); /* no timer: waits until it is woken */
	check(clock_mono_ms() - now >= 30);
	check(pthread_join(t, NULL) == 0);
	loop_release(&loop);
}

static char trail[20];

static void
on_greedy_task(struct loop_task *task)
{
	trail[greedy++] = 'g';
	check(greedy < 10);
	loop_post(&loop, task);
}

static void
on_plain_task(struct loop_task *task)
{
	(void)task;
	trail[greedy++] = 'p';
}

void
test_loop__local_tasks_run_in_order_and_do_not_starve_descriptors(void)
{
	begin();
	int fd[2];
	full_pipe(fd);
	struct loop_task g = { .fn = on_greedy_task }, p = { .fn = on_plain_task };
	struct loop_io io = { .fd = fd[0], .fn = stop_io };
	loop_watch(&loop, &io, EPOLLIN);
	loop_post(&loop, &g);
	loop_post(&loop, &p);
	loop_run(&loop);
	check(strncmp(trail, "gpg", 3) == 0); /* the task that posts itself again comes last */
	loop_release(&loop);
}

static void
free_task(struct loop_task *task)
{
	mem_free(task);
	if (++nran == 100)
		loop_stop(&loop);
}

void
test_loop__a_task_may_free_itself(void)
{
	begin();
	for (int i = 0; i < 100; i++) {
		struct loop_task *task = NEW(struct loop_task);
		task->fn = free_task;
		loop_post(&loop, task);
	}
	loop_run(&loop);
	check_int(nran, 100);
	loop_release(&loop);
}

/* ---- the end ---- */

void
test_loop__stops_before_it_starts(void)
{
	begin();
	struct loop_task task = { .fn = on_plain_task };
	loop_post(&loop, &task);
	loop_stop(&loop);
	loop_run(&loop);
	check_int(greedy, 1); /* the task posted before it still ran */
	loop_release(&loop);
	loop_release(&(struct loop){ .epoll_fd = -1, .event_fd = -1 });
}

static void *
last_poster(void *arg)
{
	loop_post(&loop, arg);
	return NULL;
}

static void
last_task(struct loop_task *task)
{
	(void)task;
	if (++nran == THREADS)
		loop_stop(&loop);
}

static void
spin_task(struct loop_task *task)
{
	loop_post(&loop, task);
}

void
test_loop__may_be_released_once_the_last_task_ran(void)
{
	/* A poster may still be on its way out of loop_post; a loop that is
	 * busy finds the task without being woken. */
	for (int i = 0; i < 500; i++) {
		begin();
		pthread_t t[THREADS];
		struct loop_task last[THREADS], spin = { .fn = spin_task };
		nran = 0;
		loop_post(&loop, &spin);
		for (int j = 0; j < THREADS; j++) {
			last[j].fn = last_task;
			check(pthread_create(&t[j], NULL, last_poster, &last[j]) == 0);
		}
		loop_run(&loop);
		loop_release(&loop);
		for (int j = 0; j < THREADS; j++)
			check(pthread_join(t[j], NULL) == 0);
	}
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int nlocked, nbefore;

static void
locked_timer(struct loop_timer *timer)
{
	(void)timer;
	nlocked++;
}

static void
count_before(struct loop *self)
{
	(void)self;
	nbefore++;
}

static void *
run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static int
locked(void)
{
	pthread_mutex_lock(&lock);
	int n = nlocked;
	pthread_mutex_unlock(&lock);
	return n;
}

void
test_loop__the_holder_of_its_lock_may_set_timers(void)
{
	begin();
	pthread_t t;
	struct loop_timer far = { .fn = locked_timer }, near = { .fn = locked_timer };
	nlocked = nbefore = 0;
	loop.lock = &lock;
	loop.before_wait = count_before;
	loop_timer_set(&loop, &far, clock_mono_ms() + 3600 * 1000);
	check(pthread_create(&t, NULL, run_loop, &loop) == 0);
	for (int i = 1; i <= 20; i++) {
		/* The loop waits, or is about to, for an hour: this must end that wait. */
		pthread_mutex_lock(&lock);
		loop_timer_set(&loop, &near, clock_mono_ms() + i % 3);
		pthread_mutex_unlock(&lock);
		while (locked() < i)
			usleep(200);
	}
	pthread_mutex_lock(&lock);
	loop_timer_clear(&loop, &far);
	pthread_mutex_unlock(&lock);
	loop_stop(&loop);
	check(pthread_join(t, NULL) == 0);
	check_int(nlocked, 20);
	check(nbefore >= 20);
	loop_release(&loop);
}
