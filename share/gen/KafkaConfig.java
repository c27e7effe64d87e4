/* The settings of Apache Kafka as a table: share/kafka-config.tab.
 *
 *   java -cp CLASSPATH share/gen/KafkaConfig.java VERSION >share/kafka-config.tab
 *
 * CLASSPATH has kafka_2.13 of that version and its dependencies.  It is needed
 * only for a new version of Kafka: the table is kept with the sources. */
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.ConfigKey;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.ConfigSynonym;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.storage.internals.log.LogConfig;

public class KafkaConfig {
	/* A column is never empty and has no tabs. */
	static String column(Object o) {
		if (o == null)
			return "-";
		String s = o instanceof List<?> list ? String.join(",", list.stream()
			.map(String::valueOf).toList()) : o.toString();
		s = s.replaceAll("\\s+", " ").trim();
		return s.isEmpty() ? "\"\"" : s;
	}

	static String valid(ConfigKey k) {
		if (k.validator == null || k.validator.toString().contains("$$Lambda"))
			return k.validator == null ? "-" : "(code)";
		return column(k.validator);
	}

	static void print(String scope, ConfigDef def, Map<String, String> synonyms,
		Map<String, String> modes) {
		for (ConfigKey k : new TreeMap<>(def.configKeys()).values()) {
			Object value = k.defaultValue == ConfigDef.NO_DEFAULT_VALUE ? null : k.defaultValue;
			System.out.println(String.join("\t", scope, k.name, k.type.toString().toLowerCase(),
				column(value), valid(k), column(synonyms.get(k.name)),
				modes.getOrDefault(k.name, "-"), k.importance.toString().toLowerCase()
				+ (k.internalConfig ? ",internal" : "")));
		}
	}

	public static void main(String[] args) {
		System.out.println("# Made by share/gen/KafkaConfig.java from Apache Kafka " + args[0]
			+ ". Do not edit.\n#");
		System.out.println("# SCOPE\tNAME\tTYPE\tDEFAULT\tVALID\tSYNONYM\tMODE\tIMPORTANCE");
		System.out.println("# \"-\": none; a synonym is the broker's name of the setting;"
			+ " mode: how a broker's setting can be changed while it runs.");
		Map<String, String> topic = new TreeMap<>();
		ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS.forEach((name, list) ->
			topic.put(name, String.join(",", list.stream().map(ConfigSynonym::name).toList())));
		Map<String, String> group = new TreeMap<>();
		GroupConfig.ALL_GROUP_CONFIG_SYNONYMS.forEach((name, s) ->
			s.ifPresent(z -> group.put(name, z)));
		print("topic", LogConfig.configDefCopy(), topic, Map.of());
		print("broker", AbstractKafkaConfig.CONFIG_DEF, Map.of(),
			DynamicBrokerConfig.dynamicConfigUpdateModes());
		print("group", GroupConfig.CONFIG_DEF, group, Map.of());
	}
}
