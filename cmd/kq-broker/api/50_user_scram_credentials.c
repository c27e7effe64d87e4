/* DescribeUserScramCredentials, AlterUserScramCredentials: no user has a password,
 * and none can be set (KIP-554). */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "base/map.h"
#include "proto.h"
#include "wire/kerr.h"

enum { MECHANISM_MIN = 1, MECHANISM_MAX = 2 }; /* SCRAM-SHA-256, SCRAM-SHA-512 */

typedef struct describe_user_scram_credentials_response_user
	described;
typedef struct alter_user_scram_credentials_response_user altered;

void
api_describe_user_scram_credentials(struct request *rq)
{
	const struct describe_user_scram_credentials_request *q = rq->body;
	struct describe_user_scram_credentials_response a;
	struct map seen = { .seed = rq->broker->topics.by_name.seed };
	wire_defaults(&describe_user_scram_credentials_response_desc, &a);
	a.results.v = REQUEST_ARRAY(rq, described, MAX(q->users.n, 0));
	for (int32_t i = 0; i < q->users.n; i++) {
		struct str user = q->users.v[i].name;
		described *d = map_get(&seen, user);
		if (d) {
			d->error_code = KERR_DUPLICATE_RESOURCE;
			d->error_message = STR("the user is named more than once");
			continue;
		}
		d = &a.results.v[a.results.n++];
		d->user = user;
		d->error_code = KERR_RESOURCE_NOT_FOUND;
		d->error_message = STR("the user has no SCRAM password");
		map_put(&seen, user, d);
	}
	map_release(&seen);
	request_respond(rq, &a);
}

/* What the answer says of a user is the first thing that is wrong. */
static void
refuse(struct map *seen, struct alter_user_scram_credentials_response *a, struct str user,
	int8_t mechanism, int16_t error, struct str message)
{
	if (map_get(seen, user))
		return;
	altered *to = &a->results.v[a->results.n++];
	to->user = user;
	to->error_code = error;
	to->error_message = message;
	if (user.n == 0) {
		to->error_code = KERR_UNACCEPTABLE_CREDENTIAL;
		to->error_message = STR("the name of a user is empty");
	} else if (mechanism < MECHANISM_MIN || mechanism > MECHANISM_MAX) {
		to->error_code = KERR_UNSUPPORTED_SASL_MECHANISM;
		to->error_message = STR("there is no such SCRAM mechanism");
	}
	map_put(seen, user, to);
}

void
api_alter_user_scram_credentials(struct request *rq)
{
	const struct alter_user_scram_credentials_request *q = rq->body;
	struct alter_user_scram_credentials_response a;
	struct map seen = { .seed = rq->broker->topics.by_name.seed };
	wire_defaults(&alter_user_scram_credentials_response_desc, &a);
	a.results.v = REQUEST_ARRAY(rq, altered, q->deletions.n + q->upsertions.n);
	for (int32_t i = 0; i < q->deletions.n; i++)
		refuse(&seen, &a, q->deletions.v[i].name, q->deletions.v[i].mechanism,
			KERR_RESOURCE_NOT_FOUND, STR("the user has no SCRAM password"));
	for (int32_t i = 0; i < q->upsertions.n; i++)
		refuse(&seen, &a, q->upsertions.v[i].name, q->upsertions.v[i].mechanism,
			KERR_UNSUPPORTED_VERSION, STR("kq-broker keeps no SCRAM passwords"));
	map_release(&seen);
	request_respond(rq, &a);
}
