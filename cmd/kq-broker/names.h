/*
 * The names in one request, to find those that stand there more than once.
 * They are borrowed.  The seed is a random one, so that a client cannot choose
 * names whose hashes collide.
 */
#ifndef KQ_BROKER_NAMES_H
#define KQ_BROKER_NAMES_H

#include "base/map.h"

struct names {
	struct map seen, twice;
};
#define NAMES_INIT(random) { { .seed = (random) }, { .seed = (random) } }

void names_add(struct names *s, struct str name);
bool names_are_twice(const struct names *s, struct str name);
void names_release(struct names *s);

#endif
