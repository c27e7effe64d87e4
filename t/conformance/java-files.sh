# Kafka's DumpLogSegments can read the files that kq-broker wrote.
. "$(dirname "$0")/lib.bash"
fetch_kafka
need kcat py:confluent_kafka
version "$kafka_version"
limit=90
broker log.index.interval.bytes=200

dump() {
	kafka DumpLogSegments "$@"
}

# sound FILE WORDS: the dump reports no fault.
sound() {
	! grep -E 'Exception|Found [0-9]+ invalid|mismatch|isvalid: false|Non-consecutive|Mismatches|[Ee]rror' "$1"
}

records() {
	local codec first=$broker_data/plain-0/00000000000000000000
	kq-topic create -p 1 plain >/dev/null
	for codec in none gzip snappy lz4 zstd; do
		seq 200 | kcat -P -b "$broker_tcp" -t plain -z "$codec" -X batch.num.messages=20 -H a=b
	done
	dump --files "$first.log" --print-data-log >"$scratch/log"
	sound "$scratch/log"
	[ "$(grep -c '| offset: ' "$scratch/log")" -eq 1000 ]
	[ "$(grep -c 'headerKeys: \[a\]' "$scratch/log")" -eq 1000 ]
	[ "$(grep -oi 'compresscodec: [a-z0-9]*' "$scratch/log" | sort -u | wc -l)" -eq 5 ]
}

# The indexes agree with their log.
indexes() {
	local first=$broker_data/plain-0/00000000000000000000
	bounce
	kcat -L -b "$broker_tcp" >/dev/null
	dump --files "$first.index,$first.timeindex" >"$scratch/index"
	tail -n 3 "$scratch/index"
	sound "$scratch/index"
	[ "$(grep -c 'offset: .* position: ' "$scratch/index")" -gt 5 ]
	[ "$(grep -c 'timestamp: .* offset: ' "$scratch/index")" -gt 1 ]
	dump --index-sanity-check --files "$first.index,$first.timeindex" >"$scratch/index"
	cat "$scratch/index"
	sound "$scratch/index"
}

# All records of a group or an ID are in one partition of the internal topic.
internal_logs() {
	local f
	for f in "$broker_data/$1"-*/*.log; do
		[ ! -s "$f" ] || printf '%s,' "$f"
	done | sed 's/,$//'
}

committed() {
	kcat -b "$broker_tcp" -X auto.offset.reset=earliest -q -e -G reader plain >/dev/null
	dump --offsets-decoder --files "$(internal_logs __consumer_offsets)" >"$scratch/offsets"
	cat "$scratch/offsets"
	sound "$scratch/offsets"
	grep -E 'key: \{"type":"1","data":\{"group":"reader","topic":"plain","partition":0\}\} payload: \{"version":"[0-9]","data":\{"offset":1000,' "$scratch/offsets"
	grep -E 'key: \{"type":"2","data":\{"group":"reader"\}\} payload: \{"version":"[0-9]","data":\{"protocolType":"consumer","generation":1,"protocol":"range"' "$scratch/offsets"
}

# The records of a group of the consumer protocol.
new_group() {
	local member
	kafka_start VerifiableConsumer --bootstrap-server "$broker_tcp" --topic plain --group-id new \
		--group-protocol consumer >"$scratch/member"
	member=$!
	eventually grep -q '"name":"offsets_committed"' "$scratch/member"
	dump --offsets-decoder --files "$(internal_logs __consumer_offsets)" >"$scratch/offsets"
	kill "$member"
	wait "$member" || :
	grep '"new"' "$scratch/offsets"
	sound "$scratch/offsets"
	for type in 3 5 6 7 8; do
		grep -E "key: \{\"type\":\"$type\",\"data\":\{\"groupId\":\"new\"" "$scratch/offsets"
	done
}

transactions() {
	kq-topic create -p 1 txn >/dev/null
	"$(_kq_python confluent_kafka)" - <<-'END'
		import os
		from confluent_kafka import Producer
		p = Producer({"bootstrap.servers": os.environ["broker_tcp"], "transactional.id": "files"})
		p.init_transactions(20)
		for end in p.commit_transaction, p.abort_transaction, p.commit_transaction:
		    p.begin_transaction()
		    p.produce("txn", "x", partition=0)
		    p.flush(20)
		    end(20)
	END
	dump --transaction-log-decoder --files "$(internal_logs __transaction_state)" >"$scratch/txns"
	cat "$scratch/txns"
	sound "$scratch/txns"
	grep '"transactionalId":"files"' "$scratch/txns" | grep -E 'CompleteCommit|"transactionStatus":4'
	grep '"transactionalId":"files"' "$scratch/txns" | grep -E 'CompleteAbort|"transactionStatus":5'
	dump --files "$broker_data/txn-0/00000000000000000000.log" --print-data-log >"$scratch/log"
	cat "$scratch/log"
	sound "$scratch/log"
	[ "$(grep -c 'endTxnMarker: COMMIT' "$scratch/log")" -eq 2 ]
	[ "$(grep -c 'endTxnMarker: ABORT' "$scratch/log")" -eq 1 ]
	grep 'isTransactional: true' "$scratch/log"
}

aborted() {
	dump --files "$broker_data/txn-0/00000000000000000000.txnindex" >"$scratch/aborted"
	cat "$scratch/aborted"
	sound "$scratch/aborted"
	grep -E 'version: 0 producerId: [0-9]+ firstOffset: 2 lastOffset: 3 ' "$scratch/aborted"
}

# A clean stop leaves the producers' states in a snapshot.
snapshot() {
	local snapshot
	if [ "$AGAINST" = kafka ]; then
		kill "$(<"$broker_dir/pid")"
		eventually eval "! kill -0 $(<"$broker_dir/pid") 2>/dev/null"
	else
		broker_pid=$(<"$broker_dir/pid")
		stop_broker
	fi
	snapshot=$(ls "$broker_data"/txn-0/*.snapshot | tail -n 1)
	dump --files "$snapshot" >"$scratch/snapshot"
	cat "$scratch/snapshot"
	sound "$scratch/snapshot"
	grep -E 'producerId: [0-9]+ producerEpoch: [0-9]+ ' "$scratch/snapshot"
}

check 'records of every codec' records
if [ "$AGAINST" = kq ]; then
	check 'indexes of offsets and times' indexes
else
	check_skip 'indexes of offsets and times' 'it keeps room behind those in use'
fi
check 'committed offsets, and a classic group' committed
check 'a group of the new protocol' new_group
check 'transactions, and their markers' transactions
check 'a snapshot of producers, after a clean stop' snapshot
check 'the index of aborted transactions, then' aborted
done_checking
