/* ApiVersions: what is served, from the table in api.c. */
#include "api.h"

#include "proto.h"
#include "wire/kerr.h"

static void
fill(struct request *rq, struct api_versions_response *a)
{
	int n;
	const struct api *table = api_table(&n);
	wire_defaults(&api_versions_response_desc, a);
	a->api_keys.n = n;
	a->api_keys.v = REQUEST_ARRAY(rq, struct api_versions_response_api_version, n);
	for (int i = 0; i < n; i++)
		a->api_keys.v[i] = (struct api_versions_response_api_version){
			.api_key = table[i].key, .min_version = table[i].advertised_min,
			.max_version = table[i].max };
}

/* KIP-511: names are letters, digits, '.', '-', and not empty at the ends. */
static bool
is_software_word(struct str s)
{
	for (int32_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
			|| (c >= '0' && c <= '9');
		if (!is_alnum && (i == 0 || i == s.n - 1 || (c != '.' && c != '-')))
			return false;
	}
	return s.n > 0;
}

void
api_api_versions(struct request *rq)
{
	struct api_versions_request *q = rq->body;
	struct api_versions_response a;
	fill(rq, &a);
	if (rq->header.api_version >= 3 && (!is_software_word(q->client_software_name)
		|| !is_software_word(q->client_software_version))) {
		a.error_code = KERR_INVALID_REQUEST;
		a.api_keys.n = 0;
	}
	request_respond(rq, &a);
}

void
api_versions_refuse(struct request *rq)
{
	struct api_versions_response a;
	fill(rq, &a);
	a.error_code = KERR_UNSUPPORTED_VERSION;
	rq->header.api_version = 0;
	request_respond(rq, &a);
}
