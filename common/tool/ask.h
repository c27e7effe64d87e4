/*
 * The rule for what destroys: a verb that removes records, topics, groups or
 * offsets asks on the terminal before it does.  With --yes it does not ask; with
 * --dry-run it prints what it would remove, and removes nothing.  Where there is
 * no terminal to ask on, one of the two has to be given.
 *
 * Uses: say, libc.  One thread.
 */
#ifndef KQ_TOOL_ASK_H
#define KQ_TOOL_ASK_H

#include "base/base.h"

/* The options of such a verb, for its table. */
#define ASK_YES(to_) \
	OPT_BOOL('y', "yes", to_, "do not ask for confirmation")
#define ASK_DRY_RUN(to_) \
	OPT_BOOL('n', "dry-run", to_, "print what would be deleted, and delete nothing")

/* First of all: can the rule be kept?  0; or EXIT_USAGE after saying why: both
 * options are given, or neither and there is no terminal. */
int ask_check(bool is_sure, bool is_dry);

bool ask_has_terminal(void);

/* "... [y/N]", on the terminal.  0: yes; EXIT_FAILED: no, which was said. */
int ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "Delete the KIND 'name' with all its WHAT? [y/N]"; of several, their names
 * come first.  As ask. */
int ask_delete(int n, char **names, const char *kind, const char *what);

#endif
