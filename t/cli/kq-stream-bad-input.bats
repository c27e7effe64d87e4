#!/usr/bin/env bats
# kq-stream on topics: records that cannot be processed, and what breaks around it.
load ../lib/kq
bats_require_minimum_version 1.5.0

setup() {
	start_broker -o group.consumer.session.timeout.ms=2000 \
		-o group.consumer.heartbeat.interval.ms=300 -o message.max.bytes=200000
	cd "$BATS_TEST_TMPDIR"
	export KQ_STREAM_STATE=$PWD/state
}

teardown() {
	! mountpoint -q small || umount -l small
	end_broker
}

# stream ARG...  Run to the end of the input; stderr is in the file err.
stream() {
	timeout "$((kq_patience * 2))" kq-stream --until-end "$@" 2>err || { cat err; return 1; }
}

# fails CODE ARG...  The same, ending with the code.
fails() {
	local want=$1 code=0
	shift
	timeout "$((kq_patience * 2))" kq-stream --until-end "$@" 2>err || code=$?
	[ "$code" -eq "$want" ] || { echo "code $code"; cat err; return 1; }
}

# told TEXT  It is in the file err.
told() {
	grep -qF -- "$1" err || { cat err; return 1; }
}

all() {
	kq-consume -o beginning --end "$@"
}

# ---- records ----

@test "a value of the wrong type, or that lacks a member, fails, is skipped, or is a dead letter" {
	kq-topic create in -p 1
	printf '%s\n' '{"v":1}' '{"v":"x"}' '{}' '{"v":2}' '[]' | kq-produce in
	local app=(from in then filter '.v + 1 > 0' then to)
	fails 1 -a fail "${app[@]}" out1
	told "task 0_0, offset 1 of partition 0 of 'in': filter: string (\"x\") and number (1) cannot be added"
	stream -a skip --errors skip "${app[@]}" out2
	told "offset 1 of partition 0 of 'in' is left out: filter: string (\"x\")"
	told '2 records could not be processed'
	[ "$(all out2 | wc -l)" -eq 3 ] # null + 1 is a number
	stream -a dead --dead-letter dead "${app[@]}" out3
	[ "$(all out3 | wc -l)" -eq 3 ]
	[ "$(all dead)" = '{"v":"x"}
[]' ]
}

@test "a dead letter is the record as it came, with the reason, in the partition of its key" {
	kq-topic create in -p 3
	kq-topic create dead -p 4
	kq-topic create same -p 4
	for i in 1 2 3 4 5 6 7 8; do printf 'key %d\tno JSON %d\n' $i $i; done >lines
	kq-produce -K '\t' -H 'trace=t1' in <lines
	kq-produce -K '\t' same <lines
	echo '{' | kq-produce in
	stream -a d --dead-letter dead from in then to out
	[ "$(all out | wc -l)" -eq 0 ]
	letters() { # TOPIC
		all -J "$1" | jq -c '[.key, .value, .partition]' | sort
	}
	letters dead | grep -v '^.null' | cmp - <(letters same)
	letters dead | grep -q '^\[null,"{",'
	all -J in | jq -c '[.key, .timestamp, .partition, .offset]' | sort >want
	all -J dead | jq -c '(.headers | map({(.name): .value}) | add) as $h | [.key, .timestamp,
		($h["__streams.errors.partition"], $h["__streams.errors.offset"] | tonumber)]' | sort >got
	cmp got want
	all -J dead | jq -c 'select(.key == "key 3") | [.headers[] | [.name, .value]]' >got
	jq -e '.[0] == ["trace", "t1"] and (map(.[0]) == ["trace", "__streams.errors.exception",
		"__streams.errors.message", "__streams.errors.stacktrace", "__streams.errors.topic",
		"__streams.errors.partition", "__streams.errors.offset"])
		and .[4] == ["__streams.errors.topic", "in"]
		and (.[2][1] | startswith("not one JSON text"))' got
}

