# Kafka's TransactionalMessageCopier, TransactionsCommand and more.
. "$(dirname "$0")/lib.bash"
fetch_kafka
version "$kafka_version"
limit=120
broker

records=1000

fill() {
	kq-topic create -p 2 "$1" "$1-out" >/dev/null
	seq "$records" | kcat -P -b "$broker_tcp" -t "$1" -p 0
}

# All committed records of the topic, read by Kafka's own consumer.
committed() {
	kafka org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$broker_tcp" --topic "$1" \
		--from-beginning --isolation-level read_committed --max-messages "$records" --timeout-ms 20000
	kcat -C -b "$broker_tcp" -t "$1" -e -q -X isolation.level=read_committed >"$scratch/kcat"
}

copier() {
	kafka TransactionalMessageCopier --broker-list "$broker_tcp" --input-partition 0 "$@"
}

copier_start() {
	kafka_start TransactionalMessageCopier --broker-list "$broker_tcp" --input-partition 0 "$@"
}

# copy TOPIC ARG...: copy TOPIC to TOPIC-out; each record is there once.
copy() {
	local t=$1
	shift
	fill "$t"
	copier --input-topic "$t" --output-topic "$t-out" --consumer-group "$t" --transactional-id "$t" \
		--transaction-size 37 "$@"
	once "$t-out"
}

once() {
	committed "$1" >"$scratch/out"
	diff <(seq "$records") <(sort -n "$scratch/out")
	diff <(seq "$records") <(sort -n "$scratch/kcat")
}

aborts() {
	copy aborts --enable-random-aborts
	# Aborted records can be read as uncommitted ones, so the test had something to hide.
	[ "$(kcat -C -b "$broker_tcp" -t aborts-out -e -q -X isolation.level=read_uncommitted | wc -l)" -gt "$records" ]
}

# The copier is killed while it works, and another one with the same ID takes over.
killed() {
	local one
	fill killed
	for round in 1 2 3; do
		copier_start --input-topic killed --output-topic killed-out --consumer-group killed --transactional-id killed \
			--transaction-size 3 --enable-random-aborts --use-group-metadata --transaction-timeout 3000 >"$scratch/killed" 2>&1
		one=$!
		eventually grep -q '"remaining"\|shutdown_complete' "$scratch/killed"
		sleep 0.3
		kill -KILL "$one" 2>/dev/null || :
		wait "$one" || :
	done
	copier --input-topic killed --output-topic killed-out --consumer-group killed --transactional-id killed \
		--transaction-size 100 --use-group-metadata
	once killed-out
}

# The broker is killed while the copier works.
restart() {
	local one
	fill restart
	copier_start --input-topic restart --output-topic restart-out --consumer-group restart --transactional-id restart \
		--transaction-size 2 --use-group-metadata --transaction-timeout 3000 >"$scratch/restart" 2>&1
	one=$!
	eventually grep -q '"remaining"\|shutdown_complete' "$scratch/restart"
	bounce
	if ! wait "$one"; then
		tail -n 5 "$scratch/restart"
		# The client reports a timeout to its user: continue.
		copier --input-topic restart --output-topic restart-out --consumer-group restart --transactional-id restart \
			--transaction-size 100 --use-group-metadata
	fi
	once restart-out
}

# A transaction that stays open, by librdkafka's Python client; kcat cannot leave one open.
hold_open() {
	"$(_kq_python confluent_kafka)" - "$1" "$2" <<-'END' &
		import os, sys, time
		from confluent_kafka import Producer
		p = Producer({"bootstrap.servers": os.environ["broker_tcp"], "transactional.id": sys.argv[2]})
		p.init_transactions(20)
		p.begin_transaction()
		p.produce(sys.argv[1], "open", partition=0)
		p.flush(20)
		open(os.environ["BATS_TEST_TMPDIR"] + "/open", "w").write("open")
		time.sleep(100)
	END
	holder=$!
	eventually test -s "$scratch/open"
	rm "$scratch/open"
}

transactions() {
	kafka TransactionsCommand --bootstrap-server "$broker_tcp" "$@"
}

listed() {
	_kq_python confluent_kafka >/dev/null
	kq-topic create -p 1 held >/dev/null
	hold_open held holder
	transactions list >"$scratch/list"
	cat "$scratch/list"
	grep -E '^holder\s+\S+\s+\d*[0-9]+\s+Ongoing' "$scratch/list"
	transactions describe --transactional-id holder >"$scratch/describe"
	cat "$scratch/describe"
	grep -E '\sOngoing\s.*\sheld-0' "$scratch/describe"
	transactions describe-producers --topic held --partition 0 >"$scratch/producers"
	cat "$scratch/producers"
	[ "$(wc -l <"$scratch/producers")" -eq 2 ]
	# ProducerId ProducerEpoch LatestCoordinatorEpoch LastSequence LastTimestamp CurrentTransactionStartOffset
	awk 'NR == 2 && $4 == 0 && $6 == 0 { ok = 1 } END { exit !ok }' "$scratch/producers"
	kill "$holder"
	wait "$holder" || :
}

# End the transaction that the previous case left open.
forced() {
	transactions forceTerminateTransaction --transactionalId holder
	eventually ended
}

ended() {
	transactions describe --transactional-id holder >"$scratch/ended"
	cat "$scratch/ended"
	grep -E '\s(CompleteAbort|Empty)\s' "$scratch/ended"
}

# A transaction that is not ended is aborted after its timeout.
timed_out() {
	kq-topic create -p 1 late >/dev/null
	"$(_kq_python confluent_kafka)" - <<-'END'
		import os
		from confluent_kafka import Producer
		p = Producer({"bootstrap.servers": os.environ["broker_tcp"], "transactional.id": "late",
		              "transaction.timeout.ms": 1000})
		p.init_transactions(20)
		p.begin_transaction()
		p.produce("late", "late", partition=0)
		p.flush(20)
		os._exit(0)
	END
	echo after | kcat -P -b "$broker_tcp" -t late
	eventually after
}

after() {
	[ "$(kcat -C -b "$broker_tcp" -t late -e -q -X isolation.level=read_committed)" = after ]
}

hanging() {
	transactions find-hanging --broker-id 1 >"$scratch/hanging"
	cat "$scratch/hanging"
	[ "$(grep -c . "$scratch/hanging")" -le 1 ]
}

check 'a copy in transactions is complete' copy plain
check 'a copy with the group metadata of its consumer' copy metadata --use-group-metadata
check 'a copy as a member of a group' copy group --group-mode --use-group-metadata
check 'a copy with random aborts has each record once' aborts
check 'a copier is killed, and the next one goes on' killed
check 'the broker is killed while it copies' restart
check 'TransactionsCommand lists and describes an open transaction' listed
check 'TransactionsCommand ends it by force' forced
check 'TransactionsCommand finds none that hangs' hanging
check 'a transaction is aborted after its time' timed_out
done_checking
