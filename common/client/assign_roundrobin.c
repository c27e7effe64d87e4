/* All partitions of all topics in turn, to the members subscribed to the topic. */
#include "client/assign_int.h"

void
assign_roundrobin(struct assign *assign)
{
	struct assign_member **order = assign_order(assign);
	int32_t at = 0;
	for (int32_t topic = 0; topic < assign->ntopic; topic++) {
		int32_t n = 0;
		for (int32_t i = 0; i < assign->nmember; i++)
			n += assign_has_topic(order[i], topic);
		for (int32_t part = 0; n > 0 && part < assign->topic[topic].npart; part++) {
			while (!assign_has_topic(order[at], topic))
				at = (at + 1) % assign->nmember;
			assign_give(assign, order[at], topic, part);
			at = (at + 1) % assign->nmember;
		}
	}
}
