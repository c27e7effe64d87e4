#!/usr/bin/env bats
# kq-broker: few descriptors for many partitions and connections.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	[ -z "${KQ_SAN-}" ] || skip "sanitizers take descriptors of their own"
}

teardown() {
	[ -z "${holder-}" ] || kill "$holder" 2>/dev/null || :
	end_broker
}

# start_limited N [ARG...]: a broker of two reactors that may open N files
start_limited() {
	local n=$1
	shift
	broker_dir=$(mktemp -d "$BATS_TEST_TMPDIR/kq.XXXXXX")
	broker_data=$broker_dir/data
	broker_log=$broker_dir/log
	: >"$broker_log"
	spawn_limited "$n" "$@"
}

spawn_limited() {
	local n=$1
	shift
	_kq_spawn bash -c 'ulimit -n "$0"; exec "$@"' "$n" kq-broker -d "$broker_data" \
		-l "unix:$broker_dir/kq.sock" -l 127.0.0.1:0 -o "reactors=${reactors-2}" "$@"
}

# hold N: open N connections that stay open and send nothing
hold() {
	/usr/bin/python3 -c '
import socket, sys, time
held = []
for i in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    held.append(s)
print("held", flush=True)
time.sleep(1000)' "$broker_dir/kq.sock" "$1" >held 3>&- &
	holder=$!
	local end=$((SECONDS + kq_patience))
	until [ -s held ]; do
		[ $SECONDS -lt $end ]
		sleep 0.05
	done
}

keyed() {
	seq "$1" "$2" | sed 's/.*/&\t&/'
}

# All partitions of a topic are written and synced for the first time at once.
works_with() {
	kq-topic create -p 150 -c segment.bytes=1048576 t
	keyed 1 20000 | kq-produce -K '\t' t
	kq-consume -e t | sort -n | cmp - <(seq 20000)
	# When a segment is rolled, its indexes are, too.
	head -c 60000000 /dev/zero | tr '\0' x | fold -w 1000 | awk '{ print NR "\t" $0 }' |
		kq-produce -K '\t' t
	for i in 1 2 3 4; do
		(kq-consume -e t | wc -l >"count.$i") 3>&- &
		readers[i]=$!
	done
	[ "$(kq-consume -G g -o beginning -e t | wc -l)" -eq 80000 ]
	wait "${readers[@]}"
	[ "$(cat count.*)" = "$(printf '%s\n' 80000 80000 80000 80000)" ]
	keyed 1 1000 | kq-produce --txn x -K '\t' t
	for i in $(seq 40); do
		echo "$i" | kq-produce "topic-$i"
	done
	[ "$(kq-topic list | wc -l)" -eq 41 ]
	[ "$(kq-consume -e $(seq -f topic-%g 40) | wc -l)" -eq 40 ]
	broker_alive
	! grep -E 'error|out of descriptors' "$broker_log"
}

@test "128 descriptors" {
	start_limited 128
	hold 15
	works_with
	[ "$(ls "/proc/$broker_pid/fd" | wc -l)" -le 128 ]
	stop_broker
	spawn_limited 128
	[ "$(kq-consume -e t | wc -l)" -eq 81000 ]
	kill_broker
	spawn_limited 128
	[ "$(kq-consume -e t | wc -l)" -eq 81000 ]
	stop_broker
}

@test "400 descriptors, synced by io_uring and by threads" {
	for engine in auto threads; do
		start_limited 400 -o sync.engine="$engine"
		hold 100
		works_with
		kill "$holder"
		kill_broker
	done
}

@test "1024 descriptors" {
	start_limited 1024
	hold 300
	works_with
	stop_broker
}

@test "too few descriptors are refused at the start" {
	run -1 bash -c 'ulimit -n 64; exec kq-broker -d data -o reactors=2 -l 127.0.0.1:0'
	echo "$output"
	[[ $output == "kq-broker: 64 open files are allowed, and 2 reactors need "*"; raise the limit of open files (ulimit -n, "*", or set fewer reactors" ]]
	[ ! -e data ]
	reactors=1 start_limited 64
	[ "$(seq 10 | kq-produce t && kq-consume -e t | wc -l)" -eq 10 ]
	stop_broker
}

@test "the soft limit is raised to the hard one" {
	broker_dir=$(mktemp -d "$BATS_TEST_TMPDIR/kq.XXXXXX")
	broker_data=$broker_dir/data broker_log=$broker_dir/log
	: >"$broker_log"
	_kq_spawn bash -c 'ulimit -S -n 64; exec "$@"' - kq-broker -d "$broker_data" \
		-l "unix:$broker_dir/kq.sock" -l 127.0.0.1:0
	[ "$(awk '/^Max open files/ { print ($4 == $5) }' "/proc/$broker_pid/limits")" = 1 ]
	stop_broker
}

@test "more connections than there are descriptors for wait, and nothing spins" {
	start_limited 128
	echo before | kq-produce t
	: >got
	kq-consume -u -c 2 t >>got 3>&- & # is connected before the others
	consumer=$!
	until [ "$(<got)" = before ]; do
		sleep 0.05
	done
	hold 200
	ticks() {
		awk '{ print $14 + $15 }' "/proc/$broker_pid/stat"
	}
	before=$(ticks)
	sleep 2
	[ $(($(ticks) - before)) -lt 20 ] # of 200
	[ "$(grep -c 'use all descriptors available to connections' "$broker_log")" -eq 1 ]
	run timeout 1 kq-topic list
	[ "$status" -ne 0 ]
	kill "$holder"
	wait "$holder" || :
	echo after | kq-produce t
	wait "$consumer"
	[ "$(<got)" = $'before\nafter' ]
	stop_broker
}
