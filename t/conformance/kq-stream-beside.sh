# kq-stream beside Kafka Streams: the same applications on the same topics, java-NAME and
# kqst-NAME, and everything that they leave on the broker compared byte by byte.
#
# Where kq-stream differs on purpose, streams_beside.py says so.
. "$(dirname "$0")/lib.bash"
fetch_kafka
need javac jq python3 kq-stream
version "$kafka_version"
source=$conf_dir/java/StreamsPeer.java
fetch "streams-peer-$kafka_version-$(cksum <"$source" | cut -d' ' -f1)" javac -cp "$kafka_cp" -d . "$source"
classes=$fetched
kafka_opts=(-Xmx640m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)
limit=120
broker group.min.session.timeout.ms=1000
cd "$scratch" || exit 1
export KQ_STREAM_STATE=$scratch/state
apps=${KQ_STREAM_APPS:-count named window close limit sliding session left table versioned regroup foreign foreign-inner}
# Kafka deletes from window changelogs by the records' times: they must be recent.
base=$((($(date +%s) / 60 - 20) * 60000))

peer() {
	java "${kafka_opts[@]}" -cp "$classes:$kafka_cp" StreamsPeer "$broker_tcp" "$@"
}

# ---- the applications as kq-stream has them ----

app() {
	printf 'application: kqst-%s\nwindow-key: kafka\nstreams:\n' "$1" >"$1.yaml"
	sed '$!b;a\    - to: kqst-'"$1"'-out' >>"$1.yaml"
}

grouped='  x:
    - from: orders
      time: .ts
    - by: .k
      key: text'

# grouped NAME STEPS: what becomes of the orders, grouped by .k.
grouped() {
	printf '%s\n%s\n' "$grouped" "$2" | app "$1"
}

grouped count '    - agg: {n: count}'
grouped named '    - agg: {n: count}
      name: st'
grouped limit '    - agg: {n: count}
    - emit: every
      interval: 20s'
grouped window '    - window: tumbling
      size: 10s
      grace: 5s
    - agg: {s: sum(.v)}'
grouped close '    - window: tumbling
      size: 10s
      grace: 5s
    - agg: {s: sum(.v)}
    - emit: final'
grouped sliding '    - window: sliding
      size: 10s
      grace: 5s
    - agg: {s: sum(.v)}'
grouped session '    - window: session
      size: 3s
      grace: 5s
    - agg: {n: count}'
app left <<'END'
  payments:
    - from: payments
      time: .ts
  x:
    - from: bought
      time: .ts
    - join: payments
      kind: left
      within: 4s
      grace: 2s
      with: "[$left, $right]"
END
printf '%s\n' '  users:
    - from: users
      as: table' "$grouped" '    - join: users
      with: "[$left, $right]"' | app table
printf '%s\n' '  users:
    - from: users
      as: table
      history: 7d
      name: vs' "$grouped" '    - join: users
      kind: left
      with: "[$left, $right]"' | app versioned
app regroup <<'END'
  x:
    - from: members
      as: table
    - by: .land
      key: text
    - agg: {n: count}
END
foreign='  lands:
    - from: lands
      as: table
  x:
    - from: users
      as: table
    - join: lands
      on: .land
      with: "[$left, $right]"'
printf '%s\n' "$foreign" '      kind: left' | app foreign
printf '%s\n' "$foreign" '      name: fkj' | app foreign-inner

# ---- their input ----

# One partition has all the orders, so that the order is the same behind a repartition topic.
seq 400 | awk -v base="$base" '{
	t = base + $1 * 700 - ($1 % 11 == 0) * 9000 - ($1 % 17 == 0) * 17000
	printf "{\"id\":\"o%d\",\"k\":\"k%d\",\"v\":%d,\"ts\":%.0f}\n", $1, $1 * 31 % 7, $1 % 10, t }' >orders
