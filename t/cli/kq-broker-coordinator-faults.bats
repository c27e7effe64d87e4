#!/usr/bin/env bats
# kq-broker: groups and transactions when there is no room for their records.

load ../lib/kq.bash

setup() {
	skip_without python3
	[ "$(id -u)" -eq 0 ] || skip "only root mounts"
	cd "$BATS_TEST_TMPDIR" || exit
	mkdir mnt
	if ! mount -t tmpfs -o size=4m tmpfs mnt; then
		rmdir mnt
		skip "no tmpfs can be mounted here"
	fi
	arg=(-o offsets.topic.num.partitions=1
		-o transaction.state.log.num.partitions=1
		-o group.initial.rebalance.delay.ms=0)
	KQ_DATA=$PWD/mnt/data start_broker "${arg[@]}"
}

teardown() {
	end_broker
	if [ -e mnt ]; then
		umount mnt
	fi
}

# Damage the first record of a partition's log.
rot() {
	printf '\xff' | dd of="$broker_data/$1/00000000000000000000.log" bs=1 seek=70 \
		conv=notrunc status=none
}

disk() {
	py full_disk.py "$@"
}

@test "what a full disk has no room for is refused and not done, and goes on when there is room" {
	disk begin
	disk refused mnt/other
	broker_alive
	grep -q 'No space left on device' "$broker_log"
	disk go_on mnt/other
	disk show >before
	kill_broker
	restart_broker
	disk show >after
	diff before after
	stop_broker
}

@test "what was refused is not there after a kill either" {
	disk begin
	disk refused mnt/other
	disk show >before
	kill_broker
	rm mnt/other
	restart_broker
	disk show >after
	diff before after
	disk go_on mnt/other
	stop_broker
}

@test "a stop and a start while the disk is full" {
	disk begin
	disk refused mnt/other
	disk show >before
	# It has no room for its checkpoints, and logs that.
	kill -TERM "$broker_pid"
	wait_broker
	[ "$broker_code" -eq 1 ]
	if restart_broker; then
		disk show >after
		diff before after
		kill_broker
	fi
	rm mnt/other
	restart_broker
	disk show >after
	diff before after
	disk go_on mnt/other
	stop_broker
}

@test "groups whose records can't be read are not served, however the broker was stopped" {
	disk begin
	local how
	for how in stop_broker kill_broker; do
		$how
		rot __consumer_offsets-0
		restart_broker
		disk not-served
		broker_alive
		grep -q '__consumer_offsets-0 is not served' "$broker_log"
	done
	kill_broker # a clean stop would report that the partition cannot be closed
}

@test "a write that waits for the end of a transaction does not hold up a stop" {
	disk begin
	kill_broker
	rot t-0
	restart_broker
	export broker_pid
	disk held_up
	wait_broker
	[ "$broker_code" -eq 1 ] # the partition is not closed
}
