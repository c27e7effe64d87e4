/*
 * ApiVersions: the APIs and versions that are served, from the table in
 * dispatch.c.
 *
 * By version: 3 the client's software, which is checked.  4 features with
 * minimum 0.  5 cluster and node that the client expects (KIP-1242).
 */
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
fill_features(struct request *rq, struct api_versions_response *r)
{
	int n;
	const struct feature *feature = features(rq->broker->has_consumer_protocol, &n);
	r->supported_features.v = REQUEST_ARRAY(rq,
		struct api_versions_response_supported_feature, n);
	r->finalized_features.v = REQUEST_ARRAY(rq,
		struct api_versions_response_finalized_feature, n);
	for (int i = 0; i < n; i++) {
		r->supported_features.v[i] = (struct api_versions_response_supported_feature){
			str_of(feature[i].name), 0, feature[i].level };
		r->finalized_features.v[i] = (struct api_versions_response_finalized_feature){
			str_of(feature[i].name), feature[i].level, feature[i].level };
	}
	r->finalized_features.n = n;
	r->finalized_features_epoch = 1;
	/* A minimum of 0 breaks older clients (KAFKA-17492). */
	r->supported_features.n = rq->header.api_version < 4 ? 0 : n;
}

static void
fill(struct request *rq, struct api_versions_response *r)
{
	wire_defaults(&api_versions_response_desc, r);
	r->api_keys.v = REQUEST_ARRAY(rq, struct api_versions_response_api, napi);
	for (const struct api *api = apis; api < apis + napi; api++) {
		if (!api->handle || (!rq->broker->has_consumer_protocol
			&& (api->flags & API_CONSUMER_PROTOCOL)))
			continue;
		r->api_keys.v[r->api_keys.n++] = (struct api_versions_response_api){
			.api_key = api->key, .min_version = api->advertised_min,
			.max_version = api->max };
	}
	fill_features(rq, r);
}

/* KIP-511: letters, digits, '.' and '-', with a letter or digit at both ends. */
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

/* The broker that the client expects: it names both the cluster and the node, or
 * neither (KIP-1242). */
static int16_t
check_peer(const struct broker *broker, const struct api_versions_request *q)
{
	bool has_cluster = q->cluster_id.n >= 0, has_node = q->node_id != -1;
	if (!has_cluster && !has_node)
		return KERR_NONE;
	if (!has_cluster || !has_node)
		return KERR_INVALID_REQUEST;
	return str_eq(q->cluster_id, str_of(broker->cluster.id)) && q->node_id == broker->node_id
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

/* An error is the answer's only content.  The connection stays open. */
void
api_api_versions(struct request *rq)
{
	struct api_versions_response r;
	int16_t error = check(rq);
	if (error) {
		wire_defaults(&api_versions_response_desc, &r);
		r.error_code = error;
	} else {
		fill(rq, &r);
	}
	request_respond(rq, &r);
}

void
api_versions_refuse(struct request *rq)
{
	struct api_versions_response r;
	fill(rq, &r);
	r.error_code = KERR_UNSUPPORTED_VERSION;
	rq->header.api_version = 0;
	request_respond(rq, &r);
}
