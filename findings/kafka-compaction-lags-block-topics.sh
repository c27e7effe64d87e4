#!/usr/bin/env bash
# Apache Kafka 4.4.0, its own admin client, one broker.
#
# log.cleaner.min.compaction.lag.ms of all brokers can be raised above a topic's own
# max.compaction.lag.ms.  From then on, changes of other settings of that topic are
# refused.  If the brokers' maximum is then lowered below their minimum, this applies
# to all topics, and to every new topic that is created with a setting:
#
#	topic a, max 3600000: accepted
#	all brokers, min 7200000: accepted
#	topic a, retention.ms: conflict topic config setting min.compaction.lag.ms (7200000) > max.compaction.lag.ms (3600000)
#	topic b, retention.ms: accepted
#	all brokers, max 3600000: accepted
#	topic b, retention.ms: conflict topic config setting min.compaction.lag.ms (7200000) > max.compaction.lag.ms (3600000)
#	new topic, retention.ms: conflict topic config setting min.compaction.lag.ms (7200000) > max.compaction.lag.ms (3600000)
#	new topic: accepted
#
# The controller compares the two only when it checks a topic's settings, with the
# brokers' values in place of those that the topic does not have.
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
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;

class Show {
	static final ConfigResource BROKERS = new ConfigResource(ConfigResource.Type.BROKER, "");
	static final ConfigResource A = new ConfigResource(ConfigResource.Type.TOPIC, "a");
	static final ConfigResource B = new ConfigResource(ConfigResource.Type.TOPIC, "b");
	static Admin admin;

	/* Null, or why it was refused. */
	static String refusal(KafkaFuture<?> answer) throws Exception {
		try {
			answer.get();
			return null;
		} catch (java.util.concurrent.ExecutionException e) {
			if (!(e.getCause() instanceof InvalidConfigurationException))
				throw e;
			return e.getCause().getMessage();
		}
	}

	static void say(String what, String refusal) {
		System.out.println(what + ": " + (refusal == null ? "accepted" : refusal));
	}

	static void say(String what, KafkaFuture<?> answer) throws Exception {
		say(what, refusal(answer));
	}

	/* Tries for 10 seconds, since a setting of all brokers counts a moment after it was accepted. */
	static void sayLater(String what, ConfigResource of, String name, String value) throws Exception {
		String refusal = refusal(set(of, name, value));
		for (int i = 0; i < 100 && refusal == null; i++) {
			Thread.sleep(100);
			refusal = refusal(set(of, name, value));
		}
		say(what, refusal);
	}

	static KafkaFuture<Void> set(ConfigResource of, String name, String value) {
		AlterConfigOp set = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
		return admin.incrementalAlterConfigs(Map.of(of, List.of(set))).all();
	}

	static KafkaFuture<Void> create(String name, Map<String, String> settings) {
		return admin.createTopics(List.of(new NewTopic(name, 1, (short) 1).configs(settings))).all();
	}

	public static void main(String[] args) throws Exception {
		admin = Admin.create(Map.of("bootstrap.servers", args[0]));
		create("a", Map.of()).get();
		create("b", Map.of()).get();
		say("topic a, max 3600000", set(A, "max.compaction.lag.ms", "3600000"));
		say("all brokers, min 7200000", set(BROKERS, "log.cleaner.min.compaction.lag.ms", "7200000"));
		sayLater("topic a, retention.ms", A, "retention.ms", "86400000");
		say("topic b, retention.ms", set(B, "retention.ms", "86400000"));
		say("all brokers, max 3600000", set(BROKERS, "log.cleaner.max.compaction.lag.ms", "3600000"));
		sayLater("topic b, retention.ms", B, "retention.ms", "172800000");
		say("new topic, retention.ms", create("c", Map.of("retention.ms", "86400000")));
		say("new topic", create("d", Map.of()));
		admin.close();
	}
}
EOF
seen=$(kafka Show.java "127.0.0.1:$port")
echo "$seen"
conflict='conflict topic config setting min.compaction.lag.ms (7200000) > max.compaction.lag.ms (3600000)'
[ "$seen" = "topic a, max 3600000: accepted
all brokers, min 7200000: accepted
topic a, retention.ms: $conflict
topic b, retention.ms: accepted
all brokers, max 3600000: accepted
topic b, retention.ms: $conflict
new topic, retention.ms: $conflict
new topic: accepted" ] || exit 1
