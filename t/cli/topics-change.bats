#!/usr/bin/env bats
# Topics that change while clients use them: deleted, created again, with more partitions
# or fewer.

load ../lib/kq.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	start_broker
}

teardown() {
	local pid
	end_broker
	for pid in $(jobs -p); do kill "$pid" 2>/dev/null || :; done
}

# TEXT FILE: wait until the file has a line that contains the text.
await() {
	timeout "$kq_patience" bash -c 'until grep -qF -- "$0" "$1"; do sleep 0.05; done' "$1" "$2"
}

# The group has committed N, the end of partition 0.
committed() {
	timeout "$kq_patience" bash -c 'until kq-group describe "$0" | grep -qE "^t +0 +$1 +$1 +0 "; do sleep 0.1; done' "$1" "$2"
}

recreate() {
	kq-topic delete --yes "$1"
	kq-topic create "$@"
}

@test "a topic that is deleted and created again is read from its start" {
	kq-topic create t -p 2
	seq 6 | kq-produce -p 0 t
	kq-consume t >out 2>err 3>&- &
	kq-consume -G g --commit-every 100ms -o beginning t >out-g 2>err-g 3>&- &
	kq-consume -G c --protocol classic --commit-every 100ms -o beginning t >out-c 2>err-c 3>&- &
	await 6 out
	await 6 out-g
	await 6 out-c
	local f
	for f in g c; do
		committed "$f" 6
	done
	recreate t -p 2
	seq 11 14 | kq-produce -p 0 t
	for f in '' -g -c; do
		await 14 out$f
		cmp out$f <(seq 6; seq 11 14)
		[ "$(cat err$f)" = "kq-consume: topic 't' was deleted and created again; reading the new one from its beginning" ]
	done
	# The committed offset belongs to the new topic.
	for f in g c; do
		committed "$f" 4
	done
}

@test "a group's offsets go with the topic" {
	seq 6 | kq-produce t
	kq-consume -G g -o beginning -e t >/dev/null
	kq-topic delete --yes t
	kq-topic create t
	seq 2 | kq-produce t
	run kq-group describe g
	[[ $output != *" 6 "* ]]
	cmp <(kq-consume -G g -o beginning -e t) <(seq 2)
}

@test "fewer partitions than before, and more" {
	kq-topic create t -p 3
	for p in 0 1 2; do echo "old $p" | kq-produce -p "$p" t; done
	kq-consume --metadata-max-age 100ms -f '%p %s\n' t >out 2>err 3>&- &
	kq-consume -G c --protocol classic -o beginning --metadata-max-age 100ms -f '%p %s\n' t >out-c 2>err-c 3>&- &
	await 'old 2' out
	await 'old 2' out-c
	recreate t
	echo new | kq-produce t
	await '0 new' out
	await '0 new' out-c
	kq-topic alter t -p 4
	for p in 1 3; do echo "grown $p" | kq-produce -p "$p" t; done
	for f in out out-c; do
		await '1 grown 1' $f
		await '3 grown 3' $f
		[ "$(sort $f | uniq -d | wc -l)" -eq 0 ]
	done
}

@test "new partitions are read from their beginning, also from the end on" {
	echo old | kq-produce t
	kq-consume -o end --metadata-max-age 200ms t >out 2>err 3>&- &
	kq-consume -G g -o end --metadata-max-age 200ms t >out-g 2>err-g 3>&- &
	kq-consume -G c --protocol classic -o end --metadata-max-age 200ms t >out-c 2>err-c 3>&- &
	# A consumer that prints something has its position.
	local f
	for f in out out-g out-c; do
		until grep -q here $f; do
			echo here | kq-produce t
			sleep 0.1
		done
	done
	kq-topic alter t -p 2
	echo new | kq-produce -p 1 t
	for f in out out-g out-c; do
		await new $f
		[ "$(sort -u $f)" = $'here\nnew' ]
	done
}

@test "deleted and not created again: 75, or the wait that was asked for" {
	echo 1 | kq-produce t
	kq-consume --wait-topic t >out 2>err 3>&- &
	local waiting=$! pid
	await 1 out
	kq-consume t >out-1 2>err-1 3>&- &
	local plain=$!
	kq-consume -G g -o beginning t >out-2 2>err-2 3>&- &
	local member=$!
	await 1 out-1
	await 1 out-2
	kq-topic delete --yes t
	await "topic 't' was deleted; waiting until it is created again" err
	local code
	for pid in "$plain" "$member"; do
		code=0
		wait "$pid" || code=$?
		[ "$code" -eq 75 ]
	done
	for f in err-1 err-2; do
		diff $f - <<-END
			kq-consume: topic 't' was deleted; waiting for up to 5 s until it is created again
			kq-consume: topic 't' was deleted and not created again
		END
	done
	kq-topic create t
	echo 2 | kq-produce t
	await 2 out
	cmp out <(seq 2)
	kill "$waiting"
}

@test "--wait-topic waits for one that does not exist yet" {
	kq-consume -c 1 --wait-topic t >out 2>err 3>&- &
	local plain=$!
	kq-consume -c 1 -G g -o beginning --wait-topic t >out-g 2>err-g 3>&- &
	local member=$!
	await "topic 't' does not exist yet; waiting for it" err
	await "topic 't' does not exist yet; waiting for it" err-g
	kq-topic create t
	echo 1 | kq-produce t
	wait "$plain"
	wait "$member"
	[ "$(cat out out-g | paste -sd' ')" = '1 1' ]
}

