/*
 * CSV with a header (RFC 4180), to JSON objects and back.
 *
 * In: the first line has the names.  A field without quotes that is a JSON number of at
 * most 15 digits becomes a number; any other one becomes a string, as it stands.
 * Out: the names are the members of the first object; of those with one name, the last one
 * counts.  Strings are written as they are, null as an empty field, any other value as JSON;
 * in quotes where necessary.
 *
 * Uses: json/value.h, stream/fn_expr.h, text/jsonput.
 */
#ifndef KQ_STREAM_CMD_CSV_H
#define KQ_STREAM_CMD_CSV_H

#include "base/err.h"
#include "json/value.h"

/* ---- in ---- */

struct csv_in {
	char separator;      /* of fields: the caller sets it */
	struct buf names;    /* of the columns: JSON strings, each with its colon */
	int32_t *name_end;   /* where each ends */
	int nname;
	bool has_header;
	bool is_unusable;    /* the header was refused: call nothing but csv_in_release */
	struct buf open;     /* lines of a record whose quotes are still open; at most 16 MiB */
	bool is_open;
	struct buf field, json;
};

/* Take a line, without its line feed.  Returns 1: *json is its object, valid until the next
 * call; 0: it was the header or an empty line, or the record goes on in the next line; -1
 * (ERR_CORRUPT). */
int csv_in_line(struct csv_in *csv, struct str line, struct str *json, struct err *e);

/* The input has ended.  -1 (ERR_CORRUPT): within quotes. */
int csv_in_end(const struct csv_in *csv, struct err *e);
void csv_in_release(struct csv_in *csv);

/* ---- out ---- */

struct csv_out {
	char separator;      /* of fields: the caller sets it */
	struct csv_column *column; /* in order */
	int ncolumn;
	bool has_header;     /* it was written */
	struct arena names;
	struct val_pool pool;
	struct buf text;
};

/* Append the object's line, and before the first one the header.  Returns 0, or -1
 * (ERR_CORRUPT): it is no object, has a member that the header lacks, or would be the first
 * and has none. */
int csv_out_put(struct csv_out *csv, struct str json, struct buf *out, struct err *e);
void csv_out_release(struct csv_out *csv);

#endif
