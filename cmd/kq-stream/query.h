/*
 * kq-stream query: the rows of a store of a running application, of all its processes on
 * this machine.
 *
 * Uses: apps.
 */
#ifndef KQ_STREAM_CMD_QUERY_H
#define KQ_STREAM_CMD_QUERY_H

#include <stdbool.h>
#include <stdint.h>

struct query_opts {
	const char *range[2];  /* keys, both included; NULL: none */
	const char *window[2]; /* times */
	int64_t limit;         /* rows */
	bool is_json;
};
extern struct query_opts query_opts;

/* Function of the option table: operands APPLICATION [STORE [KEY]].  Returns the exit code. */
int run_query(int argc, char **argv);

#endif
