/* FindCoordinator: this broker coordinates every group and transaction; the
 * first who asks has the topic made that keeps them. */
#include "kq-broker/api.h"

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

void
api_find_coordinator(struct request *rq)
{
	struct find_coordinator_request *q = rq->body;
	struct find_coordinator_response a;
	bool is_known = q->key_type == TYPE_GROUP || q->key_type == TYPE_TRANSACTION;
	enum coordinator_kind kind = q->key_type == TYPE_TRANSACTION ? COORD_TXNS : COORD_GROUPS;
	int16_t error = is_known ? KERR_NONE : KERR_INVALID_REQUEST;
	if (is_known && !coordinator_has_topic(rq->broker->coordinator, kind)) {
		if (rq->place == ON_REACTOR) {
			request_to(rq, ON_CONTROL);
			return;
		}
		error = coordinator_make_topic(rq->broker->coordinator, kind);
	}
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
