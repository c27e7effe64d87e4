/* ApiVersions: what is served, from the table in api.c. */
#include "api.h"

#include "broker.h"

#include "proto.h"
#include "wire/kerr.h"

/* What a client can rely on beyond versions: transactions with an epoch for
 * each (KIP-890), and groups of KIP-848. */
static void
fill_features(struct request *rq, struct api_versions_response *a)
{
	static const struct { const char *name; int16_t max; } feature[] = {
		{ "group.version", 1 }, { "transaction.version", 2 },
	};
	bool has_groups = rq->broker->has_consumer_protocol;
	int n = 0;
	a->supported_features.v = REQUEST_ARRAY(rq,
		struct api_versions_response_supported_feature_key, ARRAY_LEN(feature));
	a->finalized_features.v = REQUEST_ARRAY(rq,
		struct api_versions_response_finalized_feature_key, ARRAY_LEN(feature));
	for (size_t i = has_groups ? 0 : 1; i < ARRAY_LEN(feature); i++, n++) {
		a->supported_features.v[n] = (struct api_versions_response_supported_feature_key){
			str_of(feature[i].name), 0, feature[i].max };
		a->finalized_features.v[n] = (struct api_versions_response_finalized_feature_key){
			str_of(feature[i].name), feature[i].max, feature[i].max };
	}
	a->finalized_features.n = n;
	a->finalized_features_epoch = 1;
	/* A minimum of 0 breaks older clients (KAFKA-17492). */
	a->supported_features.n = rq->header.api_version < 4 ? 0 : n;
}

static void
fill(struct request *rq, struct api_versions_response *a)
{
	int n;
	const struct api *table = api_table(&n);
	wire_defaults(&api_versions_response_desc, a);
	a->api_keys.v = REQUEST_ARRAY(rq, struct api_versions_response_api_version, n);
	for (int i = 0; i < n; i++)
		if (rq->broker->has_consumer_protocol || !(table[i].flags & API_CONSUMER_PROTOCOL))
			a->api_keys.v[a->api_keys.n++] = (struct api_versions_response_api_version){
				.api_key = table[i].key, .min_version = table[i].advertised_min,
				.max_version = table[i].max };
	fill_features(rq, a);
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
