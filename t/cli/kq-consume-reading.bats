#!/usr/bin/env bats
# kq-consume against kq-broker: where it starts and stops, what it prints, and what it
# reports when it cannot.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	start_broker
}

teardown() {
	stop_broker
}

consume() {
	timeout 20 kq-consume "$@"
}

@test "from the beginning, from an offset, the last ones" {
	seq 0 99 | kq-produce t
	cmp <(consume -e t) <(seq 0 99)
	cmp <(consume -e -o 90 t) <(seq 90 99)
	cmp <(consume -e -o -3 t) <(seq 97 99)
	cmp <(consume -e -o 5 -c 2 t) <(seq 5 6)
	[ -z "$(consume -e -o end t)" ]
}

@test "from a time on" {
	seq 3 | kq-produce t
	sleep 0.05
	local now
	now=$(date +%s%3N)
	sleep 0.05
	seq 4 6 | kq-produce t
	cmp <(consume -e -o "@$now" t) <(seq 4 6)
	cmp <(consume -e -o "s@$now" t) <(seq 4 6)
	cmp <(consume -o "e@$now" t) <(seq 3)
}

@test "several topics and partitions side by side, each in its order" {
	kq-topic create many -p 3
	for p in 0 1 2; do seq "$p" 3 299 | kq-produce -p "$p" many; done
	seq 300 399 | kq-produce one
	consume -e -f '%t %p %s\n' many one >out
	[ "$(wc -l <out)" -eq 400 ]
	for p in 0 1 2; do
		cmp <(awk -v p="$p" '$1 == "many" && $2 == p { print $3 }' out) <(seq "$p" 3 299)
	done
	cmp <(awk '$1 == "one" { print $3 }' out) <(seq 300 399)
	cmp <(consume -e -p 1 many) <(seq 1 3 299)
}

@test "an offset that is not there is an error, and so is a trimmed one" {
	seq 10 | kq-produce t
	run -2 --separate-stderr consume -e -o 11 t
	[ "$stderr" = "kq-consume: offset 11 is not in partition 0 of 't', which has 0 to 10" ]
	kq-topic trim t --before 5 --yes
	run -2 --separate-stderr consume -e -o 2 t
	[ -z "$output" ]
	[ "$stderr" = "kq-consume: offset 2 is not in partition 0 of 't', which has 5 to 10" ]
	cmp <(consume -e t) <(seq 6 10)
}

@test "no topic, nobody there: 75; wrong use: 2" {
	run -75 --separate-stderr consume -e nosuch
	[ "$stderr" = "kq-consume: topic 'nosuch' does not exist" ]
	run -75 --separate-stderr consume -b unix:/nonexistent/s -e t
	run -2 --separate-stderr consume -o nonsense t
	run -2 --separate-stderr consume --ofset 3 t
	[[ $stderr == *"--offset"* ]]
	run -2 consume
}

@test "a reader that leaves ends it quietly" {
	seq 100000 | kq-produce t
	consume t 2>err | head -n 3 >out
	cmp out <(seq 3)
	[ ! -s err ]
}

@test "-N counts the records that are shown, not markers or aborted ones" {
	kq-topic create t -p 2
	seq 100 | kq-produce --txn me --txn-every 1 -p 0 t
	cmp <(consume -e -o -3 t) <(seq 98 100)
	cmp <(consume -e -o -50 t) <(seq 51 100)
	cmp <(consume -e -o -100 t) <(seq 100)
	cmp <(consume -e -o -1000 t) <(seq 100)
	[ -z "$(consume -e -o -0 t)" ]
	# The last records are aborted ones.
	local i
	for i in 1 2 3; do
		mkfifo pipe
		env --default-signal=INT kq-produce --txn me --linger 0 -p 0 t <pipe 2>/dev/null &
		exec 5>pipe
		seq 1001 1050 >&5
		timeout "$kq_patience" bash -c 'until [ "$(kq-consume -e --uncommitted t | grep -c 1050)" -eq "$0" ]; do sleep 0.05; done' "$i"
		kill -INT $!
		wait $! || :
		exec 5>&-
		rm pipe
	done
	cmp <(consume -e -o -3 t) <(seq 98 100)
	cmp <(consume -e -o -3 --uncommitted t) <(seq 1048 1050)
	seq 7 | kq-produce -p 1 t
	cmp <(consume -e -o -2 t | sort -n) <(printf '%s\n' 6 7 99 100)
	cmp <(consume -e -o -2 -p 1 t) <(seq 6 7)
	cmp <(consume -e -G g -o -2 t | sort -n) <(printf '%s\n' 6 7 99 100)
}
