/* UpdateFeatures: the levels are those of the program (KIP-584).  A request for the
 * level in force succeeds, as in Kafka; every other one fails. */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"
#include "kq-broker/features.h"

#include "proto.h"
#include "wire/kerr.h"

static int16_t
check(const struct broker *b, const struct update_features_request_feature *q,
	struct str *message)
{
	int n;
	const struct feature *f = features(b, &n);
	for (int i = 0; i < n; i++) {
		if (!str_eq(q->feature, str_of(f[i].name)))
			continue;
		if (q->max_version_level == f[i].level)
			return KERR_NONE;
		*message = q->max_version_level > f[i].level ? STR("the level is above the highest there is")
			: STR("the levels of kq-broker's features can't be lowered");
		return KERR_INVALID_UPDATE_VERSION;
	}
	*message = STR("there is no such feature");
	return KERR_INVALID_UPDATE_VERSION;
}

/* Before version 2 each feature has a result, unless all of them failed. */
static void
fill_results(struct request *rq, struct update_features_response *a)
{
	const struct update_features_request *q = rq->body;
	a->results.n = q->feature_updates.n;
	a->results.v = REQUEST_ARRAY(rq, struct update_features_response_feature,
		a->results.n);
	for (int32_t i = 0; i < a->results.n; i++) {
		a->results.v[i].feature = q->feature_updates.v[i].feature;
		a->results.v[i].error_message = STR_NULL;
	}
}

void
api_update_features(struct request *rq)
{
	const struct update_features_request *q = rq->body;
	struct update_features_response a;
	wire_defaults(&update_features_response_desc, &a);
	a.error_message = STR_NULL;
	for (int32_t i = 0; i < q->feature_updates.n && !a.error_code; i++)
		a.error_code = check(rq->broker, &q->feature_updates.v[i], &a.error_message);
	if (!a.error_code)
		fill_results(rq, &a);
	request_respond(rq, &a);
}
