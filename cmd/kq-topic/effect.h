/*
 * Settings that a broker keeps and does not act on.  kq-broker says so in the
 * documentation of each (CONFIG_WITHOUT_EFFECT); other brokers never do.
 */
#ifndef KQ_TOPIC_EFFECT_H
#define KQ_TOPIC_EFFECT_H

#include "kq-topic/look.h"

/* Mark the settings of these topics that have no effect. */
void effect_mark(struct look *look, struct run *run);

/* Say on stderr which of the settings that the options gave to this topic
 * have none. */
void effect_warn(struct run *run, const char *topic);

#endif
