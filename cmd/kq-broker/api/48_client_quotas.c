/*
 * DescribeClientQuotas, AlterClientQuotas (KIP-546): there are no quotas, and
 * none can be set.  To remove one succeeds, as in Kafka.
 *
 * By version: no difference but the encoding.
 */
#include "kq-broker/api/api.h"

#include "proto.h"
#include "wire/kerr.h"

enum match { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY };
enum entity { ENTITY_USER = 1, ENTITY_CLIENT = 2, ENTITY_IP = 4 };

/* The kind of entity as a bit; 0: unknown. */
static int
entity_of(struct str type)
{
	return str_eq(type, STR("user")) ? ENTITY_USER
		: str_eq(type, STR("client-id")) ? ENTITY_CLIENT
		: str_eq(type, STR("ip")) ? ENTITY_IP : 0;
}

/* Is the filter valid?  An error: *message says why not. */
static int16_t
check_component(const struct describe_client_quotas_request_component *asked, int *seen,
	struct str *message)
{
	int entity = entity_of(asked->entity_type);
	if (asked->entity_type.n == 0)
		*message = STR("the type of an entity is empty");
	else if (*seen & entity)
		*message = STR("a type of entity is named more than once");
	else if (asked->match_type < MATCH_EXACT || asked->match_type > MATCH_ANY)
		*message = STR("there is no such type of match");
	else if ((asked->match_type == MATCH_EXACT) != (asked->match.n >= 0))
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
	struct describe_client_quotas_response r;
	struct str message = STR_NULL;
	int seen = 0;
	wire_defaults(&describe_client_quotas_response_desc, &r);
	for (int32_t i = 0; i < q->components.n && !r.error_code; i++)
		r.error_code = check_component(&q->components.v[i], &seen, &message);
	if (r.error_code) {
		r.error_message = message;
		r.entries.n = -1;
	}
	request_respond(rq, &r);
}

static int16_t
check_entry(const struct alter_client_quotas_request_entry *asked, struct str *message)
{
	*message = STR_NULL;
	if (asked->entity.n == 0)
		*message = STR("a quota is for somebody: no entity is named");
	for (int32_t i = 0; i < asked->entity.n; i++)
		if (!entity_of(asked->entity.v[i].entity_type))
			*message = STR("there is no such type of entity");
	if (message->n >= 0)
		return KERR_INVALID_REQUEST;
	for (int32_t i = 0; i < asked->ops.n; i++) {
		if (asked->ops.v[i].remove)
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
	struct alter_client_quotas_response r;
	wire_defaults(&alter_client_quotas_response_desc, &r);
	r.entries.n = q->entries.n;
	r.entries.v = REQUEST_ARRAY(rq, struct alter_client_quotas_response_entry, q->entries.n);
	for (int32_t i = 0; i < q->entries.n; i++) {
		const struct alter_client_quotas_request_entry *asked = &q->entries.v[i];
		struct alter_client_quotas_response_entry *answer = &r.entries.v[i];
		answer->error_code = check_entry(asked, &answer->error_message);
		answer->entity.n = asked->entity.n;
		answer->entity.v = REQUEST_ARRAY(rq, struct alter_client_quotas_response_entity,
			asked->entity.n);
		for (int32_t k = 0; k < asked->entity.n; k++) {
			answer->entity.v[k].entity_type = asked->entity.v[k].entity_type;
			answer->entity.v[k].entity_name = asked->entity.v[k].entity_name;
		}
	}
	request_respond(rq, &r);
}
