/*
 * Frames: a length of four bytes, a header, a body.
 *
 *   request:  length i32 | key i16 | version i16 | correlation i32 |
 *             client id string? | tags (flexible) | body
 *   response: length i32 | correlation i32 | tags (flexible) | body
 *
 * Two exceptions are Kafka's: the client id keeps the old string form even
 * in flexible headers, and an ApiVersions response has the old header in
 * every version (RequestHeader.json, ApiMessageTypeGenerator.java).
 *
 * Uses: base, wire.h.  Any thread.
 */
#ifndef KQ_WIRE_FRAME_H
#define KQ_WIRE_FRAME_H

#include "wire/wire.h"

struct request_header {
	int16_t api_key, api_version;
	int32_t correlation_id;
	struct str client_id; /* null allowed; into the input */
};

/* Read a request header behind the length.  Returns its bytes, or -1.  The
 * header of an API that share/proto does not know is read as inflexible; of
 * ApiVersions in an unknown version, up to the correlation id only. */
int64_t request_header_decode(struct request_header *header, const uint8_t *p,
	size_t n);

/* Append a request header, with room for the length in front of it.  Returns
 * the place of the length, for frame_end. */
size_t frame_begin_request(struct buf *b, const struct wire_api *api,
	const struct request_header *header);
size_t frame_begin_response(struct buf *b, const struct wire_api *api,
	int16_t version, int32_t correlation_id);

/* Set the length of the frame that began at the place and ends where b does,
 * or extra bytes later (record data that follow from elsewhere). */
void frame_end(struct buf *b, size_t at, size_t extra);

/* Bytes of a response's header behind the correlation id (0, or the tag
 * section's) when it is whole and sane; -1 otherwise. */
int64_t response_header_decode(const struct wire_api *api, int16_t version,
	const uint8_t *p, size_t n, int32_t *correlation_id);

#endif
