/*
 * May this process join the application's group?  Asked once, before the first thread joins:
 * a member of another topology would get tasks whose inputs have no committed offsets, and
 * write into the repartition topics and changelogs of the application that runs, before a
 * task with a committed offset was refused.
 *
 * Uses: running; client.  The thread that starts the application.
 */
#ifndef KQ_STREAM_CMD_ADMIT_H
#define KQ_STREAM_CMD_ADMIT_H

#include "kq-stream/running.h"

/* Compare all that the group has committed with the application's facts (running_read_note,
 * running_check_unread); a group without commits passes.  What other members have not
 * committed yet is not waited for.  Waits for the coordinator, with retries, up to two minutes.
 * Returns 0, or -1: ERR_USAGE: the state is another one; ERR_CORRUPT: a note of a topic that is
 * read is none; ERR_PEER, ERR_RETRY: the group could not be asked. */
int admit_check(const struct running *app, struct cluster *cl, struct err *e);

#endif
