/*
 * Messages for people: errors on stderr, exit codes, the broker's log.
 *
 * Uses: base, sys, units.  Any thread, after say_init.
 */
#ifndef KQ_TEXT_SAY_H
#define KQ_TEXT_SAY_H

#include "base/base.h"
#include "base/err.h"

/* Every kq program ends with one of these. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_RETRY = 75, /* failed, but may work later (EX_TEMPFAIL) */
};

/* To be called first in main: set the program's name (argv[0], or a path) and ensure
 * that descriptors 0 to 2 are open (sys/stdfd.h).  Exits with EXIT_FAILED if that
 * fails. */
void say_init(const char *argv0);
const char *say_name(void);

/* Print one line to stderr: "kq-topic: ...".  Control characters are escaped. */
void say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Set a function that say_error calls before each line, to clear a line of progress. */
void say_before(void (*clear)(void));

/* Print the error, and return the exit code for its class.  With is_retriable, an
 * ERR_PEER may be retried, too. */
int say_err(const struct err *e, bool is_retriable);

/* Flush stdout.  Returns 0; or EXIT_FAILED after reporting why it could not be written
 * (EPIPE is not reported: the reader closed the pipe). */
int say_flush_stdout(void);

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Start a thread that writes all further lines to stderr (logwriter.h), so that a
 * blocked stderr blocks no caller.  Without it, each caller writes. */
int log_begin(struct err *e);

/* To be called before the process ends: write the queued lines, within a second. */
void log_end(void);

/* Lines above the level are not written.  The default is LOG_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_parse_level(const char *word, enum log_level *level);

/* One event, one line, one write(2) to stderr:
 *   2026-11-24T10:00:00.123Z warn 10.0.0.7:4711: closed: ...
 * Characters that could end or forge a line are escaped. */
void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Rate-limited log_line, for events that a peer can trigger at will, and for retries:
 * at most LOG_BURST lines per second with the same fmt, and an identical line once per
 * LOG_REPEAT_MS.  The number of suppressed lines is logged before a later line: after a
 * second, or after LOG_COUNT_MS for identical lines. */
enum { LOG_BURST = 20, LOG_REPEAT_MS = 60000, LOG_COUNT_MS = 10000 };
void log_bounded(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
