#!/usr/bin/env bats
# kq-stream from stdin to stdout.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	cat >orders <<-'END'
		{"id":1,"city":"Paris","amount":5,"ts":1}
		{"id":2,"city":"Rome","amount":70,"ts":2}
		{"id":3,"city":"Paris","amount":150,"ts":61}
		{"id":4,"city":"Paris","amount":1,"ts":59}
		{"id":5,"city":"Rome","amount":200,"ts":130}
	END
}

# gives INPUT-FILE WORD...: run the words after 'from -'; the expected output is on fd 3
gives() {
	local input=$1 rc=0
	shift
	timeout 20 kq-stream from - "$@" <"$input" >got 2>err || rc=$?
	cat err
	[ "$rc" -eq 0 ]
	diff /dev/fd/3 got
}

@test "filter and map" {
	gives orders then filter '.amount > 100' then map '{id, amount}' then to - 3<<-'END'
		{"id":3,"amount":150}
		{"id":5,"amount":200}
	END
	gives orders then filter-not '.amount > 100' then map .id then to - 3<<-'END'
		1
		2
		4
	END
}

@test "a record that passes as it is keeps its bytes" {
	printf '{"n": 1.0, "big": 12345678901234567890,"a" : 1}\n  [1]\r\n' >in
	printf '{"n": 1.0, "big": 12345678901234567890,"a" : 1}\n  [1]\n' >expected
	gives in then filter true then to - 3<expected
}

@test "the last line needs no line feed, and empty lines are no records" {
	printf '\n{"a":1}\n\n\r\n{"a":2}' >in
	gives in then map .a then to - 3<<-'END'
		1
		2
	END
	gives /dev/null then map .a then to - 3</dev/null
}

@test "flatmap gives a record of each result, and keeps the key" {
	echo '{"k":"a","v":[1,2]}' >in
	echo '{"k":"b","v":[]}' >>in
	gives in then by .k then flatmap '.v[]' then agg n=count total='sum(.)' then to - 3<<-'END'
		{"key":"a","n":1,"total":1}
		{"key":"a","n":2,"total":3}
	END
}

@test "sample keeps one of N records" {
	seq 7 >in
	gives in then sample 3 then to - 3<<-'END'
		1
		4
		7
	END
}

