#!/usr/bin/env bash
# Apache Kafka 4.4.0, the message definitions inside its group coordinator.
#
# "default": null in a message definition is ignored: in a new object the field is
# empty, and also in an object that is read from a record without the field.  Only the
# string "null" makes the default null.  These are all fields of the group coordinator's
# records that have a bare null, with their values in a new object:
#
#	ConsumerGroupCurrentMemberAssignmentValue AssignmentEpochs: []
#	ConsumerGroupMemberMetadataValue ClassicMemberMetadata: ClassicMemberMetadata(sessionTimeoutMs=0, supportedProtocols=[])
#	StreamsGroupCurrentMemberAssignmentValue AssignmentEpochs: []
#	StreamsGroupMetadataValue LastAssignmentConfigs: []
#
# A codec that follows the definitions omits a tagged field that is null, its default,
# and Kafka then reads a member of the classic protocol with a session timeout of 0.
# Kafka itself always writes the null.
#
# Needs a JDK, mvn.  Exits with 0 as long as this is so, with 1 when it has
# changed, with 2 if it could not be set up.
set -Eeuo pipefail
trap 'exit 2' ERR

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >pom.xml <<-'EOF'
	<project xmlns="http://maven.apache.org/POM/4.0.0">
	  <modelVersion>4.0.0</modelVersion>
	  <groupId>x</groupId> <artifactId>x</artifactId> <version>1</version>
	  <dependencies>
	    <dependency>
	      <groupId>org.apache.kafka</groupId> <artifactId>kafka-group-coordinator</artifactId>
	      <version>4.4.0</version>
	    </dependency>
	  </dependencies>
	</project>
EOF
mvn -q -B dependency:build-classpath -Dmdep.outputFile=cp >mvn.log 2>&1 || { cat mvn.log && exit 2; }

cat >Show.java <<'EOF'
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.*;
import java.nio.file.*;
import java.util.*;

class Show {
	static final String CLASSES = "org.apache.kafka.coordinator.group.generated.";

	/* The names of the fields below a node whose default is a bare null. */
	static Set<String> bareNulls(JsonNode node) {
		Set<String> names = new TreeSet<>();
		for (JsonNode parent : node.findParents("default"))
			if (parent.get("default").isNull())
				names.add(parent.get("name").asText());
		return names;
	}

	/* Prints what new objects of a generated class, or of those within it, have for the field. */
	static void show(Class<?> message, String field) throws Exception {
		String getter = Character.toLowerCase(field.charAt(0)) + field.substring(1);
		List<Class<?>> classes = new ArrayList<>(List.of(message.getClasses()));
		classes.add(message);
		for (Class<?> of : classes)
			for (var method : of.getMethods())
				if (method.getName().equals(getter) && method.getParameterCount() == 0)
					System.out.println(message.getSimpleName() + " " + field + ": "
						+ method.invoke(of.getConstructor().newInstance()));
	}

	public static void main(String[] args) throws Exception {
		ObjectMapper json = new ObjectMapper().enable(JsonParser.Feature.ALLOW_COMMENTS);
		Path jar = Path.of(Class.forName(CLASSES + "ConsumerGroupMemberMetadataValue")
			.getProtectionDomain().getCodeSource().getLocation().toURI());
		try (FileSystem files = FileSystems.newFileSystem(jar);
		     var paths = Files.list(files.getPath("common/message"))) {
			for (Path path : (Iterable<Path>) paths.sorted()::iterator) {
				JsonNode definition = json.readTree(Files.readString(path));
				for (String field : bareNulls(definition))
					show(Class.forName(CLASSES + definition.get("name").asText()), field);
			}
		}
	}
}
EOF
seen=$(java -cp "$(cat cp)" Show.java 2> >(grep -v '^SLF4J' >&2))
echo "$seen"
[ "$seen" = 'ConsumerGroupCurrentMemberAssignmentValue AssignmentEpochs: []
ConsumerGroupMemberMetadataValue ClassicMemberMetadata: ClassicMemberMetadata(sessionTimeoutMs=0, supportedProtocols=[])
StreamsGroupCurrentMemberAssignmentValue AssignmentEpochs: []
StreamsGroupMetadataValue LastAssignmentConfigs: []' ] || exit 1
