#!/usr/bin/env bats
# kq-broker: which directories it accepts for its data, and who may read them; whose
# default socket the tools trust.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
}

teardown() {
	end_broker
	[ -z "${helper-}" ] || kill "$helper" 2>/dev/null || :
	[ -z "${public-}" ] || rm -rf "$public"
}

# refused PATTERN ARG...: a broker does not start, and its reason matches
refused() {
	local pattern=$1
	shift
	run timeout "$kq_patience" kq-broker -l "unix:$PWD/other.sock" "$@"
	echo "$output"
	[ "$status" -eq "${code:-2}" ]
	[[ $output == $pattern ]]
}

# A directory's files with their contents.
contents() {
	(cd "$1" && find . -print0 | sort -z | xargs -0 ls -ld --time-style=full-iso &&
		find . -type f -print0 | sort -z | xargs -0 cksum)
}

needs_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root, to be another user"
	skip_without setpriv
}

# as_user UID COMMAND...: run it as that user; $public has a copy of the broker for all
as_user() {
	local uid=$1
	shift
	setpriv --reuid="$uid" --regid="$uid" --clear-groups env -i "$@"
}

make_public() {
	public=$(mktemp -d)
	chmod 755 "$public"
	install -m 755 "$(command -v kq-broker)" "$public"
}

@test "nobody else may read the data, whatever the umask" {
	umask 000
	start_broker -o num.partitions=2 -o log.segment.bytes=1048576
	kq-topic create t
	seq 1000000 | kq-produce t
	kq-consume -G g -o beginning -e t >/dev/null
	seq 10 | kq-produce --txn x t
	[ "$(stat -c %a "$broker_dir/kq.sock")" = 600 ]
	stop_broker
	[ "$(find "$broker_data" -name '*.log' | wc -l)" -ge 3 ]
	[ "$(find "$broker_data" -type f ! -perm 600)" = '' ]
	[ "$(find "$broker_data" -type d ! -perm 700)" = '' ]
}

@test "the log names the data directory" {
	start_broker
	grep -q "info the data directory is $(realpath "$broker_data")\$" "$broker_log"
	stop_broker
}

@test "a directory of Apache Kafka is refused as it is" {
	mkdir -p kafka/orders-0 kafka/__consumer_offsets-12
	printf 'version=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\nnode.id=1\n' >kafka/meta.properties
	head -c 1000 /dev/urandom >kafka/orders-0/00000000000000000000.log
	: >kafka/.lock
	contents kafka >before
	refused "kq-broker: 'kafka' is the data directory of another program: it has meta.properties, but no kq-metadata.log; "* -d kafka
	rm kafka/meta.properties
	contents kafka >before
	refused "kq-broker: 'kafka' is the data directory of another program: it has partitions, but no kq-metadata.log; "* -d kafka
	contents kafka | diff before -
	: >kafka/kq-metadata.log
	contents kafka >before
	refused "kq-broker: 'kafka' is the data "* -d kafka
	contents kafka | diff before -
}

@test "a directory that lost its kq-metadata.log is refused as it is" {
	start_broker
	seq 10 | kq-produce t
	for how in stop_broker kill_broker; do
		$how
		for damage in 'rm FILE' ': >FILE' 'head -c 8000 /dev/zero >FILE' \
			'echo 2026-11-30T09:57:35.828Z info the data directory is /x >FILE'; do
			cp -p "$broker_data/kq-metadata.log" whole
			eval "${damage/FILE/\$broker_data/kq-metadata.log}"
			contents "$broker_data" >before
			code=1 refused *"kq-broker: "*"kq-metadata.log"*" restore "*" from a copy" -d "$broker_data"
			contents "$broker_data" | diff before -
			cp -p whole "$broker_data/kq-metadata.log"
		done
		restart_broker
		[ "$(kq-consume -e t)" = "$(seq 10)" ]
	done
	stop_broker
}

