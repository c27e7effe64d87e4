/* Neighbouring partitions for each member; the first members get one more if the number is
 * not divisible.  assign_range cuts each topic by itself, assign_numbers all in the same
 * way. */
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

/* All members are taken to have the same subscription. */
void
assign_numbers(struct assign *assign)
{
	struct assign_member **order = assign_order(assign);
	int32_t most = 0, next = 0;
	for (int32_t topic = 0; topic < assign->ntopic; topic++)
		most = MAX(most, assign->topic[topic].npart);
	for (int32_t i = 0; i < assign->nmember; i++) {
		int32_t end = next + most / assign->nmember + (i < most % assign->nmember);
		for (int32_t topic = 0; topic < assign->ntopic; topic++)
			for (int32_t k = next; k < MIN(end, assign->topic[topic].npart); k++)
				if (assign_has_topic(order[i], topic))
					assign_give(assign, order[i], topic, k);
		next = end;
	}
	assert(next == most);
}
