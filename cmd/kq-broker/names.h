/*
 * The names in one request, to find those that stand there more than once.
 * They are borrowed.
 */
#ifndef KQ_BROKER_NAMES_H
#define KQ_BROKER_NAMES_H

#include "base/map.h"

struct names {
	struct map seen, twice;
};
#define NAMES_INIT { MAP_INIT, MAP_INIT }

void names_add(struct names *s, struct str name);
bool names_are_twice(const struct names *s, struct str name);
void names_release(struct names *s);

#endif
