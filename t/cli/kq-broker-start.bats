#!/usr/bin/env bats
# kq-broker: how it starts, refuses to start, and ends.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	end_broker
}

# A broker that must not start; $output has its messages.
refused() {
	run timeout "$kq_patience" kq-broker "$@"
	echo "$output"
}

@test "it says on one line where it listens, with real ports" {
	start_broker -l 127.0.0.1:0
	[[ $broker_ready =~ ^ready\ unix:$broker_dir/kq.sock\ 127\.0\.0\.1:[1-9][0-9]*\ 127\.0\.0\.1:[1-9][0-9]*$ ]]
	set -- $broker_ready
	[ "$3" != "$4" ]
	for addr in "$2" "$3" "$4"; do
		broker_tcp=$addr py rules.py meta none
	done
	stop_broker
}

@test "SIGTERM: ends with 0 in time, with the clean mark; the socket file goes" {
	start_broker
	py rules.py put t
	mkfifo held
	py rules.py hold >held 3>&- &
	read -r -t "$kq_patience" word <held # a client waits in a long poll
	[ "$word" = held ]
	[ ! -e "$broker_data/.kafka_cleanshutdown" ]
	stop_broker
	wait
	[ -e "$broker_data/.kafka_cleanshutdown" ]
	[ ! -e "$broker_dir/kq.sock" ]
	restart_broker
	[ ! -e "$broker_data/.kafka_cleanshutdown" ]
	run grep -c 'not clean' "$broker_log"
	[ "$output" = 0 ]
	[ "$(py rules.py get t)" = "$(seq 0 9)" ]
	stop_broker
}

@test "SIGINT ends it, too" {
	start_broker
	kill -INT "$broker_pid"
	wait_broker
	[ "$broker_code" -eq 0 ]
	[ -e "$broker_data/.kafka_cleanshutdown" ]
}

@test "--memory writes no file" {
	start_broker --memory -o num.partitions=3
	py rules.py create t 2
	py rules.py put t
	[ "$(py rules.py get t)" = "$(seq 0 9)" ]
	[ ! -e "$broker_data" ]
	grep -q "warn --memory keeps nothing on disk: the data directory '$broker_data' is not used" "$broker_log"
	stop_broker
	[ ! -e "$broker_data" ]
	restart_broker
	[ "$(py rules.py get t)" = 'error 3' ]
	stop_broker
}

@test "a second broker on the same directory is refused" {
	start_broker
	refused -d "$broker_data" -l 127.0.0.1:0
	[ "$status" -eq 1 ]
	[[ $output == "kq-broker: another broker uses the data directory '$broker_data'; choose another with -d" ]]
	py rules.py put t
	stop_broker
	# accepted again when the first one has ended, in whatever way
	restart_broker
	kill_broker
	restart_broker
	stop_broker
}

@test "a stale socket is replaced, a live one is not, nor is a file" {
	start_broker
	kill_broker
	[ -S "$broker_dir/kq.sock" ]
	restart_broker
	broker_tcp=$KQ_BROKERS py rules.py put t
	refused -d other -l "$KQ_BROKERS"
	[ "$status" -eq 1 ]
	[[ $output == *"another program is listening there" ]]
	broker_tcp=$KQ_BROKERS py rules.py put t
	stop_broker
	echo precious >file
	refused -d other -l unix:file
	[ "$status" -eq 1 ]
	[ "$(cat file)" = precious ]
}

@test "a port in use is refused" {
	start_broker
	refused -d other -l "$broker_tcp"
	[ "$status" -eq 1 ]
	[[ $output == *"kq-broker: cannot listen on '$broker_tcp': Address already in use; choose another address with -l" ]]
	stop_broker
}

@test "addresses that no client can connect to are not advertised" {
	for address in 0.0.0.0:9092 PLAINTEXT://0.0.0.0:9092 '[::]:9092' '[0::0]:9092' '*:9092' :9092 PLAINTEXT://:9092 'a b:9092' 'h@x:9092'; do
		refused --memory -l 127.0.0.1:0 -o "advertised.listeners=$address"
		[ "$status" -eq 2 ]
		[[ $output == *"'$address' is not an address that clients can connect to; write this machine's name or address: HOST:9092" ]]
	done
	for address in ::1:9092 ::1 PLAINTEXT://fe80::1:9092; do
		refused --memory -l 127.0.0.1:0 -o "advertised.listeners=$address"
		[ "$status" -eq 2 ]
		[[ $output == *"'$address': write an IPv6 address in brackets: [ADDRESS]:PORT" ]]
		refused --memory -l "$address"
		[ "$status" -eq 2 ]
		[[ $output == *"write an IPv6 address in brackets: [ADDRESS]:PORT" ]]
	done
	for address in unix:/run/kq.sock host:0; do
		refused --memory -l 127.0.0.1:0 -o "advertised.listeners=$address"
		[ "$status" -eq 2 ]
		[[ $output == *"'$address': write host:port, as clients are to connect to it" ]]
	done
}

