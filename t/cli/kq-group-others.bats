# kq-group with older or busy brokers, with groups of the consumer protocol, and with
# many groups.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash
load ../lib/older.bash

setup() {
	cd "$BATS_TEST_TMPDIR"
	member_pid=
}

teardown() {
	[ -z "$member_pid" ] || kill -KILL "$member_pid"
	stop_older
	end_broker
}

wait_for() {
	local until=$((SECONDS + kq_patience))
	until "$@"; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.1
	done
}

rows() {
	kq-group describe "$1" | awk 'rows { print $1, $2, $3, $4, $5 } $1 == "topic" { rows = 1 }'
}

@test "versions of Kafka 1.0 do for everything but states" {
	start_older 2:1 3:5 8:3 9:3 10:1 15:1 16:1 42:0 69
	kq-topic create t -p 2
	seq 10 | kq-produce -p 0 t
	kq-group seek g t:0 --to 3 --execute
	[ "$(kq-group list)" = $'g\tclassic\t-\t-' ]
	[ "$(rows g)" = "t 0 3 10 7" ]
	kq-group export g >file
	[ "$(<file)" = '{"group":"g","topic":"t","partition":0,"offset":3}' ]
	run --separate-stderr kq-group describe nope
	[ "$status" -eq 75 ] && [ "$stderr" = "kq-group: group 'nope' does not exist" ]
	run --separate-stderr kq-group list --state empty
	[ "$status" -eq 1 ] && [ "$stderr" = "kq-group: the broker does not report the states of groups" ]
	kq-group delete-offsets --yes g t:0
	kq-group import --execute file
	[ "$(rows g)" = "t 0 3 10 7" ]
	kq-group delete --yes g
	[ -z "$(kq-group list)" ]
}

@test "a coordinator that moves or loads is asked again, a refusal is not" {
	local load=14 none=15 moved=16 refused=30
	start_older 42:2 9=$moved 9=$load 9=$none 42=$load 42=$refused
	kq-topic create t
	seq 10 | kq-produce t
	kq-group seek g t --to 3 --execute
	[ "$(rows g)" = "t 0 3 10 7" ]
	run --separate-stderr kq-group delete --yes g
	echo "$status: $stderr"
	[ "$status" -eq 1 ] && [[ $stderr == "kq-group: group 'g': "*"(GROUP_AUTHORIZATION_FAILED)" ]]
	# The broker applied the change; only its answer was replaced by an error.
	run --separate-stderr kq-group delete --yes g
	[ "$status" -eq 1 ] && [ "$stderr" = "kq-group: group 'g' does not exist" ]
}

@test "a group of the consumer protocol" {
	start_broker
	kq-topic create t -p 2
	seq 10 | kq-produce -p 0 t
	kq-consume -G g --protocol consumer -o beginning --commit-every 100ms t </dev/null >read 2>said 3>&- 4>&- &
	member_pid=$!
	is_read() { [ "$(rows g | head -n 1)" = "t 0 10 10 0" ]; }
	wait_for is_read
	[ "$(kq-group list)" = $'g\tconsumer\tconsumer\tStable' ]
	kq-group describe --state g >state
	cat state
	grep -qx 'type        consumer' state
	grep -qx 'assignor    uniform' state
	grep -qx 'epoch       [1-9][0-9]*' state
	grep -qx 'members     1' state
	kq-group describe --members g | grep -q ' kq-consume  *2  t:0,1$'
	run --separate-stderr kq-group seek g t --to 0 --execute
	[ "$status" -eq 1 ] && [[ $stderr == "kq-group: group 'g' is in use (Stable, members: 1)"* ]]
	run --separate-stderr kq-group delete-offsets --yes g t
	[ "$status" -eq 1 ] && [[ $stderr == *"stop them first" ]]
	kill -TERM "$member_pid"
	died_of TERM "$member_pid"
	member_pid=
	[ "$(kq-group list --type consumer --state empty)" = $'g\tconsumer\tconsumer\tEmpty' ]
	kq-group seek g t:0 --to -4 --execute
	[ "$(rows g | head -n 1)" = "t 0 6 10 4" ]
	kq-group delete --yes g
	[ -z "$(kq-group list)" ]
}

@test "many groups, which outlive a restart" {
	start_broker
	kq-topic create t
	seq 100 | kq-produce t
	seq -f 'g%04g,t,0,50' 1000 >lines
	kq-group import --execute lines >out
	[ "$(wc -l <out)" -eq 1000 ]
	stop_broker
	restart_broker
	[ "$(kq-group list | cut -f 1)" = "$(cut -d , -f 1 lines)" ]
	[ "$(kq-group export --all | wc -l)" -eq 1000 ]
	[ "$(kq-group describe --all | grep -c '^lag         50$')" -eq 1000 ]
	cut -d , -f 1 lines | xargs kq-group delete --yes
	[ -z "$(kq-group list)" ]
}
