# Values of settings: Apache Kafka answers as t/data/config-values.txt says.
. "$(dirname "$0")/lib.bash"
version "$(head -n 1 "$conf_dir/../data/config-values.txt" | grep -oE '[0-9]+\.[0-9]+\.[0-9]+')"
limit=600
broker

# kq's intended differences are in t/cli/kq-broker-configs.bats.
as_recorded() {
	py configs.py values "$conf_dir/../data/config-values.txt" >"$scratch/out"
	cat "$scratch/out"
	if [ "$AGAINST" = kafka ]; then
		[ ! -s "$scratch/out" ]
	else
		[ "$(wc -l <"$scratch/out")" -eq 3 ]
	fi
}

check 'values are taken, refused and shown as recorded' as_recorded

# share/kafka-config.tab, which a Java program wrote, agrees with Kafka.
the_table() {
	java -cp "$kafka_cp" "$conf_dir/../../share/gen/KafkaConfig.java" "$kafka_version" >"$scratch/tab"
	diff "$conf_dir/../../share/kafka-config.tab" "$scratch/tab"
}

if command -v javac >/dev/null && command -v mvn >/dev/null; then
	fetch_kafka
	check "share/kafka-config.tab is Kafka's" the_table
else
	check_skip "share/kafka-config.tab is Kafka's" 'no javac and mvn'
fi
done_checking
