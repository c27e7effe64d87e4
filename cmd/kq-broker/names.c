#include "kq-broker/names.h"

static char there; /* any value but NULL */

void
names_add(struct names *names, struct str name)
{
	map_put(map_get(&names->seen, name) ? &names->twice : &names->seen, name, &there);
}

bool
names_are_twice(const struct names *names, struct str name)
{
	return map_get(&names->twice, name) != NULL;
}

void
names_release(struct names *names)
{
	map_release(&names->seen);
	map_release(&names->twice);
}
