#!/usr/bin/env bats
# kq-broker: settings that are changed while it runs.

load ../lib/kq.bash

teardown() {
	[ ! -e "$broker_dir/exit" ] || return 0
	stop_broker
}

configs() {
	py configs.py "$@"
}

rules() {
	py rules.py "$@"
}

ok='0 None'

@test "what may be changed, and what is answered" {
	start_broker
	[ "$(configs rules)" = ok ]
}

# kq refuses an empty member of a list, and ignores blanks around members that are
# subtracted, as around those that are set.
@test "values are taken, refused and shown as Apache Kafka does" {
	start_broker --memory
	configs values "$BATS_TEST_DIRNAME/../data/config-values.txt" >"$BATS_TEST_TMPDIR/out"
	diff "$BATS_TEST_TMPDIR/out" - <<-'END'
		topic set follower.replication.throttled.replicas 0:1, -> 40 ''
		topic set leader.replication.throttled.replicas 0:1, -> 40 ''
		topic subtract cleanup.policy  delete  -> 0 ''
	END
}

@test "a default of topics takes effect at once, and is kept" {
	start_broker -o message.max.bytes=3000
	rules create t
	rules create own 1 max.message.bytes=10000
	[ "$(rules put t 0 1 2500)" = '0 0' ]
	[ "$(configs change broker/ set message.max.bytes=2000)" = "$ok" ]
	[ "$(rules put t 0 1 2500)" = '10 -1' ]
	[ "$(rules put own 0 1 2500)" = '0 0' ]
	kill_broker
	restart_broker
	[ "$(rules put t 0 1 2500)" = '10 -1' ]
	[ "$(configs synonyms topic/t max.message.bytes)" = 'message.max.bytes=2000 3
message.max.bytes=3000 4
message.max.bytes=1048588 5' ]
	[ "$(configs change broker/ delete message.max.bytes)" = "$ok" ]
	[ "$(rules put t 0 1 2500)" = '0 1' ]
	[ "$(configs show topic/t max.message.bytes)" = 'max.message.bytes=3000 4 rw' ]
}

@test "the broker's own setting is nearer than that of all brokers" {
	start_broker -o log.roll.hours=2
	[ "$(configs show broker/1 log.roll.ms)" = 'log.roll.ms=7200000 4 rw' ]
	configs change broker/1 set log.roll.ms=3000
	configs change broker/ set log.roll.ms=5000
	[ "$(configs show broker/1 log.roll.ms)" = 'log.roll.ms=3000 2 rw' ]
	[ "$(configs show broker/)" = 'log.roll.ms=5000 3 rw' ]
	stop_broker
	restart_broker
	[ "$(configs show broker/1 log.roll.ms)" = 'log.roll.ms=3000 2 rw' ]
	configs change broker/1 delete log.roll.ms
	[ "$(configs show broker/1 log.roll.ms)" = 'log.roll.ms=5000 3 rw' ]
	configs change broker/ delete log.roll.ms
	[ "$(configs show broker/1 log.roll.ms)" = 'log.roll.ms=7200000 4 rw' ]
}

@test "what only the start can set is read-only, and says so" {
	start_broker
	[ "$(configs show broker/1 num.partitions)" = 'num.partitions=1 5 ro' ]
	[[ $(configs change broker/1 set num.partitions=3) == "42 num.partitions cannot be changed"* ]]
	[[ $(configs change broker/ set log.cleaner.threads=3) == "42 Kafka has"*"kq does not yet" ]]
	[[ $(configs change broker/ set log.retention.m=3) == "42 "*"did you mean 'log.retention.ms'?" ]]
}

@test "one request cannot ask for an answer of any size" {
	start_broker --memory
	[ "$(configs many)" = 0 ]
	peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$broker_pid/status")
	echo "$peak KiB"
	[ -n "$KQ_SAN" ] || [ "$peak" -lt $((400 << 10)) ]
}

@test "max.connections changes while the broker runs" {
	start_broker
	[ "$(configs change broker/1 set max.connections=2)" = "$ok" ]
	exec 7<>"/dev/tcp/${broker_tcp%:*}/${broker_tcp#*:}" 8<>"/dev/tcp/${broker_tcp%:*}/${broker_tcp#*:}"
	run configs show broker/1 max.connections
	[ "$status" -ne 0 ]
	exec 7>&- 8>&-
	[ "$(configs show broker/1 max.connections)" = 'max.connections=2 2 rw' ]
}

@test "a group's times are its own, and are kept" {
	start_broker -o group.consumer.min.heartbeat.interval.ms=1
	rules create t
	# A group that has just changed asks for heartbeats more often than every 5000 ms.
	[ "$(configs heartbeat other)" = '0 500' ]
	[ "$(configs change group/g set consumer.heartbeat.interval.ms=200)" = "$ok" ]
	[ "$(configs show group/g)" = 'consumer.heartbeat.interval.ms=200 8 rw
consumer.session.timeout.ms=45000 5 rw' ]
	[ "$(configs names 32)" = '0 g/32' ]
	kill_broker
	restart_broker
	[ "$(configs heartbeat g)" = '0 200' ]
	configs change group/g delete consumer.heartbeat.interval.ms
	[ "$(configs names 32)" = 0 ]
}

@test "a group whose session is short loses a silent member" {
	start_broker -o group.consumer.min.session.timeout.ms=100 -o group.consumer.min.heartbeat.interval.ms=1
	rules create t
	configs change group/g set consumer.session.timeout.ms=300 set consumer.heartbeat.interval.ms=100
	configs heartbeat g
	configs heartbeat other
	local i
	for ((i = 0; i < 100; i++)); do
		! kq-group list --state empty | grep -w g || break
		sleep .05
	done
	kq-group list --state empty | grep -w g
	! kq-group list --state empty | grep -w other
}

@test "resources are listed by their types" {
	start_broker
	rules create t
	configs change group/g set consumer.session.timeout.ms=50000
	[ "$(configs names)" = '0 g/32 1/8 1/4 t/2' ]
	[ "$(configs names 4)" = '0 1/4' ]
	[ "$(configs names 16)" = 0 ]
	[ "$(configs names 1)" = 35 ]
}

@test "the level of the log changes while the broker runs" {
	start_broker
	[ "$(configs show logger/1)" = 'root=INFO 6 rw' ]
	[ "$(configs change logger/1 set root=ERROR)" = "$ok" ]
	rules create t
	! grep -q 'created topic t' "$broker_log"
	[[ $(configs change logger/1 set root=LOUD) == "40 "* ]]
	[[ $(configs change logger/1 set kafka=INFO) == "40 "* ]]
}

@test "settings that do not fit together are refused at the start" {
	local pair
	for pair in log.cleaner.min.compaction.lag.ms=6,log.cleaner.max.compaction.lag.ms=5 \
		group.min.session.timeout.ms=7000,group.max.session.timeout.ms=6999 \
		group.consumer.session.timeout.ms=100,group.consumer.heartbeat.interval.ms=101; do
		run kq-broker --memory -l 127.0.0.1:0 -o "${pair%,*}" -o "${pair#*,}"
		[ "$status" -eq 2 ]
		[[ $output == *' is above '* ]]
	done
	run kq-broker --memory -l 127.0.0.1:0 -o group.coordinator.rebalance.protocols=consumer
	[ "$status" -eq 2 ]
	start_broker
}

@test "a setting without effect is named in the log at the start" {
	start_broker -o log.retention.ms=7d
	grep -q 'warn the setting log.retention.ms has no effect yet' "$broker_log"
	[ "$(configs show broker/1 log.retention.ms)" = 'log.retention.ms=604800000 4 rw' ]
	stop_broker
	: >"$broker_log"
	restart_broker -o log.retention.ms=7d --log-level error
	[ ! -s "$broker_log" ]
}
