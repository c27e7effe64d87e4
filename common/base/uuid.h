/*
 * Topic and cluster IDs: 16 bytes; their text is Kafka's, 22 characters of
 * URL-safe base64 without padding.
 *
 * Uses: base.h only.
 */
#ifndef KQ_BASE_UUID_H
#define KQ_BASE_UUID_H

#include "base/base.h"

struct uuid {
	uint8_t bytes[16];
};

enum { UUID_TEXT_SIZE = 23 }; /* with the NUL */

static inline bool
uuid_is_zero(const struct uuid *u)
{
	static const struct uuid zero;
	return memcmp(u, &zero, sizeof zero) == 0;
}

static inline bool
uuid_eq(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* Write the text form, NUL-terminated, to z; returns z. */
char *uuid_format(const struct uuid *u, char z[UUID_TEXT_SIZE]);

/* Read the text form.  If s is not one, returns false, and *u is zero. */
bool uuid_parse(struct uuid *u, struct str s);

#endif
