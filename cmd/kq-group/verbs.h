/*
 * The verbs of kq-group.  Each takes its operands and returns the exit code.
 */
#ifndef KQ_GROUP_VERBS_H
#define KQ_GROUP_VERBS_H

int verb_list(int argc, char **argv);
int verb_describe(int argc, char **argv);
int verb_seek(int argc, char **argv);
int verb_delete(int argc, char **argv);
int verb_delete_offsets(int argc, char **argv);
int verb_export(int argc, char **argv);
int verb_import(int argc, char **argv);
int verb_watch(int argc, char **argv);

#endif
