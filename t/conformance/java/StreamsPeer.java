/*
 * StreamsPeer - Kafka Streams beside kq-stream, and what it takes to compare the two.
 *
 *	run DIR APP...      run these applications (see topology) until SIGTERM
 *	dump TOPIC...       the committed records: topic, partition, time, key, value, headers
 *	topics PREFIX       the topics of this prefix, with what is set for each
 *	notes GROUP TOPIC   the committed metadata of the topic, decoded by Kafka Streams' class
 *	windowed TOPIC SIZE, sessions TOPIC
 *	                    the keys as Kafka's deserializers of windowed keys read them
 *	latest TOPIC OUT ID a Kafka Streams application that reads a topic as a table, counts its
 *	                    updates by key, and ends at the end of the topic
 *
 * The first argument is the brokers' address.  Bytes that are no printable ASCII are \xNN.
 */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindowedDeserializer;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.kstream.TimeWindowedDeserializer;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.processor.internals.TopicPartitionMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public class StreamsPeer {
	static final ObjectMapper JSON = new ObjectMapper();
	static final Serde<String> TEXT = Serdes.String();
	static final Produced<String, String> OUT = Produced.with(TEXT, TEXT);
	static final Grouped<String, String> GROUPED = Grouped.with(TEXT, TEXT);
	static String servers;

	public static void main(String[] args) throws Exception {
		servers = args[0];
		String[] rest = Arrays.copyOfRange(args, 2, args.length);
		switch (args[1]) {
		case "run" -> run(rest);
		case "dump" -> dump(rest);
		case "topics" -> topics(rest[0]);
		case "notes" -> notes(rest[0], rest[1]);
		case "windowed" -> windowed(rest[0], Long.parseLong(rest[1]));
		case "sessions" -> sessions(rest[0]);
		case "latest" -> latest(rest[0], rest[1], rest[2]);
		default -> throw new IllegalArgumentException(args[1]);
		}
	}

	// ---- values ----

	static JsonNode json(String text) {
		try {
			return JSON.readTree(text);
		} catch (java.io.IOException e) {
			throw new IllegalArgumentException(text, e);
		}
	}

	static String textOf(String value, String field) {
		JsonNode node = json(value).get(field);
		return node == null || node.isNull() ? null : node.asText();
	}

	static long numberOf(String value, String field) {
		return json(value).get(field).asLong();
	}

	/** What the expression {"s": (acc.s + value.v)} gives. */
	static String sum(String value, String acc) {
		return "{\"s\":" + (numberOf(acc, "s") + numberOf(value, "v")) + "}";
	}

	static String plus(String acc, int n) {
		return "{\"n\":" + (numberOf(acc, "n") + n) + "}";
	}

	static String joined(String left, String right) {
		return "[" + left + "," + right + "]";
	}

	// ---- topologies ----

	/** The field "ts" is the time. */
	static KStream<String, String> timed(StreamsBuilder b, String topic) {
		return b.stream(topic, Consumed.with(TEXT, TEXT).withTimestampExtractor(
			(record, before) -> numberOf((String)record.value(), "ts")));
	}

	static KGroupedStream<String, String> ordersByKey(StreamsBuilder b) {
		return timed(b, "orders").groupBy((key, value) -> textOf(value, "k"), GROUPED);
	}

	static TimeWindows tumbling() {
		return TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(5));
	}

	static Serde<Windowed<String>> windows() {
		return WindowedSerdes.timeWindowedSerdeFrom(String.class, 10000);
	}

	static void topology(StreamsBuilder b, String name, String out) {
		switch (name) {
		case "count" -> ordersByKey(b)
			.aggregate(() -> "{\"n\":0}", (k, v, acc) -> plus(acc, 1), Materialized.with(TEXT, TEXT))
			.toStream().to(out, OUT);
		case "named" -> timed(b, "orders")
			.groupBy((key, value) -> textOf(value, "k"), GROUPED)
			.aggregate(() -> "{\"n\":0}", (k, v, acc) -> plus(acc, 1),
				Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("st")
					.withKeySerde(TEXT).withValueSerde(TEXT))
			.toStream().to(out, OUT);
		case "window" -> ordersByKey(b).windowedBy(tumbling())
			.aggregate(() -> "{\"s\":0}", (k, v, acc) -> sum(v, acc), Materialized.with(TEXT, TEXT))
			.toStream().to(out, Produced.with(windows(), TEXT));
		case "close" -> ordersByKey(b).windowedBy(tumbling())
			.emitStrategy(EmitStrategy.onWindowClose())
			.aggregate(() -> "{\"s\":0}", (k, v, acc) -> sum(v, acc), Materialized.with(TEXT, TEXT))
			.toStream().to(out, Produced.with(windows(), TEXT));
		case "limit" -> ordersByKey(b)
			.aggregate(() -> "{\"n\":0}", (k, v, acc) -> plus(acc, 1), Materialized.with(TEXT, TEXT))
			.suppress(Suppressed.untilTimeLimit(Duration.ofSeconds(20),
				Suppressed.BufferConfig.unbounded()))
			.toStream().to(out, OUT);
		case "sliding" -> ordersByKey(b)
			.windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(10),
				Duration.ofSeconds(5)))
			.aggregate(() -> "{\"s\":0}", (k, v, acc) -> sum(v, acc), Materialized.with(TEXT, TEXT))
			.toStream().to(out, Produced.with(windows(), TEXT));
		case "session" -> ordersByKey(b)
			.windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(3),
				Duration.ofSeconds(5)))
			.aggregate(() -> "{\"n\":0}", (k, v, acc) -> plus(acc, 1),
				(k, x, y) -> plus(x, (int)numberOf(y, "n")), Materialized.with(TEXT, TEXT))
			.toStream().to(out, Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), TEXT));
		case "left" -> {
			KStream<String, String> payments = timed(b, "payments");
			timed(b, "bought")
				.leftJoin(payments, StreamsPeer::joined,
					JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(4), Duration.ofSeconds(2)),
					StreamJoined.with(TEXT, TEXT, TEXT))
				.to(out, OUT);
		}
		case "table" -> {
			KTable<String, String> users = b.table("users", Consumed.with(TEXT, TEXT));
			timed(b, "orders").selectKey((k, v) -> textOf(v, "k"))
				.join(users, StreamsPeer::joined, Joined.with(TEXT, TEXT, TEXT)).to(out, OUT);
		}
		case "regroup" -> b.table("members", Consumed.with(TEXT, TEXT))
			.groupBy((k, v) -> KeyValue.pair(textOf(v, "land"), v), GROUPED)
			.aggregate(() -> "{\"n\":0}", (k, v, acc) -> plus(acc, 1), (k, v, acc) -> plus(acc, -1),
				Materialized.with(TEXT, TEXT))
			.toStream().to(out, OUT);
		case "foreign" -> {
			KTable<String, String> lands = b.table("lands", Consumed.with(TEXT, TEXT));
			b.table("users", Consumed.with(TEXT, TEXT)).leftJoin(lands, v -> textOf(v, "land"),
				StreamsPeer::joined, Materialized.with(TEXT, TEXT)).toStream().to(out, OUT);
		}
		case "foreign-inner" -> {
			KTable<String, String> lands = b.table("lands", Consumed.with(TEXT, TEXT));
			b.table("users", Consumed.with(TEXT, TEXT)).join(lands, v -> textOf(v, "land"),
				StreamsPeer::joined, TableJoined.as("fkj"), Materialized.with(TEXT, TEXT))
				.toStream().to(out, OUT);
		}
		case "versioned" -> {
			KTable<String, String> users = b.table("users", Consumed.with(TEXT, TEXT),
				Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore("vs",
					Duration.ofDays(7))).withKeySerde(TEXT).withValueSerde(TEXT));
			timed(b, "orders").selectKey((k, v) -> textOf(v, "k"))
				.leftJoin(users, StreamsPeer::joined, Joined.with(TEXT, TEXT, TEXT)).to(out, OUT);
		}
		default -> throw new IllegalArgumentException(name);
		}
	}

	static Properties settings(String application, Path dir) {
		Properties p = new Properties();
		p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers);
		p.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
		p.put(StreamsConfig.STATE_DIR_CONFIG, dir.toString());
		p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
		p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
		p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
		p.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, 3600000);
		p.put("__emit.interval.ms.kstreams.windowed.aggregation__", 0);
		p.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0);
		p.put("auto.offset.reset", "earliest");
		return p;
	}

	/** The applications java-NAME, from the same topics as kqst-NAME, to java-NAME-out. */
	static void run(String[] args) throws Exception {
		List<KafkaStreams> all = new ArrayList<>();
		CountDownLatch ended = new CountDownLatch(1);
		for (int i = 1; i < args.length; i++) {
			String id = "java-" + args[i];
			StreamsBuilder b = new StreamsBuilder();
			topology(b, args[i], id + "-out");
			KafkaStreams streams = new KafkaStreams(b.build(), settings(id, Path.of(args[0])));
			streams.setUncaughtExceptionHandler(e -> {
				e.printStackTrace();
				ended.countDown();
				return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
			});
			all.add(streams);
			streams.start();
		}
		Runtime.getRuntime().addShutdownHook(new Thread(() -> {
			for (KafkaStreams streams : all)
				streams.close(Duration.ofSeconds(20));
		}));
		ended.await();
		System.exit(1);
	}

	/** Counts the updates of each key of a table that another program writes. */
	static void latest(String topic, String out, String id) throws Exception {
		StreamsBuilder b = new StreamsBuilder();
		b.stream(topic, Consumed.with(TEXT, TEXT)).groupByKey(GROUPED)
			.aggregate(() -> "", (k, v, acc) -> v, Materialized.with(TEXT, TEXT))
			.toStream().to(out, OUT);
		Path dir = java.nio.file.Files.createTempDirectory("streams-peer");
		KafkaStreams streams = new KafkaStreams(b.build(), settings(id, dir));
		streams.start();
		Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
		Thread.sleep(Long.MAX_VALUE);
	}

	// ---- what is on the broker ----

	static void put(StringBuilder out, byte[] bytes) {
		if (bytes == null) {
			out.append("null");
			return;
		}
		out.append('<');
		for (byte x : bytes)
			if (x > ' ' && x < 127 && x != '\\' && x != '<' && x != '>')
				out.append((char)x);
			else
				out.append(String.format("\\x%02x", x & 255));
		out.append('>');
	}

	interface Taker<K> {
		void take(ConsumerRecord<K, byte[]> record);
	}

	static <K> void read(Collection<String> topics,
			Deserializer<K> keys, Taker<K> taker) {
		Properties p = new Properties();
		p.put("bootstrap.servers", servers);
		p.put("isolation.level", "read_committed");
		p.put("auto.offset.reset", "earliest");
		try (KafkaConsumer<K, byte[]> consumer = new KafkaConsumer<>(p, keys,
				new ByteArrayDeserializer())) {
			List<TopicPartition> parts = new ArrayList<>();
			for (String topic : topics)
				consumer.partitionsFor(topic).forEach(
					info -> parts.add(new TopicPartition(topic, info.partition())));
			consumer.assign(parts);
			Map<TopicPartition, Long> ends = consumer.endOffsets(parts);
			while (ends.entrySet().stream().anyMatch(
					end -> consumer.position(end.getKey()) < end.getValue()))
				consumer.poll(Duration.ofMillis(200)).forEach(taker::take);
		}
	}

	static void dump(String[] topics) {
		Map<String, List<String>> lines = new TreeMap<>();
		read(Arrays.asList(topics), new ByteArrayDeserializer(), record -> {
			StringBuilder out = new StringBuilder(record.topic()).append(' ').append(record.partition())
				.append(' ').append(record.timestamp()).append(' ');
			put(out, record.key());
			put(out.append(' '), record.value());
			record.headers().forEach(header -> put(
				out.append(' ').append(header.key()).append('='), header.value()));
			lines.computeIfAbsent(record.topic() + record.partition(), x -> new ArrayList<>())
				.add(out.toString());
		});
		lines.values().forEach(of -> of.forEach(System.out::println));
	}

	static void windowed(String topic, long size) {
		read(List.of(topic), new TimeWindowedDeserializer<>(new StringDeserializer(), size),
			StreamsPeer::print);
	}

	static void sessions(String topic) {
		read(List.of(topic), new SessionWindowedDeserializer<>(new StringDeserializer()),
			StreamsPeer::print);
	}

	static void print(ConsumerRecord<Windowed<String>, byte[]> record) {
		Windowed<String> key = record.key();
		System.out.println(key.key() + " " + key.window().start() + " " + key.window().end() + " "
			+ (record.value() == null ? "null" : new String(record.value())));
	}

	static void topics(String prefix) throws Exception {
		try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
			TreeSet<String> names = new TreeSet<>(admin.listTopics().names().get());
			names.removeIf(name -> !name.startsWith(prefix));
			var about = admin.describeTopics(names).allTopicNames().get();
			for (String name : names) {
				ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
				TreeSet<String> set = new TreeSet<>();
				for (ConfigEntry entry
						: admin.describeConfigs(List.of(resource)).all().get().get(resource).entries())
					if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
						set.add(entry.name() + "=" + entry.value());
				System.out.println(name + " " + about.get(name).partitions().size() + " "
					+ String.join(" ", set));
			}
		}
	}

	static void notes(String group, String topic) throws Exception {
		try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
			Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>(
				admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
			TreeMap<Integer, String> lines = new TreeMap<>();
			offsets.forEach((part, offset) -> {
				if (!part.topic().equals(topic))
					return;
				TopicPartitionMetadata note = TopicPartitionMetadata.decode(offset.metadata());
				if (!note.encode().equals(offset.metadata()) && note.processorMetadata() == null)
					throw new IllegalStateException(offset.metadata());
				lines.put(part.partition(), part.partition() + " " + offset.offset() + " "
					+ note.partitionTime());
			});
			lines.values().forEach(System.out::println);
		}
	}
}
