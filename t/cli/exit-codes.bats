#!/usr/bin/env bats
# The table of exit codes in kq(7), for every program.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup_file() {
	start_broker
	seq 100000 | kq-produce numbers
}
teardown_file() { end_broker; }
setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

# ends CODE command...: it ends by itself within $kq_patience seconds, with this code.
ends() {
	local want=$1
	shift
	run timeout "$kq_patience" "$@"
	echo "$* -> $status: $output"
	[ "$status" -eq "$want" ]
}

@test "0: done" {
	ends 0 kq-produce t <<<x
	ends 0 kq-consume -e numbers
	ends 0 kq-topic describe numbers
	ends 0 kq-topic list
	ends 0 kq-consume -G g -o beginning -e numbers
	ends 0 kq-group describe g
	ends 0 kq-group list
	ends 0 kq-group export g
	ends 0 kq-stream from - then map . then to - <<<1
	local cmd
	for cmd in $kq_commands; do
		ends 0 "$cmd" --version
		ends 0 "$cmd" --help
	done
}

@test "1: failed, and another try would fail alike" {
	ends 1 kq-produce numbers /nowhere
	ends 1 kq-topic create numbers
	ends 1 kq-topic alter numbers -c nope=1
	ends 1 kq-topic delete --yes nosuch
	ends 1 kq-group delete --yes nosuch
	ends 1 kq-group delete-offsets --yes nosuch t
	ends 1 kq-group import /nowhere
	ends 1 kq-broker -d /dev/null/none
	ends 1 kq-stream from - then map .a then to - <<<1
	ends 1 kq-stream run /nowhere
	kq-topic list >/dev/null
	ends 1 sh -c 'kq-topic list >/dev/full'
	ends 1 sh -c 'kq-consume -e numbers >/dev/full'
	ends 1 sh -c 'kq-group list >/dev/full'
}

@test "2: the command line is wrong, or asks for what cannot be" {
	local cmd
	for cmd in $kq_commands; do
		ends 2 "$cmd" --nonsense
	done
	ends 2 kq-topic
	ends 2 kq-stream from - then map '(' then to -
	ends 2 kq-stream -e dead-letter --dead-letter bad from - then to -
	ends 2 kq-group describe
	ends 2 kq-produce
	ends 2 kq-consume
	ends 2 kq-topic delete numbers </dev/null
	ends 2 kq-topic trim numbers --before 1 </dev/null
	ends 2 kq-group delete g </dev/null
	ends 2 kq-group delete-offsets g numbers </dev/null
	ends 2 kq-consume -o 200000 -e numbers
	ends 2 kq-consume -p 9 -e numbers
	ends 2 kq-produce -p 9 numbers <<<x
}

@test "75: not there yet, or nobody there: another try may succeed" {
	ends 75 kq-consume -e nosuch
	ends 75 kq-consume -G h -e nosuch
	ends 75 kq-topic describe nosuch
	ends 75 kq-topic alter nosuch -c retention.ms=1
	ends 75 kq-topic offsets nosuch
	ends 75 kq-topic du nosuch
	ends 75 kq-group describe nosuch
	ends 75 kq-group export nosuch
	ends 75 kq-group watch nosuch
	ends 75 kq-group seek g nosuch --to 1 </dev/null
	export KQ_BROKERS=unix:$BATS_TEST_TMPDIR/none
	ends 75 kq-produce t <<<x
	ends 75 kq-consume -e t
	ends 75 kq-topic list
	ends 75 kq-group list
	ends 75 kq-group watch g
}

# stopped SIG command...: a command that would go on is stopped and dies of the signal;
# a broker ends with 0.
stopped() {
	local sig=$1 pid seen
	shift
	rm -f out # the output of an earlier command does not show that this one runs
	env --default-signal=INT "$@" <wait >out 2>err 3>&- &
	pid=$!
	exec 7>wait
	for ((seen = 0; seen < kq_patience * 20; seen++)); do
		[ -s out ] && break
		read -r -t 0.05 <>silence || :
	done
	kill "-$sig" "$pid"
	died_of "$sig" "$pid"
	exec 7>&-
	! grep -q Sanitizer err
}

@test "after SIGINT and SIGTERM a tool cleans up and dies of the signal" {
	mkfifo wait silence
	local sig
	for sig in INT TERM; do
		stopped $sig kq-consume -u numbers
		stopped $sig kq-consume -u -G "g$sig" -o beginning numbers
		[ "$(kq-group describe "g$sig" | grep -c '^state *Empty$')" -eq 1 ]
		[ "$(kq-group export "g$sig" | wc -l)" -eq 1 ] # it committed its offset
		stopped $sig kq-group watch g --every 100ms
	done
}

@test "also while it waits for the first broker" {
	local command pid
	mkfifo wait
	exec 7<>wait
	for command in "kq-consume t" "kq-consume -G g t" "kq-consume -G g t --exec cat --to u" \
			"kq-produce t" "kq-topic list" "kq-group watch g"; do
		: >err
		env --default-signal=INT $command -b "unix:$PWD/nobody" --wait 60s <wait >out 2>err 3>&- &
		pid=$!
		until grep -q "trying again" err; do read -r -t 0.05 -u 7 || :; done
		kill -INT $pid
		died_of INT $pid
	done
	exec 7>&-
}

@test "a loop of the shell ends with the tool that was interrupted in it" {
	mkfifo wait
	cat >loop <<-'END'
		echo $$ >pid
		for i in 1 2 3; do
			echo "$i" >>rounds
			kq-consume -u numbers >>seen
		done
	END
	setsid env --default-signal=INT bash loop <wait 3>&- &
	exec 7>wait
	until [ -s seen ]; do read -r -t 0.05 <> <(:) || :; done
	kill -INT "-$(<pid)"
	wait $! || :
	exec 7>&-
	[ "$(<rounds)" = 1 ]
}

@test "the broker ends with 0 after SIGINT and SIGTERM" {
	local sig
	for sig in INT TERM; do
		coproc env --default-signal=INT kq-broker -d "$BATS_TEST_TMPDIR/$sig" -l 127.0.0.1:0 2>/dev/null 3>&-
		read -r -u "${COPROC[0]}"
		kill "-$sig" "$COPROC_PID"
		wait "$COPROC_PID"
	done
}

@test "a reader that goes away is the end of kq-consume: 0" {
	local i
	for i in 1 2 3 4 5; do
		kq-consume -e numbers | head -n 1 >/dev/null
		[ "${PIPESTATUS[*]}" = "0 0" ]
	done
	kq-consume numbers | head -n 1 >/dev/null
	[ "${PIPESTATUS[*]}" = "0 0" ]
	kq-consume -G "r$RANDOM" -o beginning numbers | head -n 1 >/dev/null
	[ "${PIPESTATUS[*]}" = "0 0" ]
}