@test "records without a key, where one is needed, are counted" {
	kq-topic create in -p 1
	printf '\ta\nk\tb\n' | kq-produce -K '\t' in
	echo c | kq-produce in
	stream -a n from in format text then agg n=count then to out
	told '1 record without a key, or value, where one is needed, dropped'
	[ "$(all -K '|' out)" = '|{"n":1}
k|{"n":1}' ]
}

@test "keys of other bytes than their format are refused, with the format that takes them" {
	kq-topic create in -p 1
	printf '\377\376\tx\n' | kq-produce -K '\t' in
	fails 1 -a k1 from in format text then map '$key' then to out
	told "offset 0 of partition 0 of 'in': the key is not UTF-8; read it as bytes: key bytes"
	fails 1 -a k2 from in key json format text then map '$key' then to out
	told 'the key: not one JSON text'
	stream -a k3 from in key bytes format text then map '$key' then to out
	[ "$(all out)" = '{"b64":"//4="}' ]
}

@test "a result larger than the topic takes fails, is skipped, or is a dead letter" {
	kq-topic create in -p 1
	printf '{"n":100}\n{"n":300000}\n{"n":7}\n' | kq-produce in
	local app=(from in then map '"x" * .n' then to)
	fails 1 -a big1 "${app[@]}" out1
	told "offset 1 of partition 0 of 'in': topic 'out1': record 2, of 300002 bytes, is larger than the"
	[ "$(all out1 | wc -l)" -eq 0 ]
	stream -a big2 --errors skip "${app[@]}" out2
	told '1 record could not be processed'
	[ "$(all out2 | wc -c)" -eq 113 ]
	stream -a big3 --dead-letter dead "${app[@]}" out3
	[ "$(all out3 | wc -c)" -eq 113 ]
	[ "$(all dead)" = '{"n":300000}' ]
}

@test "records that are hours out of order go where their time belongs, or are late" {
	kq-topic create in -p 1
	for t in 36000 0 35999 7200 40000 28800; do echo "{\"k\":1,\"ts\":$t}"; done | kq-produce in
	local app=(from in time .ts then by .k then window tumbling 1h)
	stream -a o1 "${app[@]}" grace 2h then agg n=count then late to late then emit final then to out1
	told "3 records came too late, sent on by 'late'"
	all late | jq -c .ts | sort | tr '\n' ' ' | grep -qx '0 28800 7200 '
	[ "$(all -K ' ' out1 | jq -c 'if .n then .n else .start end' | tr '\n' ' ')" = \
		'32400000 1 36000000 1 39600000 1 ' ]
	stream -a o2 "${app[@]}" grace 1d then agg n=count then emit final then to out2
	[ "$(all out2 | wc -l)" -eq 6 ]
	stream -a o3 "${app[@]}" then agg n=count then to out3
	told '4 records came too late, dropped'
	told "'grace' lets windows wait for late records, --idle waits for partitions that get theirs later"
}

@test "a time far ahead of the clock is processed; a topic that does not take it refuses the record" {
	kq-topic create in -p 1
	kq-topic create any -c message.timestamp.after.max.ms=9223372036854775807
	for t in 1 4000000000 2; do echo "{\"k\":1,\"ts\":$t}"; done | kq-produce in
	# through a repartition topic and a changelog
	stream -a any from in time .ts then by .k then agg n=count then to any
	[ "$(all -K ' ' any | tail -n 1)" = '1 {"n":3}' ]
	fails 1 -a bad from in time .ts then map .ts then to out
	told "offset 1 of partition 0 of 'in': topic 'out': the record's time, 4000000000000 ms, is ahead"
	stream -a bad --errors skip from in time .ts then map .ts then to out
	[ "$(all out | tr '\n' ' ')" = '1 2 ' ]
	all in | fails 1 from - time .ts then map .ts then to out2
	told "message.timestamp.after.max.ms"
}

@test "an expression that never ends is bounded, and its record refused" {
	kq-topic create in -p 1
	printf '1\n2\n3\n' | kq-produce in
	stream -a e --errors skip from in then map 'if . == 2 then def f: f; f else . end' then to out
	told 'runs longer than 1000 ms'
	[ "$(all out)" = '1
3' ]
	fails 1 -a deep from in then map 'reduce range(1e6) as $i (0; [.]) | 1' then to out
	told 'makes a value that is nested too deeply, and cannot be stopped'
	# it is freed after the run, by another thread
	fails 1 -a late from in then map 'reduce range(3e5) as $i (0; [.]) | def f: f; f' then to out
	told 'makes a value that is nested too deeply, and cannot be stopped'
}

@test "a bad row of a global table is left out, or fails" {
	kq-topic create in -p 1
	kq-topic create rows -p 2
	printf 'a\t{"x":1}\nb\t{\n' | kq-produce -K '\t' rows
	printf '{"r":"a"}\n{"r":"b"}\n' | kq-produce in
	fails 1 -a g1 from in then join rows as global on .r then to out1
	told "partition"
	stream -a g2 --dead-letter dead from in then join rows as global on .r then to out2
	told 'is left out: not one JSON text'
	[ "$(all out2)" = '{"r":"a","x":1}' ]
}

@test "a record that an aggregate refuses is one dead letter, however many windows it is in" {
	kq-topic create in -p 1
	printf '{"k":"a","ts":60,"v":1}\n{"k":"a","ts":61,"v":"x"}\n' | kq-produce in
	local aggs=("t=sum(.v)" "t=sum(.v) f=first(.v)") n=0 agg
	for agg in "${aggs[@]}"; do
		n=$((n + 1))
		set -f
		stream -a "w$n" --dead-letter "dead$n" from in time .ts then by .k then window hopping 1m every 20s then agg $agg then to "out$n"
		set +f
		[ "$(all "dead$n")" = '{"k":"a","ts":61,"v":"x"}' ]
		[ "$(all "out$n" | wc -l)" -eq 3 ]
	done
}

# ---- state ----

numbers() { # N
	seq "$1" | awk '{ print "{\"k\":" $1 % 5 ",\"v\":1}" }'
}

@test "local state that is damaged is rebuilt from the changelog, said once" {
	kq-topic create in -p 1
	local app=(-a c from in then by .k then agg n=count then to out)
	for damage in 'truncate -s 5000' 'dd if=/dev/urandom bs=1k count=100 conv=notrunc status=none of='; do
		numbers 100 | kq-produce in
		stream "${app[@]}"
		[ -s state/c/1_0/state.mdb ]
		if [[ $damage == *= ]]; then $damage"state/c/1_0/state.mdb"; else $damage state/c/1_0/state.mdb; fi
		numbers 5 | kq-produce in
		stream "${app[@]}"
		[ "$(grep -c "stored state in '.*/state/c/1_0' cannot be used (.*): it is rebuilt" err)" -eq 1 ]
		numbers 5 | kq-produce in
		stream "${app[@]}"
		! grep -q rebuilt err
	done
	[ "$(all out | tail -n 1)" = '{"n":44}' ]
}

@test "a changelog that something else wrote is refused, with the way out" {
	kq-topic create in -p 1
	local app=(-a c from in then by .k then agg n=count then to out)
	numbers 10 | kq-produce in
	stream "${app[@]}"
	printf '3\tgarbage\n' | kq-produce -K '\t' c-KSTREAM-AGGREGATE-STATE-STORE-0000000002-changelog
	rm -r state
	fails 1 "${app[@]}"
	told "of 'c-KSTREAM-AGGREGATE-STATE-STORE-0000000002-changelog': the changelog entry is not of these"
	told "'kq-stream reset c' begins again, or give the application another ID"
}

@test "an incompatible topology is refused, with and without local state, and another expression not" {
	kq-topic create in -p 1
	numbers 10 | kq-produce in
	stream -a c from in then by .k then agg n='sum(.v)' then to out
	local i changed=(
		"by .k then agg n=count then to out"
		"by .k then agg n=sum(.v) m=count then to out"
		"by .k then window tumbling 1m then agg n=sum(.v) then to out"
		"filter .v then by .k then agg n=sum(.v) then to out"
		"table then to out"
		"to out"
	)
	numbers 10 | kq-produce in
	for again in 1 2; do
		for i in "${changed[@]}"; do
			set -f
			fails 2 -a c from in then $i
			set +f
			told "reset"
		done
		rm -rf state
	done
	told "'kq-stream reset c' begins again, or give the changed application another ID"
	stream -a c from in then by .k then agg n='sum(.v + 1)' then to out
	[ "$(all out | tail -n 1)" = '{"n":6}' ]
}

@test "a full disk under the state: a checkpoint fails and the run goes on, a spill ends it" {
	mkdir small
	mount -t tmpfs -o size=700k tmpfs small 2>/dev/null || skip "no right to mount"
	kq-topic create in -p 1
	seq 60000 | awk '{ print "{\"k\":" $1 "}" }' | kq-produce in
	local app=(--state-dir small from in then by .k then agg n=count then to)
	local code=0
	timeout "$((kq_patience * 2))" kq-stream --until-end -a a "${app[@]}" out1 2>err || code=$?
	rm -r small/*
	timeout "$((kq_patience * 2))" kq-stream --until-end -m 1MiB -a b "${app[@]}" out2 2>err2 || code=$code,$?
	umount small
	told "cannot write 'small/a/1_0/state.mdb'"
	told 'the next start restores more from the changelog'
	[ "$(all out1 | wc -l)" -eq 60000 ]
	[ "$code" = 0,1 ] || { echo "$code"; cat err2; return 1; }
	grep -Eq 'small/b/1_0.*(the disk is full|No space left)' err2
	# the rest is done once there is room
	stream -a b --state-dir large from in then by .k then agg n=count then to out2
	all out2 | sort | uniq -c >got
	grep -qx ' *60000 {"n":1}' got
	[ "$(wc -l <got)" -eq 1 ]
}
