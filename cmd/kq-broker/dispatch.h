/*
 * The dispatcher: one table of what this broker serves, a row an API, and the
 * way of a request from its session to the API's handler (api/NN_name.c).
 */
#ifndef KQ_BROKER_DISPATCH_H
#define KQ_BROKER_DISPATCH_H

#include "base/err.h"
#include "kq-broker/api/api.h"

/* Once, before any thread. */
void dispatch_init(void);

/* The row of an API, or NULL. */
const struct api *dispatch_find(int16_t key);

/* Decode a request and pass it to its handler, on the lane that the table
 * names.  On the session's thread.  -1: the API or its version is not served,
 * or the frame is malformed; *e says which. */
int dispatch(struct request *rq, struct err *e);

#endif
