/*
 * Streams map | windows BROKER N DIR - the jobs of streamloop.c by Kafka Streams, exactly
 * once, from topic orders to topic out, until N orders were read.
 */
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.*;

public class Streams {
    static final ObjectMapper mapper = new ObjectMapper();

    static Serde<JsonNode> json() {
        return Serdes.serdeFrom((topic, value) -> {
            try {
                return value == null ? null : mapper.writeValueAsBytes(value);
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        }, (topic, bytes) -> {
            try {
                return bytes == null ? null : mapper.readTree(bytes);
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        });
    }

    static ObjectNode row(double total, long n) {
        return mapper.createObjectNode().put("total", total).put("n", n);
    }

    public static void main(String[] args) throws Exception {
        long n = Long.parseLong(args[2]);
        AtomicLong read = new AtomicLong();
        CountDownLatch done = new CountDownLatch(1);
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, JsonNode> orders = builder.stream("orders",
            Consumed.with(Serdes.String(), json()).withTimestampExtractor((record, before) ->
                Instant.parse(((JsonNode) record.value()).get("ts").asText()).toEpochMilli()));
        if (args[0].equals("map")) {
            orders.peek((k, v) -> { if (read.incrementAndGet() == n) done.countDown(); })
                .filter((k, v) -> v.get("amount").asDouble() > 100)
                .mapValues(v -> (JsonNode) mapper.createObjectNode()
                    .<ObjectNode>set("id", v.get("id")).set("amount", v.get("amount")))
                .to("out", Produced.with(Serdes.String(), json()));
        } else {
            orders.selectKey((k, v) -> v.get("customer").asText())
                .mapValues(v -> (JsonNode) row(v.get("amount").asDouble(), 1))
                .groupByKey(Grouped.with(Serdes.String(), json()))
                .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMinutes(1)))
                .emitStrategy(EmitStrategy.onWindowClose())
                .aggregate(() -> (JsonNode) row(0, 0), (k, v, sum) -> {
                    if (read.incrementAndGet() == n) done.countDown();
                    return row(sum.get("total").asDouble() + v.get("total").asDouble(),
                        sum.get("n").asLong() + 1);
                }, Materialized.with(Serdes.String(), json()))
                .toStream()
                .to("out", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 60000),
                    json()));
        }
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, "streams-" + args[0] + "-" + System.nanoTime());
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[1]);
        p.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        p.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        KafkaStreams streams = new KafkaStreams(builder.build(), p);
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
        done.await();
        streams.close();
    }
}
