#include "sys/sig.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

volatile sig_atomic_t sig_is_stopped;
static int wake_fd = -1;

static void
on_signal(int sig)
{
	int saved = errno;
	uint64_t one = 1;
	if (!sig_is_stopped)
		sig_is_stopped = sig;
	ssize_t got = write(wake_fd, &one, sizeof one);
	(void)got; /* fails only when it is full, thus readable */
	errno = saved;
}

int
sig_catch(bool once, struct err *e)
{
	assert(wake_fd < 0);
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return err_sys(e, "cannot create an event descriptor");
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = once ? (int)SA_RESETHAND : 0 };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	return wake_fd;
}

void
sig_drain(int fd)
{
	uint64_t n;
	ssize_t got = read(fd, &n, sizeof n);
	(void)got; /* it may have been empty */
}

int
sig_end(int code)
{
	int sig = sig_is_stopped;
	if (!sig)
		return code;
	signal(sig, SIG_DFL);
	raise(sig);
	return 128 + sig; /* not reached: it is neither blocked nor ignored */
}
