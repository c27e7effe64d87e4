# Idempotence and transactions: what consumers of committed records see.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash
load ../lib/older.bash

setup() {
	start_broker
	kq-topic create t t-INT t-TERM
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	stop_older
	end_broker
}

# Wait until so many committed records can be read: as in Kafka, a commit is acknowledged
# before its markers are in all partitions.
await_committed() {
	timeout "$kq_patience" kq-consume --committed -c "$2" "$1" >/dev/null
}

# The committed records of a topic on one line; with a number, once there are so many.
committed() {
	[ -z "${2-}" ] || await_committed "$1" "$2"
	kq-consume --committed -e "$1" | sort -n | paste -sd' '
}

uncommitted() {
	kq-consume --uncommitted -e "$1" | sort -n | paste -sd' '
}

# Wait until the topic has so many records, committed or not.
await() {
	timeout "$kq_patience" kq-consume --uncommitted -c "$2" "$1" >/dev/null
}

@test "all of the input is one transaction" {
	seq 1000 >in
	mkfifo pipe
	kq-produce --txn me --linger 1ms t in - <pipe &
	local pid=$!
	exec 7>pipe
	echo last >&7
	await t 1001
	[ -z "$(committed t)" ]
	exec 7>&-
	wait $pid
	await_committed t 1001
	kq-consume --committed -e t | cmp - <(cat in; echo last)
}

@test "a transaction for every N records, the rest is one too" {
	seq 1000 | kq-produce --txn me --txn-every 300 t
	await_committed t 1000
	kq-consume --committed -e t | cmp - <(seq 1000)
	# Four transactions: four markers between and after the records.
	[ "$(kq-topic describe t --json | sed -n 's/.*"end": *\([0-9]*\).*/\1/p' | tail -n 1)" = 1004 ] ||
		[ "$(kq-consume --committed -f '%o\n' -e t | tail -n 1)" = 1002 ]
}

@test "a transaction is committed when its time is over, while the input waits" {
	mkfifo pipe
	kq-produce --txn me --txn-every 100ms t <pipe &
	local pid=$!
	exec 7>pipe
	seq 5 >&7
	timeout "$kq_patience" kq-consume --committed -c 5 t | cmp - <(seq 5)
	seq 6 8 >&7
	timeout "$kq_patience" kq-consume --committed -c 8 t | cmp - <(seq 8)
	exec 7>&-
	wait $pid
	[ "$(committed t 8)" = "1 2 3 4 5 6 7 8" ]
}

@test "keys in many partitions are committed together" {
	kq-topic create -p 7 seven
	seq 500 | sed 's/.*/&\t&/' | kq-produce -K '\t' --txn me seven
	await_committed seven 500
	[ "$(kq-consume --committed -e seven | sort -n | cksum)" = "$(seq 500 | cksum)" ]
}

@test "a signal aborts the open transaction, what was committed stays" {
	local sig
	mkfifo pipe
	for sig in INT TERM; do
		env --default-signal=INT kq-produce --txn me --txn-every 4 --linger 1ms "t-$sig" <pipe 2>err &
		local pid=$!
		exec 7>pipe
		seq 10 >&7
		await "t-$sig" 10
		kill "-$sig" $pid
		died_of $sig $pid
		exec 7>&-
		cat err
		[ "$(tail -n 1 err)" = "8 records committed, next is input record 9" ]
		grep -q "a transaction of 2 records is aborted" err
		[ "$(committed "t-$sig" 8)" = "1 2 3 4 5 6 7 8" ]
		[ "$(uncommitted "t-$sig")" = "1 2 3 4 5 6 7 8 9 10" ]
	done
}

@test "nothing of one that was killed is seen, and the next with its name is not held up" {
	mkfifo pipe
	kq-produce --txn me --linger 1ms t <pipe &
	local pid=$!
	exec 7>pipe
	seq 10 >&7
	await t 10
	kill -KILL $pid
	wait $pid || :
	exec 7>&-
	seq 11 15 | timeout "$kq_patience" kq-produce --txn me t
	[ "$(committed t 5)" = "11 12 13 14 15" ]
}