@test "peek prints to stderr" {
	gives orders then filter '.id < 3' then peek '{id}' then map .amount then to - 3<<-'END'
		5
		70
	END
	[ "$(cat err)" = '{"id":1}
{"id":2}' ]
}

@test "dedupe drops what was seen within a time" {
	cat >in <<-'END'
		{"id":1,"ts":1}
		{"id":1,"ts":11}
		{"id":2,"ts":12}
		{"id":1,"ts":12}
		{"id":1,"ts":22}
		{"id":null,"ts":22}
		{"id":null,"ts":22}
	END
	gives in time .ts then dedupe .id within 10s then to - 3<<-'END'
		{"id":1,"ts":1}
		{"id":2,"ts":12}
		{"id":1,"ts":12}
		{"id":null,"ts":22}
		{"id":null,"ts":22}
	END
	gives in time .ts then by .id then dedupe within 10s then map '[$key, .ts]' then to - 3<<-'END'
		[1,1]
		[2,12]
		[1,12]
	END
}

@test "dedupe still knows a record after one that is far older" {
	printf '{"id":1,"ts":%s}\n' 20 3 21 3 32 >in
	gives in time .ts then dedupe .id within 10s then map .ts then to - 3<<-'END'
		20
		3
		3
		32
	END
}

@test "dedupe is exact for records that are late by at most its time" {
	printf '{"id":%s,"ts":%s}\n' 1 100 2 111 1 105 1 101 1 110 3 120 1 110 1 111 >in
	gives in time .ts then dedupe .id within 10s then map '[.id, .ts]' then to - 3<<-'END'
		[1,100]
		[2,111]
		[3,120]
		[1,111]
	END
}

@test "dedupe drops a record that is older by at most its time than one that was let through" {
	printf '{"id":%s,"ts":%s}\n' 1 100 1 91 1 90 1 89 2 200 1 100 >in
	gives in time .ts then dedupe .id within 10s then map '[.id, .ts]' then to - 3<<-'END'
		[1,100]
		[1,89]
		[2,200]
		[1,100]
	END
}

@test "every sends the latest value of each key at intervals, and the rest at the end" {
	cat >in <<-'END'
		{"k":"b","v":1,"ts":1}
		{"k":"a","v":1,"ts":2}
		{"k":"b","v":2,"ts":3}
		{"k":"c","v":1,"ts":61}
		{"k":"a","v":9,"ts":62}
	END
	gives in time .ts then by .k then every 1m then to - 3<<-'END'
		{"k":"a","v":1,"ts":2}
		{"k":"b","v":2,"ts":3}
		{"k":"c","v":1,"ts":61}
		{"k":"a","v":9,"ts":62}
	END
}

@test "exec takes the values through a command" {
	seq 3 >in
	gives in then exec 'sed -u "s/[0-9]/1&/"' then map '. + 1' then to - 3<<-'END'
		12
		13
		14
	END
	run -1 --separate-stderr timeout 20 kq-stream from - then exec 'echo x; exit 3' then to - <in
	[[ $stderr == *"exit code 3"* ]]
	run -75 --separate-stderr timeout 20 kq-stream from - then exec 'sleep 1000' timeout 200ms then to - <in
	[[ $stderr == "kq-stream: "*"made no progress for 200 ms (timeout): "* ]]
}

@test "an aggregate is printed with its key, and comes at each change" {
	gives orders then by .city then agg total='sum(.amount)' n=count then to - 3<<-'END'
		{"key":"Paris","total":5,"n":1}
		{"key":"Rome","total":70,"n":1}
		{"key":"Paris","total":155,"n":2}
		{"key":"Paris","total":156,"n":3}
		{"key":"Rome","total":270,"n":2}
	END
	gives orders then by '.amount > 100' then agg count then to - 3<<-'END'
		{"key":false,"count":1}
		{"key":false,"count":2}
		{"key":true,"count":1}
		{"key":false,"count":3}
		{"key":true,"count":2}
	END
}

@test "a result that is no object stands under value" {
	gives orders then by .city then reduce '$acc + .' then map .amount then to - 3<<-'END'
		{"key":"Paris","value":5}
		{"key":"Rome","value":70}
		{"key":"Paris","value":150}
		{"key":"Paris","value":1}
		{"key":"Rome","value":200}
	END
	gives orders then by .city then aggregate '$acc + [.id]' init '[]' then to - 3<<-'END'
		{"key":"Paris","value":[1]}
		{"key":"Rome","value":[2]}
		{"key":"Paris","value":[1,3]}
		{"key":"Paris","value":[1,3,4]}
		{"key":"Rome","value":[2,5]}
	END
}

@test "the updates of a table as a stream are printed without keys" {
	gives orders then by .city then agg n=count then stream then map '[$key, .n]' then to - 3<<-'END'
		["Paris",1]
		["Rome",1]
		["Paris",2]
		["Paris",3]
		["Rome",2]
	END
}

@test "top keeps the highest values" {
	gives orders then by .city then top 2 .amount then map 'map(.id)' then to - 3<<-'END'
		{"key":"Paris","value":[1]}
		{"key":"Rome","value":[2]}
		{"key":"Paris","value":[3,1]}
		{"key":"Paris","value":[3,1]}
		{"key":"Rome","value":[5,2]}
	END
}

# As in the manual page.
@test "the URLs with the highest counts of each minute, of an access log" {
	cat >access.log <<-'END'
		10.0.0.1 - - [24/Nov/2026:10:00:05 +0000] "GET /b HTTP/1.1" 200 512 "-" "A [b] c"
		10.0.0.1 - - [24/Nov/2026:10:00:06 +0000] "GET /a?x=1 HTTP/1.1" 200 512
		10.0.0.2 - joe [24/Nov/2026:10:00:07 +0000] "GET /b HTTP/1.1" 404 12
		10.0.0.2 - joe [24/Nov/2026:10:01:00 +0000] "GET /c HTTP/1.1" 404 12
	END
	run -0 --separate-stderr env TZ=Asia/Tokyo kq-stream from - format text \
		time 'split(" ")[3][1:] | strptime("%d/%b/%Y:%H:%M:%S") | mktime' \
		then map 'split(" ") | {url: .[6]}' then by .url \
		then window tumbling 1m grace 10s then agg n=count then emit final \
		then stream then map '{url: $key.key, n}' then by '$key.start' \
		then top 10 .n then emit end then to - <access.log
	[ "$output" = '{"key":1795514400000,"value":[{"url":"/b","n":2},{"url":"/a?x=1","n":1}]}
{"key":1795514460000,"value":[{"url":"/c","n":1}]}' ]
}

@test "top orders by numbers only, and says so" {
	printf '{"c":1,"a":3}\n{"c":1,"a":"x\\n"}\n' >in
	run -1 --separate-stderr timeout 20 kq-stream from - then by .c then top 2 .a then to - <in
	[ "$output" = '{"key":1,"value":[{"c":1,"a":3}]}' ]
	[[ $stderr == 'kq-stream: line 2: top: string ("x\n") is no number to order by' ]] || { echo "$stderr"; false; }
}

@test "a table grouped again takes its former rows out" {
	gives orders then by .city then agg n=count then by '.n > 1' then agg cities=count then to - \
		3<<-'END'
		{"key":false,"cities":1}
		{"key":false,"cities":2}
		{"key":false,"cities":1}
		{"key":true,"cities":1}
		{"key":true,"cities":1}
		{"key":false,"cities":0}
		{"key":true,"cities":2}
	END
}

@test "CSV with a header, in and out" {
	printf 'city,"n ""x""",zip\r\nParis,3,007\n"a\nb",2.5,"12"\n' >in.csv
	gives in.csv format csv then to - 3<<-'END'
		{"city":"Paris","n \"x\"":3,"zip":"007"}
		{"city":"a\nb","n \"x\"":2.5,"zip":"12"}
	END
	gives in.csv format csv then map '{zip, city, none: null, list: [1, "x"]}' then to - format csv \
		3<<-'END'
		zip,city,none,list
		007,Paris,,"[1,""x""]"
		12,"a
		b",,"[1,""x""]"
	END
	gives orders then by .city then agg n=count then to - format csv 3<<-'END'
		key,n
		Paris,1
		Rome,1
		Paris,2
		Paris,3
		Rome,2
	END
}

@test "CSV with another separator, in and out" {
	printf 'a;b\n1;"x;y"\n2;p,q\n' >in
	run -0 timeout 20 kq-stream from - format csv separator ';' then to - <in
	[ "$output" = '{"a":1,"b":"x;y"}
{"a":2,"b":"p,q"}' ]
	timeout 20 kq-stream from - format csv separator ';' then to - format csv separator ';' <in | cmp - in
	timeout 20 kq-stream from - format csv separator ';' then to - format csv separator tab <in >got
	printf 'a\tb\n1\tx;y\n2\tp,q\n' | cmp - got
	timeout 20 kq-stream from - format csv separator tab then to - format csv <got >got2
	printf 'a,b\n1,x;y\n2,"p,q"\n' | cmp - got2
	run -2 timeout 20 kq-stream from - separator ';' then to - <in
	[ "$output" = "kq-stream: from: 'separator' belongs to 'format csv'" ]
	run -2 timeout 20 kq-stream from - format csv separator '"' then to - <in
	[ "$output" = "kq-stream: from: separator '\"' is not one character, such as ';' or tab" ]
}

@test "a quote within a field of CSV is a character like others" {
	printf 'what,n\nbolt 5",1\n5" nut,2\n"5"" ""nut""",3\n,"a ""\n"" b"\n' >in
	gives in format csv then to - 3<<-'END'
		{"what":"bolt 5\"","n":1}
		{"what":"5\" nut","n":2}
		{"what":"5\" \"nut\"","n":3}
		{"what":"","n":"a \"\n\" b"}
	END
}

@test "a line of CSV with one empty field is not an empty line" {
	printf '{"a":""}\n{"a":1}\n{"a":null}\n' >in
	gives in then to - format csv 3<<-'END'
		a
		""
		1
		""
	END
	mv got again
	gives again format csv then to - 3<<-'END'
		{"a":""}
		{"a":1}
		{"a":""}
	END
}

@test "a quote in CSV that is never closed ends at a limit" {
	{
		printf 'a,b\n1,"\n'
		yes 0123456789 | head -c 20000000
	} >in
	run -1 --separate-stderr timeout 20 kq-stream from - format csv then to - <in
	[[ $stderr == *': a quote is not closed' ]]
}

@test "records with null keys are left out of an aggregation" {
	printf '{"k":null}\n{"k":"a"}\n{}\n' >in
	gives in then by .k then agg n=count then to - 3<<-'END'
		{"key":"a","n":1}
	END
}

@test "columns of CSV are found by their names, however these are escaped" {
	printf '{"\\u0061":1,"b":2}\n{"b":4,"a":3}\n{}\n{"b":5,"a":6,"b":7}\n' >in
	gives in then to - format csv 3<<-'END'
		a,b
		1,2
		3,4
		,
		6,7
	END
	printf '{"a":1,"a":2}\n' >in
	gives in then to - format csv 3<<-'END'
		a
		2
	END
	printf '{}\n{"a":1}\n' >in
	run -1 --separate-stderr timeout 20 kq-stream from - then to - format csv <in
	[[ $stderr == *'line 1: the first object has no members, which name the columns of CSV' ]]
	run -0 --separate-stderr timeout 20 kq-stream --errors skip from - then to - format csv <in
	[ "$output" = 'a
1' ]
}

@test "a line of CSV with thousands of columns takes no time by their square" {
	awk 'BEGIN {
		for (i = 0; i < 9000; i++)
			line = line (i ? "," : "{") "\"c" i "\":" i
		for (i = 0; i < 300; i++)
			print line "}"
	}' >in
	timeout 20 kq-stream from - then to - format csv <in >got
	[ "$(wc -l <got)" -eq 301 ]
	[ "$(tail -n 1 got | tr ',' '\n' | wc -l)" -eq 9000 ]
}

@test "CSV that is broken is refused by line" {
	refused() { # MESSAGE
		run -1 --separate-stderr timeout 20 kq-stream from - format csv then to -
		echo "$stderr"
		[[ $stderr == "kq-stream: $1" ]]
	}
	printf 'a,b\n1\n' | refused 'line 2: fields are missing: 1 of 2'
	printf 'a,b\n1,2,3\n' | refused "line 2: more fields than the header's 2"
	printf 'a,b\n1,"2\n3' | refused 'line 3: a quote is not closed'
	printf 'a,b\n1,"2"3\n' | refused 'line 2: a separator is missing after a field in quotes'
	printf 'a,b,a\n1,2,3\n' | refused "line 1: the header of the CSV: two columns are named 'a'"
	printf '{"a":1}\n{"b":1}\n' >in
	run -1 --separate-stderr timeout 20 kq-stream from - then to - format csv <in
	[[ $stderr == *'line 2: the header of the CSV has no column for member "b"' ]]
	[ "$output" = 'a
1' ]
}

@test "CSV without a usable header is refused, also where records are skipped" {
	printf 'a,\377\n1,2\n3,4\n' >in
	run -1 --separate-stderr timeout 20 kq-stream --errors skip from - format csv then to - <in
	[[ $stderr == 'kq-stream: line 1: the header of the CSV: not UTF-8' ]]
	[ -z "$output" ]
}

@test "line ends within quotes in CSV stay as they are, empty lines, too" {
	printf '\r\n\na\r\n"x\r\n\r\n\ny"\r\n\r\n\nz\n' >in
	gives in format csv then to - 3<<-'END'
		{"a":"x\r\n\r\n\ny"}
		{"a":"z"}
	END
}

@test "lines of text, and bytes" {
	printf 'a "b"\n\n\377x\n' >in
	gives in format bytes then map '{v: .}' then to - 3<<-'END'
		{"v":"a \"b\""}
		{"v":""}
		{"v":{"b64":"/3g="}}
	END
	gives in format bytes then to - format bytes 3<in
	printf 'x y\nz\n' >in
	gives in format text then map '. + "!"' then to - format text 3<<-'END'
		x y!
		z!
	END
	printf '\377\n' >in
	run -1 --separate-stderr timeout 20 kq-stream from - format text then to - <in
	[[ $stderr == 'kq-stream: line 1: the value is not UTF-8; read it as bytes: format bytes' ]]
}

@test "malformed JSON stops it with the line, or is skipped and counted" {
	printf '{"a":1}\n{"a":\n{"a":2}\n{"a":3} x\n' >in
	run -1 --separate-stderr timeout 20 kq-stream from - then map .a then to - <in
	[ "$output" = 1 ]
	[[ $stderr == 'kq-stream: line 2: '* ]]
	run -0 --separate-stderr timeout 20 kq-stream -e skip from - then map .a then to - <in
	[ "$output" = '1
2' ]
	[[ $stderr == 'kq-stream: line 2: '*' (skipped; further ones are only counted)
kq-stream: 2 records could not be processed and were skipped' ]]
}

@test "an expression that fails on a record stops it, or the record is skipped" {
	printf '{"a":1}\n{"a":"x"}\n{"a":2}\n' >in
	run -1 --separate-stderr timeout 20 kq-stream from - then map '.a + 1' then to - <in
	[ "$output" = 2 ]
	[[ $stderr == 'kq-stream: line 2: map: '*'cannot be added' ]]
	run -0 --separate-stderr timeout 20 kq-stream --errors skip from - then map '.a + 1' then to - <in
	[ "$output" = '2
3' ]
	[[ $stderr == 'kq-stream: line 2: map: '*' (skipped; further ones are only counted)
kq-stream: 1 record could not be processed and was skipped' ]]
}

@test "a record whose time cannot be read is an error" {
	printf '{"ts":"2026-01-01T00:00:00Z"}\n{"ts":"now"}\n' >in
	run -1 --separate-stderr timeout 20 kq-stream from - time .ts then to - <in
	[[ $stderr == 'kq-stream: line 2: time: "now" is not a time from 1970 to 9999'* ]]
}

@test "output comes before the input ends" {
	mkfifo in out
	timeout 20 kq-stream from - then map .a then to - <in >out &
	exec 4>in 5<out
	echo '{"a":1}' >&4
	read -r -t 10 line <&5
	[ "$line" = 1 ]
	echo '{"a":2}' >&4
	read -r -t 10 line <&5
	[ "$line" = 2 ]
	exec 4>&-
	wait $!
}

@test "SIGINT ends it, and what is open comes out" {
	mkfifo in
	timeout 20 kq-stream from - then by .k then every 1h then to - <in >got 2>err &
	exec 4>in
	echo '{"k":1}' >&4
	for _ in $(seq 100); do
		pid=$(pgrep -P $! -x kq-stream) && break
		sleep 0.05
	done
	# It has read the line when the pipe is empty, and waits for more.
	for _ in $(seq 100); do
		grep -q poll "/proc/$pid/wchan" && break
		sleep 0.05
	done
	kill -INT "$pid"
	rc=0
	wait $! || rc=$?
	[ "$rc" -eq 130 ]
	[ "$(cat got)" = '{"k":1}' ]
	exec 4>&-
}

@test "a reader that closes the pipe ends it quietly" {
	yes '{"a":1}' | head -n 500000 >in
	rc=0
	{
		timeout 20 kq-stream from - then map .a then to - <in 2>err
		echo $? >code
	} | head -n 1 >got
	[ "$(cat got)" = 1 ]
	[ "$(cat code)" -eq 0 ]
	[ ! -s err ]
}

@test "a full disk under stdout is an error" {
	run -1 --separate-stderr timeout 20 sh -c "kq-stream from - then to - <orders >/dev/full"
	[[ $stderr == *'cannot write to stdout: No space left on device' ]]
}

@test "the examples of README.md print what it says" {
	sed -n '/^## Stream processing/,/^## What/s/^    //p' "$BATS_TEST_DIRNAME/../../README.md" >all
	grep -v '^{"key"' all >script
	grep '^{"key"' all >expected
	[ "$(wc -l <expected)" -eq 3 ]
	bash -e script >got
	[ "$(head -n 1 got)" = '{"id":1,"amount":150}' ]
	tail -n +2 got | diff expected -
}

@test "the end of the reader of stdout is the end of the process, though stdin stays open" {
	set -o pipefail
	mkfifo in
	exec {hold}<>in
	echo 1 >in
	timeout 20 kq-stream from - then to - <in {hold}>&- | head -n 1 >got
	exec {hold}>&-
	[ "$(cat got)" = 1 ]
}

@test "blank lines and a byte order mark are no part of records" {
	printf '\xef\xbb\xbf{"a":1}\n  \t\n\n \r\n{"a":2}\n' >in
	run -0 timeout 20 kq-stream from - then map .a then to - <in
	[ "$output" = $'1\n2' ]
	printf '\xef\xbb\xbfa,b\n1,007\n' >in
	run -0 timeout 20 kq-stream from - format csv then to - <in
	[ "$output" = '{"a":1,"b":"007"}' ]
}

@test "a result with a member named key, start or end stands under value" {
	printf '{"c":"a","key":1,"start":2}\n' >in
	timeout 20 kq-stream from - then by .c then agg key='last(.key)' n=count then to - <in >got
	timeout 20 kq-stream from - then by .c then agg start='last(.start)' then to - <in >>got
	timeout 20 kq-stream from - then by .c then window unlimited then agg n=count end='last(.start)' \
		then to - <in >>got
	printf '{"c":"a", "\\u006bey":{"key":1}}\n{"c":"b", "x":{"key":1}}\n' |
		timeout 20 kq-stream from - then by .c then table then to - >>got
	diff - got <<-'END'
		{"key":"a","value":{"key":1,"n":1}}
		{"key":"a","start":2}
		{"key":"a","start":0,"end":9223372036854775807,"value":{"n":1,"end":2}}
		{"key":"a","value":{"c":"a", "\u006bey":{"key":1}}}
		{"key":"b","c":"b", "x":{"key":1}}
	END
}
