#!/usr/bin/env bats
# kcat (librdkafka) against kq-broker.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup_file() {
	start_broker
}

teardown_file() {
	stop_broker
}

setup() {
	skip_without kcat
}

# kcat with a short wait for records.
k() {
	local -a wait=()
	[[ " $* " == *' -C '* ]] && wait=(-q -X fetch.wait.max.ms=10)
	timeout "$kq_patience" kcat -b "$broker_tcp" "${wait[@]}" "$@"
}

# The codec of a topic's first batch: the low bits of its attributes.
codec_of() {
	local b
	b=$(od -An -tu1 -j22 -N1 "$broker_data/$1-0/00000000000000000000.log")
	echo $((b & 7))
}

log_size() {
	stat -c %s "$broker_data/$1-0/00000000000000000000.log"
}

@test "kcat lists brokers, topics and partitions" {
	echo x | k -P -t listed
	run k -L
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"1 brokers:"* ]]
	[[ $output == *"broker 1 at $broker_tcp"* ]]
	[[ $output == *'topic "listed" with 1 partitions:'* ]]
	[[ $output == *'partition 0, leader 1, replicas: 1, isrs: 1'* ]]
	run k -L -J -t listed
	[[ $output == *'"topic":"listed"'* ]]
}

@test "kcat writes lines and reads them back, in order" {
	seq 20000 | k -P -t lines
	[ "$(k -C -t lines -e | sha256sum)" = "$(seq 20000 | sha256sum)" ]
}

@test "kcat with acks 0, 1 and all" {
	for acks in 0 1 -1; do
		seq 100 | k -P -t "acks$acks" -X "acks=$acks"
		[ "$(k -C -t "acks$acks" -c 100)" = "$(seq 100)" ]
	done
}

@test "kcat writes every codec, and it is what lies on disk" {
	for pair in none:0 gzip:1 snappy:2 lz4:3 zstd:4; do
		codec=${pair%:*}
		seq -f 'a line that repeats itself well, number %g' 2000 | k -P -t "z-$codec" -z "$codec" -X linger.ms=200
		[ "$(codec_of "z-$codec")" -eq "${pair#*:}" ]
		[ "$(k -C -t "z-$codec" -e | sha256sum)" = \
			"$(seq -f 'a line that repeats itself well, number %g' 2000 | sha256sum)" ]
	done
}

@test "trap 1: librdkafka compresses since Produce is advertised from 0" {
	seq -f 'a line that repeats itself well, number %g' 2000 >"$BATS_TEST_TMPDIR/in"
	k -P -t t1-none -X linger.ms=200 <"$BATS_TEST_TMPDIR/in"
	run k -P -t t1-gzip -z gzip -X linger.ms=200 <"$BATS_TEST_TMPDIR/in"
	[ "$status" -eq 0 ]
	[[ $output != *"not compressing"* ]]
	[ "$(codec_of t1-gzip)" -eq 1 ]
	[ $(($(log_size t1-gzip) * 4)) -lt "$(log_size t1-none)" ]
}

@test "keys, partitions and headers" {
	printf 'a:1\nb:2\n:3\n' | k -P -t keyed -K: -H name=value -H empty= -H name=again
	run k -C -t keyed -e -f '%k=%s %h %p %o\n'
	echo "$output"
	[ "${lines[0]}" = 'a=1 name=value,empty=,name=again 0 0' ]
	[ "${lines[1]}" = 'b=2 name=value,empty=,name=again 0 1' ]
	[ "${lines[2]}" = '=3 name=value,empty=,name=again 0 2' ]
}

@test "null values and null keys stay null, empty ones stay empty" {
	printf 'gone:\n' | k -P -t nulls -K: -Z
	printf 'empty:\n' | k -P -t nulls -K:
	printf 'no key\n' | k -P -t nulls
	run k -C -t nulls -e -f '%K %S\n'
	echo "$output"
	[ "${lines[0]}" = '4 -1' ]
	[ "${lines[1]}" = '5 0' ]
	[ "${lines[2]}" = '-1 6' ]
	run k -C -t nulls -e -J
	[[ ${lines[0]} == *'"payload":null'* ]]
}

@test "timestamps are the producer's, and offsets are found by time" {
	before=$(date +%s%3N)
	seq 10 | k -P -t timed
	middle=$(($(date +%s%3N) + 1))
	while [ "$(date +%s%3N)" -le "$middle" ]; do :; done
	seq 11 20 | k -P -t timed
	after=$(date +%s%3N)
	while read -r type ms; do
		[ "$type" = CreateTime ]
		[ "$ms" -ge "$before" ] && [ "$ms" -le "$after" ]
	done < <(k -C -t timed -e -J | sed 's/.*"tstype":"create","ts":\([0-9]*\).*/CreateTime \1/')
	[ "$(k -C -t timed -o "s@$middle" -e)" = "$(seq 11 20)" ]
	[ "$(k -C -t timed -o "s@$before" -o "e@$middle" -e)" = "$(seq 10)" ]
	run k -Q -t "timed:0:$middle"
	[[ $output == *'offset 10'* ]]
	run k -Q -t "timed:0:$((after + 100000))"
	[[ $output == *'offset 20'* || $output == *'offset -1'* ]]
}

@test "offsets: beginning, end, absolute, from the end" {
	seq 100 | k -P -t seeks
	[ "$(k -C -t seeks -o beginning -e | tail -n 1)" = 100 ]
	[ "$(k -C -t seeks -o 98 -e)" = "$(printf '99\n100')" ]
	[ "$(k -C -t seeks -o -1 -e)" = 100 ]
	[ -z "$(k -C -t seeks -o end -e)" ]
	run -1 k -C -t seeks -o 1000 -e -X auto.offset.reset=error
	[[ $output == *"out of range"* || $output == *"Out of range"* ]]
}

@test "a reader at the end gets what comes, at once" {
	seq 3 | k -P -t live
	k -C -t live -o end -c 2 -u >"$BATS_TEST_TMPDIR/out" 3>&- &
	reader=$!
	# kcat does not report when it waits: write until it has read enough and exits.
	while kill -0 "$reader" 2>/dev/null; do
		echo new | k -P -t live
	done
	wait "$reader"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "$(printf 'new\nnew')" ]
}

@test "many partitions, by the keys' hash, each in order" {
	start_broker --memory -o num.partitions=8
	seq 5000 | awk '{ print "k" $1 % 100 ":" $1 }' | k -P -t spread -K:
	k -C -t spread -e -f '%p %k %s\n' >"$BATS_TEST_TMPDIR/out"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 5000 ]
	# each key is in one partition, and its values increase
	awk '{ if (($2 in p) && p[$2] != $1 || $3 <= v[$2]) exit 1; p[$2] = $1; v[$2] = $3 }' "$BATS_TEST_TMPDIR/out"
	[ "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/out" | sort -u | wc -l)" -eq 8 ]
	stop_broker
}

@test "a record too large is refused, by name" {
	head -c 2000000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/big"
	run -1 k -P -t big -X message.max.bytes=3000000 "$BATS_TEST_TMPDIR/big"
	echo "$output"
	[[ $output == *"Message size too large"* ]]
	[ -z "$(k -C -t big -e)" ]
}

@test "a bad topic name and a topic that is not there" {
	run k -C -t 'no such name' -e
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"Invalid topic"* ]]
	start_broker --memory -o auto.create.topics.enable=false
	run k -C -t absent -e
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"Unknown topic or partition"* ]]
	stop_broker
}
