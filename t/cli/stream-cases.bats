#!/usr/bin/env bats
# run-cases, the program that checks kq-stream's operators against cases.

load ../lib/kq

run_cases() {
	run "$(dirname "$(command -v kq-stream)")/t/stream/run-cases" "$@"
}

# a_case OUTPUT [MORE]: a count of three records, with this output expected.
a_case() {
	cat <<END
{"name":"c","topology":[{"id":"n1","op":"stream","topic":"in"},
 {"id":"n2","op":"group_by_key","from":"n1"},{"id":"n3","op":"${2:-count}","from":"n2"},
 {"id":"n4","op":"to_stream","from":"n3"},{"id":"n5","op":"to","from":"n4","topic":"out"}],
 "input":[["in","a",1,1],["in","b",1,2],["in","a",1,3]],"output":$1,"by":[0,1,2]${3:-}}
END
}

setup() {
	cd "$BATS_TEST_TMPDIR"
}

@test "a case that fits passes, in one task and in several, with restarts" {
	a_case '[["out","a",1,1],["out","b",1,2],["out","a",2,3]]' | tr -d '\n' >cases
	for how in "" --restart --split; do
		run_cases $how cases
		[ "$status" -eq 0 ]
		[ "$output" = "1 cases: 1 passed, 0 failed" ]
	done
}

@test "a difference in value, time, number or cause fails, and is shown" {
	for wanted in '[["out","a",1,1],["out","b",1,2],["out","a",3,3]]' \
		'[["out","a",1,1],["out","b",1,2],["out","a",2,4]]' \
		'[["out","a",1,1],["out","b",1,2]]' \
		'[["out","a",1,1],["out","b",1,2],["out","a",2,3],["out","a",3,3]]'; do
		a_case "$wanted" | tr -d '\n' >cases
		run_cases cases
		[ "$status" -eq 1 ]
		[[ "$output" == *"failed c"*"expected"*"got"*"1 cases: 0 passed, 1 failed" ]]
	done
}

@test "the field right counts, not the output" {
	a_case '[["out","a",9,1]]' count ',"right":{"output":[["out","a",1,1],["out","b",1,2],["out","a",2,3]],"by":[0,1,2]}' |
		tr -d '\n' >cases
	run_cases cases
	[ "$status" -eq 0 ]
}

@test "an error that is not expected fails, as does a case that is not understood" {
	a_case '[]' count ',"error":{"at":0}' | tr -d '\n' >cases
	run_cases cases
	[ "$status" -eq 1 ]
	[[ "$output" == *"expected  an error at record 0"*"got       no error"* ]]
	a_case '[]' frobnicate ',"error":{"at":"start"}' | tr -d '\n' >cases
	run_cases cases
	[ "$status" -eq 1 ]
	[[ "$output" == *"unknown op 'frobnicate'"* ]]
}
