/*
 * Bounds for what runs in libjq: time and memory.
 *
 * libjq looks at jq_halt's flag before each of its instructions.  One thread of the process,
 * started at the first run, sets it for a run that takes too long or too much memory, at
 * ticks of 10 ms.  It sleeps without a tick while nothing runs.
 *
 * As a last resort the process ends, with a message that names the expression and exit
 * status 1: when a single call of libjq (a comparison of values that share their parts a
 * million times) has not come back ten times as long, or takes four times the memory, when
 * the system gives no memory (.[1e9] = 1), and when libjq, which frees and compares by
 * recursion, runs out of stack: for a value of more than some 100,000 levels, made by the
 * expression, since an input has at most 256.  The last is found by a handler of SIGSEGV,
 * which is installed at the first run and passes all other faults on, on a stack of its own
 * for each thread in which libjq has run.
 *
 * Uses: libjq, POSIX threads.  Any thread.
 */
#ifndef KQ_JSON_JQWATCH_H
#define KQ_JSON_JQWATCH_H

#include "base/list.h"

#include <jq.h>

enum jqwatch_why { JQWATCH_OK, JQWATCH_TIME, JQWATCH_MEMORY };

/* One program's runs. */
struct jqwatch {
	jq_state *jq;
	const char *text;   /* the expression, for the last resort's message */
	int timeout_ms;
	/* Of the run; locked. */
	struct list link;
	int ntick;
	int64_t memory;     /* bytes resident at its first tick */
	enum jqwatch_why why;
};

/* This thread is going to run the expression, or to free values of its last run: watch its
 * stack. */
void jqwatch_stack(const struct jqwatch *watch);

void jqwatch_begin(struct jqwatch *watch); /* after jqwatch_stack and jq_start */
enum jqwatch_why jqwatch_why(struct jqwatch *watch); /* was the run ended, and why? */
void jqwatch_end(struct jqwatch *watch);

/* For jq_set_nomem_handler: libjq got no memory, and would abort.  Ends the process. */
void jqwatch_no_memory(void *unused);

enum { JQWATCH_MEMORY_MAX = 512 << 20 }; /* bytes that a run may add to the process */

#endif
