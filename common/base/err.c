#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
set(struct err *e, enum err_class class, int sys, const char *fmt, va_list ap)
{
	e->class = class;
	e->sys = sys;
	e->kafka = 0;
	int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	if (sys && n >= 0 && (size_t)n < sizeof e->msg)
		snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s",
			strerror(sys));
	return -1;
}

int
err_sys(struct err *e, const char *fmt, ...)
{
	int sys = errno; /* before anything can change it */
	va_list ap;
	va_start(ap, fmt);
	int rc = set(e, ERR_SYS, sys, fmt, ap);
	va_end(ap);
	return rc;
}

int
err_set(struct err *e, enum err_class class, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = set(e, class, 0, fmt, ap);
	va_end(ap);
	return rc;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char old[sizeof e->msg];
	memcpy(old, e->msg, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n + 2 >= sizeof e->msg)
		return -1;
	/* The end is cut if it does not fit: the prefix matters most. */
	size_t room = sizeof e->msg - (size_t)n - 3, len = strlen(old);
	len = len < room ? len : room;
	memcpy(e->msg + n, ": ", 2);
	memcpy(e->msg + n + 2, old, len);
	e->msg[(size_t)n + 2 + len] = 0;
	return -1;
}
