#!/usr/bin/env bash
# Apache Kafka 4.4.0, its own admin client, one broker.
#
# A topic is created with cleanup.policy "compact, delete".  The blank is accepted, but
# DescribeConfigs does not show it.  SUBTRACT of "delete" is answered with success and
# removes nothing; only " delete", with the blank, is removed:
#
#	made with "compact, delete": compact,delete
#	SUBTRACT "delete": compact,delete
#	SUBTRACT " delete": compact
#
# The controller stores the text unchanged and compares its members literally; the
# broker parses the text before it describes it.
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
import org.apache.kafka.common.config.ConfigResource;

class Show {
	static final ConfigResource TOPIC = new ConfigResource(ConfigResource.Type.TOPIC, "t");
	static Admin admin;

	static String policy() throws Exception {
		return admin.describeConfigs(List.of(TOPIC)).all().get().get(TOPIC).get("cleanup.policy").value();
	}

	/* Waits up to 5 seconds for the broker to describe something else than before. */
	static void subtract(String what) throws Exception {
		String before = policy();
		AlterConfigOp op = new AlterConfigOp(new ConfigEntry("cleanup.policy", what), AlterConfigOp.OpType.SUBTRACT);
		admin.incrementalAlterConfigs(Map.of(TOPIC, List.of(op))).all().get();
		for (int i = 0; i < 50 && policy().equals(before); i++)
			Thread.sleep(100);
		System.out.println("SUBTRACT \"" + what + "\": " + policy());
	}

	public static void main(String[] args) throws Exception {
		admin = Admin.create(Map.of("bootstrap.servers", args[0]));
		admin.createTopics(List.of(new NewTopic("t", 1, (short) 1)
			.configs(Map.of("cleanup.policy", "compact, delete")))).all().get();
		while (!admin.listTopics().names().get().contains("t"))
			Thread.sleep(100);
		System.out.println("made with \"compact, delete\": " + policy());
		subtract("delete");
		subtract(" delete");
		admin.close();
	}
}
EOF
seen=$(kafka Show.java "127.0.0.1:$port")
echo "$seen"
[ "$seen" = 'made with "compact, delete": compact,delete
SUBTRACT "delete": compact,delete
SUBTRACT " delete": compact' ] || exit 1
