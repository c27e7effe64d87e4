/*
 * One setting of a topic of the cluster.
 *
 * Uses: client.  They wait for a broker, at most 5 s.  One thread.
 */
#ifndef KQ_STREAM_CMD_TOPIC_SETTING_H
#define KQ_STREAM_CMD_TOPIC_SETTING_H

#include "client/cluster.h"

/* Append the value; nothing if the broker does not know the setting.  Returns 0, or -1. */
int topic_setting_get(struct cluster *cl, const char *topic, const char *name, struct buf *value,
	struct err *e);

/* The same of one that is a number; `otherwise` if it is not known. */
int64_t topic_setting_number(struct cluster *cl, const char *topic, const char *name,
	int64_t otherwise);

int topic_setting_set(struct cluster *cl, const char *topic, const char *name, int64_t value,
	struct err *e);

#endif
