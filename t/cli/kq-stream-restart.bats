#!/usr/bin/env bats
# kq-stream over restarts: what must be the same as without them, and what Kafka Streams
# loses or repeats.  Instances are killed, with and without their local state.
load ../lib/kq
bats_require_minimum_version 1.5.0

# What is killed is missed after this time; and nothing else should be, on a busy machine.
session_ms=$([ -n "${KQ_SAN-}" ] && echo 8000 || echo 3000)

setup() {
	start_broker -o group.consumer.session.timeout.ms=$session_ms \
		-o group.consumer.heartbeat.interval.ms=300 -o group.min.session.timeout.ms=1000 \
		-o transaction.abort.timed.out.transaction.cleanup.interval.ms=500
	cd "$BATS_TEST_TMPDIR"
	export KQ_STREAM_STATE=$PWD/state XDG_RUNTIME_DIR=$PWD/run
	mkdir -m 700 run
	job= jobs=()
}

teardown() {
	[ "${BATS_TEST_COMPLETED-}" = 1 ] || head -v -n 20 err 2>/dev/null || :
	[ ${#jobs[@]} -eq 0 ] || kill -KILL "${jobs[@]}" 2>/dev/null || :
	end_broker
}

# begin ARG...  Start an instance.
begin() {
	kq-stream "$@" 2>>err 3>&- &
	job=$!
	jobs+=("$job")
}

# await_taken GROUP  Wait until the group has committed all of its input, in internal topics, too.
await_taken() {
	local until=$((SECONDS + kq_patience))
	until kq-group describe --json "$1" 2>/dev/null | jq -se '[.[].offsets[] | select(.end > 0)]
			| length > 0 and all(.committed == .end)' >/dev/null; do
		[ "$SECONDS" -lt "$until" ] || { kq-group describe "$1"; return 1; }
		sleep 0.1
	done
}

# stop SIGNAL [PID]  End the instance, or another one.
stop() {
	local pid=${2-$job}
	kill -"$1" "$pid"
	wait "$pid" || [ $? -gt 128 ]
}

# to_end ARG...  Run to the end of the input.
to_end() {
	timeout "$((kq_patience * 2))" kq-stream --until-end "$@" 2>>err || { cat err; return 1; }
}

all() {
	kq-consume -o beginning --end "$@"
}

# retention TOPIC
retention() {
	kq-topic describe "$1" | sed -n 's/.*retention.ms=\([-0-9]*\).*/\1/p'
}

@test "records of open windows stay, however old; the retention comes back with current data" {
	kq-topic create in -p 2
	local topic=old-KSTREAM-AGGREGATE-STATE-STORE-0000000002-changelog guarantee
	local app=(-a old from in time .ts then by .k then window tumbling 1d then agg n=count then to out)
	# 2020-09-13, in one day, with at-least-once: there are no markers, which have the clock's time
	seq 1000 | awk '{ printf "{\"k\":\"k%d\",\"ts\":%d}\n", $1 % 10, 1599955200 + $1 }' | kq-produce in
	begin --guarantee at-least-once "${app[@]}"
	await_taken old
	[ "$(retention $topic)" = -1 ]
	stop KILL
	rm -r state
	printf '{"k":"k%d","ts":1599955200}\n' 0 1 2 3 4 5 6 7 8 9 | kq-produce in
	begin --guarantee at-least-once "${app[@]}"
	await_taken old
	[ "$(retention $topic)" = -1 ]
	all -K ' ' out | awk '{ last[$1] = $2 } END { for (k in last) print last[k] }' | sort | uniq -c >got
	[ "$(cat got)" = '     10 {"n":101}' ]
	# both tasks get current data
	seq 100 | awk -v now="$(date +%s)" '{ printf "{\"k\":\"k%d\",\"ts\":%d}\n", $1 % 10, now }' | kq-produce in
	await_taken old
	stop TERM
	[ "$(retention $topic)" = 172800000 ]
}

@test "a restart reads only the tail of the changelogs; without local state, all" {
	kq-topic create in -p 2
	local app=(-a tail from in then by .k then agg n=count then to out)
	seq 5000 | awk '{ printf "{\"k\":\"k%d\"}\n", $1 }' | kq-produce in
	to_end "${app[@]}"
	: >err
	printf '{"k":"k%d"}\n' 1 2 3 | kq-produce in
	begin "${app[@]}"
	await_taken tail
	stop TERM
	! grep 'restored' err
	# killed: what came after the last checkpoint
	printf '{"k":"k%d"}\n' 4 5 6 7 | kq-produce in
	begin "${app[@]}"
	await_taken tail
	stop KILL
	printf '{"k":"k%d"}\n' 1 | kq-produce in
	: >err
	begin "${app[@]}"
	await_taken tail
	stop TERM
	grep -qx '4 records restored from changelogs' err
	rm -r state
	: >err
	to_end "${app[@]}"
	[ "$(sed -n 's/ records restored.*//p' err)" -ge 5000 ]
	[ "$(all -K ' ' out | awk '{ last[$1] = $2 } END { for (k in last) print last[k] }' | sort | uniq -c | tr -s ' ' | tr '\n' ',')" = ' 4993 {"n":1}, 6 {"n":2}, 1 {"n":3},' ]
}

# await_tasks APPLICATION FILTER  Wait until the jq expression holds for the list of its tasks.
await_tasks() {
	local until=$((SECONDS + kq_patience))
	until kq-stream describe -J "$1" 2>/dev/null | jq -se "[.[].tasks[]] | $2" >/dev/null; do
		[ "$SECONDS" -lt "$until" ] || { kq-stream describe "$1"; cat err; return 1; }
		sleep 0.1
	done
}

# await_warm APPLICATION M N  Wait until all of its M tasks run, and N copies have all of
# their changelogs.
await_warm() {
	await_tasks "$1" "map(select(.state == \"running\" or (.role == \"standby\" and .lag == 0)).role)
		| sort == [range($2) | \"active\"] + [range($3) | \"standby\"]"
}

# take_over OPTION...  Two instances with warm copies; the first one is killed: the second
# one has its state at hand.
take_over() {
	kq-topic create in -p 4
	kq-topic create out -p 2
	local app=(-a warm --standby 1 "$@" from in then by .k then agg n=count then to out) until
	seq 5000 | awk '{ printf "{\"k\":\"k%d\"}\n", $1 }' | kq-produce in
	begin --state-dir one "${app[@]}"
	await_taken warm
	local first=$job
	: >err
	begin --state-dir two "${app[@]}"
	await_warm warm 8 4
	until=$((SECONDS + kq_patience))
	until kq-stream ps -J | jq -se 'length == 2 and all(.lag == 0)'; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	local n
	n=$(kq-stream describe -J warm | jq "select(.pid == $job).restored")
	stop KILL "$first"
	seq 5000 | awk '{ printf "{\"k\":\"k%d\"}\n", $1 }' | kq-produce in
	until=$((SECONDS + kq_patience))
	until [ "$(all out 2>/dev/null | wc -l)" -eq 10000 ]; do
		[ "$SECONDS" -lt "$until" ] || { kq-group describe warm; cat err; return 1; }
		sleep 0.1
	done
	stop TERM
	cat err
	# what was moved to the second one when it came was restored; nothing later
	[ $(($(sed -n 's/ records\? restored.*//p' err) - n)) -le 500 ]
	[ "$(all -K ' ' out | awk '{ last[$1] = $2 } END { for (k in last) print last[k] }' | sort | uniq -c | tr -s ' ')" = ' 5000 {"n":2}' ]
}

@test "a warm copy takes over, and reads only the tail" {
	take_over
}

@test "the same with the classic protocol, and threads" {
	take_over --protocol classic --session ${session_ms}ms --threads 2
}

# write_app ID  An application with most operators that keep a stream time or a counter.
write_app() {
	cat >app.yaml <<-END
	application: $1
	streams:
	  orders:
	    - from: orders-$1
	      time: .ts
	    - by: .k
	  pays:
	    - from: pays-$1
	      time: .ts
	    - by: .k
	  windows:
	    - use: orders
	    - window: tumbling
	      size: 10s
	    - agg: {n: count}
	    - emit: final
	    - to: windows-$1
	  sliding:
	    - use: orders
	    - window: sliding
	      size: 5s
	    - agg: {n: count}
	    - emit: final
	    - to: sliding-$1
	  sessions:
	    - use: orders
	    - window: session
	      size: 10s
	    - agg: {n: count}
	    - emit: final
	    - to: sessions-$1
	  counts:
	    - use: orders
	    - agg: {n: count}
	    - emit: every
	      interval: 15s
	    - to: counts-$1
	  joined:
	    - use: orders
	    - join: pays
	      kind: left
	      within: 5s
	    - to: joined-$1
	  once:
	    - use: orders
	    - dedupe: .v
	      within: 1m
	    - to: once-$1
	END
	local t
	for t in orders pays windows sliding sessions counts joined once; do
		kq-topic create "$t-$1" -p 1
	done
}

# chunk N ID  Write the N-th part of the input: seconds, key, value.
chunk() {
	local orders pays=
	case $1 in
	1) orders='0 a 1, 5 a 2, 3 b 3' ;;
	2) orders='20 a 4' ;;             # closes what chunk 1 opened
	3) orders='5 a 5, 21 c 6' ;;      # too late for all windows, and for the join
	4) orders='21 a 7, 21 c 6' ;;
	5) orders='21 a 8' pays='22 a 9' ;; # equal key and time: all of them join
	6) orders='5 a 10, 23 b 3' ;;
	7) orders='100 d 11' ;;
	8) orders='26 a 12' pays='101 d 13' ;;
	esac
	lines "$orders" | kq-produce "orders-$2"
	[ -z "$pays" ] || lines "$pays" | kq-produce "pays-$2"
}

