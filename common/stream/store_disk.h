/*
 * The folder of a store set: for the files of the store only.
 *
 * Uses: store_db.h.
 */
#ifndef KQ_STREAM_STORE_DISK_H
#define KQ_STREAM_STORE_DISK_H

#include "stream/store_db.h"

struct store_disk {
	char *dir;
	int lock_fd;
	struct store_db base, spill; /* state.mdb, once there is one; spill.mdb, once needed */
	struct buf identity, text;
	bool has_text;
	uint16_t next_id;
	struct buf key, data;        /* scratch */
	char notice[600];
};

int store_disk_write_fact(struct store_db *db, MDB_txn *txn, const char *name, const char *of,
	struct str fact);

#endif
