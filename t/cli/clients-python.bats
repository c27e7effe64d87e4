#!/usr/bin/env bats
# python3-kafka and python3-confluent-kafka against kq-broker, without groups:
# each reads what the other wrote, record by record.

load ../lib/kq.bash

setup_file() {
	export KAFKA_PYTHON=client_kafka_python.py CONFLUENT=client_confluent.py
	start_broker
}

teardown_file() {
	stop_broker
}

want() {
	py records.py
}

# A client reads from the topic exactly what should have been written.
check_read() {
	diff <(want) <(py "$1" consume "$2")
}

@test "python3-kafka: produce, consume, offsets by time" {
	skip_without py:kafka
	py "$KAFKA_PYTHON" produce kp
	check_read "$KAFKA_PYTHON" kp
	py "$KAFKA_PYTHON" offsets kp
}

@test "python3-kafka: gzip" {
	skip_without py:kafka
	py "$KAFKA_PYTHON" produce kp-gzip gzip
	check_read "$KAFKA_PYTHON" kp-gzip
	size=$(stat -c %s "$broker_data/kp-gzip-0/00000000000000000000.log")
	[ "$size" -lt 4000 ]
}

@test "python3-kafka: create, list, describe, alter, grow, delete" {
	skip_without py:kafka
	py "$KAFKA_PYTHON" admin
}

@test "trap 4: python3-kafka takes us for a release it knows" {
	skip_without py:kafka
	run py "$KAFKA_PYTHON" version
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == [12].* ]]
}

@test "python3-confluent-kafka: produce, consume, offsets by time" {
	skip_without py:confluent_kafka
	py "$CONFLUENT" produce ck
	check_read "$CONFLUENT" ck
	py "$CONFLUENT" offsets ck
}

@test "python3-confluent-kafka: every codec" {
	skip_without py:confluent_kafka
	for codec in gzip snappy lz4 zstd; do
		py "$CONFLUENT" produce "ck-$codec" "$codec"
		check_read "$CONFLUENT" "ck-$codec"
	done
}

@test "python3-confluent-kafka: create, list, describe, alter, grow, delete" {
	skip_without py:confluent_kafka
	py "$CONFLUENT" admin
}

@test "what one client writes the other reads" {
	skip_without py:kafka py:confluent_kafka
	py "$KAFKA_PYTHON" produce from-kp gzip
	py "$CONFLUENT" produce from-ck gzip
	check_read "$CONFLUENT" from-kp
	check_read "$KAFKA_PYTHON" from-ck
}
