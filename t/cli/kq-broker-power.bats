#!/usr/bin/env bats
# kq-broker: transactions that were open when the machine went down or a sync failed.

load ../lib/kq.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	start_broker
}

teardown() {
	exec 7>&-
	end_broker
}

# soon COMMAND...: wait until it succeeds
soon() {
	local end=$((SECONDS + kq_patience))
	until "$@"; do
		[ $SECONDS -lt $end ]
		sleep 0.05
	done
}

# reads TEXT --committed|--uncommitted: these are all lines of the topic
reads() {
	[ "$(kq-consume "$2" -o beginning -e lines)" = "$1" ]
}

# Start a producer whose transaction has one line and stays open; its stdin is fd 7.
begin_transaction() {
	mkfifo in
	kq-produce --txn id lines <in >out 2>err 3>&- &
	producer=$!
	exec 7>in
	echo in-transaction >&7
	soon reads in-transaction --uncommitted
}

# As restart_broker, but syncs fail as fail_syncs says.
restart_failing_broker() {
	skip_without cc
	fail_file=$PWD/fail
	rm -f "$fail_file"
	cc -shared -fPIC -D_GNU_SOURCE -o fail-sync.so "$kq_lib/preload/fail-sync.c" -ldl
	LD_PRELOAD=$PWD/fail-sync.so KQ_FAIL_SYNC=$fail_file \
		ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS-} \
		restart_broker -o sync.engine=threads
}

# fail_syncs N: the next N syncs succeed, all later ones fail
fail_syncs() {
	echo "$1" >fail.new
	mv fail.new "$fail_file"
}

# The broker ended by itself, logged why, and left the mark.
check_disk_failed() {
	wait_broker
	[ "$broker_code" -eq 1 ]
	grep 'syncing .* failed: Input/output error' "$broker_log"
	[ -e "$broker_data/kq-power-loss" ]
}

has_lines() {
	[ "$(kq-consume "$2" -o beginning -e lines | wc -l)" -eq "$1" ]
}

reads_after() {
	kq-consume --committed -o beginning -e lines | grep -q after
}

# Wait until the broker or the producer ends; true if the broker did.
wait_for_either() {
	soon eval '[ -e "$broker_dir/exit" ] || ! kill -0 $producer 2>/dev/null'
	[ -e "$broker_dir/exit" ]
}

@test "they are aborted, and their producer is shut out" {
	kq-topic create lines -p 1
	begin_transaction
	kill_broker
	echo another-boot >"$broker_data/kq-boot-id"
	restart_broker
	echo after | kq-produce lines
	soon reads after --committed # which an open transaction would delay
	exec 7>&-
	[ ! -e "$broker_data/kq-power-loss" ]
	code=0
	wait $producer || code=$?
	cat err
	[ $code -eq 1 ]
	reads after --committed
	stop_broker
}

@test "a start that is cut short aborts them the next time" {
	kq-topic create lines -p 1
	begin_transaction
	kill_broker
	: >"$broker_data/kq-power-loss"
	restart_broker
	echo after | kq-produce lines
	soon reads after --committed # which an open transaction would delay
	stop_broker
}

@test "a broker that was killed goes on with them" {
	kq-topic create lines -p 1
	begin_transaction
	kill_broker
	restart_broker
	exec 7>&-
	wait $producer
	reads in-transaction --committed
	stop_broker
}

@test "a sync that fails ends the broker, and then they are aborted" {
	kq-topic create lines -p 1
	kq-topic create other -p 1
	stop_broker
	restart_failing_broker
	echo before | kq-produce --txn before lines
	mkfifo in
	kq-produce --txn id lines <in >out 2>err 3>&- &
	producer=$!
	exec 7>in
	echo in-transaction >&7
	soon reads "$(printf '%s\n' before in-transaction)" --uncommitted
	fail_syncs 0
	# Another producer's record cannot be stored, and is not acknowledged.
	run timeout "$kq_patience" kq-produce -X delivery.timeout.ms=3000 -X request.timeout.ms=1000 \
		other <<<lost
	[ "$status" -ne 0 ]
	check_disk_failed
	restart_broker
	echo after | kq-produce lines
	soon reads "$(printf '%s\n' before after)" --committed
	soon test ! -e "$broker_data/kq-power-loss"
	exec 7>&-
	code=0
	wait $producer || code=$?
	cat err
	[ $code -eq 1 ]
	reads "$(printf '%s\n' before after)" --committed
	stop_broker
}

@test "a sync that fails while one is committed: what was acknowledged is there, and all of it" {
	kq-topic create lines -p 2
	stop_broker
	local n code acknowledged=0 lost=0
	for n in 0 3 6 7 8 9 10 100; do
		rm -f in
		restart_failing_broker
		kq-topic delete --yes lines
		kq-topic create lines -p 2
		mkfifo in
		kq-produce --txn "id$n" -K : lines <in >out 2>err 3>&- &
		producer=$!
		exec 7>in
		printf '%s\n' a:1 b:2 c:3 d:4 e:5 f:6 >&7
		soon has_lines 6 --uncommitted
		fail_syncs "$n"
		exec 7>&-
		if wait_for_either; then
			check_disk_failed
		else # a later sync may end the broker
			kill -KILL "$broker_pid" 2>/dev/null || :
			wait_broker
		fi
		restart_broker
		code=0
		wait $producer || code=$?
		echo "n=$n code=$code: $(<err)"
		echo x:after | kq-produce -K : lines
		soon reads_after
		seen=$(kq-consume --committed -o beginning -e lines | grep -vc after || :)
		if [ $code -eq 0 ]; then
			[ "$seen" -eq 6 ]
			acknowledged=$((acknowledged + 1))
		else
			[ "$seen" -eq 0 ] || [ "$seen" -eq 6 ]
			lost=$((lost + 1))
		fi
		stop_broker
	done
	echo "$acknowledged acknowledged, $lost not"
	[ $lost -gt 0 ]
	[ $acknowledged -gt 0 ]
}
