/*
 * kq-stream test: records given, records expected, no broker.
 *
 *	run: revenue.yaml            the application; or 'streams', in the same file
 *	tests:
 *	  a sum a minute:            the test's name
 *	    input:
 *	      - topic: orders
 *	        key: alice
 *	        value: {amount: 5}
 *	        time: 1000           number or ISO 8601, as of 'time'; absent: as before
 *	    output:
 *	      - topic: totals
 *	        key: {key: alice, start: 0, end: 60000}
 *	        value: {total: 5}
 *	        time: 1000
 *	    open: true               the input goes on: what is open does not come out
 *
 * Keys and values are JSON as YAML writes it.  What is left out of an expected record may be
 * anything.  Inputs go through the formats and functions of the application.
 *
 * Uses: program, yaml.
 */
#ifndef KQ_STREAM_CMD_TESTING_H
#define KQ_STREAM_CMD_TESTING_H

#include "kq-stream/program.h"
#include "text/ytree.h"

/* Run the tests of a file, whose application the program is, and print a line for each, and
 * the differences.  Returns the number of tests that failed, or -1 (ERR_USAGE): the tests
 * make no sense. */
int testing_run(struct program *program, const char *file, const struct ytree *tests,
	struct err *e);

#endif
