/*
 * What the group coordinator answers: OffsetCommit, OffsetFetch, OffsetDelete,
 * TxnOffsetCommit, JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups,
 * ListGroups, DeleteGroups, ConsumerGroupHeartbeat, ConsumerGroupDescribe.
 */
#include "kq-broker/api.h"

#include "kq-broker/coordinator.h"

void
api_groups(struct request *rq)
{
	coordinator_take(rq, COORD_GROUPS);
}
