#include "wire/frame.h"

#include "base/varint.h"

#include "proto.h"

/* Skips a section of tagged fields; NULL: malformed. */
static const uint8_t *
skip_tags(const uint8_t *p, const uint8_t *end)
{
	uint64_t n, tag, len;
	p = uvarint_get(p, end, &n);
	for (; p && n > 0; n--) {
		p = uvarint_get(p, end, &tag);
		p = uvarint_get(p, end, &len);
		if (!p || len > (uint64_t)(end - p))
			return NULL;
		p += len;
	}
	return p;
}

int64_t
request_header_decode(struct request_header *header, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n, *at = p + 8;
	if (n < 8)
		return -1;
	*header = (struct request_header){ .api_key = (int16_t)load_be16(p),
		.api_version = (int16_t)load_be16(p + 2),
		.correlation_id = (int32_t)load_be32(p + 4), .client_id = STR_NULL };
	const struct wire_api *api = wire_api_find(header->api_key);
	if (header->api_key == API_API_VERSIONS && api
		&& (header->api_version < api->min || header->api_version > api->max))
		return 8;
	if (end - at < 2)
		return -1;
	int16_t len = (int16_t)load_be16(at);
	at += 2;
	if (len < -1 || len > end - at)
		return -1;
	if (len >= 0) {
		header->client_id = (struct str){ at, len };
		at += len;
	}
	if (api && wire_api_is_flexible(api, header->api_version))
		at = skip_tags(at, end);
	return at ? at - p : -1;
}

size_t
frame_begin_request(struct buf *b, const struct wire_api *api, const struct request_header *header)
{
	size_t at = b->n;
	uint8_t *p = buf_grow(b, 14);
	store_be32(p, 0);
	store_be16(p + 4, (uint16_t)header->api_key);
	store_be16(p + 6, (uint16_t)header->api_version);
	store_be32(p + 8, (uint32_t)header->correlation_id);
	assert(header->client_id.n <= INT16_MAX);
	store_be16(p + 12, (uint16_t)header->client_id.n);
	buf_put_str(b, header->client_id);
	if (wire_api_is_flexible(api, header->api_version))
		buf_putc(b, 0);
	return at;
}

static bool
has_flexible_header(const struct wire_api *api, int16_t version)
{
	return api->key != API_API_VERSIONS && wire_api_is_flexible(api, version);
}

size_t
frame_begin_response(struct buf *b, const struct wire_api *api, int16_t version,
	int32_t correlation_id)
{
	size_t at = b->n;
	uint8_t *p = buf_grow(b, 8);
	store_be32(p, 0);
	store_be32(p + 4, (uint32_t)correlation_id);
	if (has_flexible_header(api, version))
		buf_putc(b, 0);
	return at;
}

void
frame_end(struct buf *b, size_t at, size_t extra)
{
	size_t size = b->n - at - 4 + extra;
	assert(size <= INT32_MAX);
	store_be32(b->p + at, (uint32_t)size);
}

int64_t
response_header_decode(const struct wire_api *api, int16_t version, const uint8_t *p,
	size_t n, int32_t *correlation_id)
{
	if (n < 4)
		return -1;
	*correlation_id = (int32_t)load_be32(p);
	if (!has_flexible_header(api, version))
		return 0;
	const uint8_t *at = skip_tags(p + 4, p + n);
	return at ? at - p - 4 : -1;
}