@test "no reader creates a topic" {
	run ! kq-consume -e nosuch
	run ! kq-consume -e -G g nosuch
	run ! kq-topic describe nosuch
	run ! kq-topic offsets nosuch
	[ -z "$(kq-topic list)" ]
}

# Start a producer that reads lines from fd 5.
feed() {
	mkfifo pipe
	kq-produce "$@" <pipe 2>err-p 3>&- &
	producer=$!
	exec 5>pipe
}

@test "a producer goes on in a topic that was created again" {
	kq-topic create t -p 2
	feed -p 0 t
	seq 3 >&5
	timeout "$kq_patience" bash -c 'until [ "$(kq-consume -e t | wc -l)" -eq 3 ]; do sleep 0.05; done'
	recreate t -p 2
	seq 4 6 >&5
	timeout "$kq_patience" bash -c 'until [ "$(kq-consume -e t | wc -l)" -eq 3 ]; do sleep 0.05; done'
	seq 7 9 >&5
	exec 5>&-
	wait "$producer"
	cmp <(kq-consume -e t) <(seq 4 9)
	[ "$(cat err-p)" = "kq-produce: topic 't' was deleted and created again; writing to the new one" ]
}

@test "a producer whose topic is gone says so and ends with 75" {
	kq-topic create t
	feed -X delivery.timeout.ms=2500 t
	echo 1 >&5
	timeout "$kq_patience" bash -c 'until [ "$(kq-consume -e t | wc -l)" -eq 1 ]; do sleep 0.05; done'
	kq-topic delete --yes t
	echo 2 >&5
	await "topic 't' was deleted; records for it wait for up to 2 s" err-p
	local code=0
	wait "$producer" || code=$?
	exec 5>&-
	[ "$code" -eq 75 ]
	grep -q "not delivered within 2500 ms: topic 't' was deleted" err-p
}

@test "a transaction does not outlive its topic" {
	kq-topic create t
	feed --txn me --txn-every 2 t
	seq 3 >&5
	timeout "$kq_patience" bash -c 'until [ "$(kq-consume -e --uncommitted t | wc -l)" -eq 3 ]; do sleep 0.05; done'
	recreate t
	echo 4 >&5
	local code=0
	wait "$producer" || code=$?
	exec 5>&-
	[ "$code" -eq 75 ]
	grep -q "created again within the transaction" err-p
	[ "$(tail -n 1 err-p)" = "2 records committed, next is input record 3" ]
	seq 3 4 | kq-produce --txn me t
	cmp <(kq-consume -e t) <(seq 3 4)
}

@test "a producer uses partitions that are added" {
	kq-topic create t
	feed --metadata-max-age 100ms -K : t
	echo a:1 >&5
	await_count 1
	kq-topic alter t -p 8
	timeout "$kq_patience" bash -c 'n=1; until [ "$(kq-consume -e -f "%p\n" t | sort -u | wc -l)" -gt 3 ]; do
		n=$((n + 1)); echo "key$n:$n" >&5; sleep 0.02; done'
	exec 5>&-
	wait "$producer"
}

# N: wait until the topic t has N records.
await_count() {
	timeout "$kq_patience" bash -c 'until [ "$(kq-consume -e t | wc -l)" -eq "$0" ]; do sleep 0.05; done' "$1"
}

@test "a topic is created by producing with a word, or not at all" {
	run -75 --separate-stderr kq-produce --no-create nosuch <<<1
	[ "${stderr_lines[0]}" = "kq-produce: topic 'nosuch' does not exist; create it with 'kq-topic create', or leave out --no-create" ]
	[ -z "$(kq-topic list)" ]
	run -0 --separate-stderr kq-produce new <<<1
	[ "$stderr" = "kq-produce: topic 'new' did not exist; it was created with 1 partition" ]
	run -0 --separate-stderr kq-produce new <<<2
	[ -z "$stderr" ]
	run -0 kq-produce --no-create new <<<3
	cmp <(kq-consume -e new) <(seq 3)
}

@test "an exactly-once command goes on in a topic that was created again" {
	kq-topic create t
	seq 3 | kq-produce t
	kq-consume -G x -o beginning t --exec 'sed -u /./s/^/x/' --to clean 2>err 3>&- &
	timeout "$kq_patience" bash -c 'until kq-consume -e clean | grep -q x3; do sleep 0.05; done'
	recreate t
	seq 4 5 | kq-produce t
	timeout "$kq_patience" bash -c 'until kq-consume -e clean | grep -q x5; do sleep 0.05; done'
	cmp <(kq-consume -e clean) <(seq -f 'x%g' 5)
	diff err - <<-END
		kq-consume: topic 'clean' did not exist; it was created with 1 partition
		kq-consume: topic 't' was deleted and created again; reading the new one from its beginning
	END
	timeout "$kq_patience" bash -c 'until kq-group describe x | grep -qE "^t +0 +2 +2 +0 "; do sleep 0.1; done'
}