@test "[::] serves both families, * all of IPv4, a port alone 127.0.0.1" {
	[ -e /proc/net/if_inet6 ] || skip "no IPv6"
	start_broker -l '[::]:0' -l '*:0' -l 0
	set -- $broker_ready
	[[ $4 == '[::]:'* && $5 == 0.0.0.0:* && $6 == 127.0.0.1:* ]]
	echo record | kq-produce t
	for address in "127.0.0.1:${4##*:}" "[::1]:${4##*:}" "127.0.0.1:${5##*:}" "$6"; do
		[ "$(kq-consume -b "$address" -e t)" = record ]
		kq-group -b "$address" list
	done
	stop_broker
}

@test "a directory that cannot be written, or made" {
	mkdir ro
	local -a as_other=()
	if [ "$(id -u)" -eq 0 ]; then
		skip_without setpriv
		as_other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		setpriv --reuid=65534 --regid=65534 --clear-groups "$(command -v kq-broker)" --version ||
			skip "another user may not run the programs here"
		chmod 755 . ..
		chown 65534 ro
	fi
	chmod 555 ro
	run timeout "$kq_patience" "${as_other[@]}" "$(command -v kq-broker)" -d ro -l 127.0.0.1:0
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == "kq-broker: "*"'ro'"*": Permission denied" ]]
	refused -d /proc/no/such -l 127.0.0.1:0
	[ "$status" -eq 1 ]
	[[ $output == "kq-broker: "*"/proc/no"*": No such file or directory" ]]
	: >file
	refused -d file -l 127.0.0.1:0
	[ "$status" -eq 1 ]
	[[ $output == "kq-broker: "*"file"* ]]
}

@test "a bad YAML file is told by line and column" {
	printf 'num.partitions: 2\nlisteners: [a,\n  b\nx: y\n' >c.yaml
	refused -c c.yaml -d d
	[ "$status" -eq 2 ]
	[[ $output == "kq-broker: c.yaml:4:"[0-9]*": "* ]]
	printf 'num.partitions: 2\nnum.partition: 3\n' >c.yaml
	refused -c c.yaml -d d
	[ "$status" -eq 2 ]
	[[ $output == "kq-broker: c.yaml:2:"[0-9]*": there is no broker setting 'num.partition'; did you mean 'num.partitions'?" ]]
	printf '\n  reactors: many\n' >c.yaml
	refused -c c.yaml -d d
	[ "$status" -eq 2 ]
	[[ $output == "kq-broker: c.yaml:2:13: "*"reactors"* ]]
	printf '\xff\xfe\x01' >c.yaml
	refused -c c.yaml -d d
	[ "$status" -eq 2 ]
	refused -c none.yaml -d d
	[ "$status" -eq 1 ]
	[[ $output == *"none.yaml: No such file or directory" ]]
	[ ! -e d ]
}

@test "settings come from the file, and -o goes before them" {
	printf 'num.partitions: 3\nlog.segment.bytes: 1048576\n' >c.yaml
	start_broker -c "$PWD/c.yaml"
	[ "$(py rules.py partitions from-file)" = 3 ]
	stop_broker
	restart_broker -o num.partitions=5 -c "$PWD/c.yaml"
	[ "$(py rules.py partitions from-file)" = 3 ]
	[ "$(py rules.py partitions from-option)" = 5 ]
	stop_broker
}

@test "bad options: status 2, and what was meant" {
	refused --memry
	[ "$status" -eq 2 ]
	[[ $output == *"did you mean '--memory'?" ]]
	refused -o num.partition=1
	[ "$status" -eq 2 ]
	[[ $output == *"did you mean 'num.partitions'?" ]]
	refused -o num.partitions=0
	[ "$status" -eq 2 ]
	refused -o num.partitions
	[ "$status" -eq 2 ]
	refused -l 127.0.0.1:65536
	[ "$status" -eq 2 ]
	refused extra
	[ "$status" -eq 2 ]
	refused --log-level loud
	[ "$status" -eq 2 ]
	run -0 kq-broker --help
	run -0 kq-broker --version
	run -0 kq-broker --help=config
}

@test "idle: no thread is scheduled, no CPU is used, with clients connected" {
	[ -z "${KQ_SAN-}" ] || skip "sanitizers have threads of their own"
	start_broker
	py rules.py put t
	mkfifo held
	py rules.py hold >held 3>&- &
	read -r -t "$kq_patience" word <held
	switches() {
		cat "/proc/$broker_pid/task/"*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'
	}
	used() {
		cut -d' ' -f14,15 "/proc/$broker_pid/stat"
	}
	settled=$(switches) # let earlier work complete
	for ((i = 0; i < 100; i++)); do
		read -r -t 0.05 <> <(:) || :
		now=$(switches)
		[ "$now" != "$settled" ] || break
		settled=$now
	done
	cpu=$(used)
	read -r -t 3 <> <(:) || :
	[ "$(switches)" -eq "$settled" ]
	[ "$(used)" = "$cpu" ]
	stop_broker
	wait
}
