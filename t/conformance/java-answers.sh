# Kafka's message definitions and Kafka's answers, as kq has them.
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

# Kafka itself answers as was recorded, in every case.
recorded() {
	python3 "$conf_dir/../lib/answers.py" ask >"$scratch/answers"
	grep -v '^#' "$conf_dir/../data/kafka-answers.txt" | diff - "$scratch/answers"
}

check 'share/proto and share/apis.tab fit the message definitions' definitions
if [ "$AGAINST" = kq ]; then
	check 'requests are answered as Kafka does' answers
else
	check 'requests are answered as recorded' recorded
	check 'what is announced is in share/apis.tab' python3 "$conf_dir/schema.py" announced
fi
done_checking
