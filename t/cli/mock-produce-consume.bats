# kq-produce and kq-consume against another broker, the mock cluster of librdkafka; kcat
# confirms the results.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash
load ../lib/mock.bash

setup() {
	skip_without mock-broker
	start_mock 1 t:1 four:4
}

teardown() {
	stop_mock
}

lines() {
	awk -v n="$1" 'BEGIN { for (i = 1; i <= n; i++) printf "%d the quick brown fox %d\n", i, i * 7919 }'
}

@test "lines come back as they went in" {
	lines 5000 >in
	kq-produce t in
	kq-consume -e t >out
	cmp in out
}

@test "every codec comes back, and kcat reads it too" {
	skip_without kcat
	local codec
	for codec in none gzip snappy lz4 zstd; do
		lines 3000 | kq-produce -z $codec "c-$codec"
		lines 3000 | sort >want
		kq-consume -e "c-$codec" | sort | cmp - want
		kcat -b "$KQ_BROKERS" -C -t "c-$codec" -e -q | sort | cmp - want
	done
}

@test "what kcat writes with each codec is read" {
	skip_without kcat
	local codec
	for codec in none gzip snappy lz4 zstd; do
		lines 3000 >in
		kcat -b "$KQ_BROKERS" -P -t "k-$codec" -p 0 -z $codec -l in
		kq-consume -e -p 0 "k-$codec" | cmp - in
	done
}

@test "keys, headers, nulls and empty values are what kcat sees" {
	skip_without kcat
	printf 'k1:v1\nk2:\nno key\n:v4\n' | kq-produce -K : -Z -H h=1 -H i=a=b -H e= t
	kcat -b "$KQ_BROKERS" -C -t t -e -q -f '%K %k %S %s [%h]\n' >want
	kq-consume -e -f '%K %k %S %s [%h]\n' t >got
	cat want
	cmp want got
	[ "$(sed -n 2p got)" = "2 k2 -1  [h=1,i=a=b,e=]" ]
	[ "$(sed -n 3p got)" = "-1  6 no key [h=1,i=a=b,e=]" ]
}

@test "kcat's keys and headers are read" {
	skip_without kcat
	printf 'a:1\nb:2\n' | kcat -b "$KQ_BROKERS" -P -t t -p 0 -K : -H x=y
	run -0 kq-consume -e -f '%k=%s %h\n' t
	[ "$output" = $'a=1 x=y\nb=2 x=y' ]
}

@test "a key goes to the partition that Kafka's hash names" {
	skip_without kcat
	seq 200 | sed 's/.*/key&:&/' >in
	kq-produce -K : four in
	kq-consume -e -f '%k %p\n' four | sort >got
	kcat -b "$KQ_BROKERS" -P -t other -K : -l -X topic.partitioner=murmur2 in
	kq-consume -e -f '%k %p\n' other | sort >want
	[ "$(wc -l <got)" -eq 200 ]
	cmp want got
}

@test "records without a key are spread over the partitions" {
	seq 4000 | kq-produce --batch-bytes 1000 four
	kq-consume -e -f '%p\n' four | sort -u >parts
	[ "$(wc -l <parts)" -eq 4 ]
	kq-consume -e four | sort -n | cmp - <(seq 4000)
}

@test "binary delimiters and a record without one at the end" {
	printf 'a\0b\0\0c' | kq-produce -D '\0' t
	run -0 kq-consume -e -D '|' t
	[ "$output" = 'a|b||c|' ]
	printf 'x--y---z' | kq-produce -D -- four
	kq-consume -e four | sort >got
	printf '%s\n' -z x y | sort | cmp - got
}

@test "json tells strings from bytes" {
	printf 'k"\xc3\xa9\tv\\\x01\n\xff\t\xfe\n' | kq-produce -K '\t' t
	kq-consume -e -J t >got
	cat got
	jq -e . got >/dev/null || skip "no jq"
	[ "$(jq -r 'select(.offset == 0) | .key' got)" = $'k"\xc3\xa9' ]
	[ "$(jq -r 'select(.offset == 0) | .value' got)" = $'v\\\x01' ]
	[ "$(jq -r 'select(.offset == 1) | .key_b64, .value_b64' got)" = $'/w==\n/g==' ]
	[ "$(jq -r '.topic, .partition' got | sort -u | paste -sd' ')" = "0 t" ]
}

@test "where to begin and to end" {
	seq 0 99 | kq-produce t
	[ "$(kq-consume -e -o 97 t | paste -sd' ')" = "97 98 99" ]
	[ "$(kq-consume -e -o -2 t | paste -sd' ')" = "98 99" ]
	[ "$(kq-consume -e -o -1000 t | wc -l)" -eq 100 ]
	[ "$(kq-consume -o beginning -c 3 t | paste -sd' ')" = "0 1 2" ]
	[ -z "$(kq-consume -e -o end t)" ]
	run -2 kq-consume -e -o 101 t
	[[ $output == *"offset 101 is not in partition 0 of 't', which has 0 to 100"* ]]
	run -2 kq-consume -e -o somewhere t
	run -2 kq-consume -e -p 1 t
	[[ $output == *"has 1 partition:"* ]]
}

@test "-c ends a consumer that would wait for more" {
	seq 10 | kq-produce t
	run -0 timeout 20 kq-consume -c 10 t
	[ "${#lines[@]}" -eq 10 ]
}

@test "-c limits what is produced" {
	seq 100 | kq-produce -c 7 t
	[ "$(kq-consume -e t | wc -l)" -eq 7 ]
}

@test "several files and stdin are taken in order" {
	seq 1 3 >a
	seq 6 8 >b
	seq 4 5 | kq-produce t a - b
	kq-consume -e t | cmp - <(seq 8)
}

@test "a consumer's reader may leave" {
	seq 100000 | kq-produce t
	run -0 bash -c 'set -o pipefail; kq-consume t | head -n 1; s=${PIPESTATUS[0]}; [ $s -eq 0 ] || [ $s -eq 141 ]'
	[ "$output" = 1 ]
}

@test "a full disk under the consumer is told" {
	seq 10 | kq-produce t
	run -1 bash -c 'kq-consume -e t >/dev/full'
	[[ $output == *"No space left"* ]]
}

@test "a leader that moves is followed" {
	start_mock 2 moving:1
	seq 1 100 | kq-produce moving
	mock leader moving 0 2
	seq 101 200 | kq-produce moving
	mock leader moving 0 1
	kq-consume -e moving | cmp - <(seq 200)
}

@test "errors that pass are met with patience, in order" {
	# NOT_LEADER_FOR_PARTITION twice, then NOT_ENOUGH_REPLICAS.
	mock error 0 6 6 19
	seq 2000 | kq-produce --batch-bytes 500 -X retry.backoff.ms=20 t
	kq-consume -e t | sort -n | cmp - <(seq 2000)
}

@test "an error that does not pass ends it, and says where" {
	mock error 0 29 29 29
	run -1 --separate-stderr kq-produce t <<<"x"
	[[ $stderr == *TOPIC_AUTHORIZATION_FAILED* ]]
	[ "${stderr_lines[-1]}" = "0 records acknowledged, next is input record 1" ]
}

@test "acks 0 and 1 deliver, too" {
	seq 1000 | kq-produce --acks 0 t
	seq 1000 | kq-produce --acks 1 t
	[ "$(kq-consume -e t | wc -l)" -eq 2000 ]
}
