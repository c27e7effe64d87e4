#!/usr/bin/env bats
# Instances of kq-stream are killed again and again under load: a running count and a
# windowed sum are exact, read committed.  KQ_KILLS sets the number of kills (make soak: 200).
load ../lib/kq

kills=${KQ_KILLS:-10}

# What is killed is missed after this time; and nothing else should be, on a busy machine.
session_ms=$([ -n "${KQ_SAN-}" ] && echo 8000 || echo 3000)

setup() {
	start_broker -o group.consumer.session.timeout.ms=$session_ms \
		-o group.consumer.heartbeat.interval.ms=300 -o group.min.session.timeout.ms=1000 \
		-o transaction.abort.timed.out.transaction.cleanup.interval.ms=500
	cd "$BATS_TEST_TMPDIR"
	cat >app.yaml <<-END
	application: app
	streams:
	  orders:
	    - from: in
	      time: .ts
	    - by: .k
	  counts:
	    - use: orders
	    - agg: {n: count}
	    - to: counts
	  sums:
	    - use: orders
	    - window: tumbling
	      size: 10s
	      grace: 1d
	    - agg: {s: sum(.v)}
	    - to: sums
	END
	kq-topic create in -p 4
	kq-topic create counts -p 3
	kq-topic create sums -p 2
	jobs=()
}

teardown() {
	local j
	[ "${BATS_TEST_COMPLETED-}" = 1 ] || head -v -n 20 err* feed.err 2>/dev/null || :
	[ -z "${feeder-}" ] || kill -KILL "$feeder" 2>/dev/null || :
	for j in "${jobs[@]}"; do kill -KILL "$j" 2>/dev/null || :; done
	end_broker
}

# begin I  Start instance I, with a state folder of its own.
begin() {
	kq-stream run --state-dir "state$1" ${static:+--instance "i$1"} "${options[@]}" app.yaml 2>>"err$1" 3>&- &
	jobs[$1]=$!
}

# Keys of the input: so many, of so many characters more.
nkey=97 pad=0

# feed N  Write records, 250 at a time, until there are N and the file stop exists.
feed() {
	local n=0
	while [ ! -e stop ] || [ "$n" -lt "$1" ]; do
		awk -v from="$n" -v nkey=$nkey -v pad=$pad 'BEGIN { while (pad-- > 0) more = more "x"
			for (i = from; i < from + 250; i++)
				printf "{\"k\":\"k%d%s\",\"v\":%d,\"ts\":%d}\n", i * 7919 % nkey, more, i % 1000,
					1700000000 + i / 50
		}' >part
		# without a broker some may be missing: what counts is what the topic has
		kq-produce --wait 20s in part 2>>feed.err || sleep 0.2
		n=$((n + 250))
		sleep 0.02
	done
}

# await_end  Wait until the group has taken all.
await_end() {
	local until=$((SECONDS + 60 + kills))
	until kq-group describe app 2>/dev/null | awk '$1 == "in" || $1 ~ /repartition$/ {
			n++; if ($3 != $4) bad++ } END { exit !(n >= 5 && !bad) }'; do
		[ "$SECONDS" -lt "$until" ] || { kq-group describe app; cat err*; return 1; }
		sleep 0.2
	done
}

# check_all  Compare the topics with what a simple program makes of the input.
check_all() {
	kq-consume -o beginning --end in >sent
	[ "$(wc -l <sent)" -ge 3000 ]
	kq-consume -o beginning --end -K ' ' counts | sort >counts.got
	jq -r .k sent | awk '{ printf "%s {\"n\":%d}\n", $1, ++n[$1] }' | sort >counts.want
	cmp counts.got counts.want
	# each window's last result is its sum, and there is one result for each record
	kq-consume -o beginning --end -K ' ' sums >sums.all
	[ "$(wc -l <sums.all)" -eq "$(wc -l <sent)" ]
	awk '{ last[$1] = $2 } END { for (k in last) print k, last[k] }' sums.all | sort >sums.got
	jq -r '"\(.k) \(.ts - .ts % 10) \(.v)"' sent | awk '{ s[$1 " " $2] += $3 } END {
		for (k in s) { split(k, p, " "); printf "{\"key\":\"%s\",\"start\":%d000,\"end\":%d000} {\"s\":%d}\n",
			p[1], p[2], p[2] + 10, s[k] } }' | sort >sums.want
	cmp sums.got sums.want
}

