# kq's copies of Kafka's message definitions and of Kafka's answers are right.
. "$(dirname "$0")/lib.bash"
need python3
fetch_kafka
version "$kafka_version"
limit=120
broker

definitions() {
	local -a jars
	IFS=: read -r -a jars <<<"$kafka_cp"
	python3 "$conf_dir/schema.py" check "${jars[@]}"
	python3 "$conf_dir/schema.py" table "${jars[@]}"
}

answers() {
	python3 "$conf_dir/../lib/answers.py" ask >"$scratch/answers"
	python3 "$conf_dir/../lib/answers.py" compare "$scratch/answers" "$conf_dir/../data/kafka-answers.txt"
}

# Kafka itself still gives the recorded answer in every case.
recorded() {
	python3 "$conf_dir/../lib/answers.py" ask >"$scratch/answers"
	grep -v '^#' "$conf_dir/../data/kafka-answers.txt" | diff - "$scratch/answers"
}

# Kafka's tools understand the answers about features that the broker does not have.
tools() {
	local -a at=(--bootstrap-server "$broker_tcp")
	kafka TopicCommand "${at[@]}" --create --topic there --partitions 2
	kafka LeaderElectionCommand "${at[@]}" --election-type preferred --topic there --partition 0 |
		grep 'already elected'
	echo '{"version":1,"partitions":[{"topic":"there","partition":0,"replicas":[1]}]}' >"$scratch/moves"
	kafka reassign.ReassignPartitionsCommand "${at[@]}" --list | grep 'No partition reassignments'
	kafka reassign.ReassignPartitionsCommand "${at[@]}" --reassignment-json-file "$scratch/moves" --execute
	kafka reassign.ReassignPartitionsCommand "${at[@]}" --reassignment-json-file "$scratch/moves" --verify |
		grep 'there-0 is completed'
	kafka MetadataQuorumCommand "${at[@]}" describe --status | grep -E 'LeaderId: +1$'
	kafka FeatureCommand "${at[@]}" describe | grep -E 'transaction.version.*FinalizedVersionLevel: 2'
	kafka FeatureCommand "${at[@]}" upgrade --feature transaction.version=2
	! kafka FeatureCommand "${at[@]}" upgrade --feature transaction.version=9
	kafka ClusterTool cluster-id "${at[@]}"
	kafka ClusterTool list-endpoints "${at[@]}" | grep -E '^1 .*broker'
	! kafka ClusterTool unregister "${at[@]}" --id 9 2>"$scratch/gone"
	grep BrokerIdNotRegistered "$scratch/gone"
	kafka ConfigCommand "${at[@]}" --describe --entity-type users
	! kafka AclCommand "${at[@]}" --list 2>&1 | grep ' has ACL for '
}

check 'share/proto and share/apis.tab fit the message definitions' definitions
if [ "$AGAINST" = kq ]; then
	check 'requests are answered as Kafka does' answers
else
	check 'requests are answered as recorded' recorded
	check 'what is announced is in share/apis.tab' python3 "$conf_dir/schema.py" announced
fi
check "Kafka's tools understand what is answered" tools
done_checking
