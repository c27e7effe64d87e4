/*
 * What the group coordinator answers: OffsetCommit, OffsetFetch, OffsetDelete,
 * TxnOffsetCommit, JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups,
 * ListGroups, DeleteGroups, ConsumerGroupHeartbeat, ConsumerGroupDescribe.
 */
#include "api.h"

#include "coordinator.h"

void
api_groups(struct request *rq)
{
	coordinator_take(rq, COORD_GROUPS);
}
