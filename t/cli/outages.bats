#!/usr/bin/env bats
# Brokers that have not started yet, or stop and come back: what the tools report, how
# long they wait, and their exit codes.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	local pid
	[ -z "${broker_dir-}" ] || end_broker
	! mountpoint -q mnt || umount -l mnt
	for pid in $(jobs -p); do kill "$pid" 2>/dev/null || :; done
}

# TEXT FILE: wait until the file has a line that contains the text.
await() {
	timeout "$kq_patience" bash -c 'until grep -qF -- "$0" "$1"; do sleep 0.05; done' "$1" "$2"
}

@test "--wait: the broker may start later than the tool" {
	start_broker
	stop_broker
	for tool in "kq-topic create t" "kq-group list" "kq-consume -e t" "kq-produce t"; do
		run -75 --separate-stderr $tool --wait 200ms </dev/null
		[ "$(grep -c 'cannot connect' <<<"$stderr")" -eq 1 ]
		run -75 --separate-stderr $tool </dev/null
	done
	kq-topic create --wait 30s t 2>err 3>&- &
	local pid=$!
	await 'trying again for up to 30 s' err
	restart_broker
	wait "$pid"
	await 'unix:' err
	[ "$(wc -l <err)" -eq 2 ]
	kq-topic list --wait 30s 2>err2 | grep -qx t
	[ ! -s err2 ]
}

@test "a signal ends the waiting" {
	kq-consume -b unix:nosuch --wait 1h t 2>err 3>&- &
	local pid=$!
	await 'trying again' err
	kill -INT "$pid" || kill "$pid"
	timeout 10 tail --pid="$pid" -f /dev/null
}

@test "a lost broker is reported once, and once when it is back" {
	start_broker
	seq 3 | kq-produce t
	kq-consume t >out 2>err 3>&- &
	local plain=$!
	kq-consume -G g -o beginning --commit-every 100ms t >out-g 2>err-g 3>&- &
	local grouped=$!
	await 3 out
	await 3 out-g
	mkfifo pipe
	kq-produce t <pipe 2>err-p 3>&- &
	local producer=$!
	exec 5>pipe
	echo 4 >&5
	await 4 out
	stop_broker
	echo 5 >&5
	for f in err err-g err-p; do
		await 'broker 1 is lost: ' $f
		grep -q 'trying again for up to' $f
	done
	# No process uses the CPU while there is nothing to do.
	local before after
	before=$(awk '{ print $14 + $15 }' "/proc/$grouped/stat")
	sleep 1
	after=$(awk '{ print $14 + $15 }' "/proc/$grouped/stat")
	[ $((after - before)) -lt 30 ]
	restart_broker
	for f in err err-g err-p; do
		await 'broker 1 is back after ' $f
		[ "$(wc -l <$f)" -eq 2 ]
	done
	await 5 out
	await 5 out-g
	exec 5>&-
	wait "$producer"
	kill "$plain" "$grouped"
	wait "$grouped" || :
	cmp out <(seq 5)
	cmp out-g <(seq 5)
}

@test "kq-group watch goes on when the broker is back, and says it once" {
	start_broker
	seq 3 | kq-produce t
	kq-consume -G g -o beginning -e t >/dev/null
	kq-group watch --every 100ms g >out 2>err 3>&- &
	local pid=$! n
	await t out
	stop_broker
	await 'broker 1 is lost: ' err
	restart_broker
	await 'broker 1 is back after ' err
	n=$(wc -l <out)
	timeout "$kq_patience" bash -c 'until [ "$(wc -l <out)" -gt "$0" ]; do sleep 0.05; done' "$n"
	kill "$pid"
	[ "$(wc -l <err)" -eq 2 ]
}

@test "a restart that is quick is not worth a word" {
	start_broker
	seq 3 | kq-produce t
	kq-consume t >out 2>err 3>&- &
	local pid=$!
	await 3 out
	stop_broker
	restart_broker
	seq 4 6 | kq-produce t
	await 6 out
	kill "$pid"
	[ ! -s err ] || grep -q 'broker 1 is back' err
}

@test "a broker that does not answer is reported" {
	start_broker
	seq 3 | kq-produce t
	kq-consume t >out 2>err 3>&- &
	local pid=$!
	await 3 out
	kill -STOP "$broker_pid"
	await 'broker 1 does not answer; waiting for up to' err
	kill -CONT "$broker_pid"
	await 'broker 1 answers again' err
	seq 4 5 | kq-produce t
	await 5 out
	cmp out <(seq 5)
	[ "$(wc -l <err)" -eq 2 ]
	kill "$pid"
}

@test "a signal ends a tool that waits for the first answer of its broker" {
	start_broker
	kill -STOP "$broker_pid"
	for tool in "kq-consume t" "kq-consume -G g t" "kq-consume -G g t --exec cat --to u" "kq-produce t" "kq-topic list" "kq-group list"; do
		begin=$EPOCHREALTIME
		run -143 timeout --preserve-status 0.5 $tool </dev/null
		took=$(((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}) / 1000))
		echo "$tool: $took ms"
		[ "$took" -lt 5000 ]
	done
	kill -CONT "$broker_pid"
}

@test "a full disk is what the producer reports, and it goes on when there is room" {
	[ "$(id -u)" -eq 0 ] || skip "only root mounts"
	mkdir mnt
	mount -t tmpfs -o size=16m tmpfs mnt || skip "no tmpfs can be mounted here"
	BATS_TEST_TMPDIR=$PWD/mnt start_broker
	seq 400000 >in
	kq-topic create t
	head -c 15000000 /dev/zero >mnt/filler
	run -75 --separate-stderr kq-produce -X delivery.timeout.ms=4000 t in
	grep -E "partition 0 of 't': .*KAFKA_STORAGE_ERROR.*; trying again for up to 4 s" <<<"$stderr"
	grep -E "not delivered within 4000 ms: .*KAFKA_STORAGE_ERROR" <<<"$stderr"
	[[ $stderr != *OUT_OF_ORDER* ]]
	local n
	n=$(sed -n 's/^\([0-9]*\) records acknowledged.*/\1/p' <<<"$stderr")
	cat /dev/zero >mnt/filler2 2>/dev/null || : # what a refused batch left free
	tail -n +"$((n + 1))" in | kq-produce t 2>err 3>&- &
	local pid=$!
	await 'KAFKA_STORAGE_ERROR' err
	rm mnt/filler mnt/filler2
	wait "$pid"
	await 'continuing after' err
	cmp <(kq-consume -e t) in
}