lines() {
	tr , '\n' <<<"$1" | awk '{ printf "{\"k\":\"%s\",\"v\":%d,\"ts\":%d}\n", $2, $3, 1700000000 + $1 }'
}

# run_whole  The application 'whole' takes the same parts, without a restart.  Order between
# topics is only certain if a part is taken before the next one comes.
run_whole() {
	local i
	write_app whole
	begin run app.yaml
	for i in 1 2 3 4 5 6 7 8; do
		chunk $i whole
		await_taken whole
	done
	stop TERM
	to_end run app.yaml
}

# restart_often ID FIRST  The input in parts, with a restart after each: clean or killed, with
# the local state or without, in turn.  A static member comes back at once.
restart_often() {
	local i
	write_app "$1"
	for i in 1 2 3 4 5 6 7 8; do
		chunk $i "$1"
		begin run --instance i app.yaml
		await_taken "$1"
		case $(((i + $2) % 4)) in
		0) stop TERM ;;
		1) stop KILL ;;
		2) stop TERM; rm -r state ;;
		3) stop KILL; rm -r state ;;
		esac
	done
	to_end run --instance i app.yaml
}

# compare A B  Do all results of two applications equal each other?
compare() {
	local t
	for t in windows sliding sessions counts joined once; do
		all -K ' ' "$t-$1" >"$t.1"
		all -K ' ' "$t-$2" >"$t.2"
		[ -s "$t.1" ]
		diff "$t.1" "$t.2" || { echo "$t differ: '$1' has <, '$2' >"; return 1; }
	done
}

