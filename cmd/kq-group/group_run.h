/*
 * What the verbs of kq-group share: the options, and the errors about groups.
 *
 * Uses: tool/run, text/json, text/put.
 */
#ifndef KQ_GROUP_GROUP_RUN_H
#define KQ_GROUP_GROUP_RUN_H

#include "tool/run.h"
#include "text/json.h"
#include "text/put.h"

struct group_options {
	struct run_opts run;
	bool is_json;
	const char *states, *types; /* separated by commas; NULL: all */
	bool shows_members, shows_state;
	bool takes_all;
	const char *to, *from_file;
	bool is_sure, is_dry;
	int64_t every_ms;
};
extern struct group_options group_options;

/* run_open, with the options. */
int group_run_open(struct run *run);

/* Report and count a Kafka error about a group, with the broker's message if it sent
 * one. */
void group_run_refused(struct run *run, int16_t code, struct str message, struct str group);

/* The same, about one of its partitions. */
void group_run_part_refused(struct run *run, int16_t code, struct str group, struct str topic,
	int32_t partition);

#endif
