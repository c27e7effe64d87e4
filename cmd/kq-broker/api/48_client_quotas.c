/* DescribeClientQuotas, AlterClientQuotas: there are no quotas, and none can be
 * set (KIP-546).  Removing one succeeds, as in Kafka, since it is not there. */
#include "kq-broker/api/api.h"

#include "proto.h"
#include "wire/kerr.h"

enum match { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY };
enum entity { ENTITY_USER = 1, ENTITY_CLIENT = 2, ENTITY_IP = 4 };

/* The kind of entity as a bit; 0: there is no such kind. */
static int
entity_of(struct str type)
{
	return str_eq(type, STR("user")) ? ENTITY_USER
		: str_eq(type, STR("client-id")) ? ENTITY_CLIENT
		: str_eq(type, STR("ip")) ? ENTITY_IP : 0;
}

/* Does the filter make sense?  Else *message says why not. */
static int16_t
check_component(const struct describe_client_quotas_request_component *q, int *seen,
	struct str *message)
{
	int entity = entity_of(q->entity_type);
	if (q->entity_type.n == 0)
		*message = STR("the type of an entity is empty");
	else if (*seen & entity)
		*message = STR("a type of entity is named more than once");
	else if (q->match_type < MATCH_EXACT || q->match_type > MATCH_ANY)
		*message = STR("there is no such type of match");
	else if ((q->match_type == MATCH_EXACT) != (q->match.n >= 0))
		*message = STR("an exact match, and no other, needs a name");
	else if (((*seen | entity) & ENTITY_IP) && (*seen | entity) != ENTITY_IP)
		*message = STR("an address stands alone");
	*seen |= entity;
	if (message->n >= 0)
		return KERR_INVALID_REQUEST;
	if (entity)
		return KERR_NONE;
	*message = STR("there is no such type of entity");
	return KERR_UNSUPPORTED_VERSION;
}

void
api_describe_client_quotas(struct request *rq)
{
	const struct describe_client_quotas_request *q = rq->body;
	struct describe_client_quotas_response a;
	struct str message = STR_NULL;
	int seen = 0;
	wire_defaults(&describe_client_quotas_response_desc, &a);
	for (int32_t i = 0; i < q->components.n && !a.error_code; i++)
		a.error_code = check_component(&q->components.v[i], &seen, &message);
	if (a.error_code) {
		a.error_message = message;
		a.entries.n = -1;
	}
	request_respond(rq, &a);
}

static int16_t
check_entry(const struct alter_client_quotas_request_entry *q, struct str *message)
{
	*message = STR_NULL;
	if (q->entity.n == 0)
		*message = STR("a quota is for somebody: no entity is named");
	for (int32_t i = 0; i < q->entity.n; i++)
		if (!entity_of(q->entity.v[i].entity_type))
			*message = STR("there is no such type of entity");
	if (message->n >= 0)
		return KERR_INVALID_REQUEST;
	for (int32_t i = 0; i < q->ops.n; i++) {
		if (q->ops.v[i].remove)
			continue;
		*message = STR("kq-broker has no quotas");
		return KERR_UNSUPPORTED_VERSION;
	}
	return KERR_NONE;
}

void
api_alter_client_quotas(struct request *rq)
{
	const struct alter_client_quotas_request *q = rq->body;
	struct alter_client_quotas_response a;
	wire_defaults(&alter_client_quotas_response_desc, &a);
	a.entries.n = q->entries.n;
	a.entries.v = REQUEST_ARRAY(rq, struct alter_client_quotas_response_entry, q->entries.n);
	for (int32_t i = 0; i < q->entries.n; i++) {
		const struct alter_client_quotas_request_entry *qe = &q->entries.v[i];
		struct alter_client_quotas_response_entry *ae = &a.entries.v[i];
		ae->error_code = check_entry(qe, &ae->error_message);
		ae->entity.n = qe->entity.n;
		ae->entity.v = REQUEST_ARRAY(rq, struct alter_client_quotas_response_entity,
			qe->entity.n);
		for (int32_t k = 0; k < qe->entity.n; k++) {
			ae->entity.v[k].entity_type = qe->entity.v[k].entity_type;
			ae->entity.v[k].entity_name = qe->entity.v[k].entity_name;
		}
	}
	request_respond(rq, &a);
}