@test "restarts change no result: nothing comes twice, and what was late stays late" {
	run_whole
	grep -q 'came too late' err
	local i
	for i in 0 3; do
		restart_often "parts$i" $i
		compare whole "parts$i"
	done
}

@test "copies of windows, sessions, what is suppressed and joined take over, too" {
	local i first second active
	run_whole
	write_app copied
	begin run --standby 1 --state-dir one app.yaml
	first=$job
	for i in 1 2 3 4; do chunk $i copied; done
	await_taken copied
	begin run --standby 1 --state-dir two app.yaml
	second=$job
	await_warm copied 7 6
	chunk 5 copied
	await_taken copied
	# one of the two has all tasks, and the other one all copies
	active=$(kq-stream describe -J copied | jq 'select(any(.tasks[]; .role == "active")).pid')
	stop KILL "$active"
	for i in 6 7 8; do chunk $i copied; done
	await_taken copied
	stop TERM $((first + second - active))
	to_end run --state-dir "$([ "$active" -eq "$first" ] && echo two || echo one)" app.yaml
	compare whole copied
}

# Rows of a global table come to a task between its commits, and to a copy of it.
@test "a task that looks into a global table is checkpointed, and its copies are" {
	kq-topic create in -p 2
	kq-topic create rows -p 1
	printf 'a\t{"x":1}\n' | kq-produce -K '\t' rows
	printf '{"r":"%s"}\n' a b c | kq-produce in
	local app=(-a g --standby 1 from in then by .r then agg n=count 'r=last(.r)' then stream
		then join rows as global on .r then to out) first i
	begin --state-dir one "${app[@]}"
	await_taken g
	first=$job
	begin --state-dir two "${app[@]}"
	await_warm g 4 2
	for i in $(seq 16); do # copies have a checkpoint every few seconds
		printf 'b%d\t{"x":2}\n' "$i" | kq-produce -K '\t' rows
		sleep 0.3
	done
	stop TERM
	kill -0 "$first"
	await_tasks g 'length == 4 and all(.role == "active" and .state == "running")'
	printf 'c\t{"x":2}\n' | kq-produce -K '\t' rows # the last commit is before it
	sleep 1
	stop TERM "$first"
	! grep Assertion err
	[ "$(find one -name state.mdb -size +0 | wc -l)" -eq 2 ]
}

