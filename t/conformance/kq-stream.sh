# kq-stream: what it computes on topics, and exactly once while its instances are killed.
. "$(dirname "$0")/lib.bash"
need jq kq-stream
version "$(kq-stream --version | awk '{ print $NF }')"
kills=${KQ_KILLS:-10}
limit=120
# Kafka allows a lower session timeout only if its minimum is lower, too.
settings=(group.consumer.session.timeout.ms=1500 group.consumer.heartbeat.interval.ms=300
	group.min.session.timeout.ms=1000 transaction.abort.timed.out.transaction.cleanup.interval.ms=500)
[ "$AGAINST" = kq ] || settings+=(group.consumer.min.session.timeout.ms=1000
	group.consumer.min.heartbeat.interval.ms=100)
broker "${settings[@]}"
cd "$scratch" || exit 1
export KQ_STREAM_STATE=$scratch/state

# ---- to the end of a finite input ----

# orders FROM TO
orders() {
	seq "$1" "$2" | awk '{ printf "{\"id\":%d,\"k\":\"k%d\",\"v\":%d,\"ts\":%d}\n", $1, $1 % 5, $1 % 7, 1700000000 + $1 }'
}

stream() {
	kq-stream --until-end "$@"
}

all() {
	kq-consume -o beginning --end "$@" | LC_ALL=C sort
}

stateless() {
	kq-topic create -p 3 in
	orders 1 300 | kq-produce in
	stream -a stateless from in then filter '.v > 4' then map '{id}' then to big
	orders 301 600 | kq-produce in
	stream -a stateless --protocol classic from in then filter '.v > 4' then map '{id}' then to big
	orders 1 600 | jq -c 'select(.v > 4) | {id}' | LC_ALL=C sort | diff - <(all big)
}

# The input of the windows, and their sums.
sums() {
	orders 1 600 | jq -r '"\(.k) \(.ts - .ts % 60) \(.v)"' | awk '{ n[$1 " " $2] += $3 }
		END { for (w in n) { split(w, p, " ")
		printf "{\"key\":\"%s\",\"start\":%d000,\"end\":%d000} {\"s\":%d}\n", p[1], p[2], p[2] + 60, n[w] } }' |
		LC_ALL=C sort
}

# windows APP ARG...: final results, once each, also those that were open in between.
windows() {
	local app=$1 part
	shift
	stream -a "$app" --threads 2 "$@" from in time .ts then by .k then window tumbling 1m grace 1h \
		then agg 's=sum(.v)' name sums then emit final then to "$app-out"
	diff <(sums) <(all -K ' ' "$app-out")
}

kinds_of_join() {
	kq-topic create -p 3 users payments
	kq-topic create -p 2 lands
	seq 0 4 | awk '{ printf "k%d\t{\"name\":\"n%d\",\"land\":\"l%d\"}\n", $1, $1, $1 % 3 }' | kq-produce -K '\t' users
	seq 0 1 | awk '{ printf "l%d\t{\"label\":\"land %d\"}\n", $1, $1 }' | kq-produce -K '\t' lands
	orders 1 600 | jq -c '{order: .id, paid: .v, ts: (.ts + 2)}' |
		awk '{ printf "%d\t%s\n", NR, $0 }' | kq-produce -K '\t' payments
	stream -a table from in then by .k then join users with '{id: $left.id, name: $right.name}' then to joined
	orders 1 600 | jq -c '{id, name: "n\(.k[1:])"}' | LC_ALL=C sort | diff - <(all joined)
	stream -a global from users then join left lands as global on .land with '{name: $left.name, label: $right.label}' then to global-out
	printf '{"name":"n%d","label":%s}\n' 0 '"land 0"' 1 '"land 1"' 2 null 3 '"land 0"' 4 '"land 1"' | diff - <(all global-out)
	stream -a foreign from users as table then join left lands on .land with '{name: $left.name, label: $right.label}' then to foreign-out
	# Each row's last result: the land may have come later than the user.
	kq-consume -o beginning --end -K ' ' foreign-out | awk '{ key = $1; sub(/^[^ ]* /, ""); last[key] = $0 }
		END { for (key in last) print last[key] }' | LC_ALL=C sort | diff <(all global-out) -
	stream -a within from in then by .id then join payments within 1d with '{id: $left.id, paid: $right.paid}' then to within-out
	[ "$(all within-out | wc -l)" -eq 600 ]
	[ -z "$(all within-out | jq -c "select(.id % 7 != .paid)")" ]
}

# ---- under load ----

cat >app.yaml <<END
streams:
  orders:
    - from: APP-in
      time: .ts
    - by: .k
  counts:
    - use: orders
    - agg: {n: count}
    - to: APP-counts
  sums:
    - use: orders
    - window: tumbling
      size: 10s
      grace: 1d
    - agg: {s: sum(.v)}
    - to: APP-sums
END

