#!/usr/bin/env bats
# Applications of kq-stream as YAML: run, printed, explained, tested.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
}

# refuses MESSAGE: the YAML on stdin is refused with this line
refuses() {
	cat >bad.yaml
	run -2 --separate-stderr timeout 20 kq-stream run bad.yaml </dev/null
	echo "$stderr"
	[ "${stderr_lines[0]}" = "kq-stream: $1" ]
}

@test "a one-liner printed as YAML gives the same plan" {
	same() {
		kq-stream "$@" --print-yaml >app.yaml
		cat app.yaml
		kq-stream run app.yaml --print-yaml | diff app.yaml -
		diff <(kq-stream explain -a x "$@") <(kq-stream explain -a x app.yaml)
	}
	same from - then filter '.a > "it'\''s" and (.b | test("\\d"))' then map '{id, "k": [.x]}' then to -
	same from a,b time .ts key json format text then by .c key text \
		then agg total='sum(.amount)' n=count 'x=collect(.a; 3)' then to c key json
	same from orders then join left users key json on .user with '{a: $left, b: $right}' then to out
	same from orders then by .id then join payments within 5m before 1h grace 1s then to out
	same from - then by .a then reduce '$acc + .' then emit every 10s max 5 full stop then to -
	same from - then by .a then aggregate '$acc + [.x]' init '{"a": [1]}' then stream \
		then dedupe within 1h then every 1m clock wall then exec 'sed -u "s/x/y # z/"' then to -
	same from - then map $'"tab\there"' then map $'.a\n| .b' then map '"ünï"' then to -
}

