/*
 * kq-stream reset: forget an application, so that it begins again: its group with the
 * committed offsets, its internal topics, and its local state on this machine.
 *
 * Uses: tool/run, state_dir.
 */
#ifndef KQ_STREAM_CMD_RESET_H
#define KQ_STREAM_CMD_RESET_H

#include "tool/run.h"

struct reset_opts {
	struct run_opts run;
	bool executes;         /* false: only print what would be removed */
	const char *state_dir; /* as in state_dir_open */
};
extern struct reset_opts reset_opts;

/* Function of the option table: operand APPLICATION.  Returns the exit code. */
int run_reset(int argc, char **argv);

#endif
