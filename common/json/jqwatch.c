#include "json/jqwatch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
	TICK_MS = 10, LAST_TIMES = 10, LAST_MEMORY_TIMES = 4, LAST_MS_MIN = 2000,
	SPARE_STACK = 64 << 10,      /* for the handler of an overflow */
	TEXT_SHOWN = 200, NAME_SHOWN = 50,
	FRAME_MAX = 64 << 10,        /* an overflow faults within this of the stack's pointer */
};

/* All watches that run; the thread waits for `begun` when it has seen none. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t begun;
	struct list running;
	bool is_asleep;
	bool is_started;
	uint64_t nrun;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .begun = PTHREAD_COND_INITIALIZER };

/* The thread's run, for jqwatch_no_memory: libjq 1.6 does not pass its argument on. */
static _Thread_local const struct jqwatch *current;

/* ---- the stack ---- */

/* A thread in which libjq has run.  Its texts are copies: values are freed after the run. */
static _Thread_local struct {
	bool is_ready;
	char text[TEXT_SHOWN + 1];
	char line[TEXT_SHOWN + NAME_SHOWN + 100];
} mine;

static _Thread_local char spare_stack[SPARE_STACK];
static struct sigaction before; /* the handler of the rest of the program */

static uintptr_t
stack_pointer(const ucontext_t *context)
{
#if defined __x86_64__
	return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined __aarch64__
	return (uintptr_t)context->uc_mcontext.sp;
#else
	(void)context;
	return 0;
#endif
}

/* Only calls that a signal handler may make. */
static void
on_fault(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr, sp = stack_pointer(context);
	bool is_overflow = mine.is_ready && at < sp + FRAME_MAX && sp < at + FRAME_MAX;
	if (!is_overflow) { /* the instruction faults again */
		sigaction(number, &before, NULL);
		return;
	}
	char *p = stpncpy(mine.line, program_invocation_short_name, NAME_SHOWN);
	p = stpcpy(stpcpy(p, ": the expression '"), mine.text);
	p = stpcpy(p, "' makes a value that is nested too deeply, and cannot be stopped\n");
	ssize_t n = write(STDERR_FILENO, mine.line, (size_t)(p - mine.line));
	(void)n;
	_exit(1);
}

static void
watch_stack(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &before);
}

/* The thread's first run.  A sanitizer has given it a spare stack already.  A fault whose
 * signal is blocked ends the process. */
static void
prepare_thread(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	stack_t spare = { .ss_sp = spare_stack, .ss_size = sizeof spare_stack }, other;
	pthread_once(&once, watch_stack);
	if (sigaltstack(NULL, &other) == 0 && other.ss_flags & SS_DISABLE)
		sigaltstack(&spare, NULL);
	sigset_t fault;
	sigemptyset(&fault);
	sigaddset(&fault, SIGSEGV);
	pthread_sigmask(SIG_UNBLOCK, &fault, NULL);
	mine.is_ready = true;
}

/* ---- the thread that watches ---- */

static int64_t
resident(void)
{
	char text[128];
	long long total, pages;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	if (sscanf(text, "%lld %lld", &total, &pages) != 2)
		return 0;
	return pages * sysconf(_SC_PAGESIZE);
}

static void
last_resort(const struct jqwatch *watch, const char *what)
{
	fprintf(stderr, "%s: the expression '%.200s' %s and cannot be stopped\n",
		program_invocation_short_name, watch->text, what);
	_exit(1);
}

static void
tick(struct jqwatch *watch, int64_t memory)
{
	int64_t ran_ms = (int64_t)++watch->ntick * TICK_MS;
	if (watch->ntick == 1)
		watch->memory = memory;
	int64_t grown = memory - watch->memory;
	if (watch->why != JQWATCH_OK) {
		if (ran_ms > (int64_t)watch->timeout_ms * LAST_TIMES && ran_ms > LAST_MS_MIN)
			last_resort(watch, "never ends");
		if (grown > (int64_t)JQWATCH_MEMORY_MAX * LAST_MEMORY_TIMES)
			last_resort(watch, "takes too much memory");
		return;
	}
	if (ran_ms > watch->timeout_ms)
		watch->why = JQWATCH_TIME;
	else if (grown > JQWATCH_MEMORY_MAX)
		watch->why = JQWATCH_MEMORY;
	if (watch->why != JQWATCH_OK)
		jq_halt(watch->jq, jv_invalid(), jv_invalid());
}

static void *
watch_all(void *arg)
{
	const struct timespec pause = { 0, TICK_MS * 1000000L };
	uint64_t seen = 0;
	(void)arg;
	pthread_mutex_lock(&all.lock);
	for (;;) {
		while (list_is_empty(&all.running) && seen == all.nrun) {
			all.is_asleep = true;
			pthread_cond_wait(&all.begun, &all.lock);
			all.is_asleep = false;
		}
		seen = all.nrun;
		pthread_mutex_unlock(&all.lock);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&all.lock);
		if (list_is_empty(&all.running))
			continue;
		int64_t memory = resident();
		LIST_EACH(it, &all.running)
			tick(CONTAINER_OF(it, struct jqwatch, link), memory);
	}
	return NULL;
}

/* The lock is held.  Signals stay with the threads of the program. */
static void
start(void)
{
	pthread_t thread;
	pthread_attr_t attr;
	sigset_t every, old;
	all.is_started = true;
	list_init(&all.running);
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, watch_all, NULL)) {
		fputs("cannot start a thread\n", stderr);
		abort();
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void
jqwatch_stack(const struct jqwatch *watch)
{
	if (!mine.is_ready)
		prepare_thread();
	memccpy(mine.text, watch->text, 0, TEXT_SHOWN);
}

void
jqwatch_begin(struct jqwatch *watch)
{
	pthread_mutex_lock(&all.lock);
	if (!all.is_started)
		start();
	current = watch;
	watch->ntick = 0;
	watch->why = JQWATCH_OK;
	list_init(&watch->link);
	list_append(&all.running, &watch->link);
	all.nrun++;
	if (all.is_asleep)
		pthread_cond_signal(&all.begun);
	pthread_mutex_unlock(&all.lock);
}

enum jqwatch_why
jqwatch_why(struct jqwatch *watch)
{
	pthread_mutex_lock(&all.lock);
	enum jqwatch_why why = watch->why;
	pthread_mutex_unlock(&all.lock);
	return why;
}

void
jqwatch_end(struct jqwatch *watch)
{
	pthread_mutex_lock(&all.lock);
	list_unlink(&watch->link);
	current = NULL;
	pthread_mutex_unlock(&all.lock);
}

void
jqwatch_no_memory(void *unused)
{
	(void)unused;
	if (current)
		last_resort(current, "takes more memory than there is");
}
