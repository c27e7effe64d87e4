# Transactions while the broker is killed again and again, KQ_KILLS times: the full
# run is  KQ_KILLS=200 make test T=t/cli/kq-broker-txn-crash.bats

load ../lib/kq.bash

setup() {
	skip_without py:confluent_kafka
	cd "$BATS_TEST_TMPDIR" || exit
}

crash() {
	local n=$1
	shift
	kq_patience=$((kq_patience + n)) py txn_crash.py kq-broker "$BATS_TEST_TMPDIR/data" "$n" "$@"
}

@test "a broker killed again and again loses, tears, doubles and shows nothing of transactions" {
	run crash "${KQ_KILLS:-12}"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "the checker notices aborted records that are seen" {
	run crash 0 1 -- -o test.fault=commit-aborted
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"was aborted;"* ]]
}

@test "the checker notices torn transactions" {
	run crash 0 1 -- -o test.fault=tear-commits
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"was committed;"* ]]
}

@test "the checker notices what was sent twice and stored twice" {
	# This happens at random, and needs many writes between kills.
	[ -z "${KQ_SAN-}" ] || skip "the sanitizers make too little happen"
	run crash 25 -- -o test.fault=accept-duplicates
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"is there twice"* ]]
}
