/*
 * Random bytes from the kernel, fit for secrets.
 *
 * Uses: libc.  Any thread.
 */
#ifndef KQ_SYS_RAND_H
#define KQ_SYS_RAND_H

#include <stddef.h>

void rand_bytes(void *p, size_t n);

#endif