# What is joined has no equal times, and none is late: there the rules differ.
jq -cs 'sort_by(.ts) | .[] | .ts -= .ts % 2 | {key: .id, value: tojson}' orders >bought
jq -cs 'map(select(.v % 3 != 0) | .ts += 1 - .ts % 2 + .v * 1000) | sort_by(.ts) | .[] |
	{key: .id, value: ({id, paid: .v, ts} | tojson)}' orders >payments
jq -nc --argjson base "$base" 'range(4) |
	{key: "l\(.)", value: ({name: "land \(.)"} | tojson), timestamp: ($base - 90000 + .)}' >lands
jq -nc --argjson base "$base" 'range(7) |
	{key: "k\(.)", value: ({name: "user \(.)", land: "l\(. % 5)"} | tojson),
		timestamp: ($base - 80000 + .)}' >users
jq -c --argjson base "$base" '.timestamp = $base + 500000 | .value |= (if . then tojson else null end)' >users.changes <<'END'
{"key": "k0", "value": {"name": "user 0", "land": "l2"}}
{"key": "k1", "value": {"name": "user 1b", "land": "l1"}}
{"key": "k2", "value": null}
{"key": "k4", "value": {"name": "user 4", "land": null}}
END
jq -c --argjson base "$base" '.timestamp = $base + 600000 | .value |= (if . then tojson else null end)' >lands.changes <<'END'
{"key": "l1", "value": {"name": "land 1b"}}
{"key": "l3", "value": null}
{"key": "l4", "value": {"name": "land 4"}}
END

# done_with APP: it has committed all that there is; an empty partition may lack a commit.
done_with() {
	timeout 10 kq-group describe "$1" 2>/dev/null |
		awk '$2 ~ /^[0-9]+$/ && NF >= 7 { n++; if ($4 != 0 && $5 != 0) bad = 1 } END { exit bad || !n }'
}

settle() {
	local app
	for app in $apps; do
		eventually done_with "java-$app"
		eventually done_with "kqst-$app"
	done
	sleep 1
	echo "settled after $SECONDS s"
}

both_run() {
	local app java pids=()
	kq-topic create -p 3 orders bought payments users members >/dev/null
	kq-topic create -p 2 lands >/dev/null
	for app in $apps; do
		kq-topic create -p 3 "java-$app-out" "kqst-$app-out" >/dev/null
	done
	for app in bought payments lands; do
		kq-produce -J $app $app
	done
	peer run "$scratch/java" $apps >java.log 2>&1 &
	java=$!
	for app in $apps; do
		kq-stream run --idle 500ms $app.yaml 2>"$app.err" &
		pids+=($!)
	done
	settle
	kq-produce -J users users
	kq-produce -J -p 0 members users
	settle
	awk '{ print NR "\t" $0 }' orders | kq-produce -K '\t' -p 0 -H h=1 orders
	settle
	kq-produce -J users users.changes
	kq-produce -J -p 0 members users.changes
	settle
	kq-produce -J lands lands.changes
	settle
	kafka consumer.group.ConsumerGroupCommand --bootstrap-server "$broker_tcp" --describe --group kqst-count >described
	kill "${pids[@]}" "$java"
	for app in "${pids[@]}"; do
		wait "$app" || [ $? -eq 143 ]
	done
	wait "$java" || [ $? -eq 143 ]
	peer topics java- >java.topics
	peer topics kqst- >kqst.topics
	# shellcheck disable=SC2046
	peer dump $(cut -d' ' -f1 java.topics) >java.dump
	# shellcheck disable=SC2046
	peer dump $(cut -d' ' -f1 kqst.topics) >kqst.dump
}

same() {
	python3 "$conf_dir/streams_beside.py" "$1" java.dump kqst.dump
}

# kq-stream keeps the results of a foreign-key join, Kafka Streams does not.
same_topics() {
	diff <(sed 's/^java-//' java.topics) <(sed 's/^kqst-//; /-FK-JOIN-OUTPUT-STATE-STORE-/d' kqst.topics)
	[ -s java.topics ]
}

