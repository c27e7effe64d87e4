#!/usr/bin/env bats
# kq-stream and answers that a broker rarely gives: librdkafka's mock cluster gives them.
load ../lib/kq
load ../lib/mock

setup() {
	skip_without mock-broker
	start_mock 1 in:1 out:1
}

teardown() {
	[ "${BATS_TEST_COMPLETED-}" = 1 ] || head -n 30 err mock.log 2>/dev/null || :
	stop_mock
}

# doubles N OPTION...  Double the numbers up to N, while the broker refuses a batch.  (The mock
# does not hide what was aborted.)
doubles() {
	local n=$1 until=$((SECONDS + 3 * kq_patience))
	shift
	seq "$n" | kq-produce in
	mock error 0 "${answers[@]}"
	kq-stream from in then map '. * 2' then to out -a app --protocol classic "$@" 2>err 3>&- &
	until kq-consume -o beginning -e out | sort -un >got && [ "$(wc -l <got)" -eq "$n" ]; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.2
	done
	kill -TERM $!
	died_of TERM $!
	seq 2 2 $((n * 2)) | cmp - got
	[ "$(grep -c 'sequence number.*; what was done since the last commit is done again' err)" -eq 1 ]
}

# OUT_OF_ORDER_SEQUENCE_NUMBER is 45
@test "a sequence number that the broker does not expect: the transaction is done again" {
	answers=(45)
	doubles 500
}

@test "the same while records are processed" {
	answers=(0 45)
	doubles 300000 --commit-interval 5s
}
