#!/usr/bin/env bats
# kq-stream's words: help, suggestions, and what is refused.

bats_require_minimum_version 1.5.0

# refuses MESSAGE WORD...: the words are refused with this first line, before any input
refuses() {
	local message=$1
	shift
	run -2 --separate-stderr timeout 20 kq-stream "$@" </dev/null
	echo "$* -> $stderr"
	[ "${stderr_lines[0]}" = "kq-stream: $message" ]
	[ -z "$output" ]
}

@test "each verb has help with an example" {
	verbs=$(kq-stream --help | sed -n '/^Steps/,/^$/s/^  \([a-z-]*\) .*/\1/p')
	[ "$(wc -w <<<"$verbs")" -ge 28 ]
	for verb in $verbs; do
		run -0 kq-stream "$verb" --help
		[[ ${lines[0]} == "$verb: "* ]]
		[[ $output == *Example*"$verb"*Usage:\ "$verb"* ]]
		[ "$output" = "$(kq-stream help "$verb")" ]
		[ "$output" = "$(kq-stream from - then "$verb" x --help)" ]
	done
}

# Words that are examples of --help, without the program: those that need no other file.
@test "the examples of help are accepted" {
	for verb in $(kq-stream --help | sed -n '/^Steps/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
		kq-stream "$verb" --help | sed -e :a -e '/\\$/N; s/\\\n *//; ta' | grep '^  kq-stream' |
			while read -r example; do
				echo "$example"
				eval "timeout 20 ${example/kq-stream/kq-stream explain}" >/dev/null
			done
	done
	kq-stream --help | sed -e :a -e '/\\$/N; s/\\\n *//; ta' | sed -n 's/^  .*kq-stream from/from/p' |
		while read -r example; do
			echo "$example"
			eval "timeout 20 kq-stream explain $example" >/dev/null
		done
}

@test "a misspelt verb, word or option gets a suggestion" {
	refuses "verb 'filtr' is not known; did you mean 'filter'?" from - then filtr .a then to -
	refuses "verb 'xyzzy' is not known; kq-stream --help lists the verbs" from - then xyzzy
	refuses "window: 'grase' is not known; did you mean 'grace'?" \
		from - then by .a then window tumbling 1m grase 1s then agg n=count then to -
	refuses "window: TYPE 'tumblin' is not known; did you mean 'tumbling'?" \
		from - then by .a then window tumblin 1m then agg n=count then to -
	refuses "filter: 'map' is not known here; a verb follows 'then'" from - then filter .a map .b
	refuses "option '--erors' is not known; did you mean '--errors'?" --erors skip from - then to -
}

@test "an error in an expression points at its column" {
	refuses "filter: column 10: syntax error, unexpected '>'" from - then filter '.amount >> 100' \
		then to -
	[ "${stderr_lines[1]}" = '  .amount >> 100' ]
	[ "${stderr_lines[2]}" = '           ^' ]
	refuses "agg: total: column 4: '(' is not closed" from - then by .k then agg total='sum(.a' \
		then to -
	[ "${stderr_lines[1]}" = '  sum(.a' ]
	[ "${stderr_lines[2]}" = '     ^' ]
	run -2 --separate-stderr kq-stream from - then map '"äöü" | nosuch' then to -
	[ "${stderr_lines[1]}" = '  "äöü" | nosuch' ]
	[ "${stderr_lines[2]}" = '          ^' ]
}

@test "what is missing is asked for" {
	refuses "a verb is missing after 'then'" from - then
	refuses "a verb is missing before 'then'" from - then then to -
	refuses "filter: EXPR is missing: a test of . and \$key; null is false; see kq-stream filter --help" \
		from - then filter then to -
	refuses "from: 'time' needs a value: EXPR" from - time
	refuses "the results lead nowhere: end with 'then to TOPIC', or 'then to -' for stdout" \
		from - then filter .a
	refuses "dedupe: 'within TIME' is missing: greatest difference of time" \
		from - then dedupe .id then to -
	refuses "window: a size is missing: window tumbling 1m" \
		from - then by .a then window tumbling then agg n=count then to -
	refuses "window: 'every TIME' is missing: window hopping 5m every 1m" \
		from - then by .a then window hopping 5m then agg n=count then to -
	refuses "emit: a time is missing: emit every 10s" from - then by .a then agg n=count \
		then emit every then to -
}

@test "values are checked" {
	refuses "window: size '60' needs a unit: 60ms, 60s, 60m, 60h or 60d" \
		from - then by .a then window tumbling 60 then agg n=count then to -
	refuses "sample: N: '0' is less than 1" \
		from - then sample 0 then to -
	refuses "filter: 'x' is not known here; see kq-stream filter --help" from - then filter x x then to -
	refuses "from: 'time' is given twice" from - time .a time .b then to -
	refuses "agg: 'n' is given twice" from - then agg n=count n=count then to -
	refuses "application 'a b': letters, digits, '.', '_' and '-' make an ID" -a 'a b' from - then to -
	refuses "errors dead-letter needs a topic: --dead-letter TOPIC" -e dead-letter from - then to -
}

@test "steps must fit each other" {
	refuses "from: it stands at the beginning of a stream" from a then from b then to -
	refuses "time: it follows 'from', whose records get the time" from a then filter .a then time .b \
		then to -
	refuses "window: an aggregation must follow: agg, top, reduce, aggregate" \
		from - then by .a then window tumbling 1m then to -
	refuses "emit: only windows have a final result; put 'window' before the aggregation" \
		from - then by .a then agg n=count then emit final then to -
	refuses "agg: a table is aggregated by a new key: put 'by' before it, or 'stream' to aggregate its updates" \
		from - then by .a then agg n=count then agg m=count then to -
	refuses "sample: it needs a stream, but here is a table; 'stream' makes its updates one" \
		from - then by .a then agg n=count then sample 2 then to -
	refuses "to: it follows 'by' on a table, where only an aggregation makes sense: agg, reduce or aggregate" \
		from - then by .a then agg n=count then by .n then to -
	refuses "join: two streams are joined within a time: within 5m" \
		from a then join b as stream then to c
	refuses "join: keys here are json, those of 'b' are text: let 'by' make text keys, by 'key text'" \
		from a then by .x then agg n=count then join b then to c
	refuses "merge needs a YAML file with several streams: kq-stream run FILE.yaml" \
		from a then merge b then to c
	refuses "to: topic 'a' is read and written, which never ends" from a then to a
	refuses "to: csv has a header, so it is for stdin and stdout only; a topic has json, text or bytes" \
		from a then to b format csv
	refuses "reduce: rows of a table change: 'sub EXPR' is missing, which takes a former row out of \$acc" \
		from - then by .a then agg n=count then by .n then reduce '$acc + .' then to -
	refuses "aggregate: sessions merge: 'merge EXPR' is missing, of \$left and \$right" \
		from - then by .a then window session 1m then aggregate '$acc' then to -
}

@test "what a newcomer writes first is answered with the way" {
	run -2 kq-stream filter .a
	[ "$output" = "kq-stream: 'filter' is a step: kq-stream from TOPIC then filter ...; see kq-stream filter --help" ]
	run -2 kq-stream -m 10k from - then to -
	[[ $output == *"option '-m': '10k' is less than 1MiB"* ]]
	refuses "agg: s: column 8: a column is one aggregator; compute with columns in a later step: then stream then map '.a / .b'" \
		from - then by .a then agg 's=sum(.a)/count' then to -
	printf 'stream:\n  a:\n    - from: x\n' >"$BATS_TEST_TMPDIR/a.yaml"
	run -2 kq-stream run "$BATS_TEST_TMPDIR/a.yaml"
	[[ $output == *"a.yaml:1: key 'stream' is not known; did you mean 'streams'?"* ]]
	run -0 kq-stream dedupe --help
	[[ $output == *'Usage: dedupe [EXPR] within TIME [name NAME]'* ]]
	run -2 kq-stream ps --until-end
	[[ $output == *"option '--until-end' is not for 'ps'"* ]]
	run -2 kq-stream query -a x
	[[ $output == *"option '-a' is not for 'query'"* ]]
	[ "$(kq-stream reset --help | grep -c state-dir)" -eq 1 ]
	echo '{"a":1,"ts":0}' | kq-stream from - time .ts then by .a then window tumbling 1w then agg n=count then to - |
		grep -q '"end":604800000,'
	echo '{"a":1,"ts":0}' | kq-stream from - time .ts then by .a then window tumbling 1d12h then agg n=count then to - |
		grep -q '"end":129600000,'
}

@test "lines of stdin have no key: nothing that needs one follows them at once" {
	local say="lines of stdin have no key: put 'by EXPR' before it (by '\"all\"' gives all of them one key)"
	refuses "agg: $say" from - then map .a then agg n=count then to -
	refuses "top: $say" from - then top 3 .a then to -
	refuses "from: $say" from - as table then to -
	refuses "table: $say" from - then table then to -
	refuses "every: $say" from - then every 1m then to -
	refuses "dedupe: $say" from - then dedupe within 1m then to -
	echo '{"a":1}' | kq-stream from - then dedupe .a within 1m then by .a then agg n=count then to -
	echo '{"a":1}' | kq-stream from - then by '"all"' then agg n=count then to -
}

@test "the default ID of what is printed depends on its steps, of what goes to a topic on the topics" {
	id() { kq-stream explain from "$@" | sed -n 's/^The application ID is \([^;]*\);.*/\1/p'; }
	[ "$(id orders then filter .a then to out)" = orders-to-out ]
	[ "$(id orders then filter .b then to out)" = orders-to-out ]
	[[ $(id orders then filter .a then to -) =~ ^orders-to-stdout-[0-9a-f]{8}$ ]]
	[ "$(id orders then filter .a then to -)" = "$(id orders then filter .a then to -)" ]
	[ "$(id orders then filter .a then to -)" != "$(id orders then filter .b then to -)" ]
	[ "$(id orders then by .a then agg n=count then to -)" != "$(id orders then by .a then agg m=count then to -)" ]
	[ "$(id orders then by .a then agg n=count then to - | wc -c)" -le 150 ]
}

@test "a word that is not UTF-8 is refused" {
	run -2 --separate-stderr kq-stream from in then filter $'.a == "\xd6"' then to out
	[[ $stderr == *"word 5, "*" is not UTF-8" ]]
}

@test "explain starts no command of exec" {
	kq-stream explain from in then exec "touch '$BATS_TEST_TMPDIR/started'; cat" then by .k \
		then agg n=count then to out >"$BATS_TEST_TMPDIR/plan"
	[ ! -e "$BATS_TEST_TMPDIR/started" ]
	grep -q 'changelog$' "$BATS_TEST_TMPDIR/plan"
}
