#include "base/uuid.h"

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *
uuid_format(const struct uuid *u, char z[UUID_TEXT_SIZE])
{
	uint32_t acc = 0;
	int bits = 0, n = 0;
	for (int i = 0; i < 16; i++) {
		acc = acc << 8 | u->bytes[i];
		for (bits += 8; bits >= 6; bits -= 6)
			z[n++] = digits[acc >> (bits - 6) & 63];
	}
	z[n++] = digits[acc << (6 - bits) & 63];
	z[n] = 0;
	assert(n == UUID_TEXT_SIZE - 1);
	return z;
}

bool
uuid_parse(struct uuid *u, struct str s)
{
	*u = (struct uuid){ { 0 } };
	if (s.n != UUID_TEXT_SIZE - 1)
		return false;
	struct uuid got;
	uint32_t acc = 0;
	int bits = 0, n = 0;
	for (int32_t i = 0; i < s.n; i++) {
		const char *digit = s.p[i] ? strchr(digits, s.p[i]) : NULL;
		if (!digit)
			return false;
		acc = acc << 6 | (uint32_t)(digit - digits);
		bits += 6;
		if (bits >= 8 && n < 16) {
			bits -= 8;
			got.bytes[n++] = (uint8_t)(acc >> bits);
		}
	}
	if (acc & 15) /* the four bits past the end must be zero */
		return false;
	*u = got;
	return true;
}
