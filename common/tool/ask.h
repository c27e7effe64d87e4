/*
 * Confirmation: a verb that removes records, topics, groups or offsets asks on the
 * terminal first.  With --yes it does not ask; with --dry-run it prints what it would
 * remove, and removes nothing.  Without a terminal one of the two options is required.
 *
 * Uses: text/opt, text/say.  One thread.
 */
#ifndef KQ_TOOL_ASK_H
#define KQ_TOOL_ASK_H

#include "text/opt.h"

/* Rows of the verb's option table. */
#define ASK_YES(to_) \
	OPT_BOOL('y', "yes", to_, "do not ask for confirmation")
#define ASK_DRY_RUN(to_) \
	OPT_BOOL('n', "dry-run", to_, "print what would be deleted, and delete nothing")

/* Check the options.  Returns 0; or EXIT_USAGE after reporting that both options are
 * given, or neither and there is no terminal. */
int ask_check(bool is_sure, bool is_dry);

/* Are stdin and stderr a terminal? */
bool ask_has_terminal(void);

/* Ask "... [y/N]" on the terminal.  Returns 0 for yes; EXIT_FAILED for no, after
 * reporting that nothing was changed. */
int ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Ask "Delete the KIND 'name' with all its WHAT? [y/N]"; several names are listed
 * first.  Returns as ask. */
int ask_delete(int n, char **names, const char *kind, const char *what);

#endif
