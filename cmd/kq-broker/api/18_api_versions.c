/* ApiVersions: what is served, from the table in api.c. */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/features.h"

#include "proto.h"
#include "wire/kerr.h"

static const struct api *apis; /* napi of them, by key */
static int napi;

void
api_versions_init(const struct api *table, int n)
{
	apis = table;
	napi = n;
}

static void
fill_features(struct request *rq, struct api_versions_response *a)
{
	int n;
	const struct feature *f = features(rq->broker, &n);
	a->supported_features.v = REQUEST_ARRAY(rq,
		struct api_versions_response_supported_feature, n);
	a->finalized_features.v = REQUEST_ARRAY(rq,
		struct api_versions_response_finalized_feature, n);
	for (int i = 0; i < n; i++) {
		a->supported_features.v[i] = (struct api_versions_response_supported_feature){
			str_of(f[i].name), 0, f[i].level };
		a->finalized_features.v[i] = (struct api_versions_response_finalized_feature){
			str_of(f[i].name), f[i].level, f[i].level };
	}
	a->finalized_features.n = n;
	a->finalized_features_epoch = 1;
	/* A minimum of 0 breaks older clients (KAFKA-17492). */
	a->supported_features.n = rq->header.api_version < 4 ? 0 : n;
}

static void
fill(struct request *rq, struct api_versions_response *a)
{
	wire_defaults(&api_versions_response_desc, a);
	a->api_keys.v = REQUEST_ARRAY(rq, struct api_versions_response_api, napi);
	for (const struct api *api = apis; api < apis + napi; api++) {
		if (!api->handle || (!rq->broker->has_consumer_protocol
			&& (api->flags & API_CONSUMER_PROTOCOL)))
			continue;
		a->api_keys.v[a->api_keys.n++] = (struct api_versions_response_api){
			.api_key = api->key, .min_version = api->advertised_min,
			.max_version = api->max };
	}
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

/* Whom the client thinks it talks to: it names both the cluster and the node, or
 * neither (KIP-1242). */
static int16_t
check_peer(const struct broker *b, const struct api_versions_request *q)
{
	bool has_cluster = q->cluster_id.n >= 0, has_node = q->node_id != -1;
	if (!has_cluster && !has_node)
		return KERR_NONE;
	if (!has_cluster || !has_node)
		return KERR_INVALID_REQUEST;
	return str_eq(q->cluster_id, str_of(b->cluster_id)) && q->node_id == b->node_id
		? KERR_NONE : KERR_REBOOTSTRAP_REQUIRED;
}

static int16_t
check(const struct request *rq)
{
	const struct api_versions_request *q = rq->body;
	if (rq->header.api_version >= 3 && (!is_software_word(q->client_software_name)
		|| !is_software_word(q->client_software_version)))
		return KERR_INVALID_REQUEST;
	return rq->header.api_version >= 5 ? check_peer(rq->broker, q) : KERR_NONE;
}

/* A refusal carries nothing else.  The connection goes on. */
void
api_api_versions(struct request *rq)
{
	struct api_versions_response a;
	int16_t error = check(rq);
	if (error) {
		wire_defaults(&api_versions_response_desc, &a);
		a.error_code = error;
	} else {
		fill(rq, &a);
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
