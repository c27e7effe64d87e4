# Kafka's admin tools: groups, topics, settings, offsets.
. "$(dirname "$0")/lib.bash"
fetch_kafka
version "$kafka_version"
limit=120
broker

at=(--bootstrap-server "$broker_tcp")
groups() {
	kafka org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "${at[@]}" "$@"
}
topics() {
	kafka TopicCommand "${at[@]}" "$@"
}
configs() {
	kafka ConfigCommand "${at[@]}" "$@"
}

compatible() {
	kafka ClientCompatibilityTest "${at[@]}" --topic compatible --offsets-for-times-supported true \
		--cluster-id-supported true --expect-record-too-large-exception false --num-cluster-nodes 1 \
		--create-topics-supported true --describe-acls-supported true --describe-configs-supported true \
		--idempotent-producer-supported true
}

topic_command() {
	topics --create --topic made --partitions 3 --replication-factor 1 --config retention.ms=77777
	topics --create --topic made --if-not-exists
	! topics --create --topic made
	topics --list | grep -x made
	topics --describe --topic made >"$scratch/made"
	cat "$scratch/made"
	grep -E 'Topic: made\s+TopicId: \S{22}\s+PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention.ms=77777' "$scratch/made"
	grep -E 'Partition: 2\s+Leader: 1\s+Replicas: 1\s+Isr: 1' "$scratch/made"
	topics --alter --topic made --partitions 5
	topics --describe --topic made | grep 'PartitionCount: 5'
	topics --delete --topic made
	! topics --list | grep -x made
	topics --delete --topic made --if-exists
}

config_command() {
	topics --create --topic conf
	configs --alter --topic conf --add-config retention.ms=12345,cleanup.policy=compact
	configs --describe --topic conf >"$scratch/conf"
	cat "$scratch/conf"
	grep -E 'retention.ms=12345 .*DYNAMIC_TOPIC_CONFIG:retention.ms=12345' "$scratch/conf"
	grep 'cleanup.policy=compact' "$scratch/conf"
	configs --alter --topic conf --delete-config retention.ms
	! configs --describe --topic conf | grep retention.ms=12345
	configs --describe --topic conf --all | grep 'retention.ms=604800000'
	! configs --alter --topic conf --add-config retention.ms=soon
	configs --describe --broker 1 --all | grep 'num.partitions=1'
}

# Settings of brokers and groups, changed while the broker runs.
live_settings() {
	configs --alter --entity-type brokers --entity-name 1 --add-config message.max.bytes=2000000
	configs --alter --entity-type brokers --entity-default \
		--add-config 'log.roll.ms=500000,log.cleanup.policy=[delete,compact]'
	configs --describe --entity-type brokers --entity-name 1 |
		grep 'message.max.bytes=2000000 .*{DYNAMIC_BROKER_CONFIG:message.max.bytes=2000000, DEFAULT_CONFIG:'
	configs --describe --entity-type brokers --entity-default |
		grep 'log.roll.ms=500000 .*DYNAMIC_DEFAULT_BROKER_CONFIG:log.roll.ms=500000'
	configs --describe --entity-type brokers --entity-default | grep 'log.cleanup.policy=delete,compact'
	configs --alter --entity-type brokers --entity-default --delete-config log.roll.ms,log.cleanup.policy
	! configs --describe --entity-type brokers --entity-default | grep log.roll.ms
	! configs --alter --entity-type brokers --entity-name 1 --add-config num.partitions=4
	configs --alter --entity-type brokers --entity-name 1 --delete-config message.max.bytes
	! configs --describe --entity-type brokers --entity-name 1 | grep message.max.bytes
	configs --alter --entity-type groups --entity-name g --add-config consumer.session.timeout.ms=50000
	configs --describe --entity-type groups |
		grep 'consumer.session.timeout.ms=50000 .*DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=50000'
	! configs --alter --entity-type groups --entity-name g --add-config consumer.session.timeout.ms=5
	configs --alter --entity-type broker-loggers --entity-name 1 --add-config root=WARN
	configs --describe --entity-type broker-loggers --entity-name 1 | grep root=WARN
}

