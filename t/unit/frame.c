#include "wire/frame.h"

#include "proto.h"
#include "tap.h"
#include "wire/kerr.h"

#include <stdio.h>
#include <unistd.h>

static void
check_bytes(const struct buf *b, const void *want, size_t n)
{
	check_int(b->n, n);
	check(n == 0 || memcmp(b->p, want, n) == 0);
}

/* ---- request headers ---- */

void
test_frame__the_client_id_keeps_its_old_form(void)
{
	static const uint8_t v11[] = { 0, 0, 0, 12, 0, 1, 0, 11, 0, 0, 0, 7, 0, 2, 'k', 'q' };
	static const uint8_t v12[] = { 0, 0, 0, 13, 0, 1, 0, 12, 0, 0, 0, 7, 0, 2, 'k', 'q', 0 };
	const struct wire_api *fetch = wire_api_find(API_FETCH);
	struct request_header h = { 1, 11, 7, STR("kq") }, got;
	struct buf b = BUF_INIT;
	size_t at = frame_begin_request(&b, fetch, &h);
	frame_end(&b, at, 0);
	check_bytes(&b, v11, sizeof v11);
	check_int(request_header_decode(&got, b.p + 4, b.n - 4), (long long)b.n - 4);
	check_int(got.api_key, 1);
	check_int(got.api_version, 11);
	check_int(got.correlation_id, 7);
	check(str_eq(got.client_id, STR("kq")));
	h.api_version = 12;
	buf_reset(&b);
	at = frame_begin_request(&b, fetch, &h);
	frame_end(&b, at, 0);
	check_bytes(&b, v12, sizeof v12);
	check_int(request_header_decode(&got, b.p + 4, b.n - 4), (long long)b.n - 4);
	check(str_eq(got.client_id, STR("kq")));
	buf_release(&b);
}

void
test_frame__a_client_id_may_be_null(void)
{
	struct request_header h = { 0, 3, -5, STR_NULL }, got;
	struct buf b = BUF_INIT;
	frame_begin_request(&b, wire_api_find(API_PRODUCE), &h);
	check_int(request_header_decode(&got, b.p + 4, b.n - 4), 10);
	check_int(got.client_id.n, -1);
	check_int(got.correlation_id, -5);
	buf_release(&b);
}

void
test_frame__a_cut_request_header_is_refused(void)
{
	struct request_header h = { 0, 8, 1, STR("client") }, got;
	struct buf b = BUF_INIT;
	for (; h.api_version <= 9; h.api_version++) { /* 9 is flexible */
		buf_reset(&b);
		frame_begin_request(&b, wire_api_find(API_PRODUCE), &h);
		for (size_t n = 0; n < b.n - 4; n++) {
			uint8_t *exact = mem_alloc(n);
			memcpy(exact, b.p + 4, n);
			check_int(request_header_decode(&got, exact, n), -1);
			mem_free(exact);
		}
	}
	buf_release(&b);
}

void
test_frame__a_negative_client_id_is_refused(void)
{
	static const uint8_t p[] = { 0, 0, 0, 3, 0, 0, 0, 1, 0xff, 0xfe, 0 };
	struct request_header got;
	check_int(request_header_decode(&got, p, sizeof p), -1);
}

void
test_frame__header_tags_are_skipped(void)
{
	static const uint8_t request[] = { 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 2, 0, 1, 'x', 5, 0, 'b' };
	static const uint8_t response[] = { 0, 0, 0, 1, 1, 9, 2, 'x', 'y', 'b' };
	static const uint8_t endless[] = { 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0 };
	static const uint8_t beyond[] = { 0, 0, 0, 1, 1, 0, 2, 'x' };
	struct request_header got;
	int32_t id;
	check_int(request_header_decode(&got, request, sizeof request), sizeof request - 1);
	const struct wire_api *produce = wire_api_find(API_PRODUCE);
	check_int(response_header_decode(produce, 9, response, sizeof response, &id), 5);
	check_int(response_header_decode(produce, 9, endless, sizeof endless, &id), -1);
	check_int(response_header_decode(produce, 9, beyond, sizeof beyond, &id), -1);
}

