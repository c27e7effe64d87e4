#!/usr/bin/env bats
# kq-broker: its log on stderr, with readers that are fast, slow or gone.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	export KQ_BROKERS=unix:$PWD/kq.sock
}

teardown() {
	[ -z "${pid-}" ] || kill -KILL "$pid" 2>/dev/null || :
	end_broker
	[ ! -e mnt ] || umount mnt 2>/dev/null || :
}

# soon COMMAND...: wait until it succeeds
soon() {
	local end=$((SECONDS + kq_patience))
	until "$@"; do
		[ $SECONDS -lt $end ]
		sleep 0.05
	done
}

serves() {
	kq-topic list >/dev/null 2>&1
}

# Many connections, each of which is logged at the level debug.
work() {
	kq-topic create t
	for ((i = 0; i < ${1-300}; i++)); do
		echo "$i"
	done | kq-produce t
	/usr/bin/python3 -c '
import socket, sys
for i in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sys.argv[1])
    s.sendall(b"\0\0\0\0")
    s.recv(1)' "$PWD/kq.sock" "${2-5000}"
	[ "$(kq-consume -e t | wc -l)" -eq "${1-300}" ]
}

# After SIGTERM it ends in time, with status 0, and marks the directory as clean.
ends() {
	local end=$((SECONDS + kq_stop_max))
	kill -TERM "$pid"
	while kill -0 "$pid" 2>/dev/null; do
		[ $SECONDS -lt $end ]
		sleep 0.05
	done
	wait "$pid"
	pid=
	[ -e data/.kafka_cleanshutdown ]
}

@test "a full pipe on stderr holds up neither serving nor the stop" {
	mkfifo pipe
	exec 8<>pipe
	kq-broker -d data -l "$KQ_BROKERS" --log-level debug 2>pipe 3>&- 8>&- &
	pid=$!
	soon serves
	work
	ends
	exec 9<pipe 8>&-
	# The pipe has received complete lines from the beginning.
	cat <&9 >log
	exec 9<&-
	head -1 log | grep -q 'info the data directory is '
	[ "$(grep -cv '^20[0-9-]*T[0-9:.]*Z [a-z]* ' <(sed '$d' log))" = 0 ]
}

@test "lines that found no room are counted, when stderr is read again" {
	mkfifo pipe
	exec 8<>pipe
	kq-broker -d data -l "$KQ_BROKERS" --log-level debug 2>pipe 3>&- 8>&- &
	pid=$!
	soon serves
	work
	timeout $((kq_patience * 3)) cat <pipe >log 3>&- 8>&- &
	soon grep -q 'warn [0-9]* log lines* w[a-z]* dropped while stderr was blocked' log
	ends
	exec 8>&-
	wait
	# The stop is logged after the number of dropped lines.
	sed -n '/lines* w[a-z]* dropped/,$p' log | grep -q 'info stopping: Terminated'
	[ "$(grep -cv '^20[0-9-]*T[0-9:.]*Z [a-z]* ' log)" = 0 ]
}

@test "a full pipe on stdout, which nobody reads the ready line from" {
	mkfifo pipe
	exec 8<>pipe
	head -c 65536 /dev/zero >&8
	kq-broker -d data -l "$KQ_BROKERS" >pipe 2>log 3>&- 8>&- &
	pid=$!
	soon serves
	work 10 0
	ends
	exec 8>&-
}

@test "a terminal that was stopped with ^S" {
	/usr/bin/python3 -c '
import os, pty, subprocess, sys, termios
master, slave = pty.openpty()
termios.tcflow(slave, termios.TCOOFF)
p = subprocess.Popen(sys.argv[1:], stdout=slave, stderr=slave)
print(p.pid, flush=True)
sys.exit(p.wait())' kq-broker -d data -l "$KQ_BROKERS" --log-level debug >pid 3>&- &
	python=$!
	soon test -s pid
	pid=$(<pid)
	soon serves
	work
	kill -TERM "$pid"
	wait "$python"
	pid=
	[ -e data/.kafka_cleanshutdown ]
}

@test "a reader that went away ends nothing" {
	mkfifo pipe
	kq-broker -d data -l "$KQ_BROKERS" --log-level debug 2>pipe 3>&- &
	pid=$!
	head -1 pipe >log
	soon serves
	work
	ends
	grep -q 'info the data directory is ' log
}

@test "a failing start is told though a thread writes the log" {
	mkdir data
	: >data/meta.properties
	run -2 kq-broker -d data -l "$KQ_BROKERS"
	[[ $output == "kq-broker: 'data' is the data directory of another program"* ]]
}

@test "a full disk is logged once, then counted" {
	skip_without mount umount
	mkdir mnt
	if ! mount -t tmpfs -o size=2m tmpfs mnt; then
		rmdir mnt
		skip "no tmpfs can be mounted here"
	fi
	KQ_DATA=$PWD/mnt/data start_broker
	kq-topic create t u
	dd if=/dev/zero of=mnt/ballast bs=4096 2>/dev/null || :
	for topic in t u; do
		head -c 200000 /dev/zero | tr '\0' 'x' | timeout 4 kq-produce -X delivery.timeout.ms=3000 "$topic" || :
	done
	grep 'append to' "$broker_log" || :
	[ "$(grep -c 'error append to t-0 failed: .*No space left on device' "$broker_log")" -eq 1 ]
	[ "$(grep -c 'error append to u-0 failed: .*No space left on device' "$broker_log")" -eq 1 ]
	rm mnt/ballast
	echo fits | kq-produce t
	stop_broker
	grep 'error [0-9]* more lines* like "append to [tu]-0 failed: .*No space left on device" w[a-z]* left out' "$broker_log"
}
