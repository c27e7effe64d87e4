/*
 * WordCount SERVERS NAME DIR - counts the words of topic NAME-in into NAME-out.
 *
 * The classic group protocol, exactly_once_v2, and no cache: each count of a
 * word, 1 and 2 and so on, is written, so that each has to be there once.
 */
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

public class WordCount {
	public static void main(String[] args) {
		Properties p = new Properties();
		p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
		p.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
		p.put(StreamsConfig.STATE_DIR_CONFIG, args[2]);
		p.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, "classic");
		p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
		p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
		p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
		p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 50);
		p.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), 3000);
		p.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), 500);
		p.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
		StreamsBuilder b = new StreamsBuilder();
		b.stream(args[1] + "-in", Consumed.with(Serdes.String(), Serdes.String()))
			.flatMapValues(line -> Arrays.asList(line.toLowerCase(Locale.ROOT).split("[^a-z0-9]+")))
			.filter((key, word) -> !word.isEmpty())
			.groupBy((key, word) -> word, Grouped.with("words", Serdes.String(), Serdes.String()))
			.count(Materialized.as("counts"))
			.toStream()
			.mapValues(count -> Long.toString(count))
			.to(args[1] + "-out", Produced.with(Serdes.String(), Serdes.String()));
		KafkaStreams streams = new KafkaStreams(b.build(), p);
		streams.setUncaughtExceptionHandler(e -> {
			e.printStackTrace();
			return StreamThreadExceptionResponse.REPLACE_THREAD;
		});
		Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
		streams.start();
	}
}
