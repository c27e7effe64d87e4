/*
 * The settings of the command line and of kq.yaml, checked.
 *
 * Read by any thread; not changed after settings_parse.
 */
#ifndef KQ_BROKER_SETTINGS_H
#define KQ_BROKER_SETTINGS_H

#include "base/err.h"
#include "sys/net.h"
#include "text/config.h"

enum { LISTENERS_MAX = 16 };

struct addr_list {
	struct net_addr v[LISTENERS_MAX];
	int n;
};

struct settings {
	char *data_dir;            /* owned */
	bool is_memory;
	struct config_set *values; /* the broker's keys, and the synonyms of topics' */
	struct addr_list listen, advertised;
};

/* Parse the command line of kq-broker.  0: go on; 1: something was printed
 * and the program ends well; -1: *e says what is wrong. */
int settings_parse(struct settings *settings, int argc, char **argv, struct err *e);
void settings_release(struct settings *settings);

#endif
