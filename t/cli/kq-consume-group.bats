#!/usr/bin/env bats
# kq-consume -G: members share a topic, offsets are committed only after the records were
# written, and the group outlives its members and its broker.

load ../lib/kq.bash
load ../lib/mock.bash
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	members=()
	start_broker
	kq-topic create t -p 6
}

teardown() {
	local m
	[ "${BATS_TEST_COMPLETED-}" = 1 ] || head -v -n 5 ./*.err 2>/dev/null || :
	for m in "${members[@]}"; do kill -KILL "$m" 2>/dev/null || :; done
	stop_mock
	end_broker
}

consume() {
	timeout --foreground "$((kq_patience * 2))" kq-consume "$@" </dev/null
}

anew() {
	rm -f a b
	kq-topic delete --yes t && kq-topic create t -p 6
}

# feed FIRST [TOPIC]: write 100 records to each partition.
feed() {
	local p
	for p in 0 1 2 3 4 5; do
		seq $(($1 + p * 1000)) $(($1 + p * 1000 + 99)) | kq-produce -p $p "${2-t}" || return 1
	done
}

# member FILE [OPTION...]: start a member in the background; $member is its process.  It
# is in the group g and commits every 200 ms, unless the options say otherwise.
member() {
	local out=$1 default=()
	shift
	[[ " $* " == *" -G "* ]] || default+=(-G g)
	[[ " $* " == *" --commit-every "* ]] || default+=(--commit-every 200ms)
	kq-consume "${default[@]}" -o beginning -u -f '%p %s\n' "$@" t >"$out" 2>"$out.err" 3>&- </dev/null &
	member=$!
	members+=("$member")
}

# until_true COMMAND...: wait until it succeeds, for at most $kq_patience seconds.
until_true() {
	local end=$((SECONDS + kq_patience))
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "in vain: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

has_members() { # N GROUP
	[ "$(kq-group describe "$2" --members 2>/dev/null | grep -cE 'kq-consume|rdkafka')" -eq "$1" ]
}

lines() { # at least N in all of the files
	local n=$1
	shift
	[ "$(cat "$@" | sort -u | wc -l)" -ge "$n" ]
}

# parts FILE FIRST LAST: the partitions of the records with values from FIRST to before LAST.
parts() {
	awk -v a="$2" -v b="$3" '$2 >= a && $2 < b { print $1 }' "$1" | sort -u | tr -d '\n'
}

stop() { # PID...
	kill -TERM "$@"
	local p
	for p; do died_of TERM "$p" || return 1; done
}

# spread AT: feed, from AT on, until both a and b have received something, and once
# more: then each has three partitions.  at is where the last feed began.
spread() {
	at=$1
	until [ -s a ] && [ -s b ]; do
		[ "$at" -lt 1000000 ]
		feed "$at"
		at=$((at + 10000))
		until_true lines $((600 * at / 10000)) a b
	done
	feed "$at"
	until_true lines $((600 * at / 10000 + 600)) a b
	echo "a has $(parts a "$at" 9999999), b has $(parts b "$at" 9999999)"
	[ "$(parts a "$at" 9999999 | wc -c)" -eq 3 ] && [ "$(parts b "$at" 9999999 | wc -c)" -eq 3 ]
}

# Two members share the partitions, and each takes over from the other.
share() {
	local a b
	feed 0
	member a "$@"
	a=$member
	until_true lines 600 a
	member b "$@"
	b=$member
	spread 10000
	stop "$a"
	at=$((at + 10000))
	feed $at
	until_true lines $((600 * at / 10000 + 600)) a b
	[ "$(parts b $at 9999999)" = 012345 ]
	stop "$b"
	[ "$(cat a b | sort | uniq -d | wc -l)" -eq 0 ]
	[ ! -s a.err ] && [ ! -s b.err ]
}

@test "classic, by default: two members share, one takes over" {
	share --protocol classic
}

@test "roundrobin and sticky: the same" {
	share --protocol classic --assignor roundrobin
	anew
	share --protocol classic --assignor sticky -G other
}

@test "cooperative-sticky: the same" {
	share --protocol classic --assignor cooperative-sticky
}

@test "the consumer protocol: the same" {
	share --protocol consumer
}

@test "it goes on where it stopped, whatever stopped it" {
	seq 1 100000 | kq-produce -p 0 t
	local group="-G h -o beginning"
	cmp <(consume $group -c 10 t) <(seq 10)
	consume $group -u t 2>err | head -n 20 >out
	cmp out <(seq 11 30)
	[ ! -s err ]
	# the reader has exited: records that the pipe accepted are committed
	consume $group -c 1 t >next
	[ "$(<next)" -ge 31 ]
	consume $group -e t >rest
	[ "$(tail -n 1 rest)" -eq 100000 ]
	[ "$(wc -l <rest)" -eq $((100000 - $(<next))) ]
	[ -z "$(consume $group -e t)" ]
	seq 5 | kq-produce -p 0 t
	cmp <(consume -G h -e t) <(seq 5)
}

@test "a signal: all that was written is stored" {
	feed 0
	member a --commit-every 1h
	until_true lines 600 a
	stop "$member"
	[ -z "$(consume -G g -e t)" ]
}

@test "without a stored offset -o decides; the default is the end" {
	feed 0
	[ -z "$(consume -G new -e t)" ]
	feed 10000
	# its start was committed
	[ "$(consume -G new -e t | wc -l)" -eq 600 ]
	[ "$(consume -G old -o beginning -e t | wc -l)" -eq 1200 ]
	[ "$(consume -G last -o -2 -e t | wc -l)" -eq 12 ]
}

@test "a member that is killed is replaced, and what it had not stored comes again" {
	local b
	feed 0
	member a --protocol classic --session 6s
	until_true lines 600 a
	member b --protocol classic --session 6s
	b=$member
	until_true has_members 2 g
	kill -KILL "$b"
	feed 10000
	until_true lines 1200 a
}

@test "a broker that is killed and comes back is waited for" {
	local p
	for p in classic consumer; do
		anew
		feed 0
		member a --protocol $p -G g-$p
		until_true lines 600 a
		sleep 0.5 # committed
		kill_broker
		restart_broker
		feed 10000
		until_true lines 1200 a
		stop "$member"
		[ -z "$(consume -G g-$p -e t)" ]
		[ ! -s a.err ]
	done
}

@test "a static member comes back without the others noticing" {
	member a --protocol classic --instance one
	local a=$member b
	member b --protocol classic --instance two
	b=$member
	spread 0
	stop "$a"
	cp a a-before
	member a --protocol classic --instance one
	feed $((at + 10000))
	until_true lines $((600 * at / 10000 + 1200)) a-before a b
	[ "$(parts a $((at + 10000)) 9999999)" = "$(parts a-before $at $((at + 9999)))" ]
	stop "$member" "$b"
}

@test "several topics, and a topic that grows" {
	kq-topic create u -p 2
	seq 100 | kq-produce -p 1 u
	seq 100 | kq-produce -p 5 t
	[ "$(consume -G two -o beginning -e t u | wc -l)" -eq 200 ]
	kq-topic alter u -p 3
	seq 50 | kq-produce -p 2 u
	[ "$(consume -G two -o beginning -e t u | wc -l)" -eq 50 ]
}

@test "every output format" {
	echo 'k:v' | kq-produce -K : -p 0 t
	[ "$(consume -G j -o beginning -e -J t | cut -c 1-14)" = '{"topic":"t","' ]
	[ "$(consume -G k -o beginning -e -K = t)" = k=v ]
	[ "$(consume -G f -o beginning -e -f '%t %p %o %k %s;' t)" = 't 0 0 k v;' ]
}

@test "a reader that is slow does not lose its place" {
	local i
	seq 200000 | kq-produce -p 0 t
	consume -G slow -o beginning --protocol classic --session 6s t 2>err | {
		read -r i
		sleep 8
		head -n 199999
	} >out
	[ "$(tail -n 1 out)" -eq 200000 ]
	[ "$(sort -u out | wc -l)" -eq 199999 ]
	[ ! -s err ]
}

@test "what does not go together is refused" {
	run -2 --separate-stderr consume -G g -p 1 t
	[ "$stderr" = "kq-consume: only one of -G and -p: the group's members share all partitions" ]
	run -2 consume -G g -o 17 t
	run -2 consume --instance x t
	run -2 consume --assignor range t
	run -2 consume -G '' t
	run -2 consume -G g --assignor nonsense t
	run -2 consume -G g --assignor sticky --protocol consumer t
	run -2 consume -G g --assignor uniform --protocol classic t
	run -2 consume --committed --uncommitted t
	run -75 --separate-stderr consume -G g nosuch
	[ "$stderr" = "kq-consume: topic 'nosuch' does not exist" ]
}

@test "with kcat in one group, by its assignors" {
	skip_without kcat
	local as k m
	for as in range roundrobin cooperative-sticky; do
		anew
		kcat -b "$broker_tcp" -u -q -X partition.assignment.strategy=$as -X auto.offset.reset=earliest \
			-f '%p %s\n' -G "g-$as" t >b 2>b.err 3>&- </dev/null &
		k=$!
		members+=("$k")
		until_true has_members 1 g-$as
		member a -G "g-$as" --protocol classic --assignor $as
		m=$member
		spread 0
		stop "$m"
		feed $((at + 10000))
		until_true lines $((600 * at / 10000 + 1200)) a b
		kill -TERM "$k"
		wait "$k" || :
	done
}

@test "against another's broker: librdkafka's mock" {
	skip_without mock-broker
	start_mock 1 t:4
	seq 100 | kq-produce t
	[ "$(consume -G g -o beginning -e t | wc -l)" -eq 100 ]
}

@test "a coordinator that refuses for a while is asked again" {
	skip_without mock-broker
	start_mock 1 t:4
	seq 100 | kq-produce t
	mock error 10 15 15     # FindCoordinator: not available
	mock error 11 14 16     # JoinGroup: loading; not the coordinator
	mock error 9 14 16      # OffsetFetch
	mock error 8 16 14 27   # OffsetCommit; a rebalance
	[ "$(consume -G g -o beginning -e t | wc -l)" -eq 100 ]
}
