#include "kq-broker/features.h"

/* First what some broker may lack. */
static const struct feature table[] = {
	{ "group.version", 1 },
	{ "transaction.version", 2 },
};

const struct feature *
features(const struct broker *b, int *n)
{
	int first = b->has_consumer_protocol ? 0 : 1;
	*n = (int)ARRAY_LEN(table) - first;
	return table + first;
}
