#!/usr/bin/env bats
# Programs that are started with stdin, stdout or stderr closed.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
}

teardown() {
	end_broker
}

# wait_for COMMAND...: wait until it succeeds
wait_for() {
	local end=$((SECONDS + kq_patience))
	until "$@"; do
		[ $SECONDS -lt $end ]
		sleep 0.05
	done
}

@test "a broker without descriptors 0 to 2 keeps its files whole" {
	socket=$BATS_TEST_TMPDIR/b.sock
	export KQ_BROKERS=unix:$socket
	for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
		rm -rf data
		# The broker must not keep the test's descriptors open.
		bash -c "exec $closed 3>&-; exec kq-broker -d data -l unix:$socket --log-level debug" &
		pid=$!
		wait_for kq-topic create -p 3 t 2>/dev/null
		echo one | kq-produce t
		kill "$pid"
		wait "$pid"
		bash -c "exec $closed 3>&-; exec kq-broker -d data -l unix:$socket" &
		pid=$!
		wait_for kq-topic list >list 2>/dev/null
		echo "$closed: $(cat list)"
		[ "$(cat list)" = t ]
		[ "$(kq-consume -e t)" = one ]
		kill "$pid"
		wait "$pid"
	done
}

# fails ERROR COMMAND: it ends at once with status 1 and this message
fails() {
	run -1 --separate-stderr timeout 10 bash -c "$2"
	echo "$2: $output; $stderr"
	[ "$output" = '' ]
	[[ $stderr == "$1"* ]]
}

@test "a tool that needs a closed stdin or stdout says so" {
	start_broker
	kq-topic create t
	seq 3 | kq-produce t
	fails 'kq-produce: stdin is closed; ' 'kq-produce t <&-'
	fails 'kq-produce: stdin is closed; ' 'kq-produce t /dev/null - <&-'
	fails 'kq-consume: stdout is closed; ' 'kq-consume -e t >&-'
	fails 'kq-consume: stdout is closed; ' 'kq-consume -G g -e t >&-'
	for verb in list 'describe t' 'offsets t' 'trim t --before latest' du; do
		fails 'kq-topic: stdout is closed; ' "kq-topic $verb >&-"
	done
	for verb in list 'describe g' 'seek g t --to earliest' 'export g' 'watch g'; do
		fails 'kq-group: stdout is closed; ' "kq-group $verb >&-"
	done
	fails 'kq-group: stdin is closed; ' 'kq-group import <&-'
	fails 'kq-group: stdin is closed; ' 'kq-group seek g --from-file - <&-'
	for program in $kq_commands; do
		fails "$program: stdout is closed; " "$program --help >&-"
	done
	[ "$(kq-consume -e t)" = "$(seq 3)" ]
}

@test "what is closed and not needed makes no difference" {
	start_broker
	kq-topic create t <&- >&- 2>&-
	seq 3 >in
	kq-produce t in <&- >&- 2>&-
	[ "$(kq-consume -e t <&- 2>&-)" = "$(seq 3)" ]
	[ "$(kq-topic list <&- 2>&-)" = t ]
	seq 3 | kq-produce t >&- 2>&-
	[ "$(kq-consume -e t | wc -l)" -eq 6 ]
	kq-consume -G g -o beginning -e --exec 'cat; echo noise >&2' --to u t <&- >&- 2>&-
	[ "$(kq-consume -e u | sort -n)" = "$(printf '%s\n' 1 1 2 2 3 3)" ]
	kq-topic delete --yes t <&- >&- 2>&-
	[ "$(kq-topic list)" = u ]
}
