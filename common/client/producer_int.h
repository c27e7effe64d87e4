/* What the files of the producer share among themselves. */
#ifndef KQ_CLIENT_PRODUCER_INT_H
#define KQ_CLIENT_PRODUCER_INT_H

#include "client/producer.h"

/* Send whatever may be sent now. */
void producer_send(struct producer *p, int64_t now_ms);

/* A batch came back acknowledged; or refused with *why, where err_class
 * ERR_RETRY means that it may be sent again. */
void producer_acked(struct producer_batch *b);
void producer_refused(struct producer_batch *b, const struct err *why);

/* Free the requests kept for reuse. */
void producer_free_requests(struct producer *p);

#endif
