/*
 * The verbs of kq-group.  Each takes its operands and returns the exit code.
 */
#ifndef KQ_GROUP_VERBS_H
#define KQ_GROUP_VERBS_H

int verb_group_list(int argc, char **argv);
int verb_group_describe(int argc, char **argv);
int verb_group_seek(int argc, char **argv);
int verb_group_delete(int argc, char **argv);
int verb_group_delete_offsets(int argc, char **argv);
int verb_group_export(int argc, char **argv);
int verb_group_import(int argc, char **argv);
int verb_group_watch(int argc, char **argv);

#endif