void
test_frame__an_unknown_api_is_read_as_inflexible(void)
{
	static const uint8_t p[] = { 0x7f, 0, 0, 99, 0, 0, 0, 1, 0, 1, 'c', 0xff };
	struct request_header got;
	check_int(request_header_decode(&got, p, sizeof p), sizeof p - 1);
	check_int(got.api_key, 0x7f00);
	check(str_eq(got.client_id, STR("c")));
}

void
test_frame__api_versions_of_the_future_can_be_answered(void)
{
	static const uint8_t p[] = { 0, 18, 0, 99, 0, 0, 0, 42, 0xff, 0xf0, 0xba, 0xad };
	struct request_header got;
	check_int(request_header_decode(&got, p, sizeof p), 8);
	check_int(got.api_version, 99);
	check_int(got.correlation_id, 42);
	check_int(got.client_id.n, -1);
}

/* ---- response headers ---- */

void
test_frame__api_versions_responses_have_the_old_header(void)
{
	static const uint8_t old[] = { 0, 0, 0, 4, 0, 0, 0, 42 };
	static const uint8_t flexible[] = { 0, 0, 0, 5, 0, 0, 0, 42, 0 };
	struct buf b = BUF_INIT;
	int32_t id = 0;
	for (int16_t v = 0; v <= 4; v++) {
		buf_reset(&b);
		frame_end(&b, frame_begin_response(&b, wire_api_find(API_API_VERSIONS), v, 42), 0);
		check_bytes(&b, old, sizeof old);
		check_int(response_header_decode(wire_api_find(API_API_VERSIONS), v, b.p + 4, b.n - 4,
			&id), 0);
		check_int(id, 42);
	}
	for (int16_t v = 8; v <= 9; v++) {
		buf_reset(&b);
		frame_end(&b, frame_begin_response(&b, wire_api_find(API_METADATA), v, 42), 0);
		if (v < 9)
			check_bytes(&b, old, sizeof old);
		else
			check_bytes(&b, flexible, sizeof flexible);
		check_int(response_header_decode(wire_api_find(API_METADATA), v, b.p + 4, b.n - 4, &id),
			v == 9);
	}
	for (size_t n = 0; n < 5; n++)
		check_int(response_header_decode(wire_api_find(API_METADATA), 9, b.p + 4, n, &id), -1);
	buf_release(&b);
}

void
test_frame__bytes_from_elsewhere_count(void)
{
	struct buf b = BUF_INIT;
	buf_puts(&b, "an earlier frame");
	size_t at = frame_begin_response(&b, wire_api_find(API_FETCH), 4, 1);
	check_int(at, 16);
	buf_puts(&b, "body");
	frame_end(&b, at, 1000);
	check_int(load_be32(b.p + at), 4 + 4 + 1000);
	buf_release(&b);
}

/* ---- frames of Kafka's own client ---- */