@test "a copy stops at a changelog record that is none, at each start" {
	kq-topic create in -p 1
	local app=(-a c --standby 1 from in then by .k then agg n=count then to out) i
	printf '{"k":1}\n' | kq-produce in
	begin --state-dir one "${app[@]}"
	await_taken c
	printf '2\t{"n":1}\n3\tgarbage\n4\t{"n":1}\n' |
		kq-produce -K '\t' c-KSTREAM-AGGREGATE-STATE-STORE-0000000002-changelog
	for i in 1 2; do
		run -1 --separate-stderr timeout "$kq_patience" kq-stream --state-dir two "${app[@]}"
		[[ $stderr == *'the changelog entry is not of these columns'* ]]
	done
	kill "$job" 2>/dev/null || : # the last one may have handed its task over, as it was
}

@test "commits may be rarer than transactions last by default" {
	kq-topic create in -p 1
	echo '{"k":"a"}' | kq-produce in
	begin -a rare --commit-interval 12s from in then by .k then agg n=count then to out
	local until=$((SECONDS + kq_patience + 24))
	until [ "$(all out 2>/dev/null | wc -l)" -eq 1 ]; do [ "$SECONDS" -lt "$until" ]; sleep 0.3; done
	stop TERM
}

@test "what is open at the end comes out once, and again only if a record changes it" {
	local n k
	kq-topic create in -p 2
	for k in a b c d; do printf '{"k":"%s","ts":1700000010}\n' $k; done | kq-produce in
	final() {
		to_end -a "fin$1" from in time .ts then by .k then window "${@:2}" then agg n=count \
			then emit final then to "out$1"
	}
	every() {
		final 0 tumbling 1m grace 1h
		final 1 sliding 1m grace 1h
		final 2 session 1m grace 1h
	}
	every
	every            # from the checkpoint
	rm -r state
	every            # from the changelog
	for n in 0 1 2; do
		[ "$(all "out$n")" = "$(printf '{"n":1}\n%.0s' 1 2 3 4)" ]
	done
	printf '{"k":"b","ts":1700000010}\n' | kq-produce in
	every
	rm -r state
	every
	for n in 0 1 2; do
		[ "$(all "out$n" | sort | uniq -c | tr -s ' ' | tr '\n' ,)" = ' 4 {"n":1}, 1 {"n":2},' ]
	done
}

