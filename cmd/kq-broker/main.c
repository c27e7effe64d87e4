/* kq-broker - store topics, serve Kafka clients. */
#include "broker.h"
#include "settings.h"

#include "text/say.h"

#include <signal.h>
#include <stdio.h>

static void
print_ready(const struct broker *b)
{
	char z[NET_TEXT_SIZE];
	printf("ready");
	for (int i = 0; i < b->nlisten; i++)
		printf(" %s", net_addr_format(&b->listen[i], z));
	printf("\n");
	fflush(stdout); /* nobody may be reading: that is no failure */
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
serve(struct settings *s, const sigset_t *signals)
{
	struct broker b;
	struct err e;
	int code = EXIT_DONE;
	if (broker_open(&b, s, &e) < 0) {
		code = say_err(&e, false);
	} else if (broker_start(&b, &e) < 0) {
		struct err ignored;
		code = say_err(&e, false);
		broker_stop(&b, &ignored);
	} else {
		print_ready(&b);
		wait_for_signal(signals);
		if (broker_stop(&b, &e) < 0)
			code = say_err(&e, false);
	}
	broker_release(&b);
	return code;
}

int
main(int argc, char **argv)
{
	struct settings s;
	struct err e;
	say_init("kq-broker");
	/* Blocked in every thread; the main thread takes them one by one. */
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	int r = settings_parse(&s, argc, argv, &e);
	int code = r < 0 ? say_err(&e, false) : r > 0 ? say_flush_stdout() : serve(&s, &signals);
	settings_release(&s);
	return code;
}
