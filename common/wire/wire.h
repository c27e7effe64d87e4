/*
 * Kafka's messages as data: one codec walks the tables that share/gen/proto.awk
 * makes of share/proto/NN-name.kqp.
 *
 * Decoding is zero-copy: every struct str points into the input and is valid
 * as long as that is; arrays and nullable structs come from the arena, whose
 * cap bounds what a hostile message can make us allocate.
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
	uint8_t array;         /* a struct { T *v; int32_t n; }; n -1: null */
	uint8_t pointer;       /* a nullable struct: T *, NULL when null */
	int16_t from, upto;    /* versions that carry the field */
	int16_t null_from;     /* first version in which null is legal */
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

/* What stands in records: a version (i16), then the message. */
struct wire_data {
	int16_t min, max;
	int16_t flex;
	const struct wire_struct *desc;
};

struct wire_vec { /* the shape of every generated array member */
	void *v;
	int32_t n;
};

/* Every API of share/proto, by rising key.  Generated. */
extern const struct wire_api wire_api[];
extern const int wire_api_n;

/* The API of a key, or NULL. */
const struct wire_api *wire_api_find(int16_t key);

static inline bool
wire_api_is_flexible(const struct wire_api *api, int16_t version)
{
	return version >= api->flex;
}

/* Fill *msg with every field's default. */
void wire_defaults(const struct wire_struct *d, void *msg);

/* Decode one message of the given version.  Returns the bytes used, or -1
 * when the input is short, breaks the format or needs more memory than the
 * arena's cap; *msg is then not to be read.  Unknown tagged fields are
 * skipped; a known tag outside its versions is treated as unknown.  No string
 * is longer than 32767 bytes, so what came in can go out in any version. */
int64_t wire_decode(const struct wire_struct *d, int16_t version, bool flex,
	const uint8_t *p, size_t n, struct arena *a, void *msg);

/* Append the message to b.  Fields absent from the version are left out; a
 * tagged field is written only when it is not its default.  A null where the
 * version knows none, or a string of more than 32767 bytes, is a bug of the
 * caller and asserts. */
void wire_encode(const struct wire_struct *d, int16_t version, bool flex,
	const void *msg, struct buf *b);

/* Places in an encoded message whose bytes come from elsewhere. */
struct wire_gap {
	size_t at; /* in the buffer: the bytes belong in front of what is there */
	int32_t n;
};
struct wire_gaps {
	struct wire_gap *v; /* in the order of their places */
	int32_t n, cap;
};
#define WIRE_GAPS_INIT { NULL, 0, 0 }
void wire_gaps_release(struct wire_gaps *gaps);

/* As wire_encode; but of a bytes field with p NULL and n > 0 only the length
 * is written, and a gap is noted: the caller sends those n bytes itself.  False:
 * more than size_max bytes, of which a part is written: naming large things many
 * times in a small request can ask for any size. */
bool wire_encode_gaps(const struct wire_struct *d, int16_t version, bool flex,
	const void *msg, size_t size_max, struct buf *b, struct wire_gaps *gaps);

/* Decode a version and a message of that version, which take all n bytes.
 * Returns the version, or -1 when they don't, or we don't know the version. */
int wire_data_decode(const struct wire_data *data, const void *p, size_t n,
	struct arena *a, void *msg);

/* Append version (one of the table's) and message. */
void wire_data_encode(const struct wire_data *data, int16_t version, const void *msg,
	struct buf *b);

/* Append the message as one line of JSON, by the tables; bytes fields as
 * their length.  For traces and tests. */
void wire_dump(const struct wire_struct *d, int16_t version, const void *msg,
	struct buf *b);

#endif