/* Tests run in another folder: finds the file above the program. */
static FILE *
open_golden(void)
{
	char path[4096], file[4200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	check(n > 0);
	path[n] = 0;
	for (char *slash; (slash = strrchr(path, '/'));) {
		*slash = 0;
		snprintf(file, sizeof file, "%s/t/data/kafka-clients.hex", path);
		FILE *f = fopen(file, "r");
		if (f)
			return f;
	}
	tap_fail(__FILE__, __LINE__, "no t/data/kafka-clients.hex");
}

struct golden {
	const struct wire_api *api;
	const struct wire_struct *d;
	int16_t version;
	bool is_request, has_defaults, flex;
	struct buf frame;
};

static bool
read_golden(FILE *f, struct golden *g)
{
	int key, version;
	char line[16384], kind[40], hex[16000];
	do
		if (!fgets(line, sizeof line, f))
			return false;
	while (line[0] == '#');
	check_int(sscanf(line, "%d %d %39s %15999s", &key, &version, kind, hex), 4);
	printf("# %d v%d %s\n", key, version, kind);
	g->api = wire_api_find((int16_t)key);
	check(g->api);
	g->version = (int16_t)version;
	g->is_request = !strncmp(kind, "request", 7);
	g->has_defaults = strstr(kind, "-defaults");
	g->flex = wire_api_is_flexible(g->api, g->version);
	g->d = g->is_request ? g->api->request : g->api->response;
	buf_reset(&g->frame);
	unsigned byte;
	for (const char *p = hex; sscanf(p, "%2x", &byte) == 1; p += 2)
		buf_putc(&g->frame, (char)byte);
	check(g->frame.n > 8);
	check_int(load_be32(g->frame.p), g->frame.n - 4);
	return true;
}

/* The frame that kq writes for this body. */
static void
write_golden(const struct golden *g, const void *msg, struct buf *b)
{
	struct request_header h = { g->api->key, g->version, 1000 + g->version,
		g->has_defaults ? STR_NULL : STR("kq") };
	size_t at = g->is_request ? frame_begin_request(b, g->api, &h)
				  : frame_begin_response(b, g->api, g->version, 1000 + g->version);
	wire_encode(g->d, g->version, g->flex, msg, b);
	frame_end(b, at, 0);
}

static const uint8_t *
body_of(const struct golden *g)
{
	struct request_header h;
	int32_t id;
	const uint8_t *p = g->frame.p + 4;
	size_t n = g->frame.n - 4;
	int64_t used = g->is_request ? request_header_decode(&h, p, n)
				     : response_header_decode(g->api, g->version, p, n, &id);
	check(used >= 0);
	check_int(g->is_request ? h.correlation_id : id, 1000 + g->version);
	return p + used + (g->is_request ? 0 : 4);
}

void
test_frame__kafkas_own_come_back_byte_for_byte(void)
{
	struct golden g = { .frame = BUF_INIT };
	FILE *f = open_golden();
	int n = 0;
	for (; read_golden(f, &g); n++) {
		struct arena a = ARENA_INIT;
		struct buf b = BUF_INIT;
		void *msg = arena_alloc(&a, g.d->size);
		const uint8_t *body = body_of(&g), *end = g.frame.p + g.frame.n;
		check_int(wire_decode(g.d, g.version, g.flex, body, (size_t)(end - body), &a, msg),
			end - body);
		write_golden(&g, msg, &b);
		check_bytes(&b, g.frame.p, g.frame.n);
		arena_release(&a);
		buf_release(&b);
	}
	check(n >= 1000);
	fclose(f);
	buf_release(&g.frame);
}

/* Defaults, with one element in every array of structs. */
static void
defaults(const struct wire_struct *d, int16_t version, struct arena *a, void *msg)
{
	wire_defaults(d, msg);
	for (int i = 0; i < d->nfield; i++) {
		const struct wire_field *f = &d->field[i];
		void *p = (char *)msg + f->off;
		if (f->kind != WIRE_STRUCT || version < f->from || version > f->upto)
			continue;
		if (f->array && f->def == 0) {
			struct wire_vec *v = p;
			*v = (struct wire_vec){ arena_alloc(a, f->elem->size), 1 };
			p = v->v;
		} else if (f->array || f->pointer) {
			continue;
		}
		defaults(f->elem, version, a, p);
	}
}

void
test_frame__defaults_are_kafkas(void)
{
	struct golden g = { .frame = BUF_INIT };
	FILE *f = open_golden();
	int n = 0;
	while (read_golden(f, &g)) {
		if (!g.has_defaults)
			continue;
		struct arena a = ARENA_INIT;
		struct buf b = BUF_INIT;
		void *msg = arena_alloc(&a, g.d->size);
		defaults(g.d, g.version, &a, msg);
		write_golden(&g, msg, &b);
		check_bytes(&b, g.frame.p, g.frame.n);
		arena_release(&a);
		buf_release(&b);
		n++;
	}
	check(n >= 500);
	fclose(f);
	buf_release(&g.frame);
}

/* ---- error codes ---- */

void
test_frame__error_codes_are_known(void)
{
	for (int i = 0; i < kerr_table_n; i++) {
		check_int(kerr_table[i].code, i - 1);
		check(kerr_info((int16_t)(i - 1)) == &kerr_table[i]);
		size_t n = strlen(kerr_table[i].text);
		check(n > 0 && kerr_table[i].text[n - 1] != '.');
	}
	check(!strcmp(kerr_info(KERR_NONE)->name, "NONE"));
	check(!strcmp(kerr_info(KERR_NOT_LEADER_OR_FOLLOWER)->name, "NOT_LEADER_OR_FOLLOWER"));
	check(kerr_info(KERR_NOT_LEADER_OR_FOLLOWER)->is_retriable);
	check(!kerr_info(KERR_MESSAGE_TOO_LARGE)->is_retriable);
	check(!strcmp(kerr_info(9999)->name, "UNKNOWN_ERROR"));
	check(!kerr_info(-2)->is_retriable);
}
