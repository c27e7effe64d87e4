#!/usr/bin/env bats
# Hostile clients of groups and transactions.

load ../lib/kq.bash

teardown() {
	end_broker
}

# The peak of memory was at most so many MiB (sanitizers keep freed memory).
peak_below() {
	local peak
	peak=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$broker_pid/status")
	echo "peak: $peak MiB"
	[ -n "${KQ_SAN-}" ] || [ "$peak" -lt "$1" ]
}

@test "ends of transactions that nobody should write" {
	skip_without python3
	start_broker
	py hostile_groups.py markers
	peak_below 60
	stop_broker
}

@test "the longest names" {
	skip_without python3
	start_broker
	py hostile_groups.py names
	stop_broker
}

@test "large requests that wait are bounded by queued.max.request.bytes" {
	skip_without python3
	start_broker -o queued.max.request.bytes=50000000
	py hostile_groups.py parked
	peak_below 150
	grep -q 'closed: queued.max.request.bytes is exhausted by waiting requests' "$broker_log"
	stop_broker
}

@test "small requests for endless answers" {
	skip_without python3
	start_broker
	py hostile_groups.py repeated
	peak_below 500
	stop_broker
}

@test "endless records of a small commit" {
	skip_without python3
	start_broker
	py hostile_groups.py commits
	peak_below 350
	stop_broker
}

@test "joins that are assigned more than groups may take" {
	skip_without python3
	start_broker -o group.state.bytes.max=1048576
	py hostile_groups.py assigned
	peak_below 100
	stop_broker
}

@test "connections that are closed are told of in a few lines" {
	skip_without python3
	start_broker
	run py hostile_groups.py flood 2000
	echo "$output"
	[ "$status" -eq 0 ]
	# Without the lines that count repetitions, since they quote the repeated line.
	lines=$(grep "closed: a frame's size" "$broker_log" | grep -vc "more lines\? like")
	[ "$lines" -ge 20 ]
	[ "$lines" -le $(((output + 1) * 20)) ]
	if [ "$lines" -lt 2000 ]; then # a slow machine may not reach the limit
		sleep 1.1
		stop_broker
		grep "more lines\? like" "$broker_log"
		told=$(awk '/ more lines? like / { n += $3 } END { print n }' "$broker_log")
		[ $((lines + told)) -eq 2000 ]
	fi
}

# Random requests, made from the protocol's tables.  KQ_SEED repeats a run, except for
# its timing; KQ_FUZZ_SECONDS makes it longer (make fuzz sets it).
@test "random requests, pipelined, while the broker is stopped, killed and started again" {
	local seed=${KQ_SEED:-$RANDOM} end=$((SECONDS + ${KQ_FUZZ_SECONDS:-10})) other
	start_broker -o offsets.topic.num.partitions=5 -o transaction.state.log.num.partitions=5 \
		-o transaction.abort.timed.out.transaction.cleanup.interval.ms=500 \
		-o offsets.retention.check.interval.ms=1000 -o group.min.session.timeout.ms=100 \
		-o group.consumer.session.timeout.ms=3000 -o group.consumer.heartbeat.interval.ms=1000
	while [ "$SECONDS" -lt "$end" ]; do
		echo "KQ_SEED=$seed"
		timeout 200 fuzz-live --seed "$seed" --seconds 3 "$KQ_BROKERS" >"$broker_dir/other" 2>&1 3>&- &
		other=$!
		timeout 200 fuzz-live --seed $((seed + 1)) --seconds 2 --connections 3 "$KQ_BROKERS"
		kill_broker
		restart_broker
		wait "$other" || {
			cat "$broker_dir/other"
			false
		}
		stop_broker
		restart_broker
		seed=$((seed + 2))
	done
	py hostile_groups.py names
	peak_below 300
	stop_broker
}
