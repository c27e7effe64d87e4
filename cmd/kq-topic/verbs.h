/*
 * The verbs of kq-topic.  Each takes its operands and returns the exit code.
 */
#ifndef KQ_TOPIC_VERBS_H
#define KQ_TOPIC_VERBS_H

int verb_topic_create(int argc, char **argv);
int verb_topic_list(int argc, char **argv);
int verb_topic_describe(int argc, char **argv);
int verb_topic_alter(int argc, char **argv);
int verb_topic_delete(int argc, char **argv);
int verb_topic_offsets(int argc, char **argv);
int verb_topic_trim(int argc, char **argv);
int verb_topic_du(int argc, char **argv);

#endif
