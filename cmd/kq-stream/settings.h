/*
 * The settings of an application: options of the command line, and keys of a YAML file of
 * the same names.
 *
 * Uses: plan, text/opt.
 */
#ifndef KQ_STREAM_CMD_SETTINGS_H
#define KQ_STREAM_CMD_SETTINGS_H

#include "kq-stream/plan.h"
#include "text/opt.h"

/* Rows of the option table: parsed into place by opt_parse.  The table ends with OPT_END. */
extern const struct opt settings_opts[];

/* Set a setting that the command line has not given.  Returns 0, or -1 (ERR_USAGE): an
 * unknown name, with a suggestion, or a wrong value.  The text must outlive the plan. */
int settings_set(const char *name, const char *text, struct err *e);

/* Is there a setting of this name?  0, or -1 (ERR_USAGE), with a suggestion. */
int settings_check(const char *name, struct err *e);

/* Let none be given, as at the start. */
void settings_forget(void);

/* Check the settings against each other, and store them.  Returns 0, or -1 (ERR_USAGE). */
int settings_get(struct plan_settings *settings, struct err *e);

/* Append those that are set, as lines "name: value". */
void settings_print_yaml(struct buf *out);

#endif
