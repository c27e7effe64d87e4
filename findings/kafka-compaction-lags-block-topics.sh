#!/usr/bin/env bash
# Apache Kafka 4.4.0, its own admin client, one broker.
#
# log.cleaner.min.compaction.lag.ms above log.cleaner.max.compaction.lag.ms is
# accepted as the setting of all brokers, and a topic without settings can still
# be made.  From then on each change to any topic's settings is refused, and so
# is each new topic with a setting, here retention.ms:
#
#	all brokers, min 2000 max 1000: accepted
#	new topic: accepted
#	new topic, retention.ms: conflict topic config setting min.compaction.lag.ms (2000) > max.compaction.lag.ms (1000)
#	old topic, retention.ms: conflict topic config setting min.compaction.lag.ms (2000) > max.compaction.lag.ms (1000)
#
# The controller checks the pair only when it checks a topic, and then with the
# brokers' values filled in.
#
# Needs a JDK, mvn.  Exits with 0 while it is so, with 1 when it has changed,
# with 2 when it could not be set up.
set -Eeuo pipefail
trap 'exit 2' ERR

dir=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2>/dev/null || :; wait; rm -rf "$dir"' EXIT
cd "$dir"

# Writes the class path of the given artifacts of Apache Kafka to the file $1.
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
	java -Xmx512m -cp "$(<cp)" "$@" 2> >(grep -v '^SLF4J' >&2)
}

# Two ports that nobody has now.
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
java -Xmx512m -cp "$(<cp)" kafka.Kafka server.properties >kafka.log 2>&1 &
broker=$!
for ((i = 0; i < 600; i++)); do
	(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	sleep 0.1
done

cat >Show.java <<'EOF'
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;

class Show {
	static void say(String what, KafkaFuture<?> answer) throws Exception {
		String how = "accepted";
		try {
			answer.get();
		} catch (java.util.concurrent.ExecutionException e) {
			if (!(e.getCause() instanceof InvalidConfigurationException))
				throw e;
			how = e.getCause().getMessage();
		}
		System.out.println(what + ": " + how);
	}

	static AlterConfigOp set(String name, String value) {
		return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
	}

	public static void main(String[] args) throws Exception {
		ConfigResource brokers = new ConfigResource(ConfigResource.Type.BROKER, "");
		ConfigResource old = new ConfigResource(ConfigResource.Type.TOPIC, "old");
		Map<String, String> retention = Map.of("retention.ms", "86400000");
		try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
			admin.createTopics(List.of(new NewTopic("old", 1, (short) 1))).all().get();
			say("all brokers, min 2000 max 1000", admin.incrementalAlterConfigs(Map.of(brokers, List.of(
				set("log.cleaner.min.compaction.lag.ms", "2000"),
				set("log.cleaner.max.compaction.lag.ms", "1000")))).all());
			say("new topic", admin.createTopics(List.of(new NewTopic("a", 1, (short) 1))).all());
			say("new topic, retention.ms",
				admin.createTopics(List.of(new NewTopic("b", 1, (short) 1).configs(retention))).all());
			say("old topic, retention.ms", admin.incrementalAlterConfigs(Map.of(old,
				List.of(set("retention.ms", "86400000")))).all());
		}
	}
}
EOF
seen=$(kafka Show.java "127.0.0.1:$port")
echo "$seen"
conflict='conflict topic config setting min.compaction.lag.ms (2000) > max.compaction.lag.ms (1000)'
[ "$seen" = "all brokers, min 2000 max 1000: accepted
new topic: accepted
new topic, retention.ms: $conflict
old topic, retention.ms: $conflict" ] || exit 1
