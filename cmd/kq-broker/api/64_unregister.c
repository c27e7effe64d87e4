/*
 * UnregisterBroker, UnregisterController: remove one that is gone.  There is
 * only this broker, which is running.  There is one version.
 */
#include "kq-broker/api/api.h"

#include "kq-broker/broker.h"

#include "proto.h"
#include "wire/kerr.h"

void
api_unregister_broker(struct request *rq)
{
	const struct unregister_broker_request *q = rq->body;
	struct unregister_broker_response r;
	bool is_us = q->broker_id == rq->broker->node_id;
	wire_defaults(&unregister_broker_response_desc, &r);
	r.error_code = is_us ? KERR_INVALID_REQUEST : KERR_BROKER_ID_NOT_REGISTERED;
	r.error_message = is_us ? STR("the broker is running, and the only one")
		: STR("there is no broker of this id");
	request_respond(rq, &r);
}

void
api_unregister_controller(struct request *rq)
{
	const struct unregister_controller_request *q = rq->body;
	struct unregister_controller_response r;
	bool is_us = q->controller_id == rq->broker->node_id;
	wire_defaults(&unregister_controller_response_desc, &r);
	r.error_code = is_us ? KERR_INVALID_REQUEST : KERR_CONTROLLER_ID_NOT_REGISTERED;
	r.error_message = is_us ? STR("the controller is running, and the only one")
		: STR("there is no controller of this id");
	request_respond(rq, &r);
}
