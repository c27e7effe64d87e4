#include "coord/internal.h"

bool
topic_is_internal(struct str name)
{
	return str_eq(name, STR(INTERNAL_OFFSETS)) || str_eq(name, STR(INTERNAL_TXNS))
		|| str_eq(name, STR(INTERNAL_SHARE));
}
