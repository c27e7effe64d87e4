/*
 * The verbs of kq-topic.  Each takes its operands and returns the exit code.
 */
#ifndef KQ_TOPIC_VERBS_H
#define KQ_TOPIC_VERBS_H

int verb_create(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_describe(int argc, char **argv);
int verb_alter(int argc, char **argv);
int verb_delete(int argc, char **argv);
int verb_offsets(int argc, char **argv);
int verb_trim(int argc, char **argv);
int verb_du(int argc, char **argv);

#endif
