/*
 * The clocks.  Only programs, threads and loops read them; the code that they
 * call gets the time as an argument.
 *
 * Uses: libc.  Any thread.
 */
#ifndef KQ_SYS_CLOCK_H
#define KQ_SYS_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);      /* wall clock, since 1970: for records */
int64_t clock_mono_ns(void); /* monotonic: for time-outs and rates */
int64_t clock_mono_ms(void);

#endif