@test "a directory of another user, or that others may write to, is refused" {
	mkdir open
	for mode in 777 1777 770 702; do
		chmod "$mode" open
		refused "kq-broker: other users may write to the data directory 'open' (mode ${mode: -3}); change that with chmod go-w" -d open
	done
	[ "$(ls -A open)" = '' ]
	chmod go-w open
	if [ "$(id -u)" -eq 0 ]; then
		mkdir theirs
		chown 65534 theirs
		refused "kq-broker: the data directory 'theirs' belongs to "*", the broker runs as user "*"; "*"chown"* -d theirs
		[ "$(ls -A theirs)" = '' ]
	fi
	broker_dir=$PWD broker_data=$PWD/open broker_log=$PWD/log
	: >args
	_kq_spawn kq-broker -d open -l "unix:$PWD/kq.sock" -l 127.0.0.1:0
	seq 3 | kq-produce t
	[ "$(kq-consume -e t)" = "$(seq 3)" ]
	stop_broker
}

@test "without HOME the password database names the home directory" {
	needs_root
	make_public
	home=$(getent passwd 65534 | cut -d: -f6)
	run -1 as_user 65534 "$public/kq-broker" -l unix:/nowhere/kq.sock
	echo "$output"
	[[ $output == "kq-broker: cannot create the directory '$home/.local/state/kq': "* ]]
	run -2 as_user 54321 "$public/kq-broker" -l unix:/nowhere/kq.sock
	[ "$output" = "kq-broker: this user has no home directory; give a data directory with -d" ]
	mkdir "$public/home"
	chown 54321 "$public/home"
	run -1 as_user 54321 HOME="$public/home" "$public/kq-broker" -l unix:/nowhere/kq.sock
	[[ $output == *"info the data directory is $public/home/.local/state/kq"* ]]
	[ "$(stat -c %a "$public/home/.local")" = 700 ]
	# A relative path is not accepted as a home directory.
	run -1 as_user 65534 HOME=some XDG_STATE_HOME=other XDG_RUNTIME_DIR=. "$public/kq-broker" -l unix:/nowhere/kq.sock
	[[ $output == "kq-broker: cannot create the directory '$home/.local/state/kq': "* ]]
	run -2 as_user 65534 "$public/kq-broker" -d '' -l unix:/nowhere/kq.sock
	[ "$output" = "kq-broker: option '-d': the name of the directory is empty" ]
	# None of this is needed without a data directory.
	run -1 as_user 54321 "$public/kq-broker" --memory -l unix:/nowhere/kq.sock
	[[ $output == *"cannot listen on 'unix:/nowhere/kq.sock': No such file or directory" ]]
}

# squat PROGRAM: another user's program listens on the default socket
squat() {
	mkdir -p runtime
	/usr/bin/python3 -c "$1" >ready 3>&- &
	helper=$!
	local end=$((SECONDS + kq_patience))
	until [ -s ready ]; do
		[ $SECONDS -lt $end ]
		sleep 0.05
	done
}

@test "the tools refuse a default socket of another user" {
	needs_root
	export XDG_RUNTIME_DIR=$PWD/runtime
	unset KQ_BROKERS
	sentence="the default socket '$PWD/runtime/kq.sock' belongs to user "
	listen='
import os, socket, time
s = socket.socket(socket.AF_UNIX)
s.bind("runtime/kq.sock")
DROP
s.listen()
print("ready", flush=True)
time.sleep(1000)'
	# The file belongs to another user; or only the listening process does.
	for drop in 'os.chown("runtime/kq.sock", 65534, 65534)' 'os.setresuid(65534, 65534, 65534)'; do
		squat "${listen/DROP/$drop}"
		for command in 'kq-topic list' 'kq-group list' 'kq-produce t' 'kq-consume t'; do
			run -1 timeout "$kq_patience" $command </dev/null
			echo "$output"
			[[ $output == "${command%% *}: $sentence"* ]]
		done
		kill "$helper"
		wait "$helper" || :
		rm -f runtime/kq.sock ready
	done
	# A broker does not listen where another user has put a file.
	/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("runtime/kq.sock")'
	chown 65534 runtime/kq.sock
	run -1 timeout "$kq_patience" kq-broker --memory
	echo "$output"
	[[ $output == *"kq-broker: listeners: $sentence"* || $output == *"kq-broker: $sentence"* ]]
	# A file of our own is replaced.
	rm runtime/kq.sock
	start_broker -l "unix:$XDG_RUNTIME_DIR/kq.sock"
	unset KQ_BROKERS
	seq 3 | kq-produce t
	[ "$(kq-consume -e t)" = "$(seq 3)" ]
	[ "$(kq-topic list)" = t ]
	stop_broker
}
