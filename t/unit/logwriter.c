#include "tap.h"
#include "sys/clock.h"
#include "text/logwriter.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t
format_dropped(char line[LOGWRITER_LINE_MAX], int64_t n)
{
	return (size_t)snprintf(line, LOGWRITER_LINE_MAX, "dropped %lld\n", (long long)n);
}

static bool
put(int writer, int i)
{
	char line[LOGWRITER_LINE_MAX];
	int n = snprintf(line, sizeof line, "line %d %d %0*d\n", writer, i, i % 200 + 1, 0);
	return logwriter_put(line, (size_t)n);
}

enum { WRITERS = 4, LINES = 20000 };

static void *
put_lines(void *arg)
{
	int writer = *(int *)arg;
	for (int i = 0; i < LINES; i++)
		check(put(writer, i));
	return NULL;
}

/* Read lines up to the last.  Check that the lines of each writer are in order and
 * complete, and that read and dropped lines are all.  Returns the number dropped. */
static int64_t
check_lines(FILE *f, int64_t want)
{
	char line[LOGWRITER_LINE_MAX];
	int next[WRITERS] = { 0 };
	int64_t n = 0, ndropped = 0;
	while (n + ndropped < want && fgets(line, sizeof line, f)) {
		int writer, i;
		long long more;
		if (sscanf(line, "dropped %lld\n", &more) == 1) {
			ndropped += more;
			continue;
		}
		check(sscanf(line, "line %d %d ", &writer, &i) == 2);
		check(writer >= 0 && writer < WRITERS && i >= next[writer]);
		check_int((int64_t)strlen(strrchr(line, ' ')), i % 200 + 3);
		next[writer] = i + 1;
		n++;
	}
	check_int(n + ndropped, want);
	return ndropped;
}

void
test_logwriter__lines_come_out_whole_and_in_order(void)
{
	struct err e;
	int fd[2], number[WRITERS];
	pthread_t thread[WRITERS];
	check(pipe(fd) == 0);
	check(logwriter_begin(fd[1], format_dropped, &e) == 0);
	for (int i = 0; i < WRITERS; i++) {
		number[i] = i;
		check(pthread_create(&thread[i], NULL, put_lines, &number[i]) == 0);
	}
	FILE *f = fdopen(fd[0], "r");
	check_lines(f, WRITERS * LINES);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	logwriter_end(10000);
	fclose(f);
}

void
test_logwriter__a_blocked_descriptor_blocks_nobody(void)
{
	struct err e;
	int fd[2];
	check(pipe(fd) == 0);
	check(logwriter_begin(fd[1], format_dropped, &e) == 0);
	for (int i = 0; i < LINES; i++)
		check(put(0, i));
	/* logwriter_end returns in time, and loses what was not written. */
	int64_t begin_ms = clock_mono_ms();
	logwriter_end(200);
	int64_t took_ms = clock_mono_ms() - begin_ms;
	check(took_ms >= 200 && took_ms < 5000);
	check(put(0, LINES));
	FILE *f = fdopen(fd[0], "r");
	int64_t ndropped = check_lines(f, LINES);
	check(ndropped > 0 && ndropped < LINES);
	fclose(f);
}

void
test_logwriter__a_closed_pipe_ends_nothing(void)
{
	struct err e;
	int fd[2];
	check(pipe(fd) == 0);
	signal(SIGPIPE, SIG_IGN);
	close(fd[0]);
	check(logwriter_begin(fd[1], format_dropped, &e) == 0);
	for (int i = 0; i < LINES; i++)
		check(put(0, i));
	logwriter_end(10000);
}

void
test_logwriter__before_it_runs_it_takes_nothing(void)
{
	check(!put(0, 0));
	logwriter_end(0);
	check(!put(0, 0));
}
