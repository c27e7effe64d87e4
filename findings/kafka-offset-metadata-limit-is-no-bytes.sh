#!/usr/bin/env bash
# Apache Kafka 4.4.0, its own consumer, one broker.
#
# offset.metadata.max.bytes is 4096, "the maximum size for a metadata entry", but it
# does not count bytes.  4096 euro signs, 12288 bytes on the wire and in the log, are
# committed; 4097 letters are refused:
#
#	offset.metadata.max.bytes=4096
#	4096 characters, 12288 bytes: committed
#	4097 characters, 4097 bytes: OffsetMetadataTooLarge
#
# The coordinator compares the length of the Java string, in UTF-16 units.  So a client
# that truncates metadata to 4096 bytes may truncate too much.
#
# Needs a JDK, mvn.  Exits with 0 as long as this is so, with 1 when it has
# changed, with 2 if it could not be set up.
set -Eeuo pipefail
trap 'exit 2' ERR

dir=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2>/dev/null || :; wait; rm -rf "$dir"' EXIT
cd "$dir"

# Write the class path of the given artifacts of Apache Kafka to the file $1.
resolve() {
	local file=$1 artifact
	shift
	{
		echo '<project xmlns="http://maven.apache.org/POM/4.0.0"> <modelVersion>4.0.0</modelVersion>'
		echo '<groupId>x</groupId> <artifactId>x</artifactId> <version>1</version> <dependencies>'
		for artifact; do
			echo "<dependency> <groupId>org.apache.kafka</groupId> <artifactId>${artifact%:*}</artifactId>"
			echo "<version>${artifact#*:}</version> </dependency>"
		done
		echo '</dependencies> </project>'
	} >pom.xml
	mvn -q -B dependency:build-classpath "-Dmdep.outputFile=$file" >mvn.log 2>&1 || { cat mvn.log && exit 2; }
}
resolve cp kafka_2.13:4.4.0

kafka() {
	java -Xmx512m -cp "$(cat cp)" "$@" 2> >(grep -v '^SLF4J' >&2)
}

# Two ports that are free at the moment.
port=$((RANDOM % 10000 + 20000))
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || (: <"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null; do
	port=$((port + 2))
done
cat >server.properties <<-EOF
	process.roles=broker,controller
	node.id=1
	controller.quorum.voters=1@127.0.0.1:$((port + 1))
	listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
	controller.listener.names=CONTROLLER
	listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
	log.dirs=$dir/data
	offsets.topic.replication.factor=1
EOF
kafka kafka.tools.StorageTool format -t 4L6g3nShT-eMCtK--X86sw -c server.properties >format.log
java -Xmx512m -cp "$(cat cp)" kafka.Kafka server.properties >kafka.log 2>&1 &
broker=$!
for ((i = 0; i < 600; i++)); do
	(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	sleep 0.1
done

cat >Show.java <<'EOF'
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.OffsetMetadataTooLarge;
import org.apache.kafka.common.serialization.StringDeserializer;

class Show {
	static final TopicPartition PARTITION = new TopicPartition("t", 0);

	static void commit(Consumer<?, ?> consumer, String metadata) {
		String how = "committed";
		try {
			consumer.commitSync(Map.of(PARTITION, new OffsetAndMetadata(0, metadata)));
			if (!consumer.committed(Set.of(PARTITION)).get(PARTITION).metadata().equals(metadata))
				how = "changed";
		} catch (OffsetMetadataTooLarge e) {
			how = e.getClass().getSimpleName();
		}
		System.out.println(metadata.length() + " characters, "
			+ metadata.getBytes(StandardCharsets.UTF_8).length + " bytes: " + how);
	}

	public static void main(String[] args) throws Exception {
		ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
		try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
			admin.createTopics(List.of(new NewTopic("t", 1, (short) 1))).all().get();
			System.out.println("offset.metadata.max.bytes=" + admin.describeConfigs(List.of(broker))
				.all().get().get(broker).get("offset.metadata.max.bytes").value());
		}
		Map<String, Object> config = Map.of("bootstrap.servers", args[0], "group.id", "g");
		try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
			consumer.assign(List.of(PARTITION));
			commit(consumer, "\u20ac".repeat(4096));
			commit(consumer, "a".repeat(4097));
		}
	}
}
EOF
seen=$(kafka Show.java "127.0.0.1:$port")
echo "$seen"
[ "$seen" = 'offset.metadata.max.bytes=4096
4096 characters, 12288 bytes: committed
4097 characters, 4097 bytes: OffsetMetadataTooLarge' ] || exit 1
