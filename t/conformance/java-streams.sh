# Kafka Streams: a word count in the classic protocol with exactly_once_v2.
. "$(dirname "$0")/lib.bash"
fetch_kafka
need javac kcat
version "$kafka_version"
source=$conf_dir/java/WordCount.java
fetch "word-count-$kafka_version-$(cksum <"$source" | cut -d' ' -f1)" javac -cp "$kafka_cp" -d . "$source"
classes=$fetched
limit=150
broker group.min.session.timeout.ms=1000

# Real text, the project's own, repeated so that the program is still busy when it is killed.
for ((i = 0; i < 40; i++)); do
	cat "$conf_dir"/../../README.md "$conf_dir"/../../share/man/*.in
done >"$scratch/text"

words() {
	tr 'A-Z' 'a-z' | tr -cs 'a-z0-9' '\n' | grep .
}

# feed NAME FILE: write these lines, too, and compute the counts that must result.
feed() {
	kcat -P -b "$broker_tcp" -t "$1-in" -X enable.idempotence=true -X sticky.partitioning.linger.ms=0 \
		-X topic.partitioner=random <"$2"
	cat "$2" >>"$scratch/$1.fed"
}

# start NAME: its pid is $app.
start() {
	java "${kafka_opts[@]}" -cp "$classes:$kafka_cp" WordCount "$broker_tcp" "$1" "$scratch/$1.state" \
		</dev/null >>"$scratch/$1.app" 2>&1 &
	app=$!
}

# The committed counts, in the order of the partition.
counts() {
	kcat -C -b "$broker_tcp" -t "$1-out" -e -q -X isolation.level=read_committed -f '%k %s\n'
}

counted() {
	[ "$(counts "$1" | wc -l)" -ge "$2" ]
}

all_counted() {
	counted "$1" "$(words <"$scratch/$1.fed" | wc -l)"
}

# exact NAME: each word has the counts from 1 to its total, each once and in order.
exact() {
	counts "$1" >"$scratch/$1.counts"
	awk '$2 != ++n[$1] { print "count " $2 " of " $1 " where " n[$1] " belongs"; bad = 1 } END { exit bad }' "$scratch/$1.counts"
	diff <(words <"$scratch/$1.fed" | sort | uniq -c | awk '{ print $2, $1 }') \
		<(awk '{ n[$1] = $2 } END { for (w in n) print w, n[w] }' "$scratch/$1.counts" | sort)
}

# The current end of its output, which includes aborted records and markers.  A broker
# that has just started may not know yet that it is the leader.
ends() {
	local all
	until all=$(kcat -b "$broker_tcp" -Q -t "$1-out:0:-1" -t "$1-out:1:-1" -t "$1-out:2:-1"); do
		sleep 0.2
	done
	awk '{ n += $NF } END { print n + 0 }' <<<"$all"
}

grows() {
	[ "$(ends "$1")" -gt "$2" ]
}

# at_work NAME FILE: feed it, and wait until it has written a part of the output.
at_work() {
	local before
	before=$(ends "$1")
	feed "$1" "$2"
	eventually grows "$1" $((before + 1000))
	! grows "$1" $((before + $(words <"$2" | wc -l)))
}

begin() {
	kq-topic create -p 3 "$1-in" "$1-out" >/dev/null
	# A part of the text for each start of the application or the broker.
	split -n l/4 "$scratch/text" "$scratch/$1.part."
}

end() {
	eventually all_counted "$1"
	kill "$app"
	wait "$app" || :
	exact "$1"
}

undisturbed() {
	begin plain
	feed plain "$scratch/text"
	start plain
	end plain
}

application_killed() {
	local part
	begin app
	for part in "$scratch"/app.part.*; do
		start app
		at_work app "$part"
		kill -KILL "$app"
		wait "$app" || :
	done
	start app
	end app
}

broker_killed() {
	local part
	begin broker
	start broker
	for part in "$scratch"/broker.part.*; do
		at_work broker "$part"
		bounce
	done
	end broker
}

# The topics that the program created for itself.
internal() {
	kafka ConfigCommand --bootstrap-server "$broker_tcp" --describe --topic plain-counts-changelog >"$scratch/changelog"
	cat "$scratch/changelog"
	grep -E 'cleanup.policy=compact ' "$scratch/changelog"
	kafka ConfigCommand --bootstrap-server "$broker_tcp" --describe --topic plain-words-repartition >"$scratch/repartition"
	cat "$scratch/repartition"
	grep -E 'cleanup.policy=delete ' "$scratch/repartition"
	grep -E 'retention.ms=-1 ' "$scratch/repartition"
}

check 'each word of a text has each of its counts once' undisturbed
check 'the topics that it made for itself have its settings' internal
check 'so they have when the application is killed four times at work' application_killed
check 'so they have when the broker is killed four times under it' broker_killed
done_checking
