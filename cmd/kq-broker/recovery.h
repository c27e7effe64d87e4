/*
 * Work on all partitions at once: checking them after a crash, and syncing them
 * at a clean stop.  It is spread over several threads.
 *
 * Takes no lock: at the start and at the stop only, while no other thread uses
 * the partitions.
 */
#ifndef KQ_BROKER_RECOVERY_H
#define KQ_BROKER_RECOVERY_H

#include "kq-broker/topics.h"

enum { RECOVERY_THREADS_MAX = 64 };

/* Check every log, and cut off what an interrupted write left at its end.  A log
 * that cannot be checked is not served, which is logged.  same_boot: the machine
 * has not gone down since the logs were written. */
void recovery_check_all(struct topics *topics, bool same_boot, int nthread);

/* Sync every log and write its indexes.  Returns the number of partitions that
 * could not be closed cleanly: after a failure now, or at the start. */
int recovery_sync_all(struct topics *topics, int nthread);

#endif
