#!/usr/bin/env bats
# The progress line of kq-produce on a terminal, as a user sees it.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup_file() { start_broker; kq-topic create t; }
teardown_file() { end_broker; }

setup() {
	skip_without tmux
	cd "$BATS_TEST_TMPDIR" || return 1
	printf '#!/bin/sh\nwhile :; do seq 1000; sleep 0.1; done\n' >more
	chmod +x more
	mux new-session -d -x 46 -y 10 'PS1="$ " bash --norc'
}
teardown() { mux kill-server 2>/dev/null || :; }

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

@test "from a second on, cut to the width, erased before what is said and at the end" {
	keys 'clear; ./more | kq-produce t; echo ended' Enter
	sees '^[0-9]+ records acknowledged, [0-9]+/s; '
	[ "$(screen | grep -c 'records acknowledged')" -eq 1 ]
	keys 'C-c'
	sees '^[0-9]+ records acknowledged, next is input'
	[ "$(screen | grep -c '/s')" -eq 0 ]
}

@test "nothing while a person types" {
	keys 'clear; kq-produce t; echo ended with $?' Enter
	sleep 2
	! screen | grep -q 'records'
	keys 'typed' Enter 'C-d'
	sees '^ended with 0'
	! screen | grep -q 'records'
}

@test "nothing at all when it is done in less than a second" {
	keys 'clear; seq 1000 | kq-produce t; echo ended' Enter
	sees '^ended'
	! screen | grep -q 'records'
}

@test "nothing from the background; again in the foreground" {
	keys 'clear; ./more | kq-produce t &' Enter
	sleep 2
	! screen | grep -q 'records acknowledged'
	keys 'fg' Enter
	sees '^[0-9]+ records acknowledged, [0-9]+/s; '
}
