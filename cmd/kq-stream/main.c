/* kq-stream: stream processing over topics, stdin and stdout. */
#include "text/opt.h"
#include "text/say.h"

#include <stdio.h>

static struct {
	const char *application;
} given;

static const struct opt opts[] = {
	OPT_STRING('a', "application", &given.application, "ID",
		"application ID: the consumer group, and the prefix of internal topics"),
	OPT_END
};

static int
run_from(int argc, char **argv)
{
	(void)argc, (void)argv;
	say_error("this version only checks its options");
	return EXIT_FAILED;
}

static const struct opt_verb verbs[] = {
	OPT_VERB("from", "TOPIC [WORD]...", "process the records of topics, or of stdin (-)", NULL,
		run_from),
	OPT_VERB_END
};

static const struct opt_command command = {
	.operands = "VERB [WORD]...",
	.phrase = "stream processing over Kafka topics, stdin and stdout",
	.examples =
		"  kq-stream from - then filter '.amount > 100' then map '{id, amount}' then to -\n",
	.opts = opts,
	.verbs = verbs,
};

static int
check(struct opt_result *result, struct err *e)
{
	return opt_check_operands(result, "topic", e);
}

int
main(int argc, char **argv)
{
	return opt_main(&command, argc, argv, check);
}
