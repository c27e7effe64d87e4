#!/usr/bin/env bats
# kq-stream on topics: internal topics, state, restarts, merges, and what it refuses.
load ../lib/kq
bats_require_minimum_version 1.5.0

setup() {
	start_broker -o group.consumer.session.timeout.ms=2000 -o group.consumer.heartbeat.interval.ms=300
	cd "$BATS_TEST_TMPDIR"
	export KQ_STREAM_STATE=$PWD/state
	job=
}

teardown() {
	[ -z "$job" ] || kill -KILL "$job" 2>/dev/null || :
	end_broker
}

# stream ARG...  Run to the end of the input.
stream() {
	timeout "$((kq_patience * 2))" kq-stream --until-end "$@" 2>>err || { cat err; return 1; }
}

all() {
	kq-consume -o beginning --end "$@"
}

orders() {
	seq "$1" "$2" | awk '{ printf "{\"id\":%d,\"k\":\"k%d\",\"v\":%d,\"ts\":%d}\n", $1, $1 % 5, $1 % 7, 1700000000 + $1 }'
}

@test "records are filtered from topic to topic, once" {
	kq-topic create in -p 3
	orders 1 100 | kq-produce in
	stream -a f from in then filter '.v > 4' then to out
	orders 101 200 | kq-produce in
	stream -a f from in then filter '.v > 4' then to out
	orders 1 200 | jq -c 'select(.v > 4)' | sort >want
	all out | sort | cmp - want
	kq-group describe f | grep -q '^lag  *0$'
}

@test "internal topics have Kafka Streams' names, counts and settings; a restart goes on" {
	kq-topic create in -p 4
	orders 1 100 | kq-produce in
	stream -a w from in time .ts then by .k then window tumbling 1m grace 1h then agg n=count then to out
	kq-topic describe w-KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition >repartition
	grep -q '^partitions  *4$' repartition
	grep -q 'cleanup.policy=delete' repartition
	grep -q 'retention.ms=-1' repartition
	grep -q 'message.timestamp.type=CreateTime' repartition
	kq-topic describe w-KSTREAM-AGGREGATE-STATE-STORE-0000000002-changelog >changelog
	grep -q 'cleanup.policy=compact,delete' changelog
	grep -q 'retention.ms=-1' changelog # 90060000 when records are not that old
	# once from the local checkpoint, once from the changelog alone
	orders 101 150 | kq-produce in
	stream -a w from in time .ts then by .k then window tumbling 1m grace 1h then agg n=count then to out
	rm -r state
	orders 151 200 | kq-produce in
	stream -a w from in time .ts then by .k then window tumbling 1m grace 1h then agg n=count then to out
	all -K ' ' out | awk '{ last[$1] = $2 } END { for (k in last) print k, last[k] }' | sort >got
	orders 1 200 | jq -r '"\(.k) \(.ts - .ts % 60)"' | awk '{ n[$0]++ } END { for (k in n) { split(k, p, " ")
		printf "{\"key\":\"%s\",\"start\":%d000,\"end\":%d000} {\"n\":%d}\n", p[1], p[2], p[2] + 60, n[k] } }' |
		sort >want
	cmp got want
	[ "$(all out | wc -l)" -eq 200 ]
}

