#!/usr/bin/env bats
# kq-broker answers as Apache Kafka 4.4.0 answered the same requests
# (t/data/kafka-answers.txt), except for the differences that t/lib/answers.py lists.

load ../lib/kq.bash

setup() {
	skip_without python3
	start_broker
}

teardown() {
	end_broker
}

@test "sensible and silly requests in every version are answered as Kafka does" {
	py answers.py ask >"$BATS_TEST_TMPDIR/ours"
	py answers.py compare "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_DIRNAME/../data/kafka-answers.txt"
}
