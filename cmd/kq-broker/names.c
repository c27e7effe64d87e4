#include "kq-broker/names.h"

static char there; /* a value, since a map has no NULL */

void
names_add(struct names *s, struct str name)
{
	map_put(map_get(&s->seen, name) ? &s->twice : &s->seen, name, &there);
}

bool
names_are_twice(const struct names *s, struct str name)
{
	return map_get(&s->twice, name) != NULL;
}

void
names_release(struct names *s)
{
	map_release(&s->seen);
	map_release(&s->twice);
}
