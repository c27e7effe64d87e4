#!/usr/bin/env bats
# kq-stream's windows, joins and tables on stdin and stdout.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	cat >in <<-'END'
		{"c":"a","amount":5,"ts":1}
		{"c":"b","amount":7,"ts":2}
		{"c":"a","amount":1,"ts":61}
		{"c":"a","amount":3,"ts":50}
		{"c":"a","amount":2,"ts":130}
	END
}

# gives WORD...: run the words after 'from - time .ts then by .c'; the expected output is on fd 3
gives() {
	local rc=0
	timeout 20 kq-stream from - time .ts then by .c then "$@" <in >got 2>err || rc=$?
	cat err
	[ "$rc" -eq 0 ]
	diff /dev/fd/3 got
}

@test "tumbling windows: each change, and late records told at the end" {
	gives window tumbling 1m then agg total='sum(.amount)' n=count then to - 3<<-'END'
		{"key":"a","start":0,"end":60000,"total":5,"n":1}
		{"key":"b","start":0,"end":60000,"total":7,"n":1}
		{"key":"a","start":60000,"end":120000,"total":1,"n":1}
		{"key":"a","start":120000,"end":180000,"total":2,"n":1}
	END
	[ "$(cat err)" = 'kq-stream: 1 record came too late and was dropped' ]
}

@test "emit final: each window once, those still open at the end, too" {
	gives window tumbling 1m grace 10s then agg total='sum(.amount)' n=count then emit final then to - \
		3<<-'END'
		{"key":"a","start":0,"end":60000,"total":8,"n":2}
		{"key":"b","start":0,"end":60000,"total":7,"n":1}
		{"key":"a","start":60000,"end":120000,"total":1,"n":1}
		{"key":"a","start":120000,"end":180000,"total":2,"n":1}
	END
	[ ! -s err ]
}

@test "final results of many keys, long ones too, are those of the changes sent last" {
	# shellcheck disable=SC2016 # of awk
	awk 'BEGIN {
		srand(7)
		for (i = 0; i < 5000; i++) {
			key = "k" int(rand() * 40)
			if (rand() < 0.1)
				key = key sprintf("%080d", rand() * 3)
			amount = rand() < 0.1 ? "null" : rand() < 0.1 ? "1e300" : rand() - 0.5
			printf "{\"c\":\"%s\",\"amount\":%s,\"ts\":%d}\n", key, amount, i / 10 + rand() * 80
		}
	}' >in
	local words
	for words in 'tumbling 1m' 'tumbling 1m grace 10s' 'hopping 1m every 15s grace 1m'; do
		# shellcheck disable=SC2086
		set -- from - time .ts then by .c then window $words then agg n=count some='count(.amount)' \
			total='sum(.amount)' least='min(.amount)' most='max(.amount)' mean='avg(.amount)'
		timeout 20 kq-stream "$@" then emit final then to - <in >final 2>final.err
		timeout 20 kq-stream "$@" then to - <in >changes 2>changes.err
		jq -sc 'reduce .[] as $row ({}; .["\($row.key) \($row.start)"] = $row) | .[]' changes | sort >want
		sort final | cmp - want
		cmp final.err changes.err
		[ "$(wc -l <want)" -gt 200 ]
	done
}

@test "a sum beyond the largest number is told with its record's line" {
	printf '{"c":"%s","amount":%s,"ts":1}\n' a 1 b 2 a 1.7e308 b 3 a 1.7e308 b 4 >in
	run -1 --separate-stderr timeout 20 kq-stream from - time .ts then by .c then window tumbling 1m \
		then agg total='sum(.amount)' then emit final then to - <in
	echo "$stderr"
	[[ $stderr == 'kq-stream: line 5: '*'the sum is beyond the largest number'* ]]
}

@test "emit final behind a filter is the same as suppress" {
	gives window tumbling 1m grace 10s then agg n=count then filter '.n > 1' then emit final then to - \
		3<<-'END'
		{"key":"a","start":0,"end":60000,"n":2}
	END
}

@test "emit final with a bound stops when it is full" {
	run -1 --separate-stderr timeout 20 kq-stream from - time .ts then by .c then window tumbling 1h \
		then agg n=count then emit final max 1 full stop then to - <in
	echo "$stderr"
	[[ $stderr == 'kq-stream: '*' rows of '*' wait, more than its limit' ]]
	[ -z "$output" ]
}

@test "emit every: at most one change of a row in a time" {
	printf '{"c":"a","ts":%d}\n' 1 2 3 20 21 40 >in
	gives agg n=count then emit every 10s then to - 3<<-'END'
		{"key":"a","n":4}
		{"key":"a","n":6}
	END
}

@test "emit end: each row once, at the end" {
	gives agg n=count then emit end then to - 3<<-'END'
		{"key":"a","n":4}
		{"key":"b","n":1}
	END
	gives top 2 .amount then emit end then stream then flatmap '.[] | {c, amount}' then to - format csv \
		3<<-'END'
		c,amount
		a,5
		a,3
		b,7
	END
}

