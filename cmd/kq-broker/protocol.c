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
	struct range range = { "-" };
	if (max > min)
		snprintf(range.text, sizeof range.text, "%d-%d", min, max);
	else if (max >= 0)
		snprintf(range.text, sizeof range.text, "%d", max);
	return range;
}

static struct range
served(int16_t key)
{
	const struct api *api = dispatch_find(key);
	return api ? range_of(api->advertised_min, api->max) : range_of(-1, -1);
}

void
protocol_print_help(void)
{
	dispatch_init();
	printf("%-4s %-38s %-7s %-7s %s\n", "key", "api", "served", "kafka", "why");
	for (int i = 0; i < KAFKA_API_N; i++) {
		const struct kafka_api *api = &kafka_apis[i];
		printf("%-4d %-38s %-7s %-7s %s\n", api->key, api->name, served(api->key).text,
			range_of(api->min, api->max).text, *api->note ? api->note : "-");
	}
}

void
protocol_print_mdoc(void)
{
	dispatch_init();
	printf(".Bl -column -offset indent \"key\" \"StreamsGroupTopologyDescriptionUpdate\" "
		"\"served\" \"Kafka\"\n.It key Ta API Ta served Ta Kafka\n");
	for (int i = 0; i < KAFKA_API_N; i++) {
		const struct kafka_api *api = &kafka_apis[i];
		printf(".It %d Ta %s Ta %s Ta %s\n", api->key, api->name, served(api->key).text,
			range_of(api->min, api->max).text);
	}
	printf(".El\n.Pp\nThe differences:\n.Bl -tag -width Ds\n");
	for (int i = 0; i < KAFKA_API_N; i++) {
		const struct kafka_api *api = &kafka_apis[i];
		const char *note = api->note;
		if (!*note)
			continue;
		/* Consecutive APIs with the same note share it. */
		printf(".It %s\n", api->name);
		if (i + 1 == KAFKA_API_N || strcmp(note, kafka_apis[i + 1].note) != 0)
			printf("%c%s.\n", note[0] >= 'a' && note[0] <= 'z' ? note[0] - 'a' + 'A'
				: note[0], note + 1);
	}
	printf(".El\n");
}
