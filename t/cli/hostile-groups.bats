#!/usr/bin/env bats
# Hostile clients of groups and transactions.

load ../lib/kq.bash

teardown() {
	end_broker
}

# At most so many MiB were ever in use (sanitizers keep what is freed).
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
	grep -q 'closed: queued.max.request.bytes is used up by requests that wait' "$broker_log"
	stop_broker
}
