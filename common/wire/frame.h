/*
 * Frames: a length of four bytes, a header, a body.
 *
 *   request:  length i32 | key i16 | version i16 | correlation i32 |
 *             client id string? | tags (flexible) | body
 *   response: length i32 | correlation i32 | tags (flexible) | body
 *
 * Kafka has two exceptions: the client id has the old string form even in flexible
 * headers, and an ApiVersions response has the old header in every version
 * (RequestHeader.json, ApiMessageTypeGenerator.java).
 *
 * Uses: base, wire.h.  Any thread.
 */
#ifndef KQ_WIRE_FRAME_H
#define KQ_WIRE_FRAME_H

#include "wire/wire.h"

struct request_header {
	int16_t api_key, api_version;
	int32_t correlation_id;
	struct str client_id; /* may be null; points into the input */
};

/* Decodes a request header, which follows the length.  Returns its number of bytes;
 * -1: malformed.  For an unknown API the header is decoded as not flexible; for an
 * unknown version of ApiVersions it is decoded up to the correlation id only. */
int64_t request_header_decode(struct request_header *header, const uint8_t *p,
	size_t n);

/* Append a header, with room for the length in front of it.  They return the length's
 * position in b, for frame_end. */
size_t frame_begin_request(struct buf *b, const struct wire_api *api,
	const struct request_header *header);
size_t frame_begin_response(struct buf *b, const struct wire_api *api,
	int16_t version, int32_t correlation_id);

/* Sets the length of the frame that begins at this position and ends where b does, or
 * extra bytes later (the caller sends them after b). */
void frame_end(struct buf *b, size_t at, size_t extra);

/* Decodes a response header, which follows the length.  Returns the number of its
 * bytes after the correlation id (its tags); -1: malformed. */
int64_t response_header_decode(const struct wire_api *api, int16_t version,
	const uint8_t *p, size_t n, int32_t *correlation_id);

#endif
