/*
 * The resources of the config APIs, and the sources of a value, by Kafka's
 * numbers (ConfigResource.Type, ConfigSource).
 */
#ifndef KQ_BROKER_CONFIG_RESOURCE_H
#define KQ_BROKER_CONFIG_RESOURCE_H

enum resource_type {
	RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_BROKER_LOGGER = 8,
	RESOURCE_CLIENT_METRICS = 16, RESOURCE_GROUP = 32,
};

enum config_source {
	SOURCE_TOPIC = 1,               /* set for the topic */
	SOURCE_DYNAMIC_BROKER = 2,      /* set for the broker while it ran */
	SOURCE_DYNAMIC_ALL_BROKERS = 3, /* set for all brokers while they ran */
	SOURCE_STATIC_BROKER = 4,       /* set at the broker's start */
	SOURCE_DEFAULT = 5,
	SOURCE_LOGGER = 6,
	SOURCE_GROUP = 8,               /* set for the group */
};

#endif
