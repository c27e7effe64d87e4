/* All partitions of all topics in turn, to the members subscribed to the topic. */
#include "client/assign_int.h"

void
assign_roundrobin(struct assign *assign)
{
	struct assign_member **order = assign_order(assign);
	int32_t at = 0;
	for (int32_t t = 0; t < assign->ntopic; t++) {
		int32_t n = 0;
		for (int32_t i = 0; i < assign->nmember; i++)
			n += assign_has_topic(order[i], t);
		for (int32_t p = 0; n > 0 && p < assign->topic[t].npart; p++) {
			while (!assign_has_topic(order[at], t))
				at = (at + 1) % assign->nmember;
			assign_give(assign, order[at], t, p);
			at = (at + 1) % assign->nmember;
		}
	}
}
