/* Each topic by itself: each member gets neighbouring partitions, and the first members
 * get one more if the number is not divisible. */
#include "client/assign_int.h"

void
assign_range(struct assign *assign)
{
	struct assign_member **order = assign_order(assign);
	for (int32_t topic = 0; topic < assign->ntopic; topic++) {
		int32_t n = 0;
		for (int32_t i = 0; i < assign->nmember; i++)
			n += assign_has_topic(order[i], topic);
		if (n == 0)
			continue;
		int32_t npart = assign->topic[topic].npart, each = npart / n, more = npart % n, next = 0;
		for (int32_t i = 0; i < assign->nmember; i++) {
			if (!assign_has_topic(order[i], topic))
				continue;
			int32_t count = each + (more > 0);
			more -= more > 0;
			while (count-- > 0)
				assign_give(assign, order[i], topic, next++);
		}
		assert(next == npart);
	}
}
