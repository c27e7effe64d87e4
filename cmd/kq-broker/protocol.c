#include "kq-broker/protocol.h"

#include "kq-broker/dispatch.h"

#include "wire/kafka_api.h"

#include <stdio.h>

struct range {
	char text[16];
};

static struct range
range_of(int min, int max)
{
	struct range r = { "-" };
	if (max > min)
		snprintf(r.text, sizeof r.text, "%d-%d", min, max);
	else if (max >= 0)
		snprintf(r.text, sizeof r.text, "%d", max);
	return r;
}

static struct range
served(int16_t key)
{
	const struct api *a = dispatch_find(key);
	return a ? range_of(a->advertised_min, a->max) : range_of(-1, -1);
}

void
protocol_print_help(void)
{
	dispatch_init();
	printf("%-4s %-38s %-7s %-7s %s\n", "key", "api", "served", "kafka", "why");
	for (int i = 0; i < KAFKA_API_N; i++) {
		const struct kafka_api *k = &kafka_apis[i];
		printf("%-4d %-38s %-7s %-7s %s\n", k->key, k->name, served(k->key).text,
			range_of(k->min, k->max).text, *k->note ? k->note : "-");
	}
}

void
protocol_print_mdoc(void)
{
	dispatch_init();
	printf(".Bl -column -offset indent \"key\" \"StreamsGroupTopologyDescriptionUpdate\" "
		"\"served\" \"Kafka\"\n.It key Ta API Ta served Ta Kafka\n");
	for (int i = 0; i < KAFKA_API_N; i++) {
		const struct kafka_api *k = &kafka_apis[i];
		printf(".It %d Ta %s Ta %s Ta %s\n", k->key, k->name, served(k->key).text,
			range_of(k->min, k->max).text);
	}
	printf(".El\n.Pp\nThe differences:\n.Bl -tag -width Ds\n");
	for (int i = 0; i < KAFKA_API_N; i++) {
		const struct kafka_api *k = &kafka_apis[i];
		const char *note = k->note;
		if (!*note)
			continue;
		/* APIs of one reason stand together. */
		printf(".It %s\n", k->name);
		if (i + 1 == KAFKA_API_N || strcmp(note, kafka_apis[i + 1].note) != 0)
			printf("%c%s.\n", note[0] >= 'a' && note[0] <= 'z' ? note[0] - 'a' + 'A'
				: note[0], note + 1);
	}
	printf(".El\n");
}
