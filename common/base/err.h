/*
 * An error a person can read: a class, the errno behind it, a sentence.
 *
 * A function that can fail takes a struct err * last, fills it and returns
 * -1; a function without one can't fail.  Nothing is allocated.
 *
 * Uses: libc only.
 */
#ifndef KQ_BASE_ERR_H
#define KQ_BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>

enum err_class {
	ERR_NONE,
	ERR_SYS,     /* the kernel said no; sys holds errno */
	ERR_CORRUPT, /* bytes on disk or wire break their own rules */
	ERR_LIMIT,   /* a bound we set ourselves was reached */
	ERR_USAGE,   /* the caller (a person) asked for something odd */
	ERR_PEER,    /* a Kafka peer answered with an error; kafka holds it */
	ERR_RETRY,   /* it may work later: time-out, unreachable peer */
};

struct err {
	enum err_class class;
	int sys;
	int16_t kafka; /* Kafka's error code, with ERR_PEER */
	char msg[400];
};

/* Both fill *e and return -1, so that "return err_sys(e, ...)" is the idiom.
 * err_sys adds ": " and the text of errno. */
int err_sys(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int err_set(struct err *e, enum err_class class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put words in front of the message: "segment 42: cannot write: ...". */
int err_wrap(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
