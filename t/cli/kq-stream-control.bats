#!/usr/bin/env bats
# kq-stream ps, describe, query, stop: looking into running applications.
load ../lib/kq
bats_require_minimum_version 1.5.0

setup() {
	start_broker
	cd "$BATS_TEST_TMPDIR" || return 1
	export KQ_STREAM_STATE=$PWD/state XDG_RUNTIME_DIR=$PWD/run
	mkdir -m 700 run
	pids=()
}

teardown() {
	if ((${#pids[@]})); then kill -KILL "${pids[@]}" 2>/dev/null || :; wait "${pids[@]}" 2>/dev/null || :; fi
	end_broker
}

# app ARG...  Run in the background.
app() {
	kq-stream "$@" >>out 2>>err 3>&- &
	pids+=($!)
}

# becomes WANT COMMAND...  The command prints WANT, at the latest after some seconds.
becomes() {
	local want=$1 end=$((SECONDS + kq_patience)) got
	shift
	until got=$("$@" 2>&1) && [ "$got" == "$want" ]; do
		if [ "$SECONDS" -ge "$end" ]; then
			printf 'want: %s\ngot: %s\n' "$want" "$got" >&2
			cat err >&2
			return 1
		fi
		sleep 0.05
	done
}

# records N: of customers k0 to k4, one a second
records() {
	seq "$1" "$2" | awk '{ printf "{\"id\":%d,\"k\":\"k%d\",\"ts\":%d}\n", $1, $1 % 5, 1700000000 + $1 }'
}

total() { # FIELD: sum over all tasks of the application "app"
	kq-stream describe app -J | jq -s "[.[].tasks[].$1] | add"
}

@test "ps and describe tell what processes and tasks do" {
	run --separate-stderr kq-stream ps
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$stderr" == "kq-stream: no application runs here" ]
	kq-topic create in -p 1
	records 1 100 | kq-produce in
	echo '{"k":"k0","ts":1}' | kq-produce in
	echo '{"id":1,"ts":1700000100}' | kq-produce in
	app -a app -e skip from in time .ts then by .k then window tumbling 1m then agg n=count name n then to out
	becomes 102 eval 'kq-stream describe app -J | jq "[.tasks[] | select(.task | startswith(\"0_\")).in] | add"'
	becomes 1 total late
	becomes 1 total dropped
	becomes 0 total lag
	kq-stream ps >ps
	[ "$(head -1 ps | tr -s ' ')" == "application pid threads tasks state uptime in out records/s lag" ]
	grep -qE "^app +${pids[0]} +1 +2 +running " ps
	kq-stream ps -J | jq -e ".application == \"app\" and .pid == ${pids[0]} and .state == \"running\" and .lag == 0"
	kq-stream describe app >text
	grep -q '^application app$' text
	[ "$(grep -cE "^[01]_0 +${pids[0]} +1 +active +running +2023-11-14T22:15:00.000Z " text)" -eq 2 ]
	[ "$(total rows)" -gt 0 ]
}

@test "query shows rows by key, range and window, of all processes" {
	kq-topic create in -p 4
	records 1 300 | kq-produce in
	app -a app from in time .ts then by .k then window tumbling 1m grace 1h then agg n=count name n then to out
	becomes 300 eval 'kq-stream query app n | cut -f 4 | jq -s "[.[].n] | add"'
	app -a app from in time .ts then by .k then window tumbling 1m grace 1h then agg n=count name n then to out
	becomes 2 eval 'kq-stream ps -J | jq -s "[.[] | select(.tasks > 0)] | length"'
	becomes 300 eval 'kq-stream query app n | cut -f 4 | jq -s "[.[].n] | add"'
	kq-stream query app n | sort >got
	records 1 300 | jq -r '"\"\(.k)\"\t\(.ts - .ts % 60 | todate[:19]).000Z\t\(.ts - .ts % 60 + 60 | todate[:19]).000Z"' |
		awk '{ n[$0]++ } END { for (k in n) printf "%s\t{\"n\":%d}\n", k, n[k] }' | sort >want
	cmp got want
	kq-stream query app n k3 | sort >got
	grep '^"k3"' want | cmp - got
	kq-stream query app n '"k3"' | sort | cmp - got
	kq-stream query app agg k3 | sort | cmp - got
	kq-stream query app n --range k1 k2 | sort >got
	grep '^"k[12]"' want | cmp - got
	kq-stream query app n k3 --window 2023-11-14T22:14Z 2023-11-14T22:16Z | sort >got
	grep -E '^"k3".2023-11-14T22:1[45]:00.000Z' want | cmp - got
	kq-stream query app n k3 --window 2023-11-14T22:14Z 2023-11-14T22:15Z -J |
		jq -e '. == {key: "k3", start: 1700000040000, end: 1700000100000, timestamp: .timestamp, value: {n: 12}}'
	[ "$(kq-stream query app n --limit 3 | wc -l)" -eq 3 ]
	kq-stream query app >stores
	grep -qE '^n +agg +tumbling windows +json +4 +30$' stores
}

@test "query of tables, of a source, of a global table, and of keys that are text or numbers" {
	kq-topic create users -p 2
	kq-topic create clicks -p 2
	kq-topic create countries -p 2
	printf '%s\n' 'u1	{"name":"Ann","c":"de"}' 'u2	{"name":"Bob","c":"fr"}' | kq-produce users -K '	'
	printf '%s\n' 'de	"Germany"' 'fr	"France"' | kq-produce countries -K '	'
	printf '%s\n' 'u1	{"c":"de","n":1}' 'u2	{"c":"fr","n":2}' | kq-produce clicks -K '	'
	app -a app from clicks then join users then join countries as global on .c with '{n: $left.n, country: $right}' then by .n then agg n=count name n then to out
	becomes $'1\t{"n":1}\n2\t{"n":1}' eval 'kq-stream query app n | sort'
	[ "$(kq-stream query app n 1)" == $'1\t{"n":1}' ]
	run -1 --separate-stderr kq-stream query app n '"1"'
	[ "$stderr" == "kq-stream: store 'n' has no row of key '\"1\"'" ]
	kq-stream query app -J >stores
	users=$(jq -r 'select(.kind == "table" and .step != "agg").store' stores)
	[ "$(kq-stream query app "$users" u1)" == $'u1\t{"name":"Ann","c":"de"}' ]
	[ "$(kq-stream query app "$users" --range u0 u11)" == $'u1\t{"name":"Ann","c":"de"}' ]
	countries=$(jq -r 'select(.kind == "global table").store' stores)
	[ "$(kq-stream query app "$countries" | sort)" == $'de\t"Germany"\nfr\t"France"' ]
}

@test "what there is not gets a sentence" {
	run -1 --separate-stderr kq-stream query app n
	[ "$stderr" == "kq-stream: application 'app' does not run here, nor does any other: start it with kq-stream run FILE, or kq-stream -a app from ..." ]
	kq-topic create in -p 1
	records 1 10 | kq-produce in
	app -a orders from in then by .k then agg n=count name counts then to out
	becomes 5 eval 'kq-stream query orders counts | wc -l'
	run -1 --separate-stderr kq-stream describe order
	[ "$stderr" == "kq-stream: application 'order' does not run here; did you mean 'orders'?" ]
	run -1 --separate-stderr kq-stream stop shop
	[ "$stderr" == "kq-stream: application 'shop' does not run here; running: orders" ]
	run -1 --separate-stderr kq-stream query orders cuonts
	[ "$stderr" == "kq-stream: there is no store 'cuonts'; did you mean 'counts'?" ]
	kq-stream query orders coun k1 | grep -q '"n":2' # the beginning of a name, if it is the only one
	run -1 --separate-stderr kq-stream query orders counts nobody
	[ "$stderr" == "kq-stream: store 'counts' has no row of key 'nobody'" ]
	run -2 --separate-stderr kq-stream query orders counts $'k\xff'
	[[ $stderr == "kq-stream: key 'k"*"' is not UTF-8" ]]
	run -2 --separate-stderr kq-stream query orders counts --range a $'\xff'
	[[ $stderr == *"is not UTF-8" ]]
	run -2 --separate-stderr kq-stream query orders counts --window 0 1
	[ "$stderr" == "kq-stream: store 'counts' is a table: it has no windows" ]
	run -2 --separate-stderr kq-stream query orders counts k1 --range a b
	[ "$stderr" == "kq-stream: a key and --range exclude each other" ]
	run -2 --separate-stderr kq-stream query orders counts --range a
	[ "$stderr" == "kq-stream: option '--range' needs two values: A B" ]
	run -2 --separate-stderr kq-stream query
	[ "$stderr" == "kq-stream: which application? see kq-stream query --help" ]
}

@test "a store larger than a page comes whole" {
	kq-topic create in -p 1
	seq 1 120000 | awk '{ printf "{\"k\":\"key-%d\",\"s\":\"%060d\"}\n", $1, $1 }' | kq-produce in
	app -a app from in then by .k then agg last='last(.s)' name big then to out
	becomes 120000 total rows
	kq-stream query app big | cut -f 1 | sort >got
	seq -f '"key-%.0f"' 1 120000 | sort | cmp - got
	[ "$(kq-stream query app big key-77777 | cut -f 2 | jq -r .last | sed 's/^0*//')" == 77777 ]
}

@test "stop ends a process cleanly, and waits for its end" {
	kq-topic create in -p 2
	records 1 10 | kq-produce in
	app -a app from in then by .k then agg n=count name n then to out
	app -a app from in then by .k then agg n=count name n then to out
	becomes 2 eval 'kq-stream ps -J | wc -l'
	run -2 --separate-stderr kq-stream stop app
	[[ $stderr == "kq-stream: 2 processes run application 'app': name one ("*"), or --all" ]]
	run -1 --separate-stderr kq-stream stop app 1
	[[ $stderr == "kq-stream: process 1 does not run application 'app'; those that do: "* ]]
	local pid
	for pid in "${pids[1]}abc" 0x1 ' ' -1; do
		run -2 --separate-stderr kq-stream stop app -- "$pid"
		[ "$stderr" == "kq-stream: '$pid' is no process ID" ]
	done
	kq-stream stop app "${pids[1]}"
	wait "${pids[1]}"
	becomes 1 eval 'kq-stream ps -J | wc -l'
	becomes 5 eval 'kq-stream query app n | wc -l'
	kq-stream stop app --all
	wait "${pids[0]}"
	run -1 kq-stream stop app
	[ -z "$(ls run/kq)" ]
	kq-group describe app | grep -q '^lag  *0$'
}

@test "sockets of dead processes are removed, and no others; a folder of others is refused" {
	kq-topic create in -p 1
	app -a app from in then filter true then to out
	becomes 1 eval 'kq-stream ps -J | wc -l'
	[ "$(stat -c %a run/kq)" == 700 ]
	[ "$(stat -c %a run/kq/app.*.stream)" == 600 ]
	kill -KILL "${pids[0]}"
	wait "${pids[0]}" || :
	touch run/kq/other
	run -0 --separate-stderr kq-stream ps
	[ "$stderr" == "kq-stream: no application runs here" ]
	[ "$(ls run/kq)" == other ]
	chmod 755 run/kq
	run -1 --separate-stderr kq-stream ps
	[ "$stderr" == "kq-stream: others can use '$PWD/run/kq': chmod 700 it" ]
	: >err
	app -a app from in then filter true then to out
	becomes 1 grep -c "will not see this process: others can use" err
	kq-group describe app >/dev/null
}

@test "a long application id, and one that another begins with" {
	kq-topic create in -p 1
	long=$(printf 'a%.0s' {1..150})
	app -a "$long" from in then filter true then to out
	app -a a from in then filter true then to out
	becomes 2 eval 'kq-stream ps -J | jq -s "[.[] | select(.state == \"running\")] | length"'
	[ "$(kq-stream describe "$long" -J | jq -r .pid)" == "${pids[0]}" ]
	[ "$(kq-stream describe a -J | jq -r .pid)" == "${pids[1]}" ]
}

@test "hostile bytes on the socket neither crash nor block it" {
	kq-topic create in -p 1
	records 1 100 | kq-produce in
	app -a app from in then by .k then agg n=count name n then to out
	becomes 5 eval 'kq-stream query app n | wc -l'
	[ "$(timeout 120 python3 "$kq_lib/control.py" run/kq/app.*.stream)" == answers ]
	kq-stream stop app
	wait "${pids[0]}"
}

@test "a process whose broker is gone says that it is busy, or answers, and ends" {
	kq-topic create in -p 1
	records 1 10 | kq-produce in
	app -a app from in then by .k then agg n=count name n then to out
	becomes 5 eval 'kq-stream query app n | wc -l'
	kill -STOP "$broker_pid"
	sleep 1
	kq-stream ps >ps
	kill -CONT "$broker_pid"
	grep -qE '^app .* (running|busy) ' ps
	becomes 5 eval 'kq-stream query app n | wc -l'
}
