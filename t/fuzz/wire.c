/*
 * A message of any API, version and direction: a decoded message can be encoded,
 * and the result decodes and encodes to the same bytes.
 *
 *   input: API (place in wire_api) | version | 0 response, 1 request,
 *          2 request with its header | bytes
 */
#include "proto.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 20 };

static void
encode_twice(const struct wire_struct *d, int16_t version, bool flex, const void *msg)
{
	struct buf one = BUF_INIT, two = BUF_INIT, text = BUF_INIT;
	struct arena a = { .size_max = ARENA_MAX };
	void *again = mem_alloc(d->size);
	wire_encode(d, version, flex, msg, &one);
	int64_t used = wire_decode(d, version, flex, one.p, one.n, &a, again);
	assert(used == (int64_t)one.n);
	wire_encode(d, version, flex, again, &two);
	assert(one.n == two.n && (!one.n || !memcmp(one.p, two.p, one.n)));
	wire_dump(d, version, again, &text);
	assert(text.n >= 2 && text.p[text.n - 1] == '}');
	mem_free(again);
	arena_release(&a);
	buf_release(&one);
	buf_release(&two);
	buf_release(&text);
}

/* Decode a header, which tells the type of the body; false: it is invalid. */
static bool
skip_header(const uint8_t **p, size_t *n, const struct wire_api **api, int16_t *version)
{
	struct request_header h;
	int64_t used = request_header_decode(&h, *p, *n);
	if (used < 0)
		return false;
	assert((size_t)used <= *n);
	*api = wire_api_find(h.api_key);
	*version = h.api_version;
	*p += used;
	*n -= (size_t)used;
	return *api && *version >= (*api)->min && *version <= (*api)->max;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	const struct wire_api *api = &wire_api[data[0] % wire_api_n];
	int16_t version = (int16_t)(api->min + data[1] % (api->max - api->min + 1));
	const uint8_t *p = data + 3;
	size_t n = size - 3;
	int32_t id;
	int64_t used = response_header_decode(api, version, p, n, &id);
	assert(used < 0 || (size_t)used + 4 <= n);
	if (data[2] % 3 == 2 && !skip_header(&p, &n, &api, &version))
		return 0;
	const struct wire_struct *d = data[2] % 3 ? api->request : api->response;
	bool flex = wire_api_is_flexible(api, version);
	struct arena a = { .size_max = ARENA_MAX };
	void *msg = mem_alloc(d->size);
	used = wire_decode(d, version, flex, p, n, &a, msg);
	assert(used <= (int64_t)n && a.used <= ARENA_MAX);
	if (used >= 0)
		encode_twice(d, version, flex, msg);
	mem_free(msg);
	arena_release(&a);
	return 0;
}