@test "late records go to an output of their own" {
	gives window tumbling 1m then agg n=count then late to - then emit final then to - 3<<-'END'
		{"key":"a","start":0,"end":60000,"n":1}
		{"key":"b","start":0,"end":60000,"n":1}
		{"c":"a","amount":3,"ts":50}
		{"key":"a","start":60000,"end":120000,"n":1}
		{"key":"a","start":120000,"end":180000,"n":1}
	END
	[ "$(cat err)" = "kq-stream: 1 record came too late and was sent on by 'late'" ]
}

@test "a record that is late for some of its windows is told as that, and only once" {
	printf '{"c":"a","ts":%s}\n' 0 350 110 0 >in.partly
	kq-stream from - time .ts then by .c then window hopping 5m every 1m then agg n=count \
		then late to - then emit final then to - <in.partly >out 2>err
	[ "$(grep '"ts"' out)" = '{"c":"a","ts":0}' ]
	diff err - <<-END
	kq-stream: 1 record came too late for some of the windows, and was counted in others
	kq-stream: 1 record came too late and was sent on by 'late'
	END
}

@test "hopping, sliding, session and unlimited windows" {
	gives window hopping 2m every 1m then agg n=count then emit final then to - 3<<-'END'
		{"key":"a","start":0,"end":120000,"n":3}
		{"key":"b","start":0,"end":120000,"n":1}
		{"key":"a","start":60000,"end":180000,"n":2}
		{"key":"a","start":120000,"end":240000,"n":1}
	END
	gives window sliding 15s grace 1m then agg n=count then emit final then to - 3<<-'END'
		{"key":"a","start":0,"end":15000,"n":1}
		{"key":"b","start":0,"end":15000,"n":1}
		{"key":"a","start":35000,"end":50000,"n":1}
		{"key":"a","start":46000,"end":61000,"n":2}
		{"key":"a","start":50001,"end":65001,"n":1}
		{"key":"a","start":115000,"end":130000,"n":1}
	END
	gives window session 20s grace 1m then agg n=count then emit final then to - 3<<-'END'
		{"key":"a","start":1000,"end":1000,"n":1}
		{"key":"b","start":2000,"end":2000,"n":1}
		{"key":"a","start":50000,"end":61000,"n":2}
		{"key":"a","start":130000,"end":130000,"n":1}
	END
	gives window unlimited then agg n=count then filter '.n > 3' then to - 3<<-'END'
		{"key":"a","start":0,"end":9223372036854775807,"n":4}
	END
}

@test "sessions of expressions merge" {
	gives window session 60s grace 1m then aggregate '$acc + [.amount]' init '[]' merge '$left + $right' \
		then emit final then map . then to - 3<<-'END'
		{"key":"b","start":2000,"end":2000,"value":[7]}
		{"key":"a","start":1000,"end":61000,"value":[5,1,3]}
		{"key":"a","start":130000,"end":130000,"value":[2]}
	END
}

@test "times without a zone are UTC, and a clock is used where there is no time" {
	printf '{"c":"a","ts":"1970-01-01T00:01:00"}\n' >in
	TZ=Asia/Tokyo gives window tumbling 1m then agg n=count then to - 3<<-'END'
		{"key":"a","start":60000,"end":120000,"n":1}
	END
	before=$(date +%s)
	echo '{}' | kq-stream from - then by 1 then window tumbling 1s then agg n=count then to - >got
	start=$(sed 's/.*"start":\([0-9]*\)000,.*/\1/' got)
	((start >= before && start <= $(date +%s)))
}

@test "streams of one input are joined" {
	cat >app.yaml <<-'END'
		streams:
		  all:
		    - from: '-'
		      time: .ts
		    - by: .id
		    - branch:
		        orders: has("item")
		        payments: has("paid")
		  late:
		    - use: orders
		    - join: payments
		      kind: left
		      within: 5m
		      with: '{item: $left.item, paid: $right.paid}'
		    - to: '-'
	END
	cat >in <<-'END'
		{"id":1,"item":"tea","ts":1}
		{"id":2,"item":"nuts","ts":2}
		{"id":1,"paid":5,"ts":200}
		{"id":2,"paid":7,"ts":400}
	END
	run -0 --separate-stderr timeout 20 kq-stream run app.yaml <in
	[ "$output" = '{"item":"tea","paid":5}
{"item":"nuts","paid":null}' ]
}

@test "a stream looks into a table, and tables are joined" {
	cat >app.yaml <<-'END'
		streams:
		  all:
		    - from: '-'
		    - branch:
		        people: has("name")
		      default: clicks
		  names:
		    - use: people
		    - by: .id
		    - table:
		  named:
		    - use: clicks
		    - join: names
		      kind: left
		      on: .user
		    - map: '{user, url, name}'
		    - to: '-'
		  counts:
		    - use: clicks
		    - by: .user
		    - agg: {n: count}
		    - join: names
		    - to: '-'
	END
	cat >in <<-'END'
		{"user":1,"url":"/"}
		{"id":1,"name":"Ann"}
		{"user":1,"url":"/x"}
	END
	run -0 --separate-stderr timeout 20 kq-stream run app.yaml <in
	echo "$output"
	[ "$output" = '{"user":1,"url":"/","name":null}
{"key":1,"n":1,"id":1,"name":"Ann"}
{"user":1,"url":"/x","name":"Ann"}
{"key":1,"n":2,"id":1,"name":"Ann"}' ]
}
