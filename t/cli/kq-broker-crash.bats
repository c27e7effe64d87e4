#!/usr/bin/env bats
# kq-broker: acknowledged records survive whatever happens to the process, the files or
# the disk.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	end_broker
	if [ -e mnt ]; then
		umount mnt
	fi
}

rules() {
	py rules.py "$@"
}

log_of() {
	echo "$broker_data/$1/00000000000000000000.log"
}

@test "SIGKILL while producing, again and again: every acknowledged record is there, once" {
	start_broker -o internal.segment.bytes=20000 -o log.index.interval.bytes=500
	: >acked
	for round in 1 2 3 4 5; do
		py crash.py produce crashed 4 $((round * 40)) >>acked
		wait_broker
		[ "$broker_code" -eq 137 ]
		restart_broker
		py crash.py check crashed 4 <acked
	done
	[ "$(wc -l <acked)" -gt 1000 ]
	stop_broker
	restart_broker
	py crash.py check crashed 4 <acked
	stop_broker
}

@test "SIGTERM while producing: ends in time, cleanly, and what was acknowledged is there" {
	start_broker
	py crash.py produce stopped 4 200 SIGTERM told >acked
	wait_broker
	begin=$(date -r told +%s%6N)
	[ "$broker_code" -eq 0 ]
	[ $((${EPOCHREALTIME/[.,]/} - begin)) -lt $((kq_stop_max * 1000000)) ]
	[ -e "$broker_data/.kafka_cleanshutdown" ]
	restart_broker
	run grep -c 'not clean' "$broker_log"
	[ "$output" = 0 ]
	py crash.py check stopped 4 <acked
	stop_broker
}

@test "a client goes on when the broker comes back: every line is there" {
	skip_without py:confluent_kafka
	start_broker
	rules create lines
	mkfifo lines
	py client_confluent.py feed lines <lines 3>&- &
	client=$!
	exec 7>lines
	for round in 1 2 3; do
		seq $((round * 1000)) $((round * 1000 + 999)) >&7
		kill_broker
		seq $((round * 1000 + 10000)) $((round * 1000 + 10999)) >&7
		restart_broker
	done
	exec 7>&-
	wait "$client"
	py rules.py get lines | sort -n -u >got
	{ seq 1000 3999; seq 11000 13999; } | cmp - got
	stop_broker
}

@test "SIGKILL while topics are made and deleted: all is there or all is not" {
	start_broker
	for i in 1 2 3 4 5 6; do
		rules create "kept$i" 2 "max.message.bytes=$((1000 + i))"
		rules create "gone$i" 2
		rules put "gone$i" 1
		rules delete "gone$i"
	done
	kill_broker
	restart_broker -o auto.create.topics.enable=false
	for i in 1 2 3 4 5 6; do
		[ "$(rules partitions "kept$i")" = 2 ]
		[ "$(rules meta "gone$i")" = 3 ]
		[ ! -e "$broker_data/gone$i-1" ]
	done
	stop_broker
}

@test "a torn tail is cut: a batch that was begun, junk, zeros" {
	start_broker
	for torn in begun junk zeros; do
		rules create "$torn" 2
		rules put "$torn" 0
		rules put "$torn" 1
	done
	kill_broker
	size=$(stat -c %s "$(log_of begun-0)")
	# append the first half of the first batch again
	head -c 40 "$(log_of begun-0)" >half
	cat half >>"$(log_of begun-0)"
	head -c 3 /dev/urandom >>"$(log_of junk-0)"
	head -c 5000 /dev/zero >>"$(log_of zeros-0)"
	restart_broker
	for torn in begun junk zeros; do
		grep -q "partition $torn-0: cut [0-9]* bytes of an unfinished write off its end" "$broker_log"
		[ "$(rules get "$torn" 0)" = "$(seq 0 9)" ]
		[ "$(rules get "$torn" 1)" = "$(seq 0 9)" ]
		[ "$(rules put "$torn" 0 1)" = '0 10' ]
	done
	run grep -c 'partition .*-1: cut' "$broker_log"
	[ "$output" = 0 ]
	stop_broker
	restart_broker
	[ "$(rules get begun 0)" = "$(printf '%s\n' $(seq 0 9) 0)" ]
	[ "$(stat -c %s "$(log_of begun-0)")" -gt "$size" ]
	stop_broker
}

