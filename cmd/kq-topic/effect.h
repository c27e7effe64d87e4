/*
 * Settings that a broker stores but does not act on.  kq-broker marks them in the
 * documentation of the key (CONFIG_WITHOUT_EFFECT); other brokers never do.
 *
 * Uses: look, text/config.
 */
#ifndef KQ_TOPIC_EFFECT_H
#define KQ_TOPIC_EFFECT_H

#include "kq-topic/look.h"

/* Set has_no_effect of the settings of these topics that have no effect. */
void effect_mark(struct look *look, struct run *run);

/* Warn on stderr about settings in the options that have no effect on this topic. */
void effect_warn(struct run *run, const char *topic);

#endif
