#!/usr/bin/env bats
# kq-broker: transactions that were open when the machine went down.

load ../lib/kq.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	start_broker
}

teardown() {
	exec 7>&-
	end_broker
}

# soon COMMAND...: it comes true in time
soon() {
	local end=$((SECONDS + kq_patience))
	until "$@"; do
		[ $SECONDS -lt $end ]
		sleep 0.05
	done
}

# reads WHAT --committed|--uncommitted
reads() {
	[ "$(kq-consume "$2" -o beginning -e lines)" = "$1" ]
}

# A producer whose transaction has one line and does not end; its stdin is 7.
begin_transaction() {
	mkfifo in
	kq-produce --txn id lines <in >out 2>err 3>&- &
	producer=$!
	exec 7>in
	echo in-transaction >&7
	soon reads in-transaction --uncommitted
}

@test "they are aborted, and their producer is shut out" {
	kq-topic create lines -p 1
	begin_transaction
	kill_broker
	echo another-boot >"$broker_data/kq-boot-id"
	restart_broker
	echo after | kq-produce lines
	soon reads after --committed # which one that is open would hold up
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
	soon reads after --committed # which one that is open would hold up
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