# taken  The number of input records that the group has committed.
taken() {
	kq-group describe app 2>/dev/null | awk '$1 == "in" && $3 != "-" { n += $3 } END { print n + 0 }'
}

# await_taken N  Wait until the group has committed 300 input records more than N.
await_taken() {
	local until=$((SECONDS + kq_patience * 2))
	until [ "$(taken)" -ge $(($1 + 300)) ]; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.05
	done
}

# await_threads N  Wait until the group has N members, each a thread.
await_threads() {
	local until=$((SECONDS + kq_patience))
	until kq-group describe --json app | jq -se ".[0].member_count == $1" >/dev/null; do
		[ "$SECONDS" -lt "$until" ] || { kq-group describe app; return 1; }
		sleep 0.1
	done
}

# kill_often N  Kill random ones of the instances and start them again.  Before each kill
# the application must have got on with its work.  Sometimes the other one takes over.
kill_often() {
	local i n
	RANDOM=7
	for n in $(seq "$1"); do
		await_taken "$(taken)" || { echo "no progress after kill $n"; cat err*; return 1; }
		sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
		i=$((RANDOM % 2 + 1))
		kill -KILL "${jobs[i]}" || { cat "err$i"; return 1; }
		wait "${jobs[i]}" || :
		[ $((RANDOM % 3)) -ne 0 ] || await_threads "${nthread-1}"
		begin $i
	done
}

# await_spill  Wait until an instance has state on disk that has no room in memory.
await_spill() {
	local until=$((SECONDS + kq_patience * 2))
	until find state1 state2 -name spill.mdb -size +100k 2>/dev/null | grep -q .; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.1
	done
}

# end_storm  Let the instances take the rest, end them, and compare.
end_storm() {
	touch stop
	wait "$feeder"
	feeder=
	await_end
	kill -TERM "${jobs[1]}" "${jobs[2]}"
	wait "${jobs[1]}" || [ $? -eq 143 ]
	wait "${jobs[2]}" || [ $? -eq 143 ]
	jobs=()
	check_all
}

storm() {
	options=(--commit-interval 300ms "$@")
	begin 1
	begin 2
	feed 5000 3>&- &
	feeder=$!
	kill_often "$kills"
	[ -z "${spills-}" ] || await_spill
	end_storm
}

@test "instances are killed again and again: the count and the sum are exact" {
	storm
}

@test "the same with the classic protocol, and threads" {
	kills=$(((kills + 1) / 2)) nthread=2
	storm --protocol classic --session ${session_ms}ms --threads 2
}

@test "the same with static members" {
	kills=$(((kills + 1) / 2)) static=yes
	storm
}

@test "the same with little memory, the rest of the state on disk, and warm copies" {
	kills=$(((kills + 2) / 3)) nkey=5003 pad=1000 spills=yes
	storm --memory 1M --standby 1
}

@test "instances are stopped for longer than their session: what they did meanwhile is void" {
	options=(--commit-interval 100ms)
	begin 1
	begin 2
	feed 4000 3>&- &
	feeder=$!
	local i from
	for i in 1 2 1; do
		kill -STOP "${jobs[i]}"
		await_threads 1
		from=$(taken)
		await_taken "$from"
		kill -CONT "${jobs[i]}"
		sleep 0.3
	done
	end_storm
}

@test "the broker is killed and comes back" {
	options=()
	begin 1
	begin 2
	feed 4000 3>&- &
	feeder=$!
	local i
	for i in 1 2 3; do
		sleep 1
		kill_broker
		restart_broker
	done
	end_storm
}
