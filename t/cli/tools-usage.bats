#!/usr/bin/env bats
# Command lines with values that are too long, given twice, or meant for another tool; and
# details that are the same in every tool.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

teardown() { end_broker; }
setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	export KQ_BROKERS=unix:$BATS_TEST_TMPDIR/none
	long=$(printf '%040000d' 0)
}

refused() { # PART-OF-THE-MESSAGE COMMAND...
	local want=$1
	shift
	run -2 "$@"
	echo "$output"
	[[ ${#lines[@]} -eq 1 && $output == *"$want"* ]]
}

@test "a word that no request could carry is a usage error in every tool" {
	local words=(
		"kq-consume $long" "kq-consume -G $long t" "kq-consume -G g --instance $long t"
		"kq-consume -G g --txn $long --exec cat --to u t" "kq-consume -G g --exec cat --to $long t"
		"kq-produce $long" "kq-produce --txn $long t" "kq-produce -X client.id=$long t"
		"kq-produce -X transactional.id=$long t"
		"kq-topic create $long" "kq-topic create t -c k=$long" "kq-topic create t -c $long=v"
		"kq-topic alter t -d $long" "kq-topic describe $long" "kq-topic offsets $long"
		"kq-topic trim $long --before 1" "kq-topic delete --yes $long" "kq-topic du $long"
		"kq-group describe $long" "kq-group list --state $long" "kq-group list --type $long"
		"kq-group delete --yes $long" "kq-group delete-offsets $long t" "kq-group delete-offsets g $long"
		"kq-group seek $long t --to 1" "kq-group export $long" "kq-group watch $long"
		"kq-broker -d $BATS_TEST_TMPDIR/d -o num.partitions=$long" "kq-broker -d $long"
	)
	local w
	for w in "${words[@]}"; do
		# shellcheck disable=SC2086
		refused 'bytes' $w </dev/null
	done
}

@test "a value in the broker's file that no answer could carry is a usage error" {
	printf 'advertised.listeners: %s\n' "$long" >kq.yaml
	refused 'for configuration advertised.listeners: longer than 32767 bytes' kq-broker -c kq.yaml -d "$BATS_TEST_TMPDIR/d"
}

@test "an option whose last value would win silently is refused" {
	refused "where to start is given twice" kq-consume -o 1 -o 2 t
	refused "where to stop is given twice" kq-consume -o e@1 -o e@2 t
	refused "'-p' is given twice" kq-consume -p 1 -p 2 t
	refused "'--group' is given twice" kq-consume -G a --group b t
	refused "'-K' is given twice" kq-produce -K a -K b t
	refused "linger.ms: given twice" kq-produce -X linger.ms=1 -X linger.ms=2 t
	refused "only one of --linger and -X linger.ms" kq-produce -X linger.ms=1 --linger 2ms t
	refused "only one of --acks and -X acks" kq-produce -X acks=1 --acks all t
	refused "only one of -b and -X bootstrap.servers" kq-produce -X bootstrap.servers=h:1 -b h:2 t
	refused "the setting 'k' is given twice" kq-topic create t -c k=a -c k=b
	refused "the setting 'k' is given twice" kq-topic alter t -c k=a -d k
	refused "'--to' is given twice" kq-group seek g t --to 1 --to 2
	refused "'num.partitions' is given twice" kq-broker -o num.partitions=1 -o num.partitions=2
	refused "'-d' is given twice" kq-broker -d a -d b
}

@test "the words of kcat and of Kafka's own tools are answered with kq's" {
	refused "name topics without an option: kq-consume TOPIC" kq-consume -b h:1 -t t
	refused "kq-consume always reads" kq-consume -C t
	refused "kq-produce writes records: kq-produce TOPIC" kq-consume -P t
	refused "kq-topic list" kq-consume -L
	refused "-o beginning" kq-consume --from-beginning t
	refused "name the topic without an option: kq-produce TOPIC" kq-produce -t t
	refused "kq-produce always writes" kq-produce -P t
	refused "kq-consume TOPIC" kq-produce -C t
	refused "kq-topic list" kq-produce -L
	refused "-b HOST:PORT" kq-topic --bootstrap-server h:1 --list
	refused "kq-topic list" kq-topic --list
	refused "kq-topic list" kq-topic -L
	refused "the verb seek" kq-group --reset-offsets --group g
}

@test "-h, help and help VERB print help; ls and rm are list and delete" {
	local cmd
	for cmd in $kq_commands; do
		run -0 "$cmd" -h
		[ "$output" = "$("$cmd" --help)" ]
	done
	for cmd in kq-topic kq-group; do
		run -0 "$cmd" help
		[ "$output" = "$("$cmd" --help)" ]
		run -0 "$cmd" help ls
		[ "$output" = "$("$cmd" list --help)" ]
		run -0 "$cmd" rm -h
		[ "$output" = "$("$cmd" delete --help)" ]
	done
	refused "which topic?" kq-topic rm
}

@test "a part of the help that does not exist is refused with those that do" {
	refused "option '--help': 'settings' is none of config|protocol" kq-broker --help=settings
	refused "option '--help' takes no value 'config'" kq-topic --help=config
	run -0 kq-broker --help=config
	run -0 kq-broker --help=protocol
}

@test "where no broker was named and none runs, the answer says how to get one" {
	mkdir home
	unset KQ_BROKERS
	export HOME=$PWD/home XDG_RUNTIME_DIR=$PWD/home
	! { : <>/dev/tcp/127.0.0.1/9092; } 2>/dev/null || skip "a broker of this machine runs there"
	run -75 kq-topic list
	[[ ${lines[0]} == "kq-topic: cannot connect to "*"; start kq-broker here, or name a broker with -b or KQ_BROKERS" ]]
	run -75 kq-topic list -b 127.0.0.1:1
	[[ $output != *"start kq-broker"* ]]
}

@test "a format without a letter, and a file of Java properties, are refused" {
	refused "the format 'json' has no letter of a record such as %s; -J prints JSON" kq-consume -f json t
	printf 'num.partitions=3\n' >server.properties
	refused "server.properties:1:1: the file must be YAML, with lines of 'key: value'" \
		kq-broker -c server.properties -d d
	refused "the key stands in each line: -K SEPARATOR" kq-produce -k key t
}

@test "a socket that this user may not open is no matter of time: 1" {
	start_broker
	chmod 0 "$broker_dir/kq.sock"
	local as=()
	[ "$(id -u)" -ne 0 ] || as=(setpriv --bounding-set=-dac_override)
	run -1 "${as[@]}" kq-topic -b "unix:$broker_dir/kq.sock" list
	[[ $output == "kq-topic: cannot connect to "*": Permission denied" ]]
}

@test "lines of JSON are stored without -J, and the refusal of -J says so" {
	start_broker
	run -1 kq-produce -J t <<<'{"id":1}'
	[[ $output == *"record 1: 'id' is not a member of a record that kq-consume -J writes; leave out -J"* ]]
	kq-produce t <<<'{"id":1}'
	[ "$(kq-consume t -e)" = '{"id":1}' ]
	grep -q 'created topic t with 1 partition$' "$broker_log"
	run -2 kq-consume t -p 3 -e
	[[ $output == *"has 1 partition: there is no partition 3" ]]
}

@test "internal topics are shown when they are asked for or named, by every verb" {
	local verb
	start_broker
	seq 3 | kq-produce t
	kq-consume -G g -o beginning -e t
	for verb in list describe du; do
		kq-topic $verb >out
		! grep -q __consumer_offsets out
		kq-topic $verb --json >out
		! grep -q __consumer_offsets out
		kq-topic $verb --internal | grep -q __consumer_offsets
	done
	kq-topic describe __consumer_offsets | grep -q '^topic *__consumer_offsets$'
	kq-topic du __consumer_offsets | grep -q __consumer_offsets
}

@test "a socket is a path, with unix: or without" {
	start_broker
	seq 3 | kq-produce -b "unix:$broker_dir/kq.sock" t
	[ "$(kq-consume -e -b "$broker_dir/kq.sock" t | wc -l)" -eq 3 ]
	KQ_BROKERS=$broker_dir/kq.sock kq-topic list | grep -qx t
	cd "$broker_dir"
	kq-group list -b ./kq.sock
}

@test "a record that is too large is told with its limit's name" {
	start_broker
	kq-topic create -c max.message.bytes=1000 small
	run -1 kq-produce small < <(head -c 2000 /dev/zero | tr '\0' a)
	[[ ${lines[0]} == *"a record of more than 1000 bytes, which is the topic's max.message.bytes" ]]
	run -1 kq-produce small < <(head -c 990 /dev/zero | tr '\0' a)
	[[ ${lines[0]} == *" bytes, is larger than the topic's max.message.bytes, 1000" ]]
	run -1 kq-produce -z gzip small < <(head -c 3000 /dev/urandom | base64 -w0)
	[[ ${lines[0]} == *"max.message.bytes"* ]]
}

@test "help fits 100 columns" {
	for cmd in $kq_commands; do
		{
			"$cmd" --help
			"$cmd" --help=words | awk -F '\t' '$1 == "" && $2 ~ /^[a-z]/ { print $2 }' |
				while read -r verb; do "$cmd" "$verb" --help; done
		} >"$BATS_TEST_TMPDIR/help"
		[ -s "$BATS_TEST_TMPDIR/help" ]
		run -1 grep -nE '.{101}| $' "$BATS_TEST_TMPDIR/help"
	done
}

@test "an IPv6 address in -b stands in brackets" {
	local address command
	for address in ::1:9092 ::1 unix:s,fe80::1:9092; do
		for command in "kq-topic list" "kq-group list" "kq-consume -e t" "kq-produce t"; do
			run -2 $command -b "$address" </dev/null
			[[ $output == *": write an IPv6 address in brackets: [ADDRESS]:PORT"* ]]
		done
	done
}