offset_shell() {
	kq-topic create -p 2 shell >/dev/null
	seq 10 | kcat -P -b "$broker_tcp" -t shell -p 0
	[ "$(kafka GetOffsetShell "${at[@]}" --topic shell)" = "shell:0:10
shell:1:0" ]
	[ "$(kafka GetOffsetShell "${at[@]}" --topic shell --time earliest --partitions 0)" = shell:0:0 ]
	kafka GetOffsetShell "${at[@]}" --topic shell --time max-timestamp --partitions 0 | grep -E '^shell:0:[0-9]$'
	echo '{"partitions":[{"topic":"shell","partition":0,"offset":4}],"version":1}' >"$scratch/delete.json"
	kafka DeleteRecordsCommand "${at[@]}" --offset-json-file "$scratch/delete.json" | grep 'low_watermark: 4'
	[ "$(kafka GetOffsetShell "${at[@]}" --topic shell --time earliest --partitions 0)" = shell:0:4 ]
}

log_dirs() {
	kafka LogDirsCommand "${at[@]}" --describe --topic-list shell >"$scratch/dirs"
	cat "$scratch/dirs"
	grep -E '"partition":"shell-0","size":[1-9]' "$scratch/dirs"
}

api_versions() {
	kafka BrokerApiVersionsCommand "${at[@]}" >"$scratch/apis"
	cat "$scratch/apis"
	grep -E 'Produce\(0\): 0 to 1[0-9] \[usable: 1[0-9]\]' "$scratch/apis"
	grep -E 'ConsumerGroupHeartbeat\(68\): 0 to 1 ' "$scratch/apis"
	grep -E 'EndTxn\(26\): 0 to 5 ' "$scratch/apis"
	! grep -E '(Join|Sync|Leave)Group\([0-9]*\): UNSUPPORTED' "$scratch/apis"
}

# A group without members that has read 10 records of each of two partitions.
old_group() {
	kq-topic create -p 2 "$1" >/dev/null
	for p in 0 1; do
		seq 10 | kcat -P -b "$broker_tcp" -t "$1" -p $p
	done
	kcat -b "$broker_tcp" -X auto.offset.reset=earliest -q -e -G "$1" "$1" >/dev/null
}

group_list() {
	old_group listed
	groups --list | grep -x listed
	groups --list --state >"$scratch/states"
	cat "$scratch/states"
	grep -E '^listed\s+Empty' "$scratch/states"
	kafka GroupsCommand "${at[@]}" --list >"$scratch/kinds"
	cat "$scratch/kinds"
	grep -E '^listed\s+Classic\s+consumer' "$scratch/kinds"
}

group_describe() {
	groups --describe --group listed >"$scratch/d"
	cat "$scratch/d"
	grep -E '^listed\s+listed\s+0\s+10\s+(-\s+)?10\s+0\s+-\s+-\s+-' "$scratch/d"
	groups --describe --group listed --state >"$scratch/d"
	cat "$scratch/d"
	grep -E '^listed\s.*\sEmpty\s+0' "$scratch/d"
	groups --describe --group none 2>&1 | grep -iE 'not found|does not exist'
}

# describe_members PROTOCOL: describe a group with one member.
describe_members() {
	local member f=$scratch/of-$1
	kq-topic create -p 2 "of-$1" >/dev/null
	kafka_start VerifiableConsumer "${at[@]}" --topic "of-$1" --group-id "of-$1" --group-protocol "$1" >"$f"
	member=$!
	eventually grep -q '"name":"partitions_assigned".*"partition"' "$f"
	groups --describe --group "of-$1" --members --verbose >"$f.members"
	cat "$f.members"
	grep -E "^of-$1\s+\S+\s+/127.0.0.1\s+\S+\s+2\s.*of-$1:0,1" "$f.members"
	groups --describe --group "of-$1" --state >"$f.state"
	cat "$f.state"
	grep -E "\s(range|uniform)\s+Stable\s+1$" "$f.state" || grep -E "\sStable\s+1\s*$" "$f.state"
	! groups --delete --group "of-$1"
	! groups --reset-offsets --group "of-$1" --topic "of-$1" --to-earliest --execute
	kill "$member"
	wait "$member" || :
	groups --delete --group "of-$1"
	! groups --list | grep -x "of-$1"
}

reset() {
	local got
	reset_to 0 --to-earliest
	reset_to 7 --to-offset 7
	reset_to 9 --shift-by 2
	reset_to 10 --to-latest
	reset_to 0 --to-datetime 2001-01-01T00:00:00.000
	got=$(groups --reset-offsets --group listed --topic listed --to-offset 5 --export --execute | sort | grep ,)
	echo "$got" >"$scratch/from.csv"
	reset_to 0 --to-earliest
	reset_to 5 --from-file "$scratch/from.csv"
}

reset_to() {
	local want=$1
	shift
	if [ "$1" = --from-file ]; then
		groups --reset-offsets --group listed "$@" --execute
	else
		groups --reset-offsets --group listed --topic listed "$@" --execute
	fi
	groups --describe --group listed --offsets >"$scratch/d"
	cat "$scratch/d"
	grep -E "^listed\s+listed\s+1\s+$want\s" "$scratch/d"
}

delete_offsets() {
	groups --delete-offsets --group listed --topic listed:1
	groups --describe --group listed --offsets >"$scratch/d"
	cat "$scratch/d"
	! grep -E "^listed\s+listed\s+1\s+[0-9]" "$scratch/d"
	grep -E "^listed\s+listed\s+0\s+[0-9]" "$scratch/d"
	groups --delete --group listed
	! groups --list | grep -x listed
}

check 'ClientCompatibilityTest finds what it wants' compatible
check 'BrokerApiVersionsCommand understands what is served' api_versions
check 'TopicCommand makes, describes, grows and deletes' topic_command
check 'ConfigCommand sets and shows' config_command
check 'ConfigCommand changes brokers, groups and loggers' live_settings
check 'GetOffsetShell and DeleteRecordsCommand' offset_shell
check 'LogDirsCommand' log_dirs
check 'ConsumerGroupCommand and GroupsCommand list' group_list
check 'ConsumerGroupCommand describes offsets and state' group_describe
check 'it describes the members of a classic group, and lets it be while it has some' describe_members classic
check 'it describes the members of a new group, and lets it be while it has some' describe_members consumer
check 'it resets offsets in each way' reset
check 'it deletes offsets and the group' delete_offsets
done_checking
