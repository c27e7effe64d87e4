#include "kq-stream/local_topics.h"

#include "base/murmur2.h"
#include "wire/kerr.h"

int
local_topics_open(struct local_topics *topics, struct program *program,
	const struct cluster_opts *cluster, struct err *e)
{
	const struct plan *plan = program->plan;
	*topics = (struct local_topics){ .program = program };
	topics->opts.cluster = *cluster;
	topics->opts.wake_fd = cluster->wake_fd;
	producer_opts_init(&topics->opts.producer);
	if (txn_sink_open(&topics->sink, &topics->opts, e) < 0)
		return -1;
	topics->is_open = true;
	topics->topic = mem_alloc((size_t)plan->nsink * sizeof *topics->topic);
	for (int i = 0; i < plan->nsink; i++) {
		topics->topic[i] = -1;
		if (plan->sink[i].is_stdout)
			continue;
		topics->topic[i] = txn_sink_topic(&topics->sink, plan->sink[i].topic, e);
		if (topics->topic[i] < 0)
			return -1;
	}
	return txn_sink_begin(&topics->sink, e);
}

void
local_topics_close(struct local_topics *topics)
{
	if (topics->is_open)
		txn_sink_close(&topics->sink);
	mem_free(topics->topic);
	*topics = (struct local_topics){ .is_open = false };
}

int
local_topics_put(struct local_topics *topics, const struct plan_sink *sink,
	const struct flow_rec *rec, bool *is_bad, struct err *e)
{
	int number = topics->topic[sink - topics->program->plan->sink];
	const struct txn_sink_topic *topic = &topics->sink.topic[number];
	struct str key, value, part;
	int32_t partition = -1;
	*is_bad = program_put(topics->program, sink, rec, &key, &value, &part, e) < 0;
	if (*is_bad)
		return -1;
	if (part.n >= 0 && part.p != key.p)
		partition = partition_for_key(part, topic->topic->nlive);
	*is_bad = producer_check_time(topic->topic, rec->ts_ms, e) < 0;
	if (!*is_bad) {
		if (txn_sink_put(&topics->sink, number, partition, rec->ts_ms, key, value, rec->headers,
			rec->nheader, e) == 0)
			return 0;
		*is_bad = e->kafka == KERR_MESSAGE_TOO_LARGE;
	}
	return err_wrap(e, "topic '%s'", topic->name);
}

int
local_topics_flush(struct local_topics *topics, struct err *e)
{
	return topics->is_open ? txn_sink_flush(&topics->sink, e) : 0;
}
