/*
 * DescribeUserScramCredentials, AlterUserScramCredentials (KIP-554): no user
 * has a password, and none can be set.  There is one version.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "base/map.h"
#include "proto.h"
#include "wire/kerr.h"

enum { MECHANISM_MIN = 1, MECHANISM_MAX = 2 }; /* SCRAM-SHA-256, SCRAM-SHA-512 */

typedef struct describe_user_scram_credentials_response_user described;
typedef struct alter_user_scram_credentials_response_user altered;

void
api_describe_user_scram_credentials(struct request *rq)
{
	const struct describe_user_scram_credentials_request *q = rq->body;
	struct describe_user_scram_credentials_response r;
	struct map seen = { .seed = rq->broker->topics.by_name.seed };
	wire_defaults(&describe_user_scram_credentials_response_desc, &r);
	r.results.v = REQUEST_ARRAY(rq, described, MAX(q->users.n, 0));
	for (int32_t i = 0; i < q->users.n; i++) {
		struct str user = q->users.v[i].name;
		described *answer = map_get(&seen, user);
		if (answer) {
			answer->error_code = KERR_DUPLICATE_RESOURCE;
			answer->error_message = STR("the user is named more than once");
			continue;
		}
		answer = &r.results.v[r.results.n++];
		answer->user = user;
		answer->error_code = KERR_RESOURCE_NOT_FOUND;
		answer->error_message = STR("the user has no SCRAM password");
		map_put(&seen, user, answer);
	}
	map_release(&seen);
	request_respond(rq, &r);
}

/* The answer has one error for each user: the first. */
static void
refuse(struct map *seen, struct alter_user_scram_credentials_response *r, struct str user,
	int8_t mechanism, int16_t error, struct str message)
{
	if (map_get(seen, user))
		return;
	altered *answer = &r->results.v[r->results.n++];
	answer->user = user;
	answer->error_code = error;
	answer->error_message = message;
	if (user.n == 0) {
		answer->error_code = KERR_UNACCEPTABLE_CREDENTIAL;
		answer->error_message = STR("the name of a user is empty");
	} else if (mechanism < MECHANISM_MIN || mechanism > MECHANISM_MAX) {
		answer->error_code = KERR_UNSUPPORTED_SASL_MECHANISM;
		answer->error_message = STR("there is no such SCRAM mechanism");
	}
	map_put(seen, user, answer);
}

void
api_alter_user_scram_credentials(struct request *rq)
{
	const struct alter_user_scram_credentials_request *q = rq->body;
	struct alter_user_scram_credentials_response r;
	struct map seen = { .seed = rq->broker->topics.by_name.seed };
	wire_defaults(&alter_user_scram_credentials_response_desc, &r);
	r.results.v = REQUEST_ARRAY(rq, altered, q->deletions.n + q->upsertions.n);
	for (int32_t i = 0; i < q->deletions.n; i++)
		refuse(&seen, &r, q->deletions.v[i].name, q->deletions.v[i].mechanism,
			KERR_RESOURCE_NOT_FOUND, STR("the user has no SCRAM password"));
	for (int32_t i = 0; i < q->upsertions.n; i++)
		refuse(&seen, &r, q->upsertions.v[i].name, q->upsertions.v[i].mechanism,
			KERR_UNSUPPORTED_VERSION, STR("kq-broker keeps no SCRAM passwords"));
	map_release(&seen);
	request_respond(rq, &r);
}
