/*
 * The data directory beside the logs: its lock, its checkpoints, the mark of
 * a clean stop, and which boot of the machine wrote last.
 *
 * All of it blocks on the disk.  Start, stop, and the control thread.
 */
#ifndef KQ_BROKER_DATADIR_H
#define KQ_BROKER_DATADIR_H

#include "base/map.h"
#include "base/mem.h"
#include "kq-broker/broker.h"

/* What the checkpoints know, by "topic-N". */
struct offsets {
	struct map entries; /* struct offsets_entry */
};
struct offsets_entry {
	struct str name; /* "topic-N" */
	int64_t recovery_offset, log_start_offset, high_watermark;
};

struct datadir_state {
	struct offsets offsets;
	bool is_clean;  /* the last stop was */
	bool same_boot; /* the machine has not gone down since the last start */
};

/* Make the directory if need be, and lock it; sets data_fd and lock_fd.  Refused,
 * with nothing written: one that other users own or may write to, and one that
 * holds data of another program, or of kq without the metastore's log. */
int datadir_open(struct broker *b, struct err *e);

/* Read how the last run ended. */
int datadir_read(struct broker *b, struct datadir_state *s, struct err *e);
void datadir_state_release(struct datadir_state *s);
const struct offsets_entry *datadir_offsets(const struct datadir_state *s,
	const char *topic, int32_t index); /* or NULL */

/* After a crash: rename the directories of partitions that no topic has, which
 * a deletion cut short leaves behind, to NAME.MS-stray, and say so.  They are
 * never removed: it may be the metastore that is wrong. */
int datadir_set_strays_aside(struct broker *b, struct err *e);

/* From now on a crash is a crash: take the mark off, note the boot. */
int datadir_begin(struct broker *b, struct err *e);

/* The machine went down under us: say so in the directory, until what may have
 * been lost by that has been dealt with, which a crash can interrupt. */
int datadir_note_power_loss(struct broker *b, struct err *e);
bool datadir_has_power_loss(struct broker *b);
void datadir_forget_power_loss(struct broker *b); /* any thread */

/* Write what is known now, of the topics there are now; and, when all is
 * synced, the clean mark.  The files know topics by name alone: before a name
 * is used again they must have been written without it (see
 * is_checkpoint_stale), or a crash would hold the old topic's offsets against
 * the new one's log. */
int datadir_checkpoint(struct broker *b, struct err *e);
int datadir_mark_clean(struct broker *b, struct err *e);

#endif
