/* FindCoordinator: this broker coordinates every group and transaction; the
 * first who asks has the topic made that keeps them. */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

enum { TYPE_GROUP, TYPE_TRANSACTION };

static const char unknown_type[] = "this broker coordinates groups (0) and transactions (1)";

static void
fill(struct request *rq, struct str key, int16_t error,
	struct find_coordinator_response_coordinator *c)
{
	wire_defaults(&find_coordinator_response_coordinator_desc, c);
	c->key = key;
	c->error_code = error;
	if (error)
		c->error_message = str_of(error == KERR_INVALID_REQUEST ? unknown_type
			: kerr_info(error)->text);
	else /* as Kafka says it */
		c->error_message = rq->header.api_version < 4 ? STR("NONE") : STR("");
	c->node_id = error ? -1 : rq->broker->node_id;
	c->host = error ? STR("") : str_of(rq->advertised->host);
	c->port = error ? -1 : rq->advertised->port;
}

static enum coordinator_kind
kind_of(const struct request *rq)
{
	const struct find_coordinator_request *q = rq->body;
	return q->key_type == TYPE_TRANSACTION ? COORD_TXNS : COORD_GROUPS;
}

static void
respond(struct request *rq, int16_t error)
{
	struct find_coordinator_request *q = rq->body;
	struct find_coordinator_response a;
	wire_defaults(&find_coordinator_response_desc, &a);
	if (rq->header.api_version >= 4) {
		a.coordinators.n = q->coordinator_keys.n;
		a.coordinators.v = REQUEST_ARRAY(rq, struct find_coordinator_response_coordinator,
			q->coordinator_keys.n);
		for (int32_t i = 0; i < a.coordinators.n; i++)
			fill(rq, q->coordinator_keys.v[i], error, &a.coordinators.v[i]);
	} else {
		struct find_coordinator_response_coordinator c;
		fill(rq, q->key, error, &c);
		a.error_code = c.error_code;
		a.error_message = c.error_message;
		a.node_id = c.node_id;
		a.host = c.host;
		a.port = c.port;
	}
	request_respond(rq, &a);
}

/* On the control thread. */
static void
create_topic_and_respond(struct request *rq)
{
	respond(rq, coordinator_make_topic(rq->broker->coordinator, kind_of(rq)));
}

void
api_find_coordinator(struct request *rq)
{
	const struct find_coordinator_request *q = rq->body;
	if (q->key_type != TYPE_GROUP && q->key_type != TYPE_TRANSACTION)
		respond(rq, KERR_INVALID_REQUEST);
	else if (!coordinator_has_topic(rq->broker->coordinator, kind_of(rq)))
		lane_continue(rq, LANE_CONTROL, create_topic_and_respond);
	else
		respond(rq, KERR_NONE);
}
