# kq-topic against kq-broker: what each verb does and prints, and its exit code.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup() {
	start_broker
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	end_broker
}

# fails CODE PATTERN COMMAND...: it exits with this code, and stderr matches.
fails() {
	local code=$1 pattern=$2
	shift 2
	run --separate-stderr "$@"
	echo "$* -> $status: $stderr"
	[ "$status" -eq "$code" ]
	[[ $stderr == $pattern ]]
}

# The value after a label of describe.
described() {
	kq-topic describe "$1" | awk -v label="$2" '$1 == label { print $2 }'
}

@test "create, list, describe, delete" {
	run --separate-stderr kq-topic create b a
	[ "$status" -eq 0 ] && [ -z "$output" ] && [ -z "$stderr" ]
	[ "$(kq-topic list)" = $'a\nb' ]
	[ "$(described a partitions)" = 1 ]
	kq-topic delete --yes a
	[ "$(kq-topic list)" = b ]
	kq-topic delete --yes b
	[ -z "$(kq-topic list)" ]
	[ -z "$(kq-topic describe)" ]
}

@test "create takes partitions, replicas and settings" {
	kq-topic create t -p 3 -r 1 -c segment.ms=3600000 -c max.message.bytes=9999
	kq-topic describe t >out
	cat out
	grep -qx 'partitions  3' out
	grep -qx 'replicas    1' out
	grep -qx 'durability  disk' out
	[ "$(grep ^config out)" = $'config      max.message.bytes=9999\nconfig      segment.ms=3600000' ]
	fails 1 "*INVALID_REPLICATION_FACTOR*" kq-topic create two -r 2
	fails 1 "*'nope'*INVALID_CONFIG*" kq-topic create bad -c nope=1
	[ "$(kq-topic list)" = t ]
}

@test "a topic that is there fails, and not with --if-not-exists" {
	kq-topic create t
	fails 1 "kq-topic: *'t'*TOPIC_ALREADY_EXISTS*" kq-topic create t
	kq-topic create --if-not-exists t u
	[ "$(kq-topic list)" = $'t\nu' ]
}

@test "the rest is done after a failure" {
	fails 1 "*'bad name'*INVALID_TOPIC*" kq-topic create a 'bad name' b
	[ "$(kq-topic list)" = $'a\nb' ]
	fails 1 "kq-topic: topic 'nope' does not exist" kq-topic describe a nope b
	[ "$(grep -c '^topic ' <<<"$output")" -eq 2 ]
	fails 1 "kq-topic: topic 'nope' does not exist" kq-topic du a nope b
	[ "${#lines[@]}" -eq 2 ]
	fails 1 "kq-topic: topic 'nope' does not exist" kq-topic delete --yes a nope b
	[ -z "$(kq-topic list)" ]
}

@test "a thousand topics and more at once" {
	seq -f 't%04g' 1500 >want
	xargs kq-topic create <want
	kq-topic list | cmp - want
	kq-topic describe --json | grep -o '"topic":"[^"]*"' | cut -d '"' -f 4 | cmp - want
	xargs kq-topic delete --yes <want
	[ -z "$(kq-topic list)" ]
}