@test "rows that are gone from a global table's topic are gone after a restart, and none is on disk" {
	kq-topic create in -p 1
	kq-topic create rows -p 1
	printf '%s\t{"x":1}\n' a b | kq-produce -K '\t' rows
	printf '{"r":"%s"}\n' a b | kq-produce in
	local app=(-a gone from in then by .r then agg n=count then stream
		then join left rows as global on '$key' then map '{n,x}' then to out)
	to_end "${app[@]}"
	[ "$(all out | sort | uniq -c | tr -s ' ')" = ' 2 {"n":1,"x":1}' ]
	[ "$(find state -name state.mdb -size +0 | wc -l)" -eq 1 ]
	kq-topic delete --yes rows
	kq-topic create rows -p 1
	printf 'b\t{"x":2}\n' | kq-produce -K '\t' rows
	printf '{"r":"%s"}\n' a b | kq-produce in
	to_end "${app[@]}"
	[ "$(all out | tail -n 2 | sort | tr '\n' ' ')" = '{"n":2,"x":2} {"n":2,"x":null} ' ]
}

@test "rows of a global table beyond the memory are on disk, where the task has no other state" {
	kq-topic create in -p 1
	kq-topic create rows -p 1
	seq 30000 | awk '{ printf "k%d\t{\"x\":%d,\"pad\":\"%0200d\"}\n", $1, $1, 0 }' | kq-produce -K '\t' rows
	printf '{"r":"k%d"}\n' 1 15000 30000 | kq-produce in
	begin -a spill --memory 1M from in then join rows as global on .r then map .x then to out
	await_taken spill
	[ "$(all out | tr '\n' ' ')" = '1 15000 30000 ' ]
	kq-stream describe spill --json >told
	stop TERM
	[ "$(jq '[.tasks[].state_bytes] | add' told)" -lt 3000000 ]
}

# step WORD  Let t/lib/stall.py go on, and wait for its word.
step() {
	local word
	[ "$1" = in ] || echo >&"${STALL[1]}"
	read -r -t "$kq_patience" word <&"${STALL[0]}"
	[ "$word" = "$1" ]
}

# An instance is stopped between two assignments, when it has given its tasks back; meanwhile
# another one has them, and changes their state without taking a record.
@test "a task that comes back does not go on with old state, and follows its global table" {
	kq-topic create in -p 1
	kq-topic create rows -p 1
	printf 'a\t{"x":1}\n' | kq-produce -K '\t' rows
	local app=(-a a --protocol classic --session ${session_ms}ms from in time .ts then by .k
		then window tumbling 1m then agg n=count 'k=last(.k)' then emit final then stream
		then join left rows as global on .k then map '{n,x}' then to out) i
	printf '{"k":"a","ts":1700000000}\n' | kq-produce in
	begin "${app[@]}"
	await_taken a
	for i in 1 2; do
		coproc STALL { exec python3 "$kq_lib/stall.py" a 3>&-; }
		step in
		await_tasks a 'map(.state) == ["running", "running"]'
		step held
		await_tasks a 'map(.state) == ["waiting", "waiting"]'
		if [ $i -eq 1 ]; then # nobody has them meanwhile: they go on
			printf 'b\t{"x":2}\n' | kq-produce -K '\t' rows
			step left
			wait "$STALL_PID"
			await_tasks a 'map(.state) == ["running", "running"]'
			printf '{"k":"%s","ts":%d}\n' b 1700000000 c 1700000100 | kq-produce in
			await_taken a
			[ "$(all out | sort | tr '\n' ' ')" = '{"n":1,"x":1} {"n":1,"x":2} ' ]
		fi
	done
	kill -STOP "$job"
	step left
	wait "$STALL_PID"
	kq-stream --until-end --state-dir two "${app[@]}" 2>>err # window c comes out
	[ "$(all out | tail -n 1)" = '{"n":1,"x":null}' ]
	kill -CONT "$job"
	printf '{"k":"a","ts":1700000900}\n' | kq-produce in
	await_taken a
	[ "$(all out | wc -l)" -eq 3 ]
	stop TERM
}

