#include "coord/coord.h"

#include "base/utf8.h"

/* Decodes one valid UTF-8 character to UTF-16 units, which Java hashes. */
static int
utf16_units(const uint8_t *p, uint16_t unit[2], int *n)
{
	uint32_t code;
	if (p[0] < 0x80) {
		code = p[0];
		*n = 1;
	} else if (p[0] < 0xe0) {
		code = (uint32_t)(p[0] & 31) << 6 | (p[1] & 63);
		*n = 2;
	} else if (p[0] < 0xf0) {
		code = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
		*n = 3;
	} else {
		code = (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 63) << 12
			| (uint32_t)(p[2] & 63) << 6 | (p[3] & 63);
		*n = 4;
	}
	if (code < 0x10000) {
		unit[0] = (uint16_t)code;
		return 1;
	}
	unit[0] = (uint16_t)(0xd800 + ((code - 0x10000) >> 10));
	unit[1] = (uint16_t)(0xdc00 + ((code - 0x10000) & 0x3ff));
	return 2;
}

int32_t
coord_partition_of(struct str id, int32_t n)
{
	uint32_t hash = 0;
	bool is_utf8 = utf8_is_valid(id);
	for (int32_t i = 0; i < id.n;) {
		uint16_t unit[2] = { id.p[i], 0 };
		int used = 1, nunit = is_utf8 ? utf16_units(id.p + i, unit, &used) : 1;
		for (int k = 0; k < nunit; k++)
			hash = 31 * hash + unit[k];
		i += used;
	}
	/* Kafka's Utils.abs: INT32_MIN becomes 0. */
	int64_t v = (int32_t)hash;
	return v == INT32_MIN ? 0 : (int32_t)((v < 0 ? -v : v) % n);
}
