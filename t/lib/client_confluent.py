"""python3-confluent-kafka: produce TOPIC [CODEC], feed TOPIC <LINES, consume TOPIC, offsets TOPIC, admin."""
import os
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from records import enc, records, show

BROKER = os.environ.get("capture_tcp") or os.environ["broker_tcp"]


def produce(topic, codec="none"):
    p = Producer({"bootstrap.servers": BROKER, "acks": "all", "linger.ms": 50, "compression.type": codec})
    got = []

    def delivered(error, m):
        assert error is None, error
        got.append(m.offset())
    for r in records():
        p.produce(topic, key=enc(r["key"]), value=enc(r["value"]), partition=0, timestamp=r["time"],
                  headers=[(k, enc(v)) for k, v in r["headers"]], on_delivery=delivered)
    assert p.flush(20) == 0
    assert got == list(range(len(records()))), got


def feed(topic):
    """Produce the lines of stdin; all must be acknowledged, even if the broker restarts."""
    failed = []
    p = Producer({"bootstrap.servers": BROKER, "acks": "all", "reconnect.backoff.ms": 10,
                  "reconnect.backoff.max.ms": 50, "retry.backoff.ms": 10, "log_level": 0})
    for line in sys.stdin:
        p.produce(topic, line.strip(), on_delivery=lambda error, m: error and failed.append(error))
        p.poll(0)
    assert p.flush(20) == 0 and not failed, failed[:1]


def consumer(topic, at=0):
    c = Consumer({"bootstrap.servers": BROKER, "group.id": "none", "enable.auto.commit": False,
                  "enable.partition.eof": True, "check.crcs": True, "fetch.wait.max.ms": 10})
    c.assign([TopicPartition(topic, 0, at)])
    return c


def consume(topic):
    c = consumer(topic)
    while True:
        m = c.poll(20)
        assert m is not None
        if m.error() and m.error().code() == KafkaError._PARTITION_EOF:
            break
        assert not m.error(), m.error()
        show(m.offset(), m.key(), m.value(), m.headers(), m.timestamp()[1])
    c.close()


def offsets(topic):
    c = consumer(topic)
    t0, n = records()[0]["time"], len(records())
    assert c.get_watermark_offsets(TopicPartition(topic, 0), timeout=20) == (0, n)
    for t, want in (t0, 0), (t0 + 5000, 5), (t0 + 5001, 6), (0, 0), (t0 + 1000 * n, -1):
        got, = c.offsets_for_times([TopicPartition(topic, 0, t)], timeout=20)
        assert got.offset == want, (t, got)
    c.close()


def done(futures):
    for f in futures.values():
        f.result(20)


def fails(code, futures):
    try:
        done(futures)
    except KafkaException as e:
        assert e.args[0].code() == code, e
        return
    assert False, "did not fail"


def admin():
    a = AdminClient({"bootstrap.servers": BROKER})
    name = "ck-admin"
    done(a.create_topics([NewTopic(name, 3, 1)]))
    fails(KafkaError.TOPIC_ALREADY_EXISTS, a.create_topics([NewTopic(name, 3, 1)]))
    fails(KafkaError.INVALID_PARTITIONS, a.create_topics([NewTopic("ck-none", 0, 1)]))
    fails(KafkaError.INVALID_REPLICATION_FACTOR, a.create_topics([NewTopic("ck-three", 1, 3)]))
    fails(KafkaError.INVALID_CONFIG, a.create_topics([NewTopic("ck-odd", 1, 1, config={"odd": "1"})]))
    fails(KafkaError.TOPIC_EXCEPTION, a.create_topics([NewTopic("no topic", 1, 1)]))
    done(a.create_topics([NewTopic("ck-dry", 1, 1)], validate_only=True))
    topics = a.list_topics(timeout=20).topics
    assert len(topics[name].partitions) == 3 and "ck-dry" not in topics

    def config(key):
        r = ConfigResource("topic", name)
        return a.describe_configs([r])[r].result(20)[key].value
    done(a.alter_configs([ConfigResource("topic", name, set_config={"retention.ms": "777"})]))
    assert config("retention.ms") == "777"
    fails(KafkaError.INVALID_CONFIG, a.alter_configs(
        [ConfigResource("topic", name, set_config={"retention.ms": "soon"})]))
    assert config("retention.ms") == "777"
    b = ConfigResource("broker", str(next(iter(a.list_topics(timeout=20).brokers))))
    assert a.describe_configs([b])[b].result(20)["num.partitions"].value == "1"
    done(a.create_partitions([NewPartitions(name, 4)]))
    assert len(a.list_topics(name, timeout=20).topics[name].partitions) == 4
    fails(KafkaError.INVALID_PARTITIONS, a.create_partitions([NewPartitions(name, 2)]))
    done(a.delete_topics([name]))
    assert name not in a.list_topics(timeout=20).topics
    fails(KafkaError.UNKNOWN_TOPIC_OR_PART, a.delete_topics([name]))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
