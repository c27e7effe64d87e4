/*
 * FindCoordinator: this broker coordinates all groups and transactions.  The
 * first request creates the topic that stores them.
 *
 * By version: 1 transactions, too; error messages.  4 many keys.  5
 * TRANSACTION_ABORTABLE, not used.  6 share groups, which are refused.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

enum { TYPE_GROUP, TYPE_TRANSACTION };

static const char unknown_type[] = "this broker coordinates groups (0) and transactions (1)";

static void
fill(struct request *rq, struct str key, int16_t error,
	struct find_coordinator_response_coordinator *answer)
{
	wire_defaults(&find_coordinator_response_coordinator_desc, answer);
	answer->key = key;
	answer->error_code = error;
	if (error)
		answer->error_message = str_of(error == KERR_INVALID_REQUEST ? unknown_type
			: kerr_info(error)->text);
	else /* as in Kafka */
		answer->error_message = rq->header.api_version < 4 ? STR("NONE") : STR("");
	answer->node_id = error ? -1 : rq->broker->node_id;
	answer->host = error ? STR("") : str_of(rq->advertised->host);
	answer->port = error ? -1 : rq->advertised->port;
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
	struct find_coordinator_response r;
	wire_defaults(&find_coordinator_response_desc, &r);
	if (rq->header.api_version >= 4) {
		r.coordinators.n = q->coordinator_keys.n;
		r.coordinators.v = REQUEST_ARRAY(rq, struct find_coordinator_response_coordinator,
			q->coordinator_keys.n);
		for (int32_t i = 0; i < r.coordinators.n; i++)
			fill(rq, q->coordinator_keys.v[i], error, &r.coordinators.v[i]);
	} else {
		struct find_coordinator_response_coordinator answer;
		fill(rq, q->key, error, &answer);
		r.error_code = answer.error_code;
		r.error_message = answer.error_message;
		r.node_id = answer.node_id;
		r.host = answer.host;
		r.port = answer.port;
	}
	request_respond(rq, &r);
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
