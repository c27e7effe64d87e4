#include "kq-group/group_run.h"

enum { EVERY_MS = 2000 };

struct group_options group_options = { .every_ms = EVERY_MS };

int
group_run_open(struct run *run)
{
	return run_open(run, &group_options.run, "kq-group");
}

void
group_run_refused(struct run *run, int16_t code, struct str message, struct str group)
{
	struct err e;
	assert(code != KERR_NONE);
	switch (code) {
	case KERR_GROUP_ID_NOT_FOUND:
		run_missing(run, "group", group);
		return;
	case KERR_NON_EMPTY_GROUP:
	case KERR_UNKNOWN_MEMBER_ID: /* answer to a commit of a non-member */
		err_set(&e, ERR_PEER, "group '%.*s' has members; stop them first", STR_ARG(group));
		break;
	default:
		cluster_peer_err(&e, code, message);
		err_wrap(&e, "group '%.*s'", STR_ARG(group));
	}
	run_failed(run, &e);
}

void
group_run_part_refused(struct run *run, int16_t code, struct str group, struct str topic,
	int32_t partition)
{
	struct err e;
	cluster_peer_err(&e, code, STR_NULL);
	if (code == KERR_UNKNOWN_MEMBER_ID)
		err_set(&e, ERR_PEER, "the group has members; stop them first");
	else if (code == KERR_GROUP_SUBSCRIBED_TO_TOPIC)
		err_set(&e, ERR_PEER, "members of the group read this topic; stop them first");
	err_wrap(&e, "group '%.*s', topic '%.*s', partition %d", STR_ARG(group), STR_ARG(topic),
		partition);
	run_failed(run, &e);
}
