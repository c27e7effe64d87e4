/* kq-broker - store topics, serve Kafka clients. */
#include "kq-broker/broker.h"
#include "kq-broker/settings.h"

#include "text/say.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static char ready[LISTENERS_MAX * NET_TEXT_SIZE + 16];

static void *
write_ready(void *arg)
{
	(void)arg;
	ssize_t done = write(STDOUT_FILENO, ready, strlen(ready));
	(void)done; /* if nobody reads it, that is no failure */
	return NULL;
}

/* In a separate thread, as stdout may block. */
static void
print_ready(const struct broker *broker)
{
	char z[NET_TEXT_SIZE];
	pthread_t thread;
	size_t n = (size_t)snprintf(ready, sizeof ready, "ready");
	for (int i = 0; i < broker->listen.n; i++)
		n += (size_t)snprintf(ready + n, sizeof ready - n, " %s",
			net_addr_format(&broker->listen.v[i], z));
	snprintf(ready + n, sizeof ready - n, "\n");
	if (pthread_create(&thread, NULL, write_ready, NULL) == 0)
		pthread_detach(thread);
	else
		log_line(LOG_ERROR, "cannot start a thread to print the ready line");
}

static void
wait_for_signal(const sigset_t *set)
{
	int sig;
	while (sigwait(set, &sig) != 0)
		;
	log_line(LOG_INFO, "stopping: %s", strsignal(sig));
}

/* Serve until a signal.  Returns the exit code. */
static int
serve(struct settings *settings, const sigset_t *signals)
{
	struct broker broker;
	struct err e;
	int code = EXIT_DONE;
	if (log_begin(&e) < 0)
		return say_err(&e, false);
	if (broker_open(&broker, settings, &e) < 0) {
		code = say_err(&e, false);
	} else if (broker_start(&broker, &e) < 0) {
		struct err ignored;
		code = say_err(&e, false);
		broker_stop(&broker, &ignored);
	} else {
		print_ready(&broker);
		wait_for_signal(signals);
		if (broker_stop(&broker, &e) < 0)
			code = say_err(&e, false);
	}
	broker_release(&broker);
	log_end();
	return code;
}

int
main(int argc, char **argv)
{
	struct settings settings;
	struct err e;
	say_init("kq-broker");
	/* Blocked in all threads; the main thread waits for them. */
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	int rc = settings_parse(&settings, argc, argv, &e);
	int code = rc < 0 ? say_err(&e, false) : rc > 0 ? say_flush_stdout()
		: serve(&settings, &signals);
	settings_release(&settings);
	return code;
}
