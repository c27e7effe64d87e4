/*
 * UpdateFeatures (KIP-584): the levels of features are fixed in the program.  A
 * request for the level in force succeeds, as in Kafka; all others fail.
 *
 * By version: 1 validate_only.  2 no result for each feature.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/features.h"

#include "proto.h"
#include "wire/kerr.h"

static int16_t
check(const struct broker *broker, const struct update_features_request_feature *asked,
	struct str *message)
{
	int n;
	const struct feature *feature = features(broker->has_consumer_protocol, &n);
	for (int i = 0; i < n; i++) {
		if (!str_eq(asked->feature, str_of(feature[i].name)))
			continue;
		if (asked->max_version_level == feature[i].level)
			return KERR_NONE;
		*message = asked->max_version_level > feature[i].level
			? STR("the level is above the highest there is")
			: STR("the levels of kq-broker's features can't be lowered");
		return KERR_INVALID_UPDATE_VERSION;
	}
	*message = STR("there is no such feature");
	return KERR_INVALID_UPDATE_VERSION;
}

/* Before version 2 each feature has a result, unless the request failed. */
static void
fill_results(struct request *rq, struct update_features_response *r)
{
	const struct update_features_request *q = rq->body;
	r->results.n = q->feature_updates.n;
	r->results.v = REQUEST_ARRAY(rq, struct update_features_response_feature, r->results.n);
	for (int32_t i = 0; i < r->results.n; i++) {
		r->results.v[i].feature = q->feature_updates.v[i].feature;
		r->results.v[i].error_message = STR_NULL;
	}
}

void
api_update_features(struct request *rq)
{
	const struct update_features_request *q = rq->body;
	struct update_features_response r;
	wire_defaults(&update_features_response_desc, &r);
	r.error_message = STR_NULL;
	for (int32_t i = 0; i < q->feature_updates.n && !r.error_code; i++)
		r.error_code = check(rq->broker, &q->feature_updates.v[i], &r.error_message);
	if (!r.error_code)
		fill_results(rq, &r);
	request_respond(rq, &r);
}
