#!/usr/bin/env bats
# kq-stream when a topic that it reads is deleted, created again, or gets more partitions:
# while it runs, and between two runs.
load ../lib/kq
bats_require_minimum_version 1.5.0

setup() {
	start_broker -o group.consumer.session.timeout.ms=2000 \
		-o group.consumer.heartbeat.interval.ms=300
	cd "$BATS_TEST_TMPDIR"
	export KQ_STREAM_STATE=$PWD/state
	job=
}

teardown() {
	[ "${BATS_TEST_COMPLETED-}" = 1 ] || head -v -n 20 err 2>/dev/null || :
	[ -z "$job" ] || kill -KILL "$job" 2>/dev/null || :
	end_broker
}

# stream ARG...  Run to the end of the input.
stream() {
	timeout "$((kq_patience * 2))" kq-stream --until-end "$@" 2>err || { cat err; return 1; }
}

# begin ARG...  Start a process.
begin() {
	kq-stream "$@" 2>err 3>&- &
	job=$!
}

# ends CODE TEXT  The process ends with the code, and says this.
ends() {
	local code=0
	timeout "$kq_patience" tail --pid="$job" -f /dev/null
	wait "$job" || code=$?
	job=
	[ "$code" -eq "$1" ] || { echo "code $code"; return 1; }
	[ "$(grep -c '^kq-stream: ' err)" -eq 1 ]
	grep -qF -- "$2" err
}

stop() {
	kill -TERM "$job"
	wait "$job" || [ $? -eq 143 ]
	job=
}

# results TOPIC N  Wait until so many results are there.
results() {
	local until=$((SECONDS + kq_patience))
	until [ "$(kq-consume -o beginning --end "$1" 2>/dev/null | wc -l)" -eq "$2" ]; do
		[ "$SECONDS" -lt "$until" ]
		sleep 0.1
	done
}

feed() { # TOPIC N [ARG...]: as text keys and as members
	local topic=$1
	seq "$2" | awk '{ print "k" $1 % 5 "\t{\"k\":\"k" $1 % 5 "\"}" }' | kq-produce -K '\t' "${@:3}" "$topic"
}

count=(then by .k then agg n=count then to)

# ---- deleted ----

@test "a source that is deleted ends the application, with a word" {
	local protocol
	for protocol in classic consumer; do
		kq-topic create in-$protocol -p 2
		kq-topic create out-$protocol -p 1
		begin -a d-$protocol --protocol $protocol from in-$protocol then to out-$protocol
		feed in-$protocol 10
		results out-$protocol 10
		kq-topic delete --yes in-$protocol
		ends 75 "topic 'in-$protocol' was deleted, and application 'd-$protocol' cannot read it any more"
	done
	# and a table that all tasks look into
	kq-topic create in -p 2
	kq-topic create out -p 1
	kq-topic create rows -p 1
	feed rows 5
	begin -a g from in then join rows as global on .k then to out
	feed in 10
	results out 10
	kq-topic delete --yes rows
	ends 75 "topic 'rows' was deleted, and application 'g' cannot read it any more"
}

@test "a source that is created again while it is read ends the application" {
	local protocol
	for protocol in classic consumer; do
		kq-topic create in-$protocol -p 2
		kq-topic create out-$protocol -p 1
		begin -a c-$protocol --protocol $protocol from in-$protocol "${count[@]}" out-$protocol
		feed in-$protocol 10
		results out-$protocol 10
		kq-topic delete --yes in-$protocol
		kq-topic create in-$protocol -p 2
		ends 2 "topic 'in-$protocol' was deleted and created again: the state of application 'c-$protocol' is that of the old one; 'kq-stream reset c-$protocol' begins again"
	done
	# without state, there is nothing that does not fit
	kq-topic create in -p 2
	kq-topic create out -p 1
	begin -a s from in then to out
	feed in 10
	results out 10
	kq-topic delete --yes in
	kq-topic create in -p 2
	ends 75 "topic 'in' was deleted and created again; start the application again"
	feed in 7
	stream -a s from in then to out
	results out 17
}