# begin I  Start instance I, with a state folder of its own.
begin() {
	kq-stream run -a "$app" --state-dir "state.$app.$1" --commit-interval 300ms "${options[@]}" "$app.yaml" \
		>>"$app.err" 2>&1 &
	job[$1]=$!
}

# feed: write records, until there are 5000 and the file stop exists.
feed() {
	local n=0
	while [ ! -e "$app.stop" ] || [ "$n" -lt 5000 ]; do
		awk -v from="$n" 'BEGIN { for (i = from; i < from + 250; i++)
			printf "{\"k\":\"k%d\",\"v\":%d,\"ts\":%d}\n", i * 7919 % 97, i % 1000, 1700000000 + i / 50
		}' >"$app.part"
		kq-produce --wait 20s "$app-in" "$app.part" || return
		cat "$app.part" >>"$app.sent"
		n=$((n + 250))
		sleep 0.02
	done
}

# taken  The number of input records that the group has committed.
taken() {
	timeout 10 kq-group describe "$app" 2>/dev/null | awk -v t="$app-in" '$1 == t && $3 != "-" { n += $3 } END { print n + 0 }'
}

got_on() {
	[ "$(taken)" -ge "$1" ]
}

all_taken() {
	timeout 10 kq-group describe "$app" 2>/dev/null | awk -v t="$app-in" '$1 == t || $1 ~ /repartition$/ {
		n++; if ($3 != $4) bad++ } END { exit !(n >= 5 && !bad) }'
}

# storm APP ARG...: random ones of two instances are killed at work and started again.
storm() {
	local i n
	app=$1
	shift
	options=("$@")
	job=()
	sed "s/APP/$app/" app.yaml >"$app.yaml"
	kq-topic create -p 4 "$app-in" && kq-topic create -p 3 "$app-counts" && kq-topic create -p 2 "$app-sums"
	begin 1
	begin 2
	feed &
	n=$!
	RANDOM=7
	for ((i = 0; i < kills; i++)); do
		eventually got_on $(($(taken) + 300)) || { tail "$app.err" && return 1; }
		sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
		set -- $((RANDOM % 2 + 1))
		kill -KILL "${job[$1]}"
		wait "${job[$1]}" || :
		[ $((RANDOM % 3)) -ne 0 ] || sleep 2 # the other one takes over
		begin "$1"
	done
	touch "$app.stop"
	wait $n
	eventually all_taken
	kill "${job[1]}" "${job[2]}"
	wait "${job[1]}" || [ $? -eq 143 ]
	wait "${job[2]}" || [ $? -eq 143 ]
}

# exact: the counts and sums are those of a simple program.
exact() {
	jq -r .k "$app.sent" | awk '{ printf "%s {\"n\":%d}\n", $1, ++n[$1] }' | LC_ALL=C sort >want
	all -K ' ' "$app-counts" | cmp - want
	kq-consume -o beginning --end -K ' ' "$app-sums" >sums
	[ "$(wc -l <sums)" -eq "$(wc -l <"$app.sent")" ]
	awk '{ last[$1] = $2 } END { for (k in last) print k, last[k] }' sums | LC_ALL=C sort >got
	jq -r '"\(.k) \(.ts - .ts % 10) \(.v)"' "$app.sent" | awk '{ s[$1 " " $2] += $3 } END {
		for (k in s) { split(k, p, " "); printf "{\"key\":\"%s\",\"start\":%d000,\"end\":%d000} {\"s\":%d}\n",
			p[1], p[2], p[2] + 10, s[k] } }' | LC_ALL=C sort | cmp got -
}

exactly_once() {
	storm "$@"
	exact
}

# Nothing is lost: no count is less than it should be, and each is reached.
at_least_once() {
	storm "$@" --guarantee at-least-once
	jq -r .k "$app.sent" | sort | uniq -c | awk '{ print $2, $1 }' >want
	kq-consume -o beginning --end -K ' ' "$app-counts" | jq -r --raw-input 'split(" ") | "\(.[0]) \(.[1] | fromjson.n)"' |
		awk 'NR == FNR { want[$1] = $2; next } $2 > most[$1] { most[$1] = $2 }
			END { for (k in want) if (most[k] < want[k]) { print k, most[k], want[k]; bad = 1 }; exit bad }' want -
}

check 'records are filtered and mapped from topic to topic, in both protocols' stateless
check 'final results of windows come out once' windows consumer
check 'the same in the classic protocol, at least once' windows classic --protocol classic --guarantee at-least-once
check 'streams, tables and global tables are joined, by foreign keys, too' kinds_of_join
limit=$((120 + 10 * kills))
check "a count and sums are exact when instances are killed $kills times" exactly_once storm1
check 'the same with the classic protocol, and two threads' exactly_once storm2 --protocol classic --session 1500ms --threads 2
check 'nothing is lost at least once when instances are killed' at_least_once storm3
done_checking