@test "of two with one name the older is shut out" {
	mkfifo pipe
	kq-produce --txn me --linger 1ms t <pipe 2>err &
	local pid=$! code=0
	exec 7>pipe
	seq 5 >&7
	await t 5
	seq 11 15 | kq-produce --txn me t
	seq 6 10 >&7
	exec 7>&-
	wait $pid || code=$?
	cat err
	[ "$code" -eq 1 ]
	grep -q "another producer with the transactional ID 'me' has taken over" err
	[ "$(tail -n 1 err)" = "0 records committed, next is input record 1" ]
	[ "$(committed t 5)" = "11 12 13 14 15" ]
}

@test "two with different names do not meet" {
	mkfifo pipe
	kq-produce --txn one --linger 1ms t <pipe &
	local pid=$!
	exec 7>pipe
	seq 5 >&7
	await t 5
	seq 6 10 | kq-produce --txn two t
	exec 7>&-
	wait $pid
	[ "$(committed t 10)" = "1 2 3 4 5 6 7 8 9 10" ]
}

@test "bad input aborts the transaction it is in" {
	{ seq 10; head -c 3000000 /dev/zero | tr '\0' x; echo; echo 12; } >in
	run -1 --separate-stderr kq-produce --txn me --txn-every 4 t in
	[[ $stderr == *"record 11"* ]]
	[ "${stderr_lines[-1]}" = "8 records committed, next is input record 9" ]
	[ "$(committed t 8)" = "1 2 3 4 5 6 7 8" ]
	run -1 --separate-stderr kq-produce --txn me t2 in
	[ "${stderr_lines[-1]}" = "0 records committed, next is input record 1" ]
	[ -z "$(committed t2)" ]
}

@test "a broker that is restarted in mid-transaction is gone on with" {
	mkfifo pipe
	kq-produce --txn me --linger 1ms t <pipe 2>err &
	local pid=$!
	exec 7>pipe
	seq 5 >&7
	await t 5
	kill_broker
	restart_broker
	seq 6 10 >&7
	exec 7>&-
	wait $pid
	[ "$(committed t 10)" = "1 2 3 4 5 6 7 8 9 10" ]
}

@test "too long open: aborted, and the option is named" {
	mkfifo pipe
	kq-produce --txn me --txn-timeout 1s --linger 1ms t <pipe 2>err &
	local pid=$! code=0
	exec 7>pipe
	seq 5 >&7
	await t 5
	# The last stable offset advances when the broker has aborted the transaction.
	echo later | kq-produce t
	timeout 60 kq-consume --committed -c 1 t | cmp - <(echo later)
	seq 6 10 >&7
	exec 7>&-
	wait $pid || code=$?
	cat err
	[ "$code" -eq 1 ]
	grep -q "longer than its timeout of 1000 ms" err
	[ "$(committed t 1)" = "later" ]
}

@test "wrong use" {
	run -2 kq-produce --txn-every 5 t
	run -2 kq-produce --txn-timeout 5s t
	run -2 kq-produce --txn me --txn-every 0 t
	run -2 kq-produce --txn me --txn-every 5x t
	run -2 kq-produce --txn '' t
	run -2 kq-produce --txn me --acks 1 t
	run -2 kq-produce --txn me --no-idempotence t
	run -2 kq-produce -X enable.idempotence=true --acks 1 t
	run -2 kq-produce -X enable.idempotence=maybe t
	run -1 kq-produce --txn me --txn-timeout 24d t
	[[ $output == *"transaction.max.timeout.ms"* ]]
}

# The producer id of a topic's first batch.
producer_id() {
	od -A n -t d8 --endian=big -j 43 -N 8 "$broker_data/$1-0/00000000000000000000.log" | tr -d ' '
}

@test "plain, if one wants it or the acks say so" {
	echo x | kq-produce t
	[ "$(producer_id t)" -ge 0 ]
	echo x | kq-produce --no-idempotence plain
	[ "$(producer_id plain)" = -1 ]
	echo x | kq-produce -X enable.idempotence=false plain2
	[ "$(producer_id plain2)" = -1 ]
	echo x | kq-produce --acks 1 plain3
	[ "$(producer_id plain3)" = -1 ]
}

@test "a broker that knows no producer ids gets plain batches" {
	end_broker
	start_older 22
	kq-topic create plain
	seq 5 | kq-produce plain
	[ "$(producer_id plain)" = -1 ]
	run -1 kq-produce -X enable.idempotence=true plain <<<x
	run -1 kq-produce --txn me plain <<<x
}
