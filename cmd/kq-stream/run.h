/*
 * The verbs of kq-stream that run an application, or show one.
 *
 * Uses: program, settings.
 */
#ifndef KQ_STREAM_CMD_RUN_H
#define KQ_STREAM_CMD_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct run_flags {
	bool prints_yaml;    /* from: print it as YAML instead of running it */
	bool draws_svg;      /* explain: as SVG */
	bool prints_dot;     /* explain: as a graph for dot */
	const char *brokers; /* -b; or NULL */
	int64_t wait_ms;
};
extern struct run_flags run_flags;

/* Functions of option tables: they take the operands, and return the exit code. */
int run_from(int argc, char **argv);    /* TOPIC [WORD]... */
int run_file(int argc, char **argv);    /* FILE */
int run_explain(int argc, char **argv); /* FILE, or from TOPIC [WORD]... */
int run_test(int argc, char **argv);    /* FILE */

#endif
