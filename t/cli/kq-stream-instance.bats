#!/usr/bin/env bats
# kq-stream as a static member of its group: a killed process comes back at once, and two
# processes with one ID do not share its place.
load ../lib/kq
bats_require_minimum_version 1.5.0

setup() {
	# sessions are longer than the tests wait: who waits for the end of one fails
	start_broker -o group.consumer.session.timeout.ms=300000 \
		-o group.consumer.max.session.timeout.ms=300000 \
		-o group.consumer.heartbeat.interval.ms=300 -o group.max.session.timeout.ms=300000
	cd "$BATS_TEST_TMPDIR"
	jobs=()
}

teardown() {
	[ "${BATS_TEST_COMPLETED-}" = 1 ] || head -v -n 20 err* 2>/dev/null || :
	for job in "${jobs[@]}"; do kill -KILL "$job" 2>/dev/null || :; done
	end_broker
}

# begin NAME PROTOCOL ARG...  Start a process with a state folder and a file of messages of
# this name.
begin() {
	local name=$1 protocol=$2
	shift 2
	kq-stream -a "app-$protocol" --instance one --protocol "$protocol" --session 250s \
		--state-dir "state-$name-$protocol" "$@" \
		from "in-$protocol" then by .k then agg n=count then to "out-$protocol" 2>"err-$name" 3>&- &
	jobs+=($!)
}

feed() { # N: to the protocol's topic
	seq "$1" | awk '{ print "{\"k\":" $1 % 5 "}" }' | kq-produce "in-$protocol"
}

# results N  Wait until so many results are there.
results() {
	local until=$((SECONDS + kq_patience))
	until [ "$(kq-consume -o beginning --end "out-$protocol" 2>/dev/null | wc -l)" -eq "$1" ]; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.1
	done
}

# instances PROTOCOL  The IDs of the group's members, in one line.
instances() {
	kq-group describe --members --json "app-$1" | jq -r '[.. | .instance? // empty][]' | sort | tr '\n' ' '
}

@test "a process that was killed comes back without waiting for the end of its session" {
	local protocol
	for protocol in classic consumer; do
		kq-topic create in-$protocol -p 4
		kq-topic create out-$protocol -p 1
		begin a $protocol --threads 2
		feed 50
		results 50
		instances $protocol | grep -qx 'one-1 one-2 '
		kill -KILL "${jobs[-1]}"
		wait "${jobs[-1]}" || [ $? -eq 137 ]
		feed 50
		begin a $protocol --threads 2
		results 100
		instances $protocol | grep -qx 'one-1 one-2 '
		kill -TERM "${jobs[-1]}"
		wait "${jobs[-1]}" || [ $? -eq 143 ]
		kq-consume -o beginning --end "out-$protocol" | jq .n | sort -n | uniq -c | awk '$1 != 5 { exit 1 }'
	done
}

@test "a second process with the same ID takes the place of the first, which says so and ends" {
	local protocol code
	for protocol in classic consumer; do
		kq-topic create in-$protocol -p 2
		kq-topic create out-$protocol -p 1
		begin first $protocol
		feed 50
		results 50
		begin second $protocol
		code=0
		timeout "$kq_patience" tail --pid="${jobs[-2]}" -f /dev/null
		wait "${jobs[-2]}" || code=$?
		[ "$code" -eq 1 ]
		grep -q "another process has taken the place of instance 'one-1'; each process needs an instance ID of its own" err-first
		[ "$(grep -c 'error\|place' err-first)" -eq 1 ]
		feed 50
		results 100
		kill -TERM "${jobs[-1]}"
		wait "${jobs[-1]}" || [ $? -eq 143 ]
		! grep -q place err-second
		kq-consume -o beginning --end "out-$protocol" | jq .n | sort -n | uniq -c | awk '$1 != 5 { exit 1 }'
	done
}

@test "an empty instance ID is refused" {
	run -2 --separate-stderr kq-stream --instance '' from in then to out
	[[ $stderr == *"the ID is empty"* ]]
}
