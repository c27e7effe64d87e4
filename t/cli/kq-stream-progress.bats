#!/usr/bin/env bats
# kq-stream on a terminal, as a user sees it.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup() {
	skip_without tmux
	cd "$BATS_TEST_TMPDIR" || return 1
	cat >more <<-'END'
		#!/bin/sh
		i=0
		while :; do
			i=$((i + 1))
			echo "{\"c\":\"a\",\"ts\":$i}"
			sleep 0.05
		done
	END
	chmod +x more
	mux new-session -d -x 70 -y 10 'PS1="$ " bash --norc'
}
teardown() {
	mux kill-server 2>/dev/null || :
	if [ -n "${broker_pid-}" ]; then end_broker; fi
}

mux() { tmux -L "kq-$BATS_TEST_NUMBER-$$" "$@" 3>&-; }
keys() { mux send-keys "$@"; }
screen() { mux capture-pane -p; }

# sees PATTERN: the screen shows it within $kq_patience seconds.
sees() {
	local end=$((SECONDS + kq_patience))
	until screen | grep -qE "$1"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "not seen: $1" >&2
			screen >&2
			return 1
		fi
		sleep 0.05
	done
}

@test "progress is shown, and erased at ^C, when what is open comes out" {
	keys "clear; ./more | kq-stream from - time .ts then by .c then agg n=count then emit end then to - >got" Enter
	sees '^[0-9]+ records in, [0-9]+/s; 0 out; stream time 1970-01-01T00:'
	[ "$(screen | grep -c 'records in')" -eq 1 ]
	keys 'C-c'
	sees '^\$$'
	[ "$(screen | grep -c 'records in')" -eq 0 ]
	keys 'clear; cat got' Enter
	sees '^\{"key":"a","n":[0-9]+\}$'
}

@test "no progress between results on the terminal, or while a person types" {
	keys "clear; ./more | kq-stream from - then map .ts then to -" Enter
	sees '^[0-9]+$'
	sleep 1.5
	! screen | grep -q 'records in'
	keys 'C-c'
	keys "clear; kq-stream from - then map '.+1' then to - >/dev/null" Enter
	sleep 1.5
	! screen | grep -q 'records in'
	keys 'C-d'
}

@test "on topics: progress with the lag, erased by messages and at the end" {
	start_broker
	kq-topic create in -p 2
	export KQ_STREAM_STATE=$PWD/state XDG_RUNTIME_DIR=$PWD
	mux kill-server
	# The old server may still hold the socket.
	until mux new-session -d -x 90 -y 10 'PS1="$ " bash --norc'; do sleep 0.1; done
	./more | head -20 | kq-produce in
	keys "clear; kq-stream -a app from in time .ts then by .c then agg n=count then to out" Enter
	sees '^[0-9]+ records in, [0-9]+/s; 20 out; stream time 1970-01-01T00:00:20.000Z; lag 0$'
	[ "$(screen | grep -c 'records in')" -eq 1 ]
	kq-stream stop app
	sees '^20 records in, 20 out$'
	[ "$(screen | grep -c 'stream time')" -eq 0 ]
}
