/*
 * A YAML file as a flat list of keys and values: nested maps are joined with
 * dots, sequences with commas.
 *
 *   num.partitions: 4            num.partitions = 4
 *   log: { retention.ms: -1 }    log.retention.ms = -1
 *   listeners:                   listeners = unix:/run/kq.sock,:9092
 *     - unix:/run/kq.sock
 *     - :9092
 *
 * Limits: 1,000 values, and those of ytree.
 *
 * Uses: base, ytree.  Any thread.
 */
#ifndef KQ_TEXT_CONF_H
#define KQ_TEXT_CONF_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"

struct conf_item {
	char *key, *value;
	int line, column; /* of the value, from 1 */
};

struct conf {
	struct conf_item *v;
	int n, cap;
};
#define CONF_INIT { NULL, 0, 0 }

/* Read a file.  Returns 0; or -1: ERR_USAGE with "FILE:LINE:COLUMN: ...", or the
 * file cannot be read.  *conf is empty after a failure. */
int conf_read(struct conf *conf, const char *path, struct err *e);

/* The same for text in memory; name stands for the file in messages. */
int conf_parse(struct conf *conf, const char *name, struct str text, struct err *e);

void conf_release(struct conf *conf);

#endif
