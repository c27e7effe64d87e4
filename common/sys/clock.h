/*
 * What time is it.  Code below passes times in; only the edges ask.
 *
 * Uses: libc.  Any thread.
 */
#ifndef KQ_SYS_CLOCK_H
#define KQ_SYS_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);      /* of the wall, since 1970: for records */
int64_t clock_mono_ns(void); /* never goes back: for time-outs and rates */
int64_t clock_mono_ms(void);

#endif
