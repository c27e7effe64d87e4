/*
 * spent FILE COMMAND [ARG...] - run a command, and append to FILE what it took:
 *
 *	CPU seconds (user and system)  wall seconds  MB of memory
 *
 * CPU is that of all processes that it waited for, directly or not; memory is the largest
 * resident set among them.  The code is the command's.
 */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static double
seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

int
main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	if (argc < 3) {
		fputs("usage: spent FILE COMMAND [ARG...]\n", stderr);
		return 2;
	}
	double begin = now();
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	double end = now();
	FILE *out = fopen(argv[1], "a");
	if (pid < 0 || !out || getrusage(RUSAGE_CHILDREN, &usage) < 0) {
		perror("spent");
		return 1;
	}
	fprintf(out, "%.3f %.3f %.1f\n", seconds(usage.ru_utime) + seconds(usage.ru_stime),
		end - begin, (double)usage.ru_maxrss / 1000);
	fclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