@test "settings come from the file, and the command line goes before" {
	cat >app.yaml <<-'END'
		errors: skip
		commit-interval: 2s
		streams:
		  main:
		    - from: '-'
		    - map: .a + 1
		    - to: '-'
	END
	printf '{"a":"x"}\n{"a":1}\n' >in
	run -0 --separate-stderr timeout 20 kq-stream run app.yaml <in
	[ "$output" = 2 ]
	run -1 --separate-stderr timeout 20 kq-stream -e fail run app.yaml <in
	kq-stream run app.yaml --print-yaml -e fail >printed
	[ "$(head -n 2 printed)" = 'errors: fail
commit-interval: 2000ms' ]
}

@test "branches, merges and several sinks" {
	cat >app.yaml <<-'END'
		streams:
		  orders:
		    - from: '-'
		    - branch:
		        big: .amount > 100
		        small: .amount > 10
		      default: rest
		  marked:
		    - use: big
		    - map: '. + {big: true}'
		  all:
		    - merge: [marked, small]
		    - map: |
		        {id, big}
		    - to: '-'
		  others:
		    - use: rest
		    - map: .id
		    - to: '-'
	END
	printf '{"id":1,"amount":500}\n{"id":2,"amount":50}\n{"id":3,"amount":5}\n' >in
	run -0 --separate-stderr timeout 20 kq-stream run app.yaml <in
	[ "$output" = '{"id":1,"big":true}
{"id":2,"big":null}
3' ]
}

@test "cogroup aggregates several streams" {
	cat >app.yaml <<-'END'
		streams:
		  all:
		    - from: '-'
		    - branch:
		        in: .amount > 0
		        out: .amount < 0
		  bought:
		    - use: in
		    - by: .who
		  returned:
		    - use: out
		    - by: .who
		  balance:
		    - cogroup:
		        bought: '$acc + {bought: ($acc.bought + .amount)}'
		        returned: '$acc + {returned: ($acc.returned - .amount)}'
		      init: '{"bought": 0, "returned": 0}'
		    - to: '-'
	END
	printf '{"who":"a","amount":5}\n{"who":"a","amount":-2}\n{"who":"b","amount":-1}\n' >in
	run -0 --separate-stderr timeout 20 kq-stream run app.yaml <in
	[ "$output" = '{"key":"a","bought":5,"returned":0}
{"key":"a","bought":5,"returned":2}
{"key":"b","bought":0,"returned":1}' ]
}

@test "what is wrong is shown with its line" {
	hint="an expression with { } [ ] \" ' : or # in it stands in quotes, or on lines of its own after |"
	refuses "bad.yaml:4: map: a text is expected; $hint" <<-'END'
		streams:
		  main:
		    - from: '-'
		    - map: {id, amount}
		    - to: '-'
	END
	refuses "bad.yaml:4:16: did not find expected key; $hint" <<-'END'
		streams:
		  main:
		    - from: '-'
		    - map: "x" + .a
		    - to: '-'
	END
	refuses "bad.yaml:5: verb 'filtr' is not known; did you mean 'filter'?" <<-'END'
		streams:
		  main:
		    - from: '-'
		      time: .ts
		    - filtr: .a
	END
	refuses "bad.yaml:3: from: key 'tme' is not known; did you mean 'time'?" <<-'END'
		streams:
		  main:
		    - from: '-'
		      tme: .ts
	END
	refuses "bad.yaml:3: from: key 'filter' is not known here; a step of its own begins with '- filter:'" <<-'END'
		streams:
		  main:
		    - from: '-'
		      filter: .ts
	END
	refuses "bad.yaml:5:7: the key occurs twice" <<-'END'
		streams:
		  main:
		    - from: '-'
		    - to: '-'
		      to: x
	END
	refuses "bad.yaml:1: key 'eror' is not known: streams, or a setting of kq-stream --help" <<-'END'
		eror: skip
		streams: {}
	END
	refuses "bad.yaml:2: stream 'main' leads nowhere: end it with 'to', or use it" <<-'END'
		streams:
		  main:
		    - from: '-'
	END
	refuses "bad.yaml:3: use: there is no stream 'other' before it; 'from' reads topics" <<-'END'
		streams:
		  main:
		    - use: other
		    - to: '-'
	END
	refuses "bad.yaml:1:9: anchors and aliases are not allowed" <<-'END'
		errors: &x skip
	END
	refuses "bad.yaml:1: there are no streams" </dev/null
	deep=$(printf '[%.0s' $(seq 20))
	refuses "bad.yaml:1:25: too deep" <<<"streams: $deep"
	run -1 --separate-stderr kq-stream run none.yaml
	[ "$stderr" = 'kq-stream: cannot open none.yaml: No such file or directory' ]
}

@test "an expression of a file is blamed with the file's line" {
	cat >bad.yaml <<-'END'
		streams:
		  main:
		    - from: '-'
		    - filter: .a >> 1
		    - to: '-'
	END
	run -2 --separate-stderr kq-stream run bad.yaml
	[ "$stderr" = "kq-stream: bad.yaml:4: filter: column 5: syntax error, unexpected '>'
  .a >> 1
      ^" ]
}

@test "explain draws the plan, and names the topics it creates" {
	run -0 kq-stream explain -a shop from clicks then join left users on .user then to enriched
	[ "$output" = 'sub-topology 0
from clicks
`- by .user
   `- to shop-KSTREAM-KEY-SELECT-0000000004-repartition

sub-topology 1
from users as table  [store users-STATE-STORE-0000000001]
from shop-KSTREAM-KEY-SELECT-0000000004-repartition
`- join left with $left + $right
   `- to enriched

It creates these topics where they do not exist:
  shop-KSTREAM-KEY-SELECT-0000000004-repartition
  shop-users-STATE-STORE-0000000001-changelog
The application ID is shop; -a ID sets another one.' ]
	run -0 kq-stream explain from - then filter .a then to -
	[ "$output" = 'from stdin
`- filter .a
   `- to stdout

It needs no broker, and creates no topics.' ]
}

@test "explain of what needs no broker names no topics" {
	run -0 kq-stream explain from - then by .a then agg n=count then by .n then agg m=count then to -
	echo "$output"
	[ "$output" = 'from stdin
`- by .a
   `- agg n=count  [store KSTREAM-AGGREGATE-STATE-STORE-0000000002]
      `- by .n
         `- agg m=count  [store KTABLE-AGGREGATE-STATE-STORE-0000000008]
            `- to stdout

It needs no broker, and creates no topics.' ]
	cat >app.yaml <<-'END'
		streams:
		  all:
		    - from: '-'
		  left:
		    - use: all
		    - by: .a
		    - table:
		  right:
		    - use: all
		    - by: .b
		    - table:
		  out:
		    - use: left
		    - join: right
		      on: .b
		    - to: '-'
	END
	kq-stream explain app.yaml >plan
	kq-stream explain --dot app.yaml >>plan
	[ "$(grep -c 'answer subscriptions' plan)" -eq 3 ]
	! grep -i 'repartition\|-topic\|sub-topology' plan
}

@test "explain shows branches with their tests, and what has several inputs once" {
	cat >app.yaml <<-'END'
		streams:
		  all:
		    - from: '-'
		    - branch:
		        big: .a > 10
		        v1.5: .a > 1
		      default: rest
		  out:
		    - use: big
		    - merge: rest
		    - to: '-'
		  more:
		    - use: v1.5
		    - dedupe: .id
		      within: 10m
		    - sample: 2
		    - exec: cat
		    - to: '-'
	END
	run -0 kq-stream explain app.yaml
	echo "$output"
	[ "$output" = 'from stdin
`- branch
   |- big: .a > 10
   |  `- merge
   |     `- to stdout
   |- v1.5: .a > 1
   |  `- dedupe .id within 10 min  [store KSTREAM-PROCESSVALUES-0000000007-store]
   |     `- sample 2
   |        `- exec '"'cat'"'
   |           `- to stdout
   `- rest: the others
      `- merge  (see above)

It needs no broker, and creates no topics.' ]
}

@test "explain --svg calls dot, and says so where there is none" {
	kq-stream explain --dot from - then filter '.a == "x"' then to - >graph
	grep -qF '[label="filter .a == \"x\""]' graph
	mkdir bin
	ln -s "$(command -v kq-stream)" bin/
	rc=0
	PATH=$PWD/bin kq-stream explain --svg from - then to - 2>err || rc=$?
	[ "$rc" -eq 2 ]
	[[ $(cat err) == "kq-stream: dot is not installed; it is part of Graphviz"* ]]
	printf '#!/bin/sh\n[ "$1" = -Tsvg ] && sed 1s/.*/SVG/\n' >bin/dot
	chmod +x bin/dot
	PATH=$PWD/bin:$PATH kq-stream explain --svg from - then to - >svg
	[ "$(head -n 1 svg)" = SVG ]
	grep -q '"to stdout"' svg
}

@test "test compares what comes out with what is expected" {
	cat >app.yaml <<-'END'
		streams:
		  counts:
		    - from: orders
		      time: .ts
		    - filter: .amount > 0
		    - by: .city
		    - agg:
		        n: count
		        total: sum(.amount)
		    - to: counts
	END
	cat >good.yaml <<-'END'
		run: app.yaml
		tests:
		  counts by city:
		    input:
		      - value: {city: Paris, amount: 5, ts: 1}
		      - topic: orders
		        value: {city: Rome, amount: 1, ts: "1970-01-01T00:00:02Z"}
		      - value: {city: Paris, amount: 0, ts: 3}
		      - value: {city: Paris, amount: 7, ts: 4}
		    output:
		      - {topic: counts, key: Paris, value: {total: 5, n: 1}, time: 1}
		      - key: Rome
		      - value: {n: 2, total: 12}
		        time: 4000ms
	END
	sed -i 's/4000ms/4/' good.yaml
	run -0 --separate-stderr kq-stream test good.yaml
	[ "$output" = '1..1
ok 1 - counts by city' ]
	sed 's/n: 2, total: 12/n: 2, total: 13/; s/key: Rome/key: Oslo/' good.yaml >wrong.yaml
	run -1 --separate-stderr kq-stream test wrong.yaml
	[ "$output" = '1..1
not ok 1 - counts by city
#  - expected, + got
#    {"topic":"counts","key":"Paris","value":{"n":1,"total":5},"time":1000}
#  - {"key":"Oslo"}
#  - {"value":{"n":2,"total":13},"time":4000}
#  + {"topic":"counts","key":"Rome","value":{"n":1,"total":1},"time":2000}
#  + {"topic":"counts","key":"Paris","value":{"n":2,"total":12},"time":4000}' ]
}

@test "test refuses what makes no sense" {
	app="streams: {a: [{from: orders}, {map: .a + 1}, {to: y}]}"
	refused() { # MESSAGE
		{
			echo "$app"
			cat
		} >t.yaml
		run -2 --separate-stderr kq-stream test t.yaml
		echo "$stderr"
		[ "$stderr" = "kq-stream: $1" ]
	}
	refused "t.yaml: there are no tests: 'tests' is a map of names to tests" </dev/null
	refused "t.yaml:3: key 'inputs' is not known: input, output, open" <<-'END'
		tests:
		  one: {inputs: []}
	END
	refused "t.yaml:4: the application does not read topic 'orderz'; did you mean 'orders'?" <<-'END'
		tests:
		  one:
		    input: [{topic: orderz, value: 1}]
		    output: []
	END
	refused "t.yaml:4: the application does not read topic 'z'" <<-'END'
		tests:
		  one:
		    input: [{topic: z, value: 1}]
		    output: []
	END
	[ "$output" = $'1..1\nBail out! t.yaml:4: the application does not read topic \'z\'' ]
	run -1 --separate-stderr kq-stream test nosuch.yaml
	run -1 --separate-stderr kq-stream run nosuch.yaml
	run -1 --separate-stderr kq-stream explain orders
	[[ $stderr == *'begin with from: kq-stream explain from orders ...' ]]
	{
		echo "$app"
		printf 'tests: {one: {input: [{value: {a: "x"}}], output: []}}\n'
	} >t.yaml
	run -1 --separate-stderr kq-stream test t.yaml
	[[ ${lines[1]} == 'not ok 1 - one' ]]
	[[ ${lines[2]} == '#  input record 1: t.yaml:1: map: '*'cannot be added' ]]
}

@test "what stands in quotes keeps its spaces at the end, a block loses its line feed" {
	kq-stream from - then exec 'echo x ' then map '"a"' then to - --print-yaml >a.yaml
	grep -qF "exec: 'echo x '" a.yaml
	kq-stream run --print-yaml a.yaml | cmp - a.yaml
	printf 'streams:\n  main:\n    - from: "-"\n    - map: |\n        .a\n    - to: "-"\n' >b.yaml
	kq-stream run --print-yaml b.yaml | grep -qxF '    - map: .a'
}
