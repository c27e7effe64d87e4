#include "wire/kerr.h"

const struct kerr_info *
kerr_info(int16_t code)
{
	static const struct kerr_info unknown = { -1, "UNKNOWN_ERROR", false,
		"the broker answered with an unknown error code" };
	for (int i = 0; i < kerr_table_n; i++)
		if (kerr_table[i].code == code)
			return &kerr_table[i];
	return &unknown;
}
