#include "text/logwriter.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

static struct {
	pthread_mutex_t lock;
	pthread_cond_t has_line, is_written;
	bool is_begun, is_over;
	int fd;
	logwriter_dropped_fn *dropped;
	char ring[LOGWRITER_SIZE];
	size_t at, n;      /* n bytes of whole lines, starting at at */
	int64_t ndropped;  /* since the last report */
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER, .has_line = PTHREAD_COND_INITIALIZER };

/* ---- the ring, under the lock ---- */

static bool
append(const char *line, size_t n)
{
	if (n > sizeof writer.ring - writer.n)
		return false;
	size_t at = (writer.at + writer.n) % sizeof writer.ring;
	size_t first = MIN(n, sizeof writer.ring - at);
	memcpy(writer.ring + at, line, first);
	memcpy(writer.ring, line + first, n - first);
	writer.n += n;
	return true;
}

/* Append the line that reports dropped lines, if it fits. */
static void
append_dropped(void)
{
	char line[LOGWRITER_LINE_MAX];
	if (writer.ndropped && append(line, writer.dropped(line, writer.ndropped)))
		writer.ndropped = 0;
}

/* Copy the oldest line; it stays in the ring. */
static size_t
copy_line(char line[LOGWRITER_LINE_MAX])
{
	size_t n = 0;
	do
		line[n] = writer.ring[(writer.at + n) % sizeof writer.ring];
	while (line[n++] != '\n');
	return n;
}

/* ---- the thread ---- */

static void
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EAGAIN) /* another program made it non-blocking */
			poll(&(struct pollfd){ fd, POLLOUT, 0 }, 1, -1);
		else if (done < 0 && errno != EINTR)
			return; /* no reader is left */
		else if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
}

static void *
run(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&writer.lock);
	for (;;) {
		if (writer.n == 0)
			append_dropped();
		if (writer.n == 0) {
			pthread_cond_broadcast(&writer.is_written);
			pthread_cond_wait(&writer.has_line, &writer.lock);
			continue;
		}
		char line[LOGWRITER_LINE_MAX];
		size_t n = copy_line(line);
		pthread_mutex_unlock(&writer.lock);
		write_all(writer.fd, line, n);
		pthread_mutex_lock(&writer.lock);
		writer.at = (writer.at + n) % sizeof writer.ring;
		writer.n -= n;
	}
	return NULL;
}

int
logwriter_begin(int fd, logwriter_dropped_fn *dropped, struct err *e)
{
	pthread_t thread;
	pthread_condattr_t attr;
	assert(!writer.is_begun);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&writer.is_written, &attr);
	pthread_condattr_destroy(&attr);
	writer.fd = fd;
	writer.dropped = dropped;
	errno = pthread_create(&thread, NULL, run, NULL);
	if (errno)
		return err_sys(e, "cannot start a thread");
	pthread_detach(thread);
	pthread_mutex_lock(&writer.lock);
	writer.is_begun = true;
	pthread_mutex_unlock(&writer.lock);
	return 0;
}

bool
logwriter_put(const char *line, size_t n)
{
	assert(n > 0 && n <= LOGWRITER_LINE_MAX && line[n - 1] == '\n');
	pthread_mutex_lock(&writer.lock);
	bool is_taken = writer.is_begun;
	if (is_taken && !writer.is_over) {
		append_dropped();
		if (writer.ndropped || !append(line, n))
			writer.ndropped++;
		pthread_cond_signal(&writer.has_line);
	}
	pthread_mutex_unlock(&writer.lock);
	return is_taken;
}

void
logwriter_end(int timeout_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&writer.lock);
	int rc = 0;
	while (writer.is_begun && (writer.n || writer.ndropped) && rc == 0)
		rc = pthread_cond_timedwait(&writer.is_written, &writer.lock, &until);
	writer.is_over = true;
	pthread_mutex_unlock(&writer.lock);
}
