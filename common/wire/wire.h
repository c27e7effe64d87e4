/*
 * Kafka's messages as data: one codec walks tables, which share/gen/proto.awk makes
 * from share/proto/NN-name.kqp.
 *
 * Decoding is zero-copy: every struct str points into the input, and is valid as
 * long as the input is.  Arrays and nullable structs come from the arena, whose cap
 * bounds the memory that a hostile message can use.
 *
 * Source: Kafka's clients/src/main/resources/common/message (README.md there
 * gives the rules), KIP-482 for flexible versions.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_WIRE_WIRE_H
#define KQ_WIRE_WIRE_H

#include "base/base.h"
#include "base/mem.h"
#include "base/uuid.h"

enum wire_kind {
	WIRE_BOOL, WIRE_I8, WIRE_I16, WIRE_I32, WIRE_I64, WIRE_U16, WIRE_U32,
	WIRE_F64, WIRE_UUID, WIRE_STRING, WIRE_BYTES, WIRE_STRUCT,
};

struct wire_field {
	const char *name;
	uint16_t off;
	uint8_t kind;          /* enum wire_kind, of the element if array */
	uint8_t array;         /* bool: a struct { T *v; int32_t n; }; n -1: null */
	uint8_t pointer;       /* bool: a nullable struct, T *; NULL: null */
	int16_t from, upto;    /* the versions that have the field */
	int16_t null_from;     /* the first version in which it may be null */
	int16_t tag;           /* -1: an ordinary field */
	int64_t def;           /* default; -1 for a string or array: null */
	const struct wire_struct *elem;
};

struct wire_struct {
	const char *name;
	uint32_t size;
	int nfield;
	const struct wire_field *field;
};

struct wire_api {
	int16_t key;
	const char *name;
	int16_t min, max; /* versions that the tables know */
	int16_t flex;     /* first flexible version; 32767: none */
	const struct wire_struct *request, *response;
};

/* A message in a record: a version (i16), then the fields. */
struct wire_data {
	int16_t min, max;
	int16_t flex;
	const struct wire_struct *desc;
};

struct wire_vec { /* the layout of every generated array */
	void *v;
	int32_t n;
};

/* Every API of share/proto, by ascending key.  Generated. */
extern const struct wire_api wire_api[];
extern const int wire_api_n;

/* The API of a key, or NULL. */
const struct wire_api *wire_api_find(int16_t key);

static inline bool
wire_api_is_flexible(const struct wire_api *api, int16_t version)
{
	return version >= api->flex;
}

/* Sets every field of *msg to its default. */
void wire_defaults(const struct wire_struct *d, void *msg);

/* Decodes a message of this version.  Returns the number of bytes used.  -1: the
 * input is too short, violates the format, or needs more memory than the arena's
 * cap; *msg must not be read then.  Unknown tagged fields are skipped, and so are
 * known ones outside their versions.  Strings longer than 32767 bytes are refused,
 * so that all that was decoded can be encoded in any version. */
int64_t wire_decode(const struct wire_struct *d, int16_t version, bool flex,
	const uint8_t *p, size_t n, struct arena *a, void *msg);

/* Appends the message to b.  Fields that the version does not have are left out; a
 * tagged field is written only if it differs from its default.  Asserts that there
 * is no null where the version allows none, and no string over 32767 bytes. */
void wire_encode(const struct wire_struct *d, int16_t version, bool flex,
	const void *msg, struct buf *b);

/* Places in an encoded message where the caller inserts bytes when it sends. */
struct wire_gap {
	size_t at; /* position in the buffer: the bytes go before it */
	int32_t n;
};
struct wire_gaps {
	struct wire_gap *v; /* ascending by at */
	int32_t n, cap;
};
#define WIRE_GAPS_INIT { NULL, 0, 0 }
void wire_gaps_release(struct wire_gaps *gaps);

/* As wire_encode, but for a bytes field with p NULL and n > 0 it writes only the
 * length and adds a gap: the caller sends those n bytes itself.  False: the message
 * has more than size_max bytes, and is written in part.  (A small request that names
 * a large thing many times can ask for a response of any size.) */
bool wire_encode_gaps(const struct wire_struct *d, int16_t version, bool flex,
	const void *msg, size_t size_max, struct buf *b, struct wire_gaps *gaps);

/* Decodes a version and a message of that version.  Returns the version; -1: the
 * version is unknown, or they do not take exactly n bytes. */
int wire_data_decode(const struct wire_data *data, const void *p, size_t n,
	struct arena *a, void *msg);

/* Appends the version (one of the table's) and the message to b. */
void wire_data_encode(const struct wire_data *data, int16_t version, const void *msg,
	struct buf *b);

/* Appends the message as one line of JSON; bytes fields as their lengths.  For traces
 * and tests. */
void wire_dump(const struct wire_struct *d, int16_t version, const void *msg,
	struct buf *b);

#endif
