/*
 * What the transaction coordinator answers: AddPartitionsToTxn,
 * AddOffsetsToTxn, EndTxn, DescribeTransactions, ListTransactions.
 */
#include "api.h"

#include "coordinator.h"

void
api_txns(struct request *rq)
{
	coordinator_take(rq, COORD_TXNS);
}