@test "a last batch that lost its end is cut, those before it stay" {
	start_broker
	rules put t
	kill_broker
	truncate -s -5 "$(log_of t-0)"
	restart_broker
	[ "$(rules get t)" = "$(seq 0 8)" ]
	[ "$(rules put t 0 1)" = '0 9' ]
	stop_broker
}

@test "rot in the middle is refused, by file and position; other partitions serve" {
	start_broker
	rules create rotten 2
	rules put rotten 0
	rules put rotten 1
	kill_broker
	file=$(log_of rotten-0)
	size=$(stat -c %s "$file")
	# one byte of the fourth of ten batches of equal size
	printf '\xff' | dd of="$file" bs=1 seek=$((size / 10 * 3 + 65)) conv=notrunc status=none
	cp "$file" before
	restart_broker
	grep "partition rotten-0 is not served" "$broker_log"
	grep -q "partition rotten-0 is not served: .*00000000000000000000.log.*position $((size / 10 * 3))" "$broker_log"
	[ "$(rules get rotten 0)" = 'error 56' ]
	[ "$(rules put rotten 0)" = '56 -1' ]
	[ "$(rules get rotten 1)" = "$(seq 0 9)" ]
	[ "$(rules put rotten 1 1)" = '0 10' ]
	cmp "$file" before # it was not changed
	kill -TERM "$broker_pid"
	wait_broker
	# a clean stop does not hide the fault
	restart_broker
	[ "$(rules get rotten 0)" = 'error 56' ]
	kill_broker
	# when the file is repaired, the partition is served
	dd if="$(log_of rotten-1)" of="$file" bs=1 count="$size" conv=notrunc status=none
	restart_broker
	[ "$(rules get rotten 0)" = "$(seq 0 9)" ]
	stop_broker
}

