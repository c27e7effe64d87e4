# kq-topic against older brokers, and brokers other than kq-broker.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash
load ../lib/mock.bash
load ../lib/older.bash

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	stop_older
	stop_mock
	end_broker
}

settings() {
	kq-topic describe "$1" | awk '$1 == "config" { print $2 }'
}

@test "settings are changed by reading and writing all where single changes are unknown" {
	start_older 44
	kq-topic create t -c retention.ms=1000 -c segment.ms=5000
	kq-topic alter t -c cleanup.policy=compact -c segment.ms=6000 -d retention.ms -d flush.ms
	[ "$(settings t)" = $'cleanup.policy=compact\nsegment.ms=6000' ]
	run --separate-stderr kq-topic alter t -c nope=1
	[ "$status" -eq 1 ] && [[ $stderr == *INVALID_CONFIG* ]]
	run --separate-stderr kq-topic alter nope -c retention.ms=1
	[ "$status" -eq 75 ] && [ "$stderr" = "kq-topic: topic 'nope' does not exist" ]
	[ "$(settings t)" = $'cleanup.policy=compact\nsegment.ms=6000' ]
}

@test "versions of Kafka 2.0 do for everything" {
	start_older 3:6 19:3 20:2 21:1 32:2 33:1 35:1 37:1 44 60 75
	kq-topic create t u
	seq 9 | kq-produce t
	kq-topic alter t -p 3 -c retention.ms=1000
	[ "$(kq-topic list)" = $'t\nu' ]
	[ "$(settings t)" = retention.ms=1000 ]
	[ "$(kq-topic trim t --before 4 --yes -p 0)" = $'t\t0\t4' ]
	[ "$(kq-topic offsets t)" = $'t\t0\t4\t9\nt\t1\t0\t0\nt\t2\t0\t0' ]
	[ "$(kq-topic du t | cut -f 1)" -gt 0 ]
	kq-topic describe t | awk '$1 == "0" && $5 == 4 && $6 == 9 && $7 > 0 { found = 1 } END { exit !found }'
	kq-topic delete --yes t u
	[ -z "$(kq-topic list)" ]
}

@test "what a broker does not know is left out, or said" {
	skip_without mock-broker
	start_mock 3 three:3
	[ "$(kq-topic list)" = three ]
	seq 10 | kq-produce -p 2 three
	kq-topic describe three >out
	cat out
	grep -qx 'partitions  3' out
	run grep -E '^(id|size|durability|config) ' out
	[ "$status" -eq 1 ]
	awk '$1 == "2" && $5 == 0 && $6 == 10 && $7 == "-" { found = 1 } END { exit !found }' out
	kq-topic describe three --json | grep -q '"bytes":null'
	local verb
	for verb in "du" "create x" "delete --yes three" "alter three -p 9" "alter three -c a=b" \
		"trim three --before 1 --yes"; do
		run --separate-stderr kq-topic $verb
		echo "$verb -> $status: $stderr"
		[ "$status" -eq 1 ] && [[ $stderr == "kq-topic: "* ]]
	done
}

@test "a partition without a leader is described, and a node that is down said" {
	skip_without mock-broker
	start_mock 2 two:2
	mock leader two 0 1
	mock leader two 1 -1
	kq-topic describe two >out
	cat out
	awk '$1 == "1" && $2 == "-" && $6 == "-" { found = 1 } END { exit !found }' out
	mock leader two 1 2
	mock down 2
	run --separate-stderr kq-topic describe two
	echo "$status: $output: $stderr"
	[ "$status" -ne 0 ] && [[ $stderr == "kq-topic: "* ]]
	[[ $output == *"topic       two"* ]]
}

@test "a leader that is just taking over is asked again, a refusal is not" {
	skip_without mock-broker
	start_mock 1 one:1
	mock error 2 6 6 6
	kq-topic describe one | awk '$1 == "0" && $5 == 0 && $6 == 0 { found = 1 } END { exit !found }'
	mock error 2 29 29
	run --separate-stderr kq-topic describe one
	echo "$status: $output: $stderr"
	[ "$status" -eq 1 ]
	[[ $stderr == "kq-topic: topic 'one', partition 0: "*"(TOPIC_AUTHORIZATION_FAILED)" ]]
	[[ $output == *"topic       one"* ]]
}
