"""python3-kafka: produce TOPIC [CODEC], consume TOPIC, offsets TOPIC, admin."""
import os
import sys

import kafka
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from records import enc, records, show

BROKER = os.environ.get("capture_tcp") or os.environ["broker_tcp"]


def produce(topic, codec="none"):
    p = kafka.KafkaProducer(bootstrap_servers=BROKER, acks="all", linger_ms=50,
                            compression_type=None if codec == "none" else codec)
    sent = [p.send(topic, key=enc(r["key"]), value=enc(r["value"]), partition=0, timestamp_ms=r["time"],
                   headers=[(k, enc(v)) for k, v in r["headers"]]) for r in records()]
    assert [f.get(timeout=20).offset for f in sent] == list(range(len(sent)))
    p.close()


def consumer(topic):
    c = kafka.KafkaConsumer(bootstrap_servers=BROKER, group_id=None, auto_offset_reset="earliest",
                            enable_auto_commit=False, fetch_max_wait_ms=10)
    tp = kafka.TopicPartition(topic, 0)
    c.assign([tp])
    return c, tp


def consume(topic):
    c, tp = consumer(topic)
    c.seek_to_beginning(tp)
    end = c.end_offsets([tp])[tp]
    while c.position(tp) < end:
        for batch in c.poll(timeout_ms=5000).values():
            for m in batch:
                show(m.offset, m.key, m.value, m.headers, m.timestamp)
    c.close()


def offsets(topic):
    c, tp = consumer(topic)
    t0, n = records()[0]["time"], len(records())
    assert c.beginning_offsets([tp]) == {tp: 0}
    assert c.end_offsets([tp]) == {tp: n}
    for t, want in (t0, 0), (t0 + 5000, 5), (t0 + 5001, 6), (0, 0):
        got = c.offsets_for_times({tp: t})[tp]
        assert got.offset == want, (t, got)
        assert got.timestamp == t0 + 1000 * want, (t, got)
    assert c.offsets_for_times({tp: t0 + 1000 * n})[tp] is None
    c.seek(tp, 7)
    assert next(c).offset == 7
    c.close()


def first_error(response):
    for attr in "topic_error_codes", "topic_errors":
        for row in getattr(response, attr, ()):
            if row[1]:
                raise for_code(row[1])


def admin():
    a = KafkaAdminClient(bootstrap_servers=BROKER)
    a.create_topics([NewTopic("kp-admin", 3, 1, topic_configs={"retention.ms": "12345"})])
    assert "kp-admin" in a.list_topics()
    described = a.describe_topics(["kp-admin"])[0]
    assert described["error_code"] == 0 and len(described["partitions"]) == 3, described
    try:
        a.create_topics([NewTopic("kp-admin", 3, 1)])
        assert False, "made twice"
    except TopicAlreadyExistsError:
        pass

    def config(name):
        r, = a.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "kp-admin")])
        assert r.resources[0][0] == 0, r
        return {c[0]: c[1] for c in r.resources[0][4]}[name]
    assert config("retention.ms") == "12345"
    a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "kp-admin", {"segment.bytes": "1048576"})])
    assert config("segment.bytes") == "1048576"
    assert config("retention.ms") == "604800000"  # AlterConfigs replaces all
    a.create_partitions({"kp-admin": NewPartitions(5)})
    assert len(a.describe_topics(["kp-admin"])[0]["partitions"]) == 5
    assert a.describe_cluster()["brokers"]
    a.delete_topics(["kp-admin"])
    assert "kp-admin" not in a.list_topics()
    try:
        a.delete_topics(["kp-admin"])
        assert False, "deleted twice"
    except UnknownTopicOrPartitionError:
        pass
    a.close()


def version():
    """The broker release that the client infers from the version ranges."""
    c = kafka.KafkaConsumer(bootstrap_servers=BROKER)
    print(".".join(str(n) for n in c.config["api_version"]))
    c.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
