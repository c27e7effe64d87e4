/*
 * Finds the names that stand more than once in a request.
 *
 * Names are borrowed.  The seed must be random, so that a client cannot choose
 * names whose hashes collide.  One thread.
 */
#ifndef KQ_BROKER_NAMES_H
#define KQ_BROKER_NAMES_H

#include "base/map.h"

struct names {
	struct map seen, twice;
};
#define NAMES_INIT(random) { { .seed = (random) }, { .seed = (random) } }

void names_add(struct names *names, struct str name);
bool names_are_twice(const struct names *names, struct str name); /* added twice or more? */
void names_release(struct names *names);

#endif
