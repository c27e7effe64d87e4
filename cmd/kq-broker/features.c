#include "kq-broker/features.h"

/* Those that may be disabled come first. */
static const struct feature table[] = {
	{ "group.version", 1 },
	{ "transaction.version", 2 },
};

const struct feature *
features(bool has_consumer_protocol, int *n)
{
	int first = has_consumer_protocol ? 0 : 1;
	*n = (int)ARRAY_LEN(table) - first;
	return table + first;
}