# put KEY...  A record for each.
put() {
	printf '{"k":"%s"}\n' "$@" | kq-produce in
}

@test "local state that its changelog does not reach back to is rebuilt" {
	kq-topic create in -p 1
	local app=(-a r from in then by .k then agg n=count name st then to out)
	put a b
	to_end "${app[@]}"
	cp -r state old
	put b c
	to_end "${app[@]}"
	kq-topic alter r-st-changelog -c cleanup.policy=delete # compacted topics are not trimmed
	kq-topic trim --yes --before end r-st-changelog
	rm -r state
	mv old state
	put a
	: >err
	to_end "${app[@]}"
	grep -q "task 1_0 has offset [0-9]* of 'r-st-changelog', which begins at [0-9]*; the state is rebuilt" err
	[ "$(all out | tail -n 1)" = '{"n":1}' ] # the old state has a row, the changelog none
}

@test "a copy whose changelog was trimmed before it came so far is rebuilt" {
	kq-topic create in -p 2
	local app=(-a r --standby 1 from in then by .k then agg n=count name st then to out) first i
	put a b c d e f g h
	begin --state-dir one "${app[@]}"
	await_taken r
	first=$job
	begin --state-dir two "${app[@]}"
	await_warm r 4 2
	kill -STOP "$job"
	for i in 1 2 3; do
		put a b c d e f g h
		await_taken r
	done
	kq-topic alter r-st-changelog -c cleanup.policy=delete
	kq-topic trim --yes --before end r-st-changelog
	kill -CONT "$job"
	local until=$((SECONDS + kq_patience))
	until grep -q "is not there any more; the state is rebuilt" err; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.1
	done
	put d
	await_taken r
	kill -0 "$job"
	stop TERM
	job=$first
	stop TERM
}

@test "local state is rebuilt that is older than its changelog keeps deletions" {
	kq-topic create in -p 1
	local app=(-a old from in then by .k then agg n=count name st then to out)
	put a b c
	to_end "${app[@]}"
	kq-topic alter old-st-changelog -c delete.retention.ms=60000
	put a
	: >err
	to_end "${app[@]}"
	! grep 'rebuilt\|restored' err
	kq-topic alter old-st-changelog -c delete.retention.ms=500
	sleep 1
	put a
	to_end "${app[@]}"
	grep -q "the local state of task 1_0 is .* old, and 'old-st-changelog' keeps deletions for 500 ms; the state is rebuilt" err
	grep -qx '4 records restored from changelogs' err
	[ "$(all out | tail -n 1)" = '{"n":3}' ]
}

# The broker holds back what asks for the retention of a changelog, for longer than the session.
@test "a member stays in its group while a broker does not answer" {
	kq-topic create in -p 1
	local app=(-a beat --protocol classic --session 1500ms from in time .ts then by .k
		then window tumbling 1d then agg n=count then to out) word until
	coproc HOLD { exec python3 "$kq_lib/hold.py" 32 3>&-; }
	read -r -t "$kq_patience" word <&"${HOLD[0]}"
	begin -b "$word" "${app[@]}"
	printf '{"k":"a","ts":1599955200}\n' | kq-produce in
	read -r -t "$kq_patience" word <&"${HOLD[0]}"
	[ "$word" = held ]
	sleep 3
	kq-group describe beat | grep -q '^state  *Stable'
	until=$((SECONDS + kq_patience))
	until [ "$(all out 2>/dev/null | wc -l)" -eq 1 ]; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.1
	done
	grep -q 'the retention of topic .* cannot be set' err
	stop KILL
	kill "$HOLD_PID"
}