@test "lost indexes and checkpoints are made again" {
	start_broker -o internal.segment.bytes=5000 -o log.index.interval.bytes=100
	rules put t 0 100 100
	stop_broker
	[ "$(find "$broker_data/t-0" -name '*.index' | wc -l)" -gt 2 ]
	find "$broker_data" -name '*.index' -delete -o -name '*.timeindex' -delete
	rm -f "$broker_data"/*checkpoint "$broker_data/.kafka_cleanshutdown"
	restart_broker
	[ "$(rules get t)" = "$(seq 0 99)" ]
	[ "$(rules put t 0 1)" = '0 100' ]
	stop_broker
}

@test "a full disk: an error is answered, what was taken stays, and it goes on when there is room" {
	[ "$(id -u)" -eq 0 ] || skip "only root mounts"
	mkdir mnt
	if ! mount -t tmpfs -o size=6m tmpfs mnt; then
		rmdir mnt
		skip "no tmpfs can be mounted here"
	fi
	head -c 2000000 /dev/zero >mnt/other
	KQ_DATA=$PWD/mnt/data start_broker
	broker_data=$PWD/mnt/data
	rules create full 2
	rules put full 1
	run rules fill full
	echo "$output"
	read -r n error <<<"$output"
	[ "$error" = 56 ]
	[ "$n" -gt 10 ]
	grep -q 'No space left on device' "$broker_log"
	broker_alive
	# existing records can be read
	[ "$(rules get full | wc -l)" -eq "$n" ]
	[ "$(rules get full 1)" = "$(seq 0 9)" ]
	# creating a topic may fail, but is answered
	run rules create another
	[ "$status" -eq 0 ]
	rm mnt/other
	[ "$(rules put full 0 5)" = "0 $((n + 4))" ]
	[ "$(rules put full 1 1)" = '0 10' ]
	[ "$(rules get full | wc -l)" -eq $((n + 5)) ]
	stop_broker
	restart_broker
	[ "$(rules get full | wc -l)" -eq $((n + 5)) ]
	stop_broker
}

@test "a start on a full disk is refused or works, and spoils nothing" {
	[ "$(id -u)" -eq 0 ] || skip "only root mounts"
	mkdir mnt
	if ! mount -t tmpfs -o size=2m tmpfs mnt; then
		rmdir mnt
		skip "no tmpfs can be mounted here"
	fi
	KQ_DATA=$PWD/mnt/data start_broker
	broker_data=$PWD/mnt/data
	rules put t
	kill_broker
	cat /dev/zero >mnt/other 2>/dev/null || :
	if restart_broker; then
		kill_broker
	fi
	rm mnt/other
	restart_broker
	[ "$(rules get t)" = "$(seq 0 9)" ]
	[ "$(rules put t 0 1)" = '0 10' ]
	stop_broker
}

@test "a topic made anew owes nothing to the one of its name that was deleted" {
	start_broker
	kq-topic create again
	seq 1000 | kq-produce again
	kq-topic trim again --before 500 --yes
	stop_broker # now the checkpoints contain 1000 records and the trim
	restart_broker
	kq-topic delete --yes again
	kq-topic create again
	seq 5 | kq-produce again
	kill_broker
	restart_broker
	run -0 timeout 20 kq-consume -o beginning -e again
	[ "$output" = "$(seq 5)" ]
	stop_broker
}

@test "nor does it when the broker dies right after the deletion" {
	start_broker
	kq-topic create again
	seq 1000 | kq-produce again
	stop_broker
	restart_broker
	kq-topic delete --yes again
	kill_broker
	restart_broker
	kq-topic create again
	seq 5 | kq-produce again
	kill_broker
	restart_broker
	run -0 timeout 20 kq-consume -o beginning -e again
	[ "$output" = "$(seq 5)" ]
	stop_broker
}

@test "what a deletion cut short leaves behind is set aside, not taken for the new topic's" {
	KQ_DATA=$PWD/data start_broker
	kq-topic create again
	seq 1000 | kq-produce again
	kq-topic create other
	seq 3 | kq-produce other
	cp -a data/again-0 copy
	kq-topic delete --yes again
	kill_broker
	cp -a copy data/again-0
	restart_broker
	grep -q 'again-0 belongs to no topic' "$broker_log"
	cmp copy/*.log data/again-0.*-stray/*.log
	kq-topic create again
	seq 5 | kq-produce again
	run -0 timeout 20 kq-consume -o beginning -e again
	[ "$output" = "$(seq 5)" ]
	run -0 timeout 20 kq-consume -o beginning -e other
	[ "$output" = "$(seq 3)" ]
	stop_broker
}

@test "a stop while the coordinator reads its topics is clean, whatever they hold" {
	start_broker -o reactors=1 -o transaction.state.log.num.partitions=2
	local log
	# Partition 0 has a transaction that will time out; partition 1 takes long to read.
	exec 8> >(exec kq-produce --txn b --txn-timeout 1ms t 2>produce.log 3>&-)
	local producer=$!
	echo line >&8
	seq 3000000 | sed 's/$/\tx/' | kq-produce -K '\t' big
	log=$broker_data/__transaction_state-0/00000000000000000000.log
	for _ in $(seq "$((kq_patience * 20))"); do
		[ ! -s "$log" ] || break
		sleep 0.05
	done
	kill_broker
	kill -KILL "$producer"
	exec 8>&-
	mkdir -p "$broker_data/__transaction_state-1"
	cp "$broker_data"/big-0/*.log "$broker_data/__transaction_state-1/"
	restart_broker -o reactors=1 -o transaction.state.log.num.partitions=2 \
		-o transaction.abort.timed.out.transaction.cleanup.interval.ms=1
	# ListGroups waits for the coordinator, so stopping takes some iterations of its loop.
	exec 9<>"/dev/tcp/${broker_tcp/://}"
	printf '\0\0\0\012\0\020\0\0\0\0\0\1\377\377' >&9
	kq-topic list >/dev/null
	stop_broker
	exec 9>&-
}
