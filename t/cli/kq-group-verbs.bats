# kq-group: what each verb does and prints, and its exit code.  All tests share one
# broker; each has groups and topics of its own.

bats_require_minimum_version 1.5.0
load ../lib/kq.bash

setup_file() {
	start_broker
}

teardown_file() {
	end_broker
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	g=g$BATS_TEST_NUMBER t=t$BATS_TEST_NUMBER
	member_pid=
}

teardown() {
	[ -z "$member_pid" ] || kill -KILL "$member_pid"
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

wait_for() {
	local until=$((SECONDS + kq_patience))
	until "$@"; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.1
	done
}

# A topic of two partitions: 10 records in the first, 20 in the second.
make_topic() {
	kq-topic create "$1" -p 2
	seq 10 | kq-produce -p 0 "$1"
	seq 20 | kq-produce -p 1 "$1"
}

# rows GROUP: topic, partition, committed, end and lag, from describe.
rows() {
	kq-group describe "$1" | awk 'rows { print $1, $2, $3, $4, $5 } $1 == "topic" { rows = 1 }'
}

# The value after a label of describe.
described() {
	kq-group describe "$1" --state | awk -v label="$2" '$1 == label { print $2 }'
}

is_state() {
	[ "$(described "$1" state 2>/dev/null)" = "$2" ]
}

# start_member GROUP TOPIC: start another client's consumer; returns when the group is stable.
start_member() {
	skip_without kcat
	kcat -b "$broker_tcp" -X auto.offset.reset=earliest -X auto.commit.interval.ms=100 -G "$1" "$2" \
		</dev/null >read 2>said 3>&- 4>&- &
	member_pid=$!
	wait_for is_state "$1" Stable
}

stop_member() {
	kill -TERM "$member_pid"
	wait "$member_pid" || :
	member_pid=
}

@test "what is not there is said" {
	make_topic $t
	fails 75 "kq-group: group '$g' does not exist" kq-group describe $g
	[ -z "$output" ]
	fails 75 "kq-group: group '$g' does not exist" kq-group describe --state $g
	fails 75 "kq-group: group '$g' does not exist" kq-group export $g
	fails 75 "kq-group: group '$g' does not exist" kq-group watch $g
	fails 1 "kq-group: group '$g' does not exist" kq-group delete --yes $g
	fails 1 "kq-group: group '$g' does not exist" kq-group delete-offsets --yes $g $t
	run kq-group list
	[ "$status" -eq 0 ] && [[ $'\n'$output != *$'\n'$g$'\t'* ]]
}

@test "seek tells first, and does with --execute" {
	make_topic $t
	run --separate-stderr kq-group seek $g $t --to 5
	[ "$status" -eq 0 ]
	[ "$output" = "$t"$'\t0\t-\t5\n'"$t"$'\t1\t-\t5' ]
	[ "$stderr" = "kq-group: nothing was changed; --yes applies the plan" ]
	fails 75 "*does not exist" kq-group describe $g
	run --separate-stderr kq-group seek $g $t --to 5 --execute
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[ "$output" = "$t"$'\t0\t-\t5\n'"$t"$'\t1\t-\t5' ]
	[ "$(rows $g)" = "$t 0 5 10 5"$'\n'"$t 1 5 20 15" ]
	[ "$(described $g state)" = Empty ]
	[ "$(described $g members)" = 0 ]
	kq-group describe $g | grep -qx 'lag         20'
	[ "$(kq-group list | grep "^$g"$'\t')" = "$g"$'\tclassic\t-\tEmpty' ]
}

# to WHERE: the offset to which the second partition would be moved.
to() {
	kq-group seek $g $t:1 --to "$1" 2>/dev/null | cut -f 4
}

@test "seek knows every word of --to" {
	make_topic $t
	[ "$(to current)" = 20 ]
	fails 1 "*$t*partition 1: nothing is committed*nothing was changed" kq-group seek $g $t:1 --to +1 --execute
	kq-group seek $g $t:1 --to 7 --execute
	[ "$(to earliest)" = 0 ]
	[ "$(to latest)" = 20 ]
	[ "$(to current)" = 7 ]
	[ "$(to 12)" = 12 ]
	[ "$(to +3)" = 10 ]
	[ "$(to -3)" = 4 ]
	[ "$(to @-1h)" = 0 ]
	[ "$(to @2100-01-01)" = 20 ]
	kq-topic trim $t --before 5 --yes
	[ "$(to earliest)" = 5 ]
}

@test "seek finds a time between records" {
	local between
	kq-topic create $t
	echo before | kq-produce $t
	sleep 0.05
	between=$(date +%s%3N)
	sleep 0.05
	echo behind | kq-produce $t
	[ "$(kq-group seek $g $t --to "@$between" 2>/dev/null | cut -f 4)" = 1 ]
}

@test "seek stays between the ends, with a word" {
	make_topic $t
	kq-topic trim $t --before 5 --yes
	fails 0 "*partition 1: offset 99 is after the end; using 20*" kq-group seek $g $t:1 --to 99
	[ "$output" = "$t"$'\t1\t-\t20' ]
	fails 0 "*partition 0: offset 2 is before the beginning; using 5*" kq-group seek $g $t:0 --to 2 --execute
	[ "$(rows $g)" = "$t 0 5 10 5" ]
}

@test "seek does all or nothing" {
	make_topic $t
	fails 75 "*'nope' does not exist*nothing was changed" kq-group seek $g $t nope --to 3 --execute
	fails 1 "*no partition 2*nothing was changed" kq-group seek $g $t:0,2 --to 3 --execute
	fails 75 "*does not exist" kq-group describe $g
	fails 1 "*has no offsets*" kq-group seek $g --all --to 3
	kq-group seek $g $t:0 --to 3 --execute
	kq-group seek $g --all --to 4 --execute
	[ "$(rows $g)" = "$t 0 4 10 6" ]
}

@test "a group in use: members are shown, offsets stay" {
	make_topic $t
	start_member $g $t
	kq-group describe --members $g >members
	cat members
	grep -q "^rdkafka-.* rdkafka .* 2  $t:0,1\$" members
	[ "$(described $g members)" = 1 ]
	[ "$(described $g assignor)" = range ]
	[ "$(kq-group list --state stable --type classic | grep "^$g"$'\t')" = "$g"$'\tclassic\tconsumer\tStable' ]
	has_read_all() { [ "$(rows $g)" = "$t 0 10 10 0"$'\n'"$t 1 20 20 0" ]; }
	wait_for has_read_all
	kq-group describe $g | grep -q "^$t  .* rdkafka-.* rdkafka\$"
	fails 1 "*'$g' is in use (Stable*" kq-group seek $g $t --to earliest --execute
	fails 1 "*'$g' has members*" kq-group delete --yes $g
	fails 1 "*'$g', topic '$t', partition 0: *stop them first*" kq-group delete-offsets --yes $g $t
	stop_member
	wait_for is_state $g Empty
	[ "$(rows $g)" = "$t 0 10 10 0"$'\n'"$t 1 20 20 0" ]
	kq-group seek $g $t --to earliest --execute
	[ "$(rows $g)" = "$t 0 0 10 10"$'\n'"$t 1 0 20 20" ]
}

@test "delete-offsets removes those of some partitions, or of a topic" {
	make_topic $t
	make_topic u$t
	kq-group seek $g $t u$t --to 1 --execute
	kq-group delete-offsets --yes $g $t:1
	[ "$(rows $g)" = "$t 0 1 10 9"$'\n'"u$t 0 1 10 9"$'\n'"u$t 1 1 20 19" ]
	kq-group delete-offsets --yes $g u$t
	[ "$(rows $g)" = "$t 0 1 10 9" ]
	fails 1 "*'$g' has no offsets of topic 'u$t'" kq-group delete-offsets --yes $g u$t
}

@test "delete asks, and goes on after a failure" {
	make_topic $t
	kq-group seek $g $t --to 1 --execute
	kq-group seek h$g $t --to 1 --execute
	fails 2 "*there is no terminal*" kq-group delete $g
	[ "$(described $g state)" = Empty ]
	fails 1 "kq-group: group 'nope' does not exist" kq-group delete --yes $g nope h$g
	[ -z "$(kq-group list | grep "$g"$'\t')" ]
}

@test "what export writes import reads" {
	make_topic $t
	kq-group seek $g $t:0 --to 4 --execute
	kq-group seek h$g $t --to 6 --execute
	kq-group export $g h$g >file
	cat file
	[ "$(wc -l <file)" -eq 3 ]
	[ "$(sed -n 1p file)" = "{\"group\":\"$g\",\"topic\":\"$t\",\"partition\":0,\"offset\":4}" ]
	kq-group delete --yes $g h$g
	run --separate-stderr kq-group import file
	[ "$status" -eq 0 ] && [ "$stderr" = "kq-group: nothing was changed; --yes applies the plan" ]
	[ "${lines[0]}" = "$g"$'\t'"$t"$'\t0\t-\t4' ]
	[ -z "$(kq-group list | grep "$g"$'\t')" ]
	kq-group import --execute <file
	[ "$(rows $g)" = "$t 0 4 10 6" ]
	kq-group export $g h$g | cmp - file
	kq-group export --all | grep "\"$g\"" | cmp - <(head -n 1 file)
}

@test "import keeps metadata, and reads what Kafka's tool writes" {
	make_topic $t
	printf '{"group":"%s","topic":"%s","partition":0,"offset":3,"leader_epoch":9,"metadata":"a \\"b\\""}\n' $g $t |
		kq-group import --execute
	[ "$(kq-group export $g)" = "{\"group\":\"$g\",\"topic\":\"$t\",\"partition\":0,\"offset\":3,\"metadata\":\"a \\\"b\\\"\"}" ]
	printf '%s,"%s",0,7\n\n%s,%s,1,8\n' $g $t $g $t | kq-group import --execute
	[ "$(rows $g)" = "$t 0 7 10 3"$'\n'"$t 1 8 20 12" ]
}

@test "ids and metadata that are not UTF-8 come through export and import" {
	local id=$'\xff\xfe/'"$g"$'\001"'
	make_topic $t
	printf '{"group_b64":"%s","topic":"%s","partition":0,"offset":4,"metadata_b64":"/wD+"}\n' \
		"$(printf %s "$id" | base64 -w0)" $t >file
	kq-group import --execute file
	kq-group export "$id" >out
	cat out
	cmp out file
	kq-group export --all | grep -qxF "$(<file)"
	kq-group delete --yes "$id"
	kq-group import --execute out
	kq-group export "$id" | cmp - file
	[ "$(kq-group list | grep -c "$g")" -eq 1 ]
	local b64
	b64="\"group_b64\":\"$(printf %s "$id" | base64 -w0)\""
	kq-group list --json | grep -qF "$b64"
	kq-group describe "$id" --json | grep -qF "$b64"
	kq-group seek "$id" $t --to 1 --json 2>/dev/null </dev/null | grep -qF "$b64"
	kq-group watch "$id" --json | head -n 1 | grep -qF "$b64"
	# A command line cannot contain a NUL byte, but a file can.
	printf '{"group":"a\\u0000%s","topic":"%s","partition":0,"offset":4}\n' "$g" $t >file
	kq-group import --execute file
	kq-group export --all | grep -qxF "$(<file)"
}

@test "import changes nothing when a line is bad" {
	make_topic $t
	printf '%s,%s,0,1\n' $g $t >file
	echo nonsense >>file
	fails 1 "kq-group: file: line 2: *" kq-group import --execute file
	printf '%s,%s,0,1\n%s,nope,0,1\n' $g $t h$g >file
	fails 1 "*'nope'*nothing was changed" kq-group import --execute file
	fails 1 "*/nowhere*" kq-group import /nowhere
	fails 75 "*does not exist" kq-group describe $g
}

@test "seek takes offsets from a file" {
	make_topic $t
	printf '%s,0,5\nother,%s,0,6\n%s,1,99\n' $t $t $t >file
	fails 0 "*offset 99 is after the end; using 20*" kq-group seek $g --from-file file
	[ "$output" = "$t"$'\t0\t-\t5\n'"$t"$'\t1\t-\t20' ]
	kq-group seek $g $t:0 --from-file - --execute <file
	[ "$(rows $g)" = "$t 0 5 10 5" ]
	fails 1 "*no line for group 'x$g'*" kq-group seek x$g --from-file <(printf 'other,%s,0,6\n' $t)
}

@test "watch tells lag and rate until it is stopped" {
	local pid n
	make_topic $t
	kq-group seek $g $t:1 --to 0 --execute
	kq-group watch $g --every 200ms >seen 2>said 3>&- 4>&- &
	pid=$!
	has_lines() { [ "$(wc -l <seen)" -ge "$1" ]; }
	wait_for has_lines 2
	kq-group seek $g $t:1 --to 8 --execute
	wait_for grep -q $'\t'"$t"$'\t1\t8\t20\t12\t[1-9][0-9.]*$' seen
	wait_for grep -q $'\t\\*\t\\*\t-\t-\t12\t[1-9][0-9.]*$' seen
	kill -INT $pid
	died_of INT $pid
	cat seen said
	[ "$(head -n 1 seen | cut -f 2-)" = "$t"$'\t1\t0\t20\t20\t-' ]
	[ "$(sed -n 2p seen | cut -f 2-)" = $'*\t*\t-\t-\t20\t-' ]
	[ ! -s said ]
}

@test "watch writes over itself on a terminal" {
	skip_without script
	make_topic $t
	kq-group seek $g $t:1 --to 3 --execute
	script -qfec "timeout --preserve-status -s INT $((kq_patience * 2)) sh -c 'echo \$\$ >pid; exec kq-group watch $g --every 100ms'" \
		/dev/null </dev/null >seen 3>&- &
	looked_twice() { [ "$(tr -d '\r' <seen | grep -c "^$t  *1  *3  *20  *17  ")" -ge 2 ]; }
	wait_for looked_twice
	kill -INT "$(<pid)"
	died_of INT $!
	grep -q $'\033\\[H' seen
}

@test "one JSON object a line" {
	skip_without jq
	make_topic $t
	kq-group seek $g $t:1 --to 3 --execute --json >out
	[ "$(jq -c . out)" = "{\"group\":\"$g\",\"topic\":\"$t\",\"partition\":1,\"from\":null,\"to\":3}" ]
	[ "$(kq-group list --json | jq -r "select(.group == \"$g\") | .type + .state")" = classicEmpty ]
	[ "$(kq-group describe $g --json | jq -c '[.lag, .member_count, .members, .offsets[0].lag]')" = '[17,0,[],17]' ]
	[ "$(kq-group describe $g --state --json | jq -c '[.offsets, .members, .coordinator.node >= 0]')" = '[null,null,true]' ]
	kq-group watch $g --json --every 100ms >looks 3>&- &
	wait_for test -s looks
	kill -KILL $!
	[ "$(head -n 1 looks | jq -c '[.lag, .offsets[0].lag]')" = '[17,17]' ]
}

@test "wrong lines are refused before anything is asked" {
	export KQ_BROKERS=127.0.0.1:1
	fails 2 "*did you mean 'describe'*" kq-group descrbe x
	fails 2 "*which verb*" kq-group
	fails 2 "*which group*" kq-group describe
	fails 2 "*only one of*" kq-group describe --members --state x
	fails 2 "*only one of --all and*" kq-group describe --all x
	fails 2 "*'stabel' is not known; did you mean 'Stable'*" kq-group list --state empty,stabel
	fails 2 "*'new' is not known*" kq-group list --type new
	fails 2 "*unexpected operand*" kq-group list x
	fails 2 "*which offsets*" kq-group seek x t
	fails 2 "*which topic*" kq-group seek x --to latest
	fails 2 "*only one of*" kq-group seek x t --to latest --from-file f
	fails 2 "*--to: *" kq-group seek x t --to soon
	fails 2 "*'t:x'*not a partition*" kq-group seek x t:x --to latest
	fails 2 "*which topic*" kq-group delete-offsets x
	fails 2 "*unexpected operand*" kq-group watch x y
	fails 75 "kq-group: *" kq-group list
	kq-group --help | sed -n '/^Examples:/,/^$/p' | grep -q 'kq-group describe'
}
