/*
 * What the transaction coordinator answers: AddPartitionsToTxn,
 * AddOffsetsToTxn, EndTxn, DescribeTransactions, ListTransactions.
 */
#include "kq-broker/api.h"

#include "kq-broker/coordinator.h"

void
api_txns(struct request *rq)
{
	coordinator_take(rq, COORD_TXNS);
}
