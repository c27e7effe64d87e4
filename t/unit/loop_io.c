#include "tap.h"

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/loop.h"

#include <stdio.h>
#include <unistd.h>

static struct loop loop; /* each test runs in a process of its own */

static void
begin(void)
{
	struct err e;
	if (loop_init(&loop, &e) < 0)
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
}

static void
stop_timer(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(&loop);
}

/* A pipe with one byte in it. */
static void
full_pipe(int fd[2])
{
	check(pipe(fd) == 0);
	check_int(write(fd[1], "x", 1), 1);
}

enum { PIPES = 40 };
static struct loop_io *pipes[PIPES];
static bool is_gone[PIPES];
static int ncalled;

static void
on_pipe(struct loop_io *io, uint32_t events)
{
	(void)events;
	char c;
	ncalled++;
	/* Every second call reads its own pipe; the others end all odd ones. */
	for (int i = 0; i < PIPES; i++) {
		if (pipes[i] == io) {
			check(!is_gone[i]);
			check_int(read(io->fd, &c, 1), 1);
		} else if (i % 2 && !is_gone[i]) {
			is_gone[i] = true;
			loop_unwatch(&loop, pipes[i]);
			mem_free(pipes[i]); /* ASan sees a later access */
		}
	}
}

void
test_loop_io__what_was_unwatched_is_not_called(void)
{
	begin();
	int fd[2], left = 0;
	for (int i = 0; i < PIPES; i++) {
		full_pipe(fd);
		pipes[i] = NEW(struct loop_io);
		*pipes[i] = (struct loop_io){ .fd = fd[0], .fn = on_pipe };
		loop_watch(&loop, pipes[i], EPOLLIN);
	}
	struct loop_timer end = { .fn = stop_timer };
	loop_timer_set(&loop, &end, clock_mono_ms() + 20);
	loop_run(&loop);
	for (int i = 0; i < PIPES; i++)
		left += !is_gone[i];
	check(left == PIPES / 2 || left == PIPES / 2 + 1); /* the caller may be an odd one */
	check_int(ncalled, left);
	loop_release(&loop);
}

static int nwrite, nread;

static void
on_change(struct loop_io *io, uint32_t events)
{
	char c;
	if (events & EPOLLOUT) {
		nwrite++;
		check(!(events & EPOLLIN)); /* not watched yet */
		loop_watch(&loop, io, EPOLLIN);
	} else if (events & EPOLLIN) {
		nread++;
		check_int(read(io->fd, &c, 1), 1);
		loop_watch(&loop, io, 0); /* although more can be read */
		check_int(io->events, 0);
		loop_unwatch(&loop, io); /* again: no effect */
	}
}

void
test_loop_io__events_can_be_changed(void)
{
	begin();
	struct loop_io io = { .fd = loop.event_fd, .fn = on_change };
	int fd[2];
	full_pipe(fd);
	check_int(write(fd[1], "yz", 2), 2);
	struct loop_timer end = { .fn = stop_timer };
	/* Opening the pipe's file again gives a descriptor for both directions. */
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd[0]);
	FILE *both = fopen(path, "r+");
	check(both);
	io.fd = fileno(both);
	loop_watch(&loop, &io, EPOLLOUT);
	loop_watch(&loop, &io, EPOLLOUT); /* unchanged: no effect */
	loop_timer_set(&loop, &end, clock_mono_ms() + 20);
	loop_run(&loop);
	check_int(nwrite, 1);
	check_int(nread, 1);
	loop_release(&loop);
	fclose(both);
}
