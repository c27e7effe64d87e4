# Kafka's VerifiableProducer and VerifiableConsumer, in both group protocols.
. "$(dirname "$0")/lib.bash"
fetch_kafka
version "$kafka_version"
limit=120
settings=(group.min.session.timeout.ms=1000 group.consumer.session.timeout.ms=5000
	group.consumer.heartbeat.interval.ms=1000)
# Kafka limits these two by further settings.
[ "$AGAINST" = kq ] || settings+=(group.consumer.min.session.timeout.ms=1000 group.consumer.min.heartbeat.interval.ms=500)
broker "${settings[@]}"

# produce TOPIC FROM COUNT [ARG...]: the acknowledged values go to $scratch/TOPIC.acked.
produce() {
	local t=$1
	shift
	kafka VerifiableProducer --bootstrap-server "$broker_tcp" --topic "$t" "$@" >"$scratch/$t.out"
	grep -q '"name":"shutdown_complete"' "$scratch/$t.out"
	! grep '"name":"producer_send_error"' "$scratch/$t.out"
	grep '"name":"producer_send_success"' "$scratch/$t.out" | sed 's/.*"value":"\([^"]*\)".*/\1/' >>"$scratch/$t.acked"
}

# consumer FILE ARG...: a VerifiableConsumer; its pid is $consumer.  A JVM is
# slow to start: the case waits for its output.
consumer() {
	local file=$1
	shift
	kafka_start VerifiableConsumer --bootstrap-server "$broker_tcp" --verbose "$@" >>"$file" 2>>"$file.err"
	consumer=$!
}

values() {
	cat "$@" 2>/dev/null | grep '"name":"record_data"' | sed 's/.*"value":"\([^"]*\)".*/\1/'
}

# Together the consumers have read every acknowledged value.
read_acked() {
	local t=$1
	shift
	[ -z "$(sort "$scratch/$t.acked" | comm -23 - <(values "$@" | sort))" ]
}

assigned() {
	grep -q '"name":"partitions_assigned".*"partition"' "$1"
}

# members GROUP-PROTOCOL HOW [ARG...]: two members share 6 partitions; one of them is ended.
members() {
	local protocol=$1 how=$2 t=m-$1-$2-$RANDOM f one
	shift 2
	f=$scratch/$t
	kq-topic create -p 6 "$t" >/dev/null
	consumer "$f.1" --topic "$t" --group-id "$t" --group-protocol "$protocol" "$@"
	one=$consumer
	eventually assigned "$f.1"
	consumer "$f.2" --topic "$t" --group-id "$t" --group-protocol "$protocol" "$@"
	eventually assigned "$f.2"
	produce "$t" --repeating-keys 60 --max-messages 3000
	eventually read_acked "$t" "$f.1" "$f.2"
	wc -l "$f.1" "$f.2"
	[ -n "$(values "$f.1")" ]
	[ -n "$(values "$f.2")" ]
	# Each record once, since both committed regularly.
	values "$f.1" "$f.2" | sort | uniq -d
	[ "$(values "$f.1" "$f.2" | wc -l)" -eq 3000 ]
	kill "-$how" "$one"
	wait "$one" || :
	produce "$t" --repeating-keys 60 --max-messages 1000 --value-prefix 7
	eventually read_acked "$t" "$f.1" "$f.2"
	kill "$consumer"
	wait "$consumer" || :
	grep -q '"name":"shutdown_complete"' "$f.2"
	grep -q '"name":"offsets_committed".*"success":true' "$f.2"
}

# The broker is killed while the group has two members, which remain in it.
restart() {
	local protocol=$1 t=r-$1 f
	f=$scratch/$t
	kq-topic create -p 6 "$t" >/dev/null
	consumer "$f.1" --topic "$t" --group-id "$t" --group-protocol "$protocol"
	consumer "$f.2" --topic "$t" --group-id "$t" --group-protocol "$protocol"
	eventually assigned "$f.1"
	eventually assigned "$f.2"
	produce "$t" --repeating-keys 60 --max-messages 1000
	eventually read_acked "$t" "$f.1" "$f.2"
	bounce
	produce "$t" --repeating-keys 60 --max-messages 1000 --value-prefix 7
	eventually read_acked "$t" "$f.1" "$f.2"
	! grep -h Exception "$f.1.err" "$f.2.err"
}

console() {
	kq-topic create -p 3 console >/dev/null
	seq 100 | kafka ConsoleProducer --bootstrap-server "$broker_tcp" --topic console
	kafka org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$broker_tcp" --topic console \
		--group console --from-beginning --max-messages 60 >"$scratch/console.1"
	kafka org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$broker_tcp" --topic console \
		--group console --max-messages 40 --timeout-ms 20000 >"$scratch/console.2"
	[ "$(cat "$scratch"/console.[12] | sort -n)" = "$(seq 100)" ]
}

old=org.apache.kafka.clients.consumer
session=(--session-timeout 4000)
check 'classic, range: two share, and one that leaves is replaced' members classic TERM
check 'classic, range: one that is killed is replaced after its session' members classic KILL "${session[@]}"
check 'classic, cooperative: two share, and one that leaves is replaced' members classic TERM \
	--assignment-strategy $old.CooperativeStickyAssignor
check 'classic, sticky: two share, and one that leaves is replaced' members classic TERM \
	--assignment-strategy $old.StickyAssignor
check 'consumer: two share, and one that leaves is replaced' members consumer TERM
check 'consumer, range: two share, and one that leaves is replaced' members consumer TERM --group-remote-assignor range
check 'consumer: one that is killed is replaced after its session' members consumer KILL
check 'classic: the broker is killed, and the members go on' restart classic
check 'consumer: the broker is killed, and the members go on' restart consumer
check 'ConsoleConsumer goes on where its group stopped' console
done_checking