# switches PID  How often the threads of the process have waited.
switches() {
	cat "/proc/$1"/task/*/status | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'
}

@test "an idle application wakes up for little more than heartbeats" {
	[[ ${KQ_SAN-} != *thread* ]] || skip "this sanitizer has a thread of its own, which wakes up"
	kq-topic create in -p 2
	orders 1 10 | kq-produce in
	kq-stream -a i --protocol classic from in then by .k then agg n=count then to out 2>err &
	job=$!
	local until=$((SECONDS + kq_patience)) before
	until [ "$(all out 2>/dev/null | wc -l)" -eq 10 ]; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	until=$((SECONDS + 2 * kq_patience)) # the waits for records get longer
	while
		before=$(switches $job)
		sleep 6 # two heartbeats and three answers without records; with waits of 500 ms, 12 more
		[ $(($(switches $job) - before)) -gt 10 ]
	do
		[ "$SECONDS" -lt "$until" ]
	done
	kill $job
	wait $job || [ $? -eq 143 ]
}

# ticks PID  The CPU time that a process has used, in 1/100 s.
ticks() {
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

@test "an application that has restored its state waits for a broker that has gone" {
	local app=(-a w from in then by .k then agg n=count then to out) before until=$((SECONDS + kq_patience))
	kq-topic create in -p 1
	orders 1 10 | kq-produce in
	stream "${app[@]}"
	rm -r state
	kq-stream "${app[@]}" 2>>err 3>&- &
	job=$!
	orders 1 10 | kq-produce in
	until [ "$(all out | wc -l)" -eq 20 ]; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	kill_broker
	before=$(ticks $job)
	sleep 3
	[ $(($(ticks $job) - before)) -le 20 ] # a loop takes 300, or what a busy machine leaves
}

@test "a suppressed result that waits survives a restart, and comes out once at the end" {
	kq-topic create in -p 1
	local app=(-a s from in time .ts then by .k then window tumbling 1m then agg n=count then emit final then to out)
	orders 1 300 | kq-produce in
	kq-stream "${app[@]}" 2>err &
	job=$!
	local until=$((SECONDS + kq_patience))
	until [ "$(all out 2>/dev/null | wc -l)" -ge 20 ]; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	kill -KILL $job
	wait $job || :
	rm -r state
	stream "${app[@]}"
	all -K ' ' out | sort >got
	orders 1 300 | jq -r '"\(.k) \(.ts - .ts % 60)"' | awk '{ n[$0]++ } END { for (k in n) { split(k, p, " ")
		printf "{\"key\":\"%s\",\"start\":%d000,\"end\":%d000} {\"n\":%d}\n", p[1], p[2], p[2] + 60, n[k] } }' |
		sort >want
	diff got want
}

@test "what was taken from repartition topics is deleted" {
	kq-topic create in -p 1
	orders 1 2500 | kq-produce in
	stream -a p from in then by .k then agg n=count name st then to out
	[ "$(kq-topic offsets --json --at beginning p-st-repartition | jq .offset)" -ge 2500 ]
	[ "$(all out | wc -l)" -eq 2500 ]
	orders 2501 2600 | kq-produce in
	stream -a p from in then by .k then agg n=count name st then to out
	[ "$(all out | wc -l)" -eq 2600 ]
}

@test "the threads of a run to the end delete all that was taken" {
	kq-topic create four -p 4
	orders 1 40000 | kq-produce four
	local i
	for i in 1 2 3; do
		stream -a "t$i" --threads 4 from four then by .k then agg n=count name st then to out
		kq-topic offsets --json --at beginning "t$i-st-repartition" >begin
		[ "$(jq -s 'map(.offset) | add' begin)" -ge 40000 ]
	done
	! grep 'cannot be deleted' err
}

@test "streams are joined with a table, and with a global one" {
	kq-topic create in -p 3
	kq-topic create users -p 3
	kq-topic create countries -p 2
	for i in 0 1 2 3 4; do printf 'k%d\t{"name":"n%d"}\n' $i $i; done | kq-produce -K '\t' users
	for i in 0 1 2 3 4; do printf 'k%d\t{"land":"l%d"}\n' $i $i; done | kq-produce -K '\t' countries
	orders 1 100 | kq-produce in
	stream -a j from in then by .k then join users then to out
	[ "$(all out | jq -r '.k + .name' | grep -c 'k\(.\)n\1')" -eq 100 ]
	stream -a g --threads 2 from in then join countries as global on .k then to out2
	[ "$(all out2 | jq -r '.k + .land' | grep -c 'k\(.\)l\1')" -eq 100 ]
}

@test "topics of unequal counts are merged, and not joined" {
	kq-topic create a -p 3
	kq-topic create b -p 2
	orders 1 50 | kq-produce a
	orders 51 100 | kq-produce b
	cat >merge.yaml <<-END
	streams:
	  x:
	    - from: a
	  y:
	    - from: b
	    - merge: x
	    - to: out
	END
	stream --threads 2 run merge.yaml
	orders 1 100 | sort >want
	all out | sort | cmp - want
	run -2 --separate-stderr kq-stream -a refused from a then join b then to out
	[[ $stderr == *"topic 'a' has 3 partitions and 'b' has 2"* ]]
}

@test "a record that an open transaction wrote to an internal topic is waited for" {
	local topic=w-KSTREAM-KEY-SELECT-0000000003-repartition until
	kq-topic create left -p 1
	kq-topic create right -p 1
	cat >app.yaml <<-END
	application: w
	streams:
	  l:
	    - from: left
	      time: .ts
	    - by: .k
	  r:
	    - from: right
	      time: .ts
	    - by: .k
	  joined:
	    - use: l
	    - join: r
	      within: 5s
	    - to: out
	END
	echo '{"k":"b","r":0,"ts":1700000000}' | kq-produce right
	echo '{"k":"b","l":0,"ts":1700000000}' | kq-produce left
	stream run app.yaml
	[ "$(all out)" = '{"k":"b","l":0,"ts":1700000000,"r":0}' ]
	# the right side is there before the left one, but cannot be read yet
	mkfifo more
	kq-produce --txn other -J $topic <more 3>&- &
	exec 4>more
	echo '{"key":"\"a\"","value":"{\"k\":\"a\",\"r\":1}","timestamp":1700000002000}' >&4
	until=$((SECONDS + kq_patience))
	until kq-consume --uncommitted -o beginning --end $topic | grep -q '"a"'; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	printf '{"k":"%s","l":1,"ts":%d}\n' a 1700000001 c 1700000100 | kq-produce left
	kq-stream run app.yaml 2>>err 3>&- 4>&- &
	job=$!
	sleep 2
	exec 4>&-
	until=$((SECONDS + kq_patience))
	until all out | grep '"a"'; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	kill "$job"
	wait "$job" || [ $? -eq 143 ]
}

@test "stdin's records are joined with global tables of topics, and with no others" {
	kq-topic create rows -p 3
	kq-topic create empty -p 1
	for i in 0 1 2 3 4; do printf 'k%d\t{"land":"l%d"}\n' $i $i; done | kq-produce -K '\t' rows
	printf 'k1\t{"land":"new"}\n' | kq-produce -K '\t' rows
	printf '%s\n' '{"k":"k1"}' '{"k":"k9"}' '{"k":"k4"}' >lines
	timeout "$kq_patience" kq-stream from - then join rows as global on .k then to - <lines >got
	[ "$(cat got)" = '{"k":"k1","land":"new"}
{"k":"k4","land":"l4"}' ]
	timeout "$kq_patience" kq-stream from - then join left rows as global on .k then join left empty as global on .k then by .land then agg n=count then to out <lines
	[ "$(all -K ' ' out)" = 'new {"n":1}
l4 {"n":1}' ]
	# what is in a table is known before the first line, and a bad row fails or is left out
	printf 'k2\t{\n' | kq-produce -K '\t' rows
	run -1 --separate-stderr timeout "$kq_patience" kq-stream from - then join rows as global on .k then to - <lines
	[[ $stderr == *"of 'rows': "* ]]
	timeout "$kq_patience" kq-stream -e skip from - then join rows as global on .k then to - <lines 2>err | cmp - got
	grep -q 'the row is left out' err
	run -75 --separate-stderr timeout "$kq_patience" kq-stream -b "unix:$PWD/nowhere" from - then join rows as global on .k then to - <lines
	[[ $stderr == *nowhere* ]]
	run -2 --separate-stderr kq-stream from - then by .k then join rows then to - <lines
	[[ $stderr == *"stdin cannot be read together with topics, except global tables (as global)"* ]]
}

@test "explain tells the counts of topics, and warns where those of a join are unequal" {
	kq-topic create a -p 3
	kq-topic create b -p 2
	kq-topic create c -p 3
	kq-stream -a x explain from a then join b then to out >plan
	grep -qx 'Not checked without --brokers: these are joined, and need equal numbers of partitions: a, b' plan
	kq-stream -a x explain -b "$KQ_BROKERS" from a then join b then to out >plan
	grep -qx '  a: 3 partitions' plan
	grep -q "^Warning: topic 'a' has 3 partitions and 'b' has 2, and they are joined: equal keys would not meet" plan
	kq-stream -a x explain -b "$KQ_BROKERS" from a then by .k then join b then to out >plan
	! grep Warning plan
	grep -qx '  x-.*-repartition: 2 partitions, to be created' plan
	kq-stream -a x explain -b "$KQ_BROKERS" from a then join c then to out >plan
	! grep -e Warning -e 'Not checked' plan
	kq-stream -a x explain -b "$KQ_BROKERS" from a then join none then to out >plan
	grep -qx '  none: does not exist' plan
	# the plan is drawn before the brokers are asked
	run -75 --separate-stderr kq-stream -a x explain -b "unix:$PWD/nowhere" from a then join b then to out
	[[ $output == *"to out"* ]]
	[[ $stderr == *"cannot connect"* ]]
}

@test "a source that has grown is refused where there is state, with the way out" {
	kq-topic create in -p 2
	orders 1 10 | sed 's/.*"k":"\([^"]*\)/\1\t&/' | kq-produce -K '\t' in
	stream -a grown from in then agg n=count then to out
	kq-topic alter in -p 3
	run -2 --separate-stderr kq-stream -a grown --until-end from in then agg n=count then to out
	[[ $stderr == *"has 2 partitions, and the topology needs 3"* ]]
	[[ $stderr == *"reset grown"* ]]
	kq-stream reset grown >plan
	grep -q 'would remove topic grown-KSTREAM-AGGREGATE-STATE-STORE-0000000001-changelog' plan
	kq-topic list | grep -q ^grown-
	kq-stream reset --execute grown >done
	grep -q 'removed topic grown-KSTREAM-AGGREGATE-STATE-STORE-0000000001-changelog' done
	! kq-topic list | grep -q ^grown-
	[ -z "$(ls state/grown)" ]
	stream -a grown from in then agg n=count then to out
	[ "$(all out | wc -l)" -eq 20 ]
}

@test "reset removes nothing outside of the folder of states" {
	mkdir -p elsewhere/1_0 state
	touch elsewhere/precious elsewhere/1_0/precious
	local id
	for id in ../elsewhere "$PWD/elsewhere" . .. ''; do
		run -2 --separate-stderr kq-stream reset --execute "$id"
		[[ $stderr == *"names no folder for its state"* ]]
	done
	[ -e elsewhere/precious ]
	[ -e elsewhere/1_0/precious ]
}

@test "a running application is not reset" {
	kq-topic create in -p 1
	kq-stream -a runs from in then by .k then agg n=count then to out 2>err &
	job=$!
	local until=$((SECONDS + kq_patience))
	until kq-group describe runs 2>/dev/null | grep -q 'members  *1'; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	run -1 --separate-stderr kq-stream reset --execute runs
	[[ $stderr == *"application 'runs' is running"* ]]
	[ -z "$output" ]
	kq-topic list | grep -q ^runs-
	kill -TERM $job
	wait $job || [ $? -eq 143 ]
}

@test "what an aborted transaction took is not counted" {
	kq-topic create in -p 1
	{ orders 1 9; echo 'no JSON'; } | kq-produce in
	run -1 --separate-stderr kq-stream --until-end -a bad from in then by .k then agg n=count then to out
	[[ $stderr != *' out'* ]]
	run -0 --separate-stderr kq-stream --until-end -e skip -a bad from in then to out
	[[ $stderr == *'10 records in, 9 out'* ]]
	run -75 --separate-stderr kq-stream -b 127.0.0.1:1 -a none from in then to out
	[[ $stderr != *' out'* ]] || { echo "$stderr"; false; }
}

@test "an application that is not known is not reset" {
	run -1 --separate-stderr kq-stream reset grwon
	[ -z "$output" ]
	[[ $stderr == *"nothing is known of an application 'grwon': there are no group, no internal topics and no folder"* ]]
	run -1 kq-stream reset --execute grwon
	[ ! -e state/grwon ]
}

@test "the same query asked again takes no record twice, and says how it does; another one begins" {
	kq-topic create in -p 1
	orders 1 10 | kq-produce in
	stream from in then filter '.v > 2' then to - >got
	[ "$(wc -l <got)" -gt 2 ]
	stream from in then filter '.v > 3' then to - >got2
	[ "$(wc -l <got2)" -gt 2 ]
	! grep 'takes no record twice' err
	stream from in then filter '.v > 2' then to - >got
	[ ! -s got ]
	grep -q "^application in-to-stdout-[0-9a-f]* takes no record twice: -a ID begins another one, and 'kq-stream reset in" err
}

@test "the right topic of a join gets times by an expression" {
	kq-topic create orders -p 1
	kq-topic create payments -p 1
	printf '%s\t{"id":%s,"ts":"2020-01-01T10:0%s:00Z"}\n' 1 1 1 2 2 2 | kq-produce -K '\t' orders
	printf '%s\t{"paid":%s,"at":"2020-01-01T10:0%s:00Z"}\n' 1 1 3 2 2 9 | kq-produce -K '\t' payments
	stream -a t from orders time .ts then join payments time .at within 5m with '[$left.id, $right.paid]' then to - >got
	[ "$(cat got)" = '[1,1]' ]
}

@test "the state of another cluster is refused" {
	kq-topic create in -p 1
	orders 1 10 | kq-produce in
	stream -a moved from in then by .k then agg n=count then to out
	end_broker
	start_broker
	kq-topic create in -p 1
	orders 1 10 | kq-produce in
	run -2 --separate-stderr kq-stream -a moved --until-end from in then by .k then agg n=count then to out
	[[ $stderr == *cluster* ]]
}

@test "records that cannot be read fail, are skipped, or go to the dead-letter topic" {
	kq-topic create in -p 1
	printf '%s\n' '{"v":1}' 'no JSON' '{"v":2}' | kq-produce in
	run -1 --separate-stderr kq-stream -a e1 --until-end from in then to out1
	[[ $stderr == *"offset 1 of partition 0 of 'in'"* ]]
	stream -a e2 --errors skip from in then to out2
	[ "$(all out2 | wc -l)" -eq 2 ]
	stream -a e3 --dead-letter dead from in then to out3
	[ "$(all out3 | wc -l)" -eq 2 ]
	[ "$(all dead)" = "no JSON" ]
	all -J dead | grep -q '__streams.errors.offset'
}

@test "stdin's records go to topics and to stdout, with keys and times" {
	orders 1 300 >lines
	kq-topic create big -p 3
	timeout "$kq_patience" kq-stream from - time .ts then by .k then agg n=count then emit end \
		then to big then to - <lines >printed
	kq-consume -o beginning --end -J big | jq -r '"\(.key) \(.value | fromjson | .n) \(.timestamp)"' | sort >got
	awk 'BEGIN { for (i = 0; i < 5; i++) printf "k%d 60 %.0f\n", i, (1700000000 + (i ? 295 + i : 300)) * 1000 }' >want
	diff want got
	jq -r '"\(.key) \(.n)"' printed | sort >got
	awk '{ print $1, $2 }' want | diff - got
}

@test "a result of stdin's records is in its topic before more input comes" {
	kq-topic create out
	mkfifo pipe
	timeout "$kq_patience" kq-stream from - then filter .a then to out <pipe &
	exec 9>pipe
	echo '{"a":1}' >&9
	[ "$(timeout "$kq_patience" kq-consume -o beginning -c 1 out)" = '{"a":1}' ]
	exec 9>&-
	wait $!
}

@test "a broker that cannot be reached ends a run of stdin before its first line" {
	echo '{}' >line
	run -75 --separate-stderr timeout "$kq_patience" kq-stream -b "unix:$PWD/nowhere" from - then to out <line
	[[ $stderr == *nowhere* ]]
}

@test "reset leaves the topics of an application with a longer ID" {
	kq-topic create in
	orders 1 20 | kq-produce in
	stream -a orders from in then by .k then agg n=count then to a
	stream -a orders-eu from in then by .k then agg n=count then to b
	kq-topic list >before
	kq-stream reset --execute orders
	kq-topic list >after
	[ "$(grep -c '^orders-eu-' after)" -eq "$(grep -c '^orders-eu-' before)" ]
	[ "$(grep -c '^orders-KSTREAM-' after)" -eq 0 ]
}

@test "other keys under the same ID are refused" {
	kq-topic create in
	orders 1 20 | kq-produce in
	stream -a keys from in then by .k then agg n=count then to out
	orders 21 30 | kq-produce in
	run -2 timeout "$kq_patience" kq-stream --until-end -a keys from in then by .v then agg n=count then to out
	[[ $output == *"kq-stream reset keys"* ]]
	stream -a keys from in then by .k then agg n=count then to out
	[ "$(all -K ' ' out | awk '$1 == "k1"' | tail -1)" = 'k1 {"n":6}' ]
}

@test "a step with a name keeps its state when a step without state is added" {
	kq-topic create in -p 1
	orders 1 10 | kq-produce in
	stream -a named from in then by .k then agg n=count name counts then to out
	orders 11 20 | kq-produce in
	stream -a named from in then filter '.id > 0' then by .k then agg n=count name counts then to out
	[ "$(all -K ' ' out | awk '$1 == "k1"' | tail -1)" = 'k1 {"n":4}' ]
}

@test "other steps under the ID of an application that runs are refused before they write" {
	kq-topic create in -p 1
	kq-topic create other -p 1
	kq-topic create third -p 1
	orders 1 20 | kq-produce in
	orders 1 500 | kq-produce other
	kq-stream -a runs from in then by .k then agg n=count then to out 2>>err 3>&- &
	job=$!
	local until=$((SECONDS + kq_patience)) repartition=runs-KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition
	until kq-group describe runs | grep -q '^lag  *0$' && [ "$(all out 2>/dev/null | wc -l)" -eq 20 ]; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.1
	done
	kq-topic list >before
	# steps with an internal topic of the same name, and of another one; state without one
	local steps
	for steps in 'by .id then agg n=count' 'filter .v then by .id then agg n=count' 'agg n=count'; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr timeout "$kq_patience" kq-stream -a runs --until-end --state-dir state2 \
			from other then $steps then to out2
		[[ $stderr == *"the state of application 'runs' is that of another topology"*"agg n=count name counts"* ]]
	done
	kq-topic list | cmp - before
	[ "$(kq-topic offsets --json --at end $repartition | jq .offset)" -lt 100 ]
	orders 21 30 | kq-produce in
	until=$((SECONDS + kq_patience))
	until [ "$(all out | wc -l)" -eq 30 ]; do [ "$SECONDS" -lt "$until" ]; sleep 0.1; done
	kill "$job"
	wait "$job" || [ $? -eq 143 ]
	# the same steps go on, and without state another topic may be read
	stream -a runs from in then by .k then agg n=count then to out
	[ "$(all out | wc -l)" -eq 30 ]
	stream -a runs from third then to out2
}

@test "the end of the reader of stdout is the end of the application, and no failure" {
	kq-topic create in -p 2
	orders 1 5000 | kq-produce in
	set -o pipefail
	local option
	for option in '--guarantee exactly-once' '--guarantee at-least-once' '--threads 2'; do
		# shellcheck disable=SC2086
		timeout "$kq_patience" kq-stream -a "many${option##*[- ]}" $option from in then to - 2>err |
			head -n 1 >got || { cat err; return 1; } # while there is more to write
		[ "$(wc -l <got)" -eq 1 ]
		! grep -i 'pipe' err
		! grep '^0 records in' err
		grep -qx 'the reader of stdout is gone: records that are not committed come again with the next start' err
	done
	# also under an ID that was not given: nothing was taken for good
	timeout "$kq_patience" kq-stream from in then to - 2>err | head -n 1 >got || { cat err; return 1; }
	grep -q 'the reader of stdout is gone' err
	! grep 'takes no record twice' err
	# shellcheck disable=SC2094
	timeout "$kq_patience" kq-stream -a few from in then filter '.id == 7' then to - 2>err |
		head -n 1 >got || { cat err; return 1; } # after all was written
	[ "$(wc -l <got)" -eq 1 ]
	! grep -i 'pipe' err
	# the records that nobody read are there for the next start
	stream -a "manyonce" from in then to - >got
	[ "$(wc -l <got)" -gt 0 ]
}

@test "partitions that are read from the beginning are taken in order of time before a repartition" {
	kq-topic create in -p 4
	seq 40000 | awk '{ printf "%d\t{\"k\":\"k%d\",\"ts\":%d}\n", $1 % 16, $1 % 7, 1700000000 + $1 }' |
		kq-produce -K '\t' in
	[ "$(kq-topic offsets --json --at end in | jq -s 'map(select(.offset > 2000)) | length')" -ge 3 ]
	stream -a order from in time .ts then by .k then window tumbling 1m then agg n=count \
		then emit final then to out
	! grep -i late err
	[ "$(all out | jq -s 'map(.n) | add')" -eq 40000 ]
	# also by several threads
	stream -a threads --threads 3 from in time .ts then by .k then window tumbling 1m \
		then agg n=count then emit final then to out3
	! grep -i late err
	[ "$(all out3 | jq -s 'map(.n) | add')" -eq 40000 ]
}

@test "a join waits for what still goes through a repartition topic, at the end of the input" {
	kq-topic create orders -p 2
	kq-topic create paid -p 2
	seq 5000 | awk '{ printf "{\"id\":\"n%d\",\"ts\":%d}\n", $1, 1700000000 + $1 }' | kq-produce orders
	seq 5000 | awk '$1 % 4 { printf "n%d\t{\"paid\":1,\"ts\":%d}\n", $1, 1700000010 + $1 }' |
		kq-produce -K '\t' paid
	local n
	for n in 1 2; do
		stream -a "join$n" --threads "$n" from orders time .ts then by .id key text \
			then join left paid time .ts within 1m grace 10s with '[$right.paid]' then to "out$n"
		! grep -i late err
		[ "$(all "out$n" | sort | uniq -c | tr -s ' ' | tr '\n' ,)" = ' 3750 [1], 1250 [null],' ]
	done
}
