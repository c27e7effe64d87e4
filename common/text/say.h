/*
 * Talking to people: errors on stderr, exit codes, the broker's log lines.
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

/* First of all in main: takes the program's name (argv[0] will do) and makes
 * sure that descriptors 0 to 2 are open (sys/stdfd.h).  Ends the process with
 * EXIT_FAILED when that cannot be done. */
void say_init(const char *argv0);
const char *say_name(void);

/* One line to stderr: "kq-topic: ...".  Control characters are escaped. */
void say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Called before each line of say_error, to clear what stands in its place. */
void say_before(void (*clear)(void));

/* Say the error; returns the exit code that its class calls for.  With
 * is_retriable an ERR_PEER is worth another try, too. */
int say_err(const struct err *e, bool is_retriable);

/* Flush stdout.  0; or EXIT_FAILED after saying why it could not be written
 * (EPIPE is not said: nobody reads any more). */
int say_flush_stdout(void);

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* From now on a thread of its own writes all lines to stderr (logwriter.h): a
 * blocked stderr holds nobody up.  Without it, each caller writes. */
int log_begin(struct err *e);

/* The process is about to end: give the lines that wait at most a second. */
void log_end(void);

/* Lines above the level are not written.  The default is LOG_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_parse_level(const char *word, enum log_level *level);

/* One event, one line, one write(2) to stderr:
 *   2026-11-24T10:00:00.123Z warn 10.0.0.7:4711: closed: ...
 * Whatever could end or forge a line is escaped. */
void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for what others can bring about as often as they like, or what is
 * tried again and again: of the lines with one fmt, LOG_BURST in a second are
 * written, and the very same line once in LOG_REPEAT_MS.  The number of those
 * left out follows before a later line: after a second, or after LOG_COUNT_MS
 * where a line repeats itself. */
enum { LOG_BURST = 20, LOG_REPEAT_MS = 60000, LOG_COUNT_MS = 10000 };
void log_bounded(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
