#!/usr/bin/env bats
# The worked examples in share/examples: they pass, leave nothing, and fail if a result is wrong.
load ../lib/kq
bats_require_minimum_version 1.5.0

setup() {
	examples=$BATS_TEST_DIRNAME/../../share/examples
	bin=$BATS_TEST_TMPDIR/bin
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$bin" "$TMPDIR"
}

# example NAME [ARG...]  Run one: it passes, and leaves no file and no process.
example() {
	local name=$1
	shift
	run timeout -k 5 120 "$examples/$name" "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	leaves_nothing
}

leaves_nothing() {
	[ -z "$(ls "$TMPDIR")" ]
	! compgen -G '/tmp/kq-example-pg.*'
	! ps -e -o args= | grep -F "unix:$TMPDIR" | grep -v grep
}

# A kq-consume that changes what it prints of topics that it reads to their end makes the example fail, and say what differs.
refuses() {
	local name=$1 script=$2
	shift 2
	printf '#!/bin/sh\n[ "$1" = -e ] && [ "$2" != -p ] || exec %s "$@"\n%s "$@" | %s\n' "$(command -v kq-consume)" \
		"$(command -v kq-consume)" "$script" >"$bin/kq-consume"
	chmod +x "$bin/kq-consume"
	PATH=$bin:$PATH run timeout -k 5 120 "$examples/$name" "$@"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$name: no: "* ]]
	leaves_nothing
}

@test "shop: revenue, stock and alerts are right" {
	example shop
	[[ $output == *"Yes: 24 rows of minutes and "*" alerts are what awk computes"* ]]
}

@test "shop: a wrong figure fails it" {
	refuses shop 'sed "3s/\"sold\":/&1/"'
}

@test "shop: on a terminal the table is drawn in place, and Ctrl-C cleans up" {
	skip_without tmux
	local tmux=(tmux -S "$BATS_TEST_TMPDIR/tmux" -f /dev/null) until=$((SECONDS + kq_patience * 2))
	"${tmux[@]}" new-session -d -x 100 -y 40 "TMPDIR='$TMPDIR' PATH='$PATH' '$examples/shop'; echo \$? >'$BATS_TEST_TMPDIR/code'; sleep 60"
	until "${tmux[@]}" capture-pane -p | grep -q '^10:0.:.. .*10:00  *10:01$'; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.2
	done
	"${tmux[@]}" send-keys C-c
	until [ -s "$BATS_TEST_TMPDIR/code" ]; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	"${tmux[@]}" capture-pane -p >"$BATS_TEST_TMPDIR/screen"
	"${tmux[@]}" kill-server
	cat "$BATS_TEST_TMPDIR/screen"
	[ "$(<"$BATS_TEST_TMPDIR/code")" -eq 130 ]
	[ "$(grep -c '^10:' "$BATS_TEST_TMPDIR/screen")" -eq 1 ]
	[ "$(grep -c '^bread ' "$BATS_TEST_TMPDIR/screen")" -eq 1 ]
	leaves_nothing
}

integration_is_right() {
	example integration "$1"
	[[ $output == *"the database ($1)"* ]]
	[ "$(grep -c '^kill -KILL ' <<<"$output")" -eq 4 ]
	[[ $output == *"Yes: the 600 rows are what awk computes"* ]]
	[[ $output == *"key,requests,bytes"* ]]
}

@test "integration: from PostgreSQL, nothing is lost or doubled by kills" {
	skip_without sqlite3 psql
	[ -n "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb)" ] || skip "no initdb"
	integration_is_right postgres
}

@test "integration: from SQLite, nothing is lost or doubled by kills" {
	skip_without sqlite3
	integration_is_right sqlite
}

@test "integration: a change that is there twice fails it" {
	skip_without sqlite3
	refuses integration 'sed "/\"change\":10,/p"' sqlite
}

@test "transfers: the balances add up, with each service killed once" {
	example transfers
	[ "$(grep -c '^ *[0-9]* on the accounts + *-*[0-9]* on the way = 8000 ' <<<"$output")" -eq 10 ]
	[ "$(grep -c '^kill -KILL ' <<<"$output")" -eq 3 ]
	[[ $output == *"Yes: the balances are what awk computes"* ]]
}

@test "transfers: money that is made fails it" {
	refuses transfers 'sed "s/\"balance\":/&1/"'
}
