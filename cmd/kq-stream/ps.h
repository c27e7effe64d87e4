/*
 * Verbs about running applications: ps, describe, stop.
 *
 * Uses: apps.
 */
#ifndef KQ_STREAM_CMD_PS_H
#define KQ_STREAM_CMD_PS_H

#include <stdbool.h>
#include <stdint.h>

struct ps_opts {
	bool is_json;
	bool all;         /* stop: all processes of the application */
	int64_t wait_ms;  /* stop: for the end of each */
};
extern struct ps_opts ps_opts;

/* Functions of the option table: they take the operands, and return the exit code. */
int run_ps(int argc, char **argv);
int run_describe(int argc, char **argv); /* APPLICATION */
int run_stop(int argc, char **argv);     /* APPLICATION [PID] */

#endif
