/* Links: -lrdkafka */
/*
 * librdkafka's mock cluster as a program: a broker by others, to test the tools.
 *
 *	mock-broker [BROKERS [TOPIC:PARTITIONS]...]
 *
 * Prints its bootstrap addresses on one line, then reads commands from stdin,
 * one per line: "leader TOPIC PARTITION NODE", "down NODE", "up NODE",
 * "error API-KEY CODE...", "rtt NODE MS"; it answers each with "ok" or "failed".
 * It serves until it is killed, also after the end of stdin.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static rd_kafka_mock_cluster_t *cluster;

static void
push_errors(char *rest)
{
	rd_kafka_resp_err_t v[64];
	size_t n = 0;
	char *save, *word = strtok_r(rest, " ", &save);
	int key = word ? atoi(word) : -1;
	while (n < 64 && (word = strtok_r(NULL, " ", &save)))
		v[n++] = (rd_kafka_resp_err_t)atoi(word);
	rd_kafka_mock_push_request_errors_array(cluster, (int16_t)key, n, v);
}

static rd_kafka_resp_err_t
obey(char *line)
{
	char topic[256];
	int a, b;
	if (sscanf(line, "leader %255s %d %d", topic, &a, &b) == 3)
		return rd_kafka_mock_partition_set_leader(cluster, topic, a, b);
	if (sscanf(line, "down %d", &a) == 1)
		return rd_kafka_mock_broker_set_down(cluster, a);
	if (sscanf(line, "up %d", &a) == 1)
		return rd_kafka_mock_broker_set_up(cluster, a);
	if (sscanf(line, "rtt %d %d", &a, &b) == 2)
		return rd_kafka_mock_broker_set_rtt(cluster, a, b);
	if (strncmp(line, "error ", 6) == 0) {
		push_errors(line + 6);
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	}
	return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

int
main(int argc, char **argv)
{
	char why[256], line[1024];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why);
	if (!rk) {
		fprintf(stderr, "mock-broker: %s\n", why);
		return 1;
	}
	cluster = rd_kafka_mock_cluster_new(rk, argc > 1 ? atoi(argv[1]) : 1);
	for (int i = 2; i < argc; i++) {
		char *colon = strrchr(argv[i], ':');
		if (!colon)
			return 2;
		*colon = 0;
		rd_kafka_mock_topic_create(cluster, argv[i], atoi(colon + 1), 1);
	}
	puts(rd_kafka_mock_cluster_bootstraps(cluster));
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		puts(obey(line) ? "failed" : "ok");
		fflush(stdout);
	}
	for (;;)
		pause();
}
