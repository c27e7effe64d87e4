#include "kq-topic/topic_run.h"

#include "text/units.h"
#include "wire/topic.h"

struct topic_options topic_options = { .partition = -1 };

static int
check_words(int nname, char **names, struct err *e)
{
	for (int i = 0; i < nname; i++)
		if (strlen(names[i]) > TOPIC_NAME_MAX)
			return err_set(e, ERR_USAGE, "the topic's name '%.20s...' is longer than %d bytes",
				names[i], TOPIC_NAME_MAX);
	return 0;
}

int
topic_run_open(struct run *run, int nname, char **names)
{
	struct err e;
	if (check_words(nname, names, &e) < 0)
		return say_err(&e, true);
	return run_open(run, &topic_options.run, "kq-topic");
}

void
topic_run_refused(struct run *run, int16_t code, struct str message, struct str topic,
	int32_t partition)
{
	struct err e;
	assert(code != KERR_NONE);
	if (code == KERR_UNKNOWN_TOPIC_OR_PARTITION && partition < 0) {
		run_missing(run, "topic", topic);
		return;
	}
	cluster_peer_err(&e, code, message);
	char *quoted = arena_printf(&run->arena, "'%.*s'", STR_ARG(topic));
	if (partition >= 0)
		err_wrap(&e, "topic %s, partition %d", quoted, partition);
	else if (!strstr(e.msg, quoted)) /* some brokers name it in the message */
		err_wrap(&e, "topic %s", quoted);
	run_failed(run, &e);
}

void
topic_run_take(struct run *run, int16_t code, struct str message, struct str topic)
{
	if (code == KERR_NONE)
		run->ndone++;
	else
		topic_run_refused(run, code, message, topic, -1);
}

void
topic_run_check_count(struct run *run, int nasked, int nanswered)
{
	struct err e;
	if (nanswered >= nasked)
		return;
	err_set(&e, ERR_CORRUPT, "the broker answered for %d of %d topic%s", nanswered, nasked,
		units_plural(nasked));
	run_failed(run, &e);
}
