/*
 * Resources of the config APIs, and where a value comes from, in Kafka's
 * numbers (ConfigResource.Type, ConfigSource, ConfigType).
 */
#ifndef KQ_BROKER_DESCRIBE_H
#define KQ_BROKER_DESCRIBE_H

#include "text/config.h"

enum resource_type { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4 };

enum config_source {
	SOURCE_TOPIC = 1,         /* set for the topic */
	SOURCE_STATIC_BROKER = 4, /* set in the broker's settings */
	SOURCE_DEFAULT = 5,
};

static inline int
describe_source(const struct config_set *topic, const struct config_set *broker,
	enum config_id id)
{
	return topic && topic->value[id] ? SOURCE_TOPIC
		: broker && broker->value[id] ? SOURCE_STATIC_BROKER : SOURCE_DEFAULT;
}

#endif
