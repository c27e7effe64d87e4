#!/usr/bin/env bash
# Apache Kafka 4.4.0 with kafka-clients 3.9.1, one broker.
#
# AlterConfigs for all brokers (the resource with the empty name) replaces all their
# settings.  On a new cluster it is refused, whatever it sets, unless it repeats a
# setting that no user has made:
#
#	set for all brokers: [min.insync.replicas=1]
#	log.retention.ms: Cluster-level min.insync.replicas cannot be removed while ELR is enabled.
#	log.retention.ms, min.insync.replicas: accepted
#
# Eligible leader replicas (ELR), enabled in new clusters since 4.1, add this setting.
# Old clients, and tools whose libraries have only AlterConfigs, must read the settings
# first and include it.
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
resolve old kafka-clients:3.9.1

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
import org.apache.kafka.common.errors.InvalidConfigurationException;

class Show {
	@SuppressWarnings("deprecation")
	static String replace(Admin admin, ConfigResource of, ConfigEntry... by) throws Exception {
		try {
			admin.alterConfigs(Map.of(of, new Config(List.of(by)))).all().get();
			return "accepted";
		} catch (java.util.concurrent.ExecutionException e) {
			if (!(e.getCause() instanceof InvalidConfigurationException))
				throw e;
			return e.getCause().getMessage();
		}
	}

	public static void main(String[] args) throws Exception {
		ConfigResource brokers = new ConfigResource(ConfigResource.Type.BROKER, "");
		ConfigEntry retention = new ConfigEntry("log.retention.ms", "86400000");
		ConfigEntry isr = new ConfigEntry("min.insync.replicas", "1");
		try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
			List<String> set = new ArrayList<>();
			for (ConfigEntry e : admin.describeConfigs(List.of(brokers)).all().get().get(brokers).entries())
				set.add(e.name() + "=" + e.value());
			System.out.println("set for all brokers: " + set);
			System.out.println("log.retention.ms: " + replace(admin, brokers, retention));
			System.out.println("log.retention.ms, min.insync.replicas: " + replace(admin, brokers, retention, isr));
		}
	}
}
EOF
seen=$(java -cp "$(cat old)" Show.java "127.0.0.1:$port" 2> >(grep -v '^SLF4J' >&2))
echo "$seen"
[ "$seen" = 'set for all brokers: [min.insync.replicas=1]
log.retention.ms: Cluster-level min.insync.replicas cannot be removed while ELR is enabled.
log.retention.ms, min.insync.replicas: accepted' ] || exit 1
