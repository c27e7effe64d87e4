#!/usr/bin/env bash
# Apache Kafka 4.4.0 and 3.6.2, each with its own producer and one broker.
#
# A topic with one replica has min.insync.replicas=2.  3.6.2 refuses a producer with
# acks=all (NotEnoughReplicas), as the documentation of both releases says.  4.4.0
# accepts the record, and stores a single copy, while its own tool lists the partition
# as one with too few replicas in sync:
#
#	3.6.2: NotEnoughReplicasException
#	4.4.0: offset 0
#	under min ISR: Topic: t Partition: 0 Leader: 1 Replicas: 1 Isr: 1
#
# The leader requires min.insync.replicas or the number of replicas, whichever is
# smaller.  Kafka's open issue KAFKA-21110 says that this is not documented.
#
# Needs a JDK, mvn.  Exits with 0 as long as this is so, with 1 when it has
# changed, with 2 if it could not be set up.
set -Eeuo pipefail
trap 'exit 2' ERR

dir=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2>/dev/null || :; wait; rm -rf "$dir"' EXIT
cd "$dir"

# Write the class path of Kafka $1 and of further artifacts to a file named $1.
resolve() {
	{
		echo '<project xmlns="http://maven.apache.org/POM/4.0.0"> <modelVersion>4.0.0</modelVersion>'
		echo '<groupId>x</groupId> <artifactId>x</artifactId> <version>1</version> <dependencies>'
		for artifact in kafka_2.13 "${@:2}"; do
			echo "<dependency> <groupId>org.apache.kafka</groupId> <artifactId>$artifact</artifactId>"
			echo "<version>$1</version> </dependency>"
		done
		echo '</dependencies> </project>'
	} >pom.xml
	mvn -q -B dependency:build-classpath "-Dmdep.outputFile=$1" >mvn.log 2>&1 || { cat mvn.log && exit 2; }
}
resolve 3.6.2
resolve 4.4.0 kafka-tools

# Run a class of Kafka's version $1.
kafka() {
	java -Xmx512m -cp "$(<"$1")" "${@:2}" 2> >(grep -v '^SLF4J' >&2)
}

# Two ports that are free at the moment.
port=$((RANDOM % 10000 + 20000))
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || (: <"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null; do
	port=$((port + 2))
done

# Start the broker of version $1.
start() {
	cat >server.properties <<-EOF
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$((port + 1))
		listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
		controller.listener.names=CONTROLLER
		listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
		log.dirs=$dir/data.$1
	EOF
	kafka "$1" kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c server.properties >format.log
	java -Xmx512m -cp "$(<"$1")" kafka.Kafka server.properties >kafka.log 2>&1 &
	broker=$!
	for ((i = 0; i < 600; i++)); do
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
		sleep 0.1
	done
}

cat >Show.java <<'EOF'
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.errors.NotEnoughReplicasException;
import org.apache.kafka.common.serialization.StringSerializer;

class Show {
	public static void main(String[] args) throws Exception {
		try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
			admin.createTopics(List.of(new NewTopic("t", 1, (short) 1)
				.configs(Map.of("min.insync.replicas", "2")))).all().get();
		}
		Map<String, Object> config = Map.of("bootstrap.servers", args[0], "acks", "all",
			"retries", 5, "retry.backoff.ms", 200, "enable.idempotence", false);
		try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
			System.out.println("offset " + producer.send(new ProducerRecord<>("t", "x")).get().offset());
		} catch (ExecutionException e) {
			if (!(e.getCause() instanceof NotEnoughReplicasException))
				throw e;
			System.out.println(e.getCause().getClass().getSimpleName());
		}
	}
}
EOF

start 3.6.2
old=$(kafka 3.6.2 Show.java "127.0.0.1:$port")
kill "$broker"
wait "$broker" || :
start 4.4.0
new=$(kafka 4.4.0 Show.java "127.0.0.1:$port")
under=$(kafka 4.4.0 org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$port" \
	--describe --under-min-isr-partitions | sed 's/[[:space:]]\{1,\}/ /g; s/^ //; s/ Elr:.*//')
echo "3.6.2: $old"
echo "4.4.0: $new"
echo "under min ISR: $under"
[ "$old" = NotEnoughReplicasException ] && [ "$new" = 'offset 0' ] &&
	[ "$under" = 'Topic: t Partition: 0 Leader: 1 Replicas: 1 Isr: 1' ] || exit 1
