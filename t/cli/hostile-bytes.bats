#!/usr/bin/env bats
# Bad input over the network.  After each case the broker still runs, serves a normal
# client as before, stops cleanly, and has never used more memory than it may.

load ../lib/kq.bash

setup() {
	skip_without python3
	start_broker
}

teardown() {
	[ -n "${broker_pid-}" ] || return 0
	stop_broker
}

# The peak of memory was at most so many MiB (sanitizers keep freed memory).
peak_below() {
	local peak
	peak=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$broker_pid/status")
	echo "peak: $peak MiB"
	[ -n "${KQ_SAN-}" ] || [ "$peak" -lt "$1" ]
}

@test "random bytes" {
	py hostile.py random-bytes
	peak_below 50
}

@test "random bodies behind sound headers, for every API and version" {
	py hostile.py random-bodies
	peak_below 100
}

@test "sound requests with bytes changed, for every API and version" {
	py hostile.py mutants "$BATS_TEST_DIRNAME/../data/kafka-clients.hex" 1
	peak_below 100
}

@test "a look-up that takes long lets others have their turns" {
	stop_broker
	restart_broker -o reactors=1
	py hostile.py look-ups
}

@test "half frames, then silence or the end" {
	py hostile.py half-frames
	peak_below 50
}

@test "lengths of 2 GiB, 0, less than nothing" {
	py hostile.py lengths
	peak_below 50
}

@test "large frames that are announced but do not come take no memory" {
	py hostile.py promised
	peak_below 60
}

@test "large frames that do come, in part, are bounded by queued.max.request.bytes" {
	stop_broker
	restart_broker -o queued.max.request.bytes=50000000
	py hostile.py hoard
	peak_below 150
	grep -q 'closed: queued.max.request.bytes is exhausted' "$broker_log"
}

@test "large answers that nobody reads are bounded by it, too" {
	stop_broker
	restart_broker -o queued.max.request.bytes=50000000
	py hostile.py unread
	peak_below 300
	grep -q 'closed: queued.max.request.bytes is exhausted by responses that the client does not read' "$broker_log"
}

@test "array counts of 2^31-1" {
	py hostile.py counts
	peak_below 50
}

@test "unknown APIs and versions" {
	py hostile.py unknown-apis
	peak_below 50
}

@test "batches with a wrong CRC, count, magic, length, base offset; two; none" {
	py hostile.py batches
	peak_below 50
}

@test "records that lie, in every codec" {
	py hostile.py lying-records
	peak_below 100
}

@test "large records in small batches take no memory" {
	py hostile.py large-records
	peak_below 50
}

@test "decompression bombs" {
	py hostile.py bombs
	peak_below 640
}

@test "thousands of requests whose answers nobody reads" {
	py hostile.py pipeline
	peak_below 100
}

@test "slow readers of much" {
	py hostile.py slow-reader
	peak_below 150
}

@test "a thousand long polls" {
	py hostile.py long-polls
	peak_below 100
}

@test "a thousand connections" {
	py hostile.py thousand
	peak_below 100
}

@test "strange names" {
	py hostile.py strange-names
	peak_below 50
}

@test "the same over the Unix socket" {
	export broker_tcp=$KQ_BROKERS
	for what in random-bytes random-bodies half-frames counts batches pipeline; do
		py hostile.py "$what"
	done
	peak_below 100
}