@test "a source that was created again between two runs: no old offsets, no old state" {
	local direct=(then agg n=count then to)
	kq-topic create in -p 2
	feed in 50
	stream -a plain from in then to out1
	stream -a repartitioned from in "${count[@]}" out2
	stream -a direct from in "${direct[@]}" out3
	kq-topic delete --yes in
	kq-topic create in -p 2
	feed in 20
	stream -a plain from in then to out1
	results out1 70
	for again in 1 2; do
		run -2 --separate-stderr timeout "$kq_patience" kq-stream --until-end -a repartitioned from in "${count[@]}" out2
		[[ $stderr == *"topic 'in' was deleted and created again: the state of application 'repartitioned' is that of the old one; 'kq-stream reset repartitioned' begins again"* ]]
		run -2 --separate-stderr timeout "$kq_patience" kq-stream --until-end -a direct from in "${direct[@]}" out3
		[[ $stderr == *"has state, but the group has no offsets of partition "*" of 'in': the topic was deleted and created again, it is not the one that the application read before, or the offsets have expired; 'kq-stream reset direct' begins again"* ]]
		rm -r state # from the changelogs
	done
	kq-stream reset --execute repartitioned
	kq-stream reset --execute direct
	stream -a repartitioned from in "${count[@]}" out2
	stream -a direct from in "${direct[@]}" out3
	results out2 70
	results out3 70
	[ "$(kq-consume -o -1 --end out2 | jq .n | sort -n | tail -n 1)" -eq 4 ]
}

# ---- grown ----

@test "a source gets more partitions while it is read" {
	kq-topic create in -p 2
	kq-topic create out -p 1
	kq-topic create counts -p 1
	begin -a plain from in then to out
	local plain=$job
	feed in 10
	results out 10
	kq-topic alter in -p 4
	feed in 20 -p 3
	results out 30
	job=$plain
	stop
	! grep -q '^kq-stream: ' err
	# keys go through a repartition topic, which keeps its count
	begin -a through from in "${count[@]}" counts
	results counts 30
	kq-topic alter in -p 5
	feed in 20 -p 4
	results counts 50
	stop
	! grep -q '^kq-stream: ' err
	kq-consume -o beginning --end counts | jq .n | sort -n | uniq -c | awk '$1 != 5 { exit 1 }'
	kq-topic describe through-KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition | grep -q '^partitions  *4$'
	# the state of a key would be in another partition than its records
	kq-topic create counts2 -p 1
	begin -a direct from in then agg n=count then to counts2
	results counts2 50
	kq-topic alter in -p 6
	ends 2 "topic 'in' has 6 partitions now, and had 5: keys with state are in other partitions now"
	grep -q "'kq-stream reset direct' begins again" err
	run -2 --separate-stderr timeout "$kq_patience" kq-stream --until-end -a direct from in then agg n=count then to counts2
	[[ $stderr == *"changelog' has 5 partitions, and the topology needs 6"*"reset direct"* ]]
}

@test "a source of a join gets more partitions: equal keys would not meet" {
	kq-topic create in -p 2
	kq-topic create users -p 2
	kq-topic create out -p 1
	feed users 5
	begin -a join from in then join users then to out
	feed in 10
	results out 10
	kq-topic alter in -p 3
	ends 2 "topic 'in' has 3 partitions now, and had 2: topic 'in' has 3 partitions and 'users' has 2, and they are joined"
}

@test "a global table gets more partitions" {
	kq-topic create in -p 1
	kq-topic create rows -p 1
	feed rows 3
	kq-topic create out -p 1
	feed in 5
	stream -a g from in then join rows as global on .k then to out
	results out 3
	kq-topic alter rows -p 2
	feed rows 10 -p 1
	feed in 5
	stream -a g from in then join rows as global on .k then to out
	results out 8
}

@test "a source that has grown between two runs" {
	kq-topic create in -p 2
	feed in 50
	stream -a through from in "${count[@]}" out1
	stream -a direct from in then agg n=count then to out2
	kq-topic alter in -p 3
	feed in 20 -p 2
	stream -a through from in "${count[@]}" out1
	results out1 70
	run -2 --separate-stderr timeout "$kq_patience" kq-stream --until-end -a direct from in then agg n=count then to out2
	[[ $stderr == *"has 2 partitions, and the topology needs 3"*"reset direct"* ]]
}
