/*
 * An error that a person can read: a class, the errno behind it, a sentence.
 *
 * A function that can fail takes a struct err * as its last parameter, fills it
 * and returns -1; a function without one cannot fail.  Nothing is allocated.
 *
 * Uses: libc only.
 */
#ifndef KQ_BASE_ERR_H
#define KQ_BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>

enum err_class {
	ERR_NONE,
	ERR_SYS,     /* a system call failed; sys holds errno */
	ERR_CORRUPT, /* bytes on disk or wire break their own rules */
	ERR_LIMIT,   /* one of our own limits was reached */
	ERR_USAGE,   /* the user asked for something that makes no sense */
	ERR_PEER,    /* a Kafka peer answered with an error; kafka holds it */
	ERR_RETRY,   /* may work later: time-out, unreachable peer */
};

struct err {
	enum err_class class;
	int sys;
	int16_t kafka; /* Kafka's error code, with ERR_PEER */
	char msg[400];
};

/* Fill *e and return -1, for "return err_sys(e, ...)".  err_sys adds ": " and
 * the text of errno. */
int err_sys(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int err_set(struct err *e, enum err_class class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put a prefix and ": " before the message: "segment 42: cannot write: ...".
 * Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