@test "describe shows partitions, offsets and sizes as they are" {
	kq-topic create -p 3 t
	seq 100 | kq-produce -p 1 t
	seq 7 | kq-produce -p 2 t
	kq-topic describe t | awk '$1 ~ /^[0-9]+$/' >out
	cat out
	local size1 size2
	size1=$(stat -c %s "$broker_data"/t-1/*.log) size2=$(stat -c %s "$broker_data"/t-2/*.log)
	[ "$(awk '{ print $1, $2, $3, $4, $5, $6, $7 }' out)" = "0 1 1 1 0 0 0
1 1 1 1 0 100 $size1
2 1 1 1 0 7 $size2" ]
	[ "$(kq-topic du t)" = "$((size1 + size2))"$'\tt' ]
}

@test "describe --json says the same" {
	skip_without python3
	kq-topic create -p 2 t -c segment.ms=1000
	seq 10 | kq-produce -p 1 t
	kq-topic describe --json t >out
	cat out
	[ "$(wc -l <out)" -eq 1 ]
	python3 - <out <(kq-topic du t) <<-'END' 3<out
		import json, os
		t = json.load(os.fdopen(3))
		assert t["topic"] == "t" and len(t["id"]) == 22 and t["replicas"] == 1 and not t["internal"], t
		assert t["durability"] == "disk", t
		assert t["configs"] == {"segment.ms": {"value": "1000", "source": "topic"}}, t
		p = t["partitions"][1]
		assert (p["partition"], p["leader"], p["replicas"], p["isr"], p["offline"]) == (1, 1, [1], [1], []), p
		assert (p["start"], p["end"]) == (0, 10) and p["bytes"] == t["bytes"] > 0, p
		assert t["partitions"][0]["end"] == 0 and t["partitions"][0]["bytes"] == 0, t
	END
}

@test "describe tells the broker's settings from the topic's" {
	end_broker
	start_broker -o log.roll.ms=5000 -o durability=os
	kq-topic create t -c segment.bytes=1048576
	kq-topic describe t >out
	cat out
	grep -qx 'durability  os' out
	grep -qx 'config      segment.ms=5000  (from the broker)' out
	grep -qx 'config      segment.bytes=1048576' out
}

@test "what has no effect yet is said at create, alter and describe" {
	run --separate-stderr kq-topic create t -c flush.ms=1000 -c segment.ms=1000 -c preallocate=true
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$stderr" = 'kq-topic: the broker stores flush.ms, preallocate but does not act on them yet' ]
	run --separate-stderr kq-topic alter t -d flush.ms -c flush.messages=5
	[ "$stderr" = 'kq-topic: the broker stores flush.messages but does not act on it yet' ]
	run --separate-stderr kq-topic alter t -c segment.ms=2000
	[ -z "$stderr" ]
	[ "$(kq-topic describe t | grep ^config)" = \
'config      flush.messages=5  (without effect yet)
config      preallocate=true  (without effect yet)
config      segment.ms=2000' ]
	kq-topic describe --json t | grep -F '"preallocate":{"value":"true","source":"topic","has_effect":false}'
	kq-topic describe --json t | grep -F '"segment.ms":{"value":"2000","source":"topic"}'
}

@test "times and sizes of settings take units" {
	kq-topic create t -c segment.ms=7d -c segment.bytes=2M
	kq-topic alter t -c max.message.bytes=1.5M
	[ "$(described t config)" = $'max.message.bytes=1572864\nsegment.bytes=2097152\nsegment.ms=604800000' ]
	fails 1 "*INVALID_CONFIG*" kq-topic alter t -c flush.messages=1k
	fails 1 "*INVALID_CONFIG*" kq-topic alter t -c segment.ms=1G
}

@test "alter grows, sets and takes back" {
	kq-topic create t -p 2 -c retention.ms=1000 -c segment.ms=5000
	kq-topic alter t -p 5 -c cleanup.policy=compact -d retention.ms
	[ "$(described t partitions)" = 5 ]
	[ "$(described t config)" = $'cleanup.policy=compact\nsegment.ms=5000' ]
	fails 1 "*INVALID_PARTITIONS*" kq-topic alter t -p 3
	fails 1 "*INVALID_CONFIG*" kq-topic alter t -c retention.ms=soon
	fails 1 "*INVALID_CONFIG*" kq-topic alter t -c nope=1 -p 9
	[ "$(described t partitions)" = 5 ]
	fails 75 "kq-topic: topic 'nope' does not exist" kq-topic alter nope -p 9
	fails 75 "kq-topic: topic 'nope' does not exist" kq-topic alter nope -c retention.ms=1
	fails 2 "kq-topic: nothing to alter*" kq-topic alter t
}

@test "offsets at the ends and at a time" {
	kq-topic create -p 2 t
	seq 5 | kq-produce -p 0 t
	sleep 0.02
	local between
	between=$(date +%s%3N)
	sleep 0.02
	seq 3 | kq-produce -p 0 t
	[ "$(kq-topic offsets t)" = $'t\t0\t0\t8\nt\t1\t0\t0' ]
	[ "$(kq-topic offsets t --at earliest)" = $'t\t0\t0\nt\t1\t0' ]
	[ "$(kq-topic offsets t --at latest)" = $'t\t0\t8\nt\t1\t0' ]
	[ "$(kq-topic offsets t --at "$between")" = $'t\t0\t5\nt\t1\t-' ]
	[ "$(kq-topic offsets t --at=-1h --json)" = '{"topic":"t","partition":0,"offset":0}
{"topic":"t","partition":1,"offset":null}' ]
	[ "$(kq-topic offsets t --json | head -n 1)" = '{"topic":"t","partition":0,"start":0,"end":8}' ]
	fails 2 "*'noon'*" kq-topic offsets t --at noon
	fails 75 "kq-topic: topic 'nope' does not exist" kq-topic offsets nope
}

@test "trim by offset, by time, and all" {
	kq-topic create -p 2 t
	seq 5 | kq-produce -p 0 t
	seq 5 | kq-produce -p 1 t
	sleep 0.02
	local between
	between=$(date +%s%3N)
	sleep 0.02
	seq 6 8 | kq-produce -p 0 t
	[ "$(kq-topic trim t --before 2 --yes)" = $'t\t0\t2\nt\t1\t2' ]
	[ "$(kq-topic trim t --before 3 --yes -p 1)" = $'t\t1\t3' ]
	[ "$(kq-topic offsets t)" = $'t\t0\t2\t8\nt\t1\t3\t5' ]
	# All records of partition 1 are older.
	[ "$(kq-topic trim t --before "@$between" --yes --json)" = '{"topic":"t","partition":0,"start":5}
{"topic":"t","partition":1,"start":5}' ]
	[ "$(kq-consume -e -p 0 t)" = $'6\n7\n8' ]
	kq-topic trim t --before 1 --yes >out # never moves back
	[ "$(kq-topic offsets t)" = $'t\t0\t5\t8\nt\t1\t5\t5' ]
	[ "$(kq-topic trim t --before latest --yes)" = $'t\t0\t8\nt\t1\t5' ]
	[ -z "$(kq-consume -e t)" ]
}

@test "trim refuses what is not there" {
	kq-topic create -p 2 t
	seq 5 | kq-produce -p 0 t
	fails 1 "*topic 't', partition 1: *OFFSET_OUT_OF_RANGE*" kq-topic trim t --before 3 --yes
	[ "$output" = $'t\t0\t3' ] # the other partitions are trimmed
	fails 1 "*there is no partition 2" kq-topic trim t --before 3 --yes -p 2
	fails 2 "*before what*" kq-topic trim t
	fails 2 "*-1x*" kq-topic trim t --before -1x --yes
	fails 2 "*'noon'*" kq-topic trim t --before noon --yes
	fails 75 "kq-topic: topic 'nope' does not exist" kq-topic trim nope --before 1 --yes
	[ "$(kq-topic offsets t)" = $'t\t0\t3\t5\nt\t1\t0\t0' ]
}

@test "delete asks on a terminal, and only there" {
	skip_without script
	kq-topic create a b
	fails 2 "*--yes*" kq-topic delete a
	fails 2 "*--yes*" kq-topic delete a </dev/null
	printf 'n\n' | script -qec 'kq-topic delete a' /dev/null >out && false
	grep -q "Delete the topic 'a'" out
	[ "$(kq-topic list)" = $'a\nb' ]
	printf 'y\n' | script -qec 'kq-topic delete a b' /dev/null
	[ -z "$(kq-topic list)" ]
}

@test "a wrong line is refused before anything is asked" {
	unset KQ_BROKERS
	fails 2 "kq-topic: which verb?*" kq-topic
	fails 2 "*'creat'*did you mean 'create'?" kq-topic creat t
	fails 2 "*did you mean '--partitions'?" kq-topic create t --partition 3
	fails 2 "kq-topic: which topic?*" kq-topic create
	fails 2 "*unexpected operand 'u'*" kq-topic alter t u
	fails 2 "*unexpected operand 't'*" kq-topic list t
	fails 2 "*not key=value*" kq-topic create t -c retention.ms
	fails 2 "*not key=value*" kq-topic create t -c =1
	fails 2 "*not a key*" kq-topic alter t -d a=b
	fails 2 "*option '-p'*" kq-topic create t -p 0
	fails 2 "*option '-r'*" kq-topic create t -r 40000
	fails 2 "*longer than 249*" kq-topic create "$(printf 'x%.0s' {1..250})"
	fails 2 "*longer than 32767*" kq-topic create t -c "k=$(printf '%040000d' 0)"
}

@test "a broker that is not there is worth another try" {
	fails 75 "kq-topic: cannot connect to *" kq-topic -b unix:/nonexistent/kq.sock list
	fails 75 "kq-topic: cannot connect to *" kq-topic list -b 127.0.0.1:1
}

@test "what cannot be printed is a failure" {
	kq-topic create t
	kq-topic list >/dev/full && false
	fails 1 "*cannot write to stdout*" bash -c 'kq-topic describe >/dev/full'
}

@test "over TCP it is the same" {
	kq-topic -b "$broker_tcp" create t -p 2
	seq 3 | kq-produce -b "$broker_tcp" -p 0 t
	[ "$(kq-topic -b "$broker_tcp" offsets t)" = $'t\t0\t0\t3\nt\t1\t0\t0' ]
	diff <(kq-topic -b "$broker_tcp" describe t) <(kq-topic describe t)
}
