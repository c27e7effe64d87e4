#!/usr/bin/env bats
# Groups and transactions of the clients that Debian packages: the scripts of
# t/conformance that need nothing else.

bats_require_minimum_version 1.5.0

conformance() {
	KQ_CONFORMANCE_CACHE=$BATS_TEST_TMPDIR/cache run "$BATS_TEST_DIRNAME/../conformance/run" "$1"
	echo "$output"
	[[ $output != *'# SKIP'* ]] || skip "$1 is not here"
	[ "$status" -eq 0 ]
	[[ $output == *' 0 failed, '* ]]
}

@test "kcat -G: groups" {
	conformance kcat
}

@test "python3-kafka: groups" {
	conformance python3-kafka
}

@test "python3-confluent-kafka: groups and transactions" {
	conformance python3-confluent-kafka
}