# Kafka Streams commits nothing for a partition without records.
same_notes() {
	local app
	for app in count window close session; do
		peer notes "java-$app" orders >java.notes
		peer notes "kqst-$app" orders | grep -v ' 0 -1$' >kqst.notes
		diff java.notes kqst.notes
		[ -s kqst.notes ]
	done
}

windowed_keys() {
	peer windowed kqst-window-out 10000 >kqst.windows
	peer sessions kqst-session-out >kqst.sessions
	awk -F'[ ,"]+' '$3 - $2 != 10000 || $2 % 10000 { print; bad = 1 } END { exit bad || NR < 300 }' kqst.windows
	# A session that is given up and its time: all are from the orders.
	grep -Eo '1[0-9]{12}' orders | sort -u >times
	awk '{ print $2; print $3 }' kqst.sessions | sort -u | comm -23 - times >strange
	[ ! -s strange ]
	[ "$(wc -l <kqst.sessions)" -ge 300 ]
}

described() {
	cat described
	awk '$1 == "kqst-count" && $2 == "orders" && $3 == 0 && $4 == 400 && $6 == 0 { found = 1 } END { exit !found }' described
	awk '$1 == "kqst-count" && $2 ~ /-repartition$/ && $6 == 0 { n++ } END { exit n != 3 }' described
}

# Kafka Streams reads what kq-stream has written in transactions.
read_on() {
	local reader
	kq-topic create -p 3 read >/dev/null
	peer latest kqst-named-out read reader >reader.log 2>&1 &
	reader=$!
	eventually done_with reader
	kill $reader
	wait $reader || [ $? -eq 143 ]
	peer dump read | cut -d' ' -f2,4,5 | LC_ALL=C sort >read.got
	peer dump kqst-named-out | cut -d' ' -f2,4,5 | LC_ALL=C sort >read.want
	[ "$(wc -l <read.want)" -eq 400 ]
	diff read.want read.got
}

internal() {
	kq-topic list | awk -v prefix="$1-" 'index($1, prefix) == 1 && $1 !~ /-out$/ { print $1 }'
}

kafka_resets() {
	[ "$(internal kqst-window | wc -l)" -eq 2 ]
	kafka StreamsResetter --bootstrap-server "$broker_tcp" --application-id kqst-window --input-topics orders --force
	[ -z "$(internal kqst-window)" ]
	kq-group describe kqst-window
	kq-group describe kqst-window | awk '$1 == "orders" && $3 != 0 { exit 1 }'
	rm -r "$KQ_STREAM_STATE/kqst-window"
	timeout 60 kq-stream run --until-end window.yaml
	python3 "$conf_dir/streams_beside.py" twice kqst-window-out <(peer dump kqst-window-out)
}

kq_resets() {
	kq-stream reset java-count >plan
	cat plan
	[ "$(grep -c 'would remove topic java-count-' plan)" -eq 2 ]
	[ "$(internal java-count | wc -l)" -eq 2 ]
	# Kafka Streams does not leave its group, so that it counts as running for 45 s.
	eventually kq-stream reset --execute java-count
	[ -z "$(internal java-count)" ]
	kq-topic list >topics.left
	grep -q '^java-count-out' topics.left
	kq-group list >groups.left
	! grep -q '^java-count	' groups.left
}

limit=600
check 'both run to the end of the input' both_run
limit=120
check 'internal topics have the same names, numbers of partitions and settings' same_topics
for app in $apps; do
	check "$app: the same records in the output, in repartition topics and changelogs" same "$app"
done
check 'what is committed with offsets is the same, and readable' same_notes
check "Kafka's deserializers read windowed keys" windowed_keys
check 'kafka-consumer-groups describes an application' described
check 'Kafka Streams reads committed results to their end' read_on
check 'kafka-streams-application-reset resets an application of kq-stream' kafka_resets
check 'kq-stream reset resets an application of Kafka Streams' kq_resets
done_checking
