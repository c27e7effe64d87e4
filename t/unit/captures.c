/*
 * Frames that real clients and the broker exchanged (t/lib/capture.py): each is
 * decoded and encoded again, header and body, to the same bytes.
 */
#include "wire/frame.h"

#include "base/mem.h"
#include "tap.h"

#include <stdio.h>
#include <unistd.h>

struct capture {
	char client[40];
	const struct wire_api *api;
	int16_t version;
	bool is_request;
	struct buf frame;
};

/* Tests run in another folder: finds the file above the program. */
static FILE *
open_captures(void)
{
	char path[4096], file[4200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	check(n > 0);
	path[n] = 0;
	for (char *slash; (slash = strrchr(path, '/'));) {
		*slash = 0;
		snprintf(file, sizeof file, "%s/t/data/captures.hex", path);
		FILE *f = fopen(file, "r");
		if (f)
			return f;
	}
	tap_fail(__FILE__, __LINE__, "no t/data/captures.hex");
}

static bool
read_capture(FILE *f, struct capture *c)
{
	int key, version;
	char line[8192], kind[16], hex[8000];
	do
		if (!fgets(line, sizeof line, f))
			return false;
	while (line[0] == '#');
	check_int(sscanf(line, "%39s %d %d %15s %7999s", c->client, &key, &version, kind, hex), 5);
	printf("# %s %d v%d %s\n", c->client, key, version, kind);
	c->api = wire_api_find((int16_t)key);
	check(c->api);
	c->version = (int16_t)version;
	c->is_request = strcmp(kind, "request") == 0;
	check(c->is_request || strcmp(kind, "response") == 0);
	buf_reset(&c->frame);
	unsigned byte;
	for (const char *p = hex; sscanf(p, "%2x", &byte) == 1; p += 2)
		buf_putc(&c->frame, (char)byte);
	check_int(load_be32(c->frame.p), c->frame.n - 4);
	return true;
}

/* Decodes the frame, and encodes it again into *again. */
static void
write_again(const struct capture *c, struct buf *again)
{
	const uint8_t *p = c->frame.p + 4;
	size_t n = c->frame.n - 4, at;
	bool flex = wire_api_is_flexible(c->api, c->version);
	const struct wire_struct *d = c->is_request ? c->api->request : c->api->response;
	struct request_header h;
	int32_t id = 0;
	int64_t used = c->is_request ? request_header_decode(&h, p, n)
		: response_header_decode(c->api, c->version, p, n, &id);
	check(used >= 0);
	used += c->is_request ? 0 : 4;
	if (c->is_request) {
		check_int(h.api_key, c->api->key);
		check_int(h.api_version, c->version);
		check(h.client_id.n > 0);
		at = frame_begin_request(again, c->api, &h);
	} else {
		at = frame_begin_response(again, c->api, c->version, id);
	}
	struct arena a = ARENA_INIT;
	void *msg = arena_alloc(&a, d->size);
	check_int(wire_decode(d, c->version, flex, p + used, n - (size_t)used, &a, msg),
		(int64_t)n - used);
	wire_encode(d, c->version, flex, msg, again);
	frame_end(again, at, 0);
	arena_release(&a);
}

void
test_captures__come_back_byte_for_byte(void)
{
	struct capture c = { .frame = BUF_INIT };
	struct buf again = BUF_INIT;
	FILE *f = open_captures();
	int n = 0, nclient = 0;
	char last[40] = "";
	for (; read_capture(f, &c); n++) {
		buf_reset(&again);
		write_again(&c, &again);
		check_int(again.n, c.frame.n);
		check(memcmp(again.p, c.frame.p, again.n) == 0);
		if (strcmp(last, c.client) != 0)
			nclient++;
		strcpy(last, c.client);
	}
	fclose(f);
	check_int(nclient, 3);
	check(n >= 60);
	buf_release(&again);
	buf_release(&c.frame);
}

void
test_captures__cut_short_are_refused(void)
{
	struct capture c = { .frame = BUF_INIT };
	FILE *f = open_captures();
	while (read_capture(f, &c)) {
		bool flex = wire_api_is_flexible(c.api, c.version);
		const struct wire_struct *d = c.is_request ? c.api->request : c.api->response;
		struct request_header h;
		int32_t id;
		const uint8_t *p = c.frame.p + 4;
		int64_t used = c.is_request ? request_header_decode(&h, p, c.frame.n - 4)
			: 4 + response_header_decode(c.api, c.version, p, c.frame.n - 4, &id);
		int64_t body = (int64_t)c.frame.n - 4 - used;
		for (int64_t n = 0; n < body; n++) {
			struct arena a = ARENA_INIT;
			void *msg = arena_alloc(&a, d->size);
			check_int(wire_decode(d, c.version, flex, p + used, (size_t)n, &a, msg), -1);
			arena_release(&a);
		}
	}
	fclose(f);
	buf_release(&c.frame);
}
