/* All partitions of all topics in turn, over those that subscribe to them. */
#include "client/assign_int.h"

void
assign_roundrobin(struct assign *a)
{
	struct assign_member **order = assign_order(a);
	int32_t at = 0;
	for (int32_t t = 0; t < a->ntopic; t++) {
		int32_t n = 0;
		for (int32_t i = 0; i < a->nmember; i++)
			n += assign_has_topic(order[i], t);
		for (int32_t p = 0; n > 0 && p < a->topic[t].npart; p++) {
			while (!assign_has_topic(order[at], t))
				at = (at + 1) % a->nmember;
			assign_give(a, order[at], t, p);
			at = (at + 1) % a->nmember;
		}
	}
}
