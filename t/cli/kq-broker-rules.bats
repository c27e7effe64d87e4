#!/usr/bin/env bats
# kq-broker: the rules for topics, and the limits.

load ../lib/kq.bash

teardown() {
	[ ! -e "$broker_dir/exit" ] || return 0
	stop_broker
}

rules() {
	py rules.py "$@"
}

@test "a topic is made on first use, with num.partitions" {
	start_broker -o num.partitions=3
	[ "$(rules meta wanted)" = 0 ]
	[ "$(rules partitions wanted)" = 3 ]
	[ "$(rules put wanted 2)" = '0 9' ]
	grep -q 'created topic wanted with 3 partitions' "$broker_log"
}

@test "a creator who does not say gets num.partitions, in old versions, too; a name is used once" {
	start_broker -o num.partitions=3
	[ "$(rules create unsaid -1)" = 0 ]
	[ "$(rules partitions unsaid)" = 3 ]
	[ "$(rules create unsaid 0)" = 36 ]
	[ "$(rules create __consumer_offsets 1)" = 17 ]
}

@test "what groups have committed can't be trimmed or deleted away" {
	start_broker
	echo x | kq-produce t
	[ "$(kq-consume -G g -o beginning -e t)" = x ]
	run kq-topic trim __consumer_offsets --before latest --yes
	[ "$status" -eq 1 ]
	[[ $output == *INVALID_TOPIC* ]]
	run kq-topic delete --yes __consumer_offsets
	[ "$status" -eq 1 ]
	kill_broker
	restart_broker
	[ -z "$(kq-consume -G g -o beginning -e t)" ]
}

@test "or is not, with auto.create.topics.enable=false" {
	start_broker -o auto.create.topics.enable=false
	[ "$(rules meta wanted)" = 3 ]
	[ "$(rules put wanted)" = '3 -1' ]
	[ "$(rules create wanted)" = 0 ]
	[ "$(rules put wanted)" = '0 9' ]
}

@test "LogAppendTime is the broker's clock, CreateTime the producer's" {
	start_broker
	rules append-time
}

@test "max.message.bytes, to the byte, and changed" {
	start_broker
	rules too-large
}

@test "message.max.bytes is the default for all topics" {
	start_broker -o message.max.bytes=2000
	[ "$(rules put t 0 1 1900)" = '0 0' ]
	[ "$(rules put t 0 1 2000)" = '10 -1' ]
}

@test "a deleted topic's files go; a new one of its name is empty" {
	start_broker
	rules create gone 2
	rules put gone 0
	rules put gone 1
	[ -d "$broker_data/gone-0" ] && [ -d "$broker_data/gone-1" ]
	[ "$(rules delete gone)" = 0 ]
	[ "$(rules delete gone)" = 3 ]
	[ "$(rules create gone)" = 0 ]
	[ -z "$(rules get gone)" ]
	[ "$(rules put gone 0 1)" = '0 0' ]
	[ "$(rules delete gone)" = 0 ]
	# at the latest when the broker ends
	stop_broker
	run find "$broker_data" -name 'gone-*'
	[ -z "$output" ]
	restart_broker -o auto.create.topics.enable=false
	[ "$(rules meta gone)" = 3 ]
}

@test "delete.topic.enable=false" {
	start_broker -o delete.topic.enable=false
	rules put kept
	[ "$(rules delete kept)" = 73 ]
	[ "$(rules get kept)" = "$(seq 0 9)" ]
}

@test "max.connections: one more is closed and told in the log, one less makes room" {
	start_broker -o max.connections=5
	rules max-connections 5
	grep -q 'refused, max.connections (5) is reached' "$broker_log"
}

@test "max.partitions" {
	start_broker -o max.partitions=5
	[ "$(rules create three 3)" = 0 ]
	run rules create more 3
	[ "$output" != 0 ]
	[ "$(rules create two 2)" = 0 ]
	run rules create one 1
	[ "$output" != 0 ]
	[ "$(rules meta auto)" != 0 ]
	[ "$(rules delete three)" = 0 ]
	[ "$(rules create one 1)" = 0 ]
}

@test "socket.request.max.bytes, to the byte" {
	start_broker -o socket.request.max.bytes=10000
	rules request-max 10000
	grep -q 'closed: a frame.s size is beyond socket.request.max.bytes (10001)' "$broker_log"
}

@test "nobody forges a line of the log" {
	start_broker --log-level debug
	rules forge
	stop_broker
	[ "$(grep -c . "$broker_log")" -gt 5 ]
	run grep -vP '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) [\x20-\x7e]*$' "$broker_log"
	echo "$output"
	[ -z "$output" ]
}

@test "a transaction takes a group's offsets along when nothing has named a group before" {
	start_broker
	[ "$(rules offsets_first first)" = 0 ]
	kill_broker
	restart_broker
	[ "$(rules offsets_first second)" = 0 ]
}

@test "topics, their settings and records outlive a restart" {
	start_broker
	rules create configured 3 retention.ms=777 max.message.bytes=500
	rules put configured 1
	stop_broker
	restart_broker
	[ "$(rules get configured 1)" = "$(seq 0 9)" ]
	[ "$(rules put configured 1 1 600)" = '10 -1' ]
	[ "$(rules put configured 2 1)" = '0 0' ]
	kill_broker
	restart_broker
	[ "$(rules get configured 1)" = "$(seq 0 9)" ]
	[ "$(rules put configured 1 1 600)" = '10 -1' ]
	[ "$(rules get configured 2)" = 0 ]
}
