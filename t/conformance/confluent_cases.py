"""confluent-kafka-python, old and new: groups, offsets, transactions, admin."""
import confluent_kafka
from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition,
                             libversion)
from confluent_kafka.admin import AdminClient, NewTopic

from group_cases import BROKER, name, run, until

NEW = libversion()[1] >= 0x020c0000  # KIP-848 is complete since 2.12


def topic(prefix, partitions=4):
    t = name(prefix)
    admin = AdminClient({"bootstrap.servers": BROKER})  # the futures need it
    for f in admin.create_topics([NewTopic(t, partitions, 1)]).values():
        f.result(20)
    return t


def feed(t, n, first=0, partitions=4):
    failed = []
    p = Producer({"bootstrap.servers": BROKER, "linger.ms": 5})
    for i in range(first, first + n):
        p.produce(t, str(i), partition=i % partitions, on_delivery=lambda e, m: e and failed.append(e))
    assert p.flush(20) == 0 and not failed, failed[:1]


class Member:
    """A consumer that records what it owned and read."""

    def __init__(self, t, group, **more):
        conf = {"bootstrap.servers": BROKER, "group.id": group, "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20, "enable.auto.commit": False}
        conf.update({k.replace("_", "."): v for k, v in more.items()})
        if conf.get("group.protocol") != "consumer":
            conf.update({"session.timeout.ms": 6000, "heartbeat.interval.ms": 200})
        self.cooperative = (conf.get("partition.assignment.strategy") == "cooperative-sticky"
                            or conf.get("group.protocol") == "consumer")
        self.c = Consumer(conf)
        self.owned, self.read, self.lost = set(), [], set()
        self.c.subscribe([t], on_assign=self.assigned, on_revoke=self.revoked)

    def assigned(self, c, parts):
        if not self.cooperative:
            self.owned.clear()
        self.owned |= {p.partition for p in parts}

    def revoked(self, c, parts):
        self.lost |= {p.partition for p in parts}
        self.owned -= {p.partition for p in parts}

    def poll(self, wait=0.05):
        m = self.c.poll(wait)
        if m is not None:
            assert not m.error(), m.error()
            self.read.append(int(m.value()))
        return m

    def close(self):
        self.c.close()


def two_share(**more):
    t, g = topic("share"), name("g")
    a = Member(t, g, **more)
    until(lambda: len(a.owned) == 4, a.poll)
    b = Member(t, g, **more)

    def both():
        a.poll()
        b.poll()
    until(lambda: len(a.owned) == 2 and len(b.owned) == 2 and a.owned | b.owned == {0, 1, 2, 3}, both)
    feed(t, 400)
    until(lambda: len(a.read) + len(b.read) >= 400, both)
    assert sorted(a.read + b.read) == list(range(400))
    assert len(a.read) == 200
    return t, g, a, b


def takes_over(**more):
    t, g, a, b = two_share(**more)
    a.c.commit(asynchronous=False)
    b.c.commit(asynchronous=False)
    kept = set(b.owned)
    a.close()
    until(lambda: len(b.owned) == 4, b.poll)
    if b.cooperative:
        assert not b.lost & kept, (b.lost, kept)
    feed(t, 100, 400)
    b.read.clear()
    until(lambda: len(b.read) >= 100, b.poll)
    assert sorted(b.read) == list(range(400, 500)), b.read
    b.close()


def case_range():
    """range: two share the partitions, and one takes over when the other closes"""
    takes_over(partition_assignment_strategy="range")


def case_roundrobin():
    """roundrobin: two share the partitions, and one takes over when the other closes"""
    takes_over(partition_assignment_strategy="roundrobin")


def case_cooperative():
    """cooperative-sticky: what stays with a member is not taken from it"""
    takes_over(partition_assignment_strategy="cooperative-sticky")


def case_consumer():
    """the new protocol: two share the partitions, and one takes over when the other closes"""
    takes_over(group_protocol="consumer")


def case_static():
    """a static member that comes back gets its partitions, without a rebalance"""
    t, g = topic("static"), name("g")
    a = Member(t, g, group_instance_id="a")
    b = Member(t, g, group_instance_id="b")

    def both():
        a.poll()
        b.poll()
    until(lambda: len(a.owned) == 2 and len(b.owned) == 2, both)
    had = set(a.owned)
    a.close()  # says nothing to the group
    b.lost.clear()
    a = Member(t, g, group_instance_id="a")
    until(lambda: a.owned, both)
    assert a.owned == had and not b.lost, (a.owned, had, b.lost)
    a.close()
    b.close()


def case_resume():
    """committed offsets are where the next member begins"""
    t, g = topic("resume", 1), name("g")
    feed(t, 100, partitions=1)
    a = Member(t, g)
    until(lambda: len(a.read) == 30, a.poll)
    a.c.commit(asynchronous=False)
    until(lambda: len(a.read) == 50, a.poll)
    a.close()
    b = Member(t, g)
    until(lambda: len(b.read) == 70, b.poll)
    assert b.read == list(range(30, 100))
    b.close()


def case_autocommit():
    """offsets are committed on an interval and when a member closes"""
    t, g = topic("auto", 1), name("g")
    feed(t, 100, partitions=1)
    a = Member(t, g, enable_auto_commit=True, auto_commit_interval_ms=100)
    until(lambda: len(a.read) == 100, a.poll)

    def committed():
        got, = a.c.committed([TopicPartition(t, 0)], timeout=10)
        return got.offset == 100
    until(committed, a.poll)
    feed(t, 10, 100, partitions=1)
    until(lambda: len(a.read) == 110, a.poll)
    a.close()
    b = Member(t, g)
    got, = b.c.committed([TopicPartition(t, 0)], timeout=10)
    assert got.offset == 110, got
    b.close()


def case_commit():
    """commits are read back, with their metadata, by one of no group's members too"""
    t, g = topic("commit", 2), name("g")
    c = Consumer({"bootstrap.servers": BROKER, "group.id": g})
    a, b = c.committed([TopicPartition(t, 0), TopicPartition(t, 1)], timeout=20)
    assert a.offset == b.offset == confluent_kafka.OFFSET_INVALID
    done = c.commit(offsets=[TopicPartition(t, 0, 7), TopicPartition(t, 1, 9)], asynchronous=False)
    assert all(p.error is None for p in done), done
    a, b = c.committed([TopicPartition(t, 0), TopicPartition(t, 1)], timeout=20)
    assert (a.offset, b.offset) == (7, 9)
    # A topic that does not exist.
    try:
        done = c.commit(offsets=[TopicPartition(name("none"), 0, 7)], asynchronous=False)
        assert done[0].error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART, done
    except KafkaException as e:
        assert e.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART, e
    c.close()


def case_stranger():
    """a commit by one who is no member is refused while the group has members"""
    t, g = topic("stranger", 1), name("g")
    a = Member(t, g)
    until(lambda: a.owned, a.poll)
    c = Consumer({"bootstrap.servers": BROKER, "group.id": g})
    try:
        c.commit(offsets=[TopicPartition(t, 0, 7)], asynchronous=False)
        assert False, "committed"
    except KafkaException as e:
        assert e.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION), e
    c.close()
    a.close()


def case_list_groups():
    """groups are listed with their state, protocol and members"""
    t, g = topic("list", 2), name("g")
    a = Member(t, g, partition_assignment_strategy="range", client_id="tester")
    until(lambda: a.owned, a.poll)
    found, = AdminClient({"bootstrap.servers": BROKER}).list_groups(g, timeout=20)
    assert (found.id, found.state, found.protocol_type, found.protocol) == (g, "Stable", "consumer", "range"), found
    m, = found.members
    assert m.client_id == "tester" and m.client_host == "/127.0.0.1" and m.assignment and m.metadata, m
    a.c.commit(offsets=[TopicPartition(t, 0, 0)], asynchronous=False)
    a.close()
    found, = AdminClient({"bootstrap.servers": BROKER}).list_groups(g, timeout=20)
    assert found.state == "Empty" and not found.members, found


def read_all(t, n, **more):
    """The values of a topic's partition 0, which must be exactly n."""
    c = Consumer(dict({"bootstrap.servers": BROKER, "group.id": "none", "enable.auto.commit": False,
                       "enable.partition.eof": True, "fetch.wait.max.ms": 20}, **more))
    c.assign([TopicPartition(t, 0, OFFSET_BEGINNING)])
    got = []

    def ended():
        m = c.poll(1)
        if m is None:
            return False
        if m.error():
            assert m.error().code() == KafkaError._PARTITION_EOF, m.error()
            return len(got) >= n
        got.append(m.value().decode())
        return False
    until(ended, lambda: None)
    c.close()
    return got


def transactional(i):
    p = Producer({"bootstrap.servers": BROKER, "transactional.id": i, "transaction.timeout.ms": 10000})
    p.init_transactions(20)
    return p


def case_idempotent():
    """an idempotent producer's records are there once and in order"""
    t = topic("idem", 1)
    p = Producer({"bootstrap.servers": BROKER, "enable.idempotence": True, "batch.num.messages": 10})
    for i in range(1000):
        p.produce(t, str(i), partition=0)
    assert p.flush(20) == 0
    assert read_all(t, 1000) == [str(i) for i in range(1000)]


def case_transactions():
    """what is committed is read, what is aborted only by who wants it"""
    t = topic("txn", 1)
    p = transactional(name("id"))
    for i, end in enumerate((p.commit_transaction, p.abort_transaction, p.commit_transaction)):
        p.begin_transaction()
        for j in range(10):
            p.produce(t, "%d-%d" % (i, j), partition=0)
        p.flush(10)
        end(20)
    ten = ["%d-%d" % (i, j) for i in (0, 1, 2) for j in range(10)]
    assert read_all(t, 20, **{"isolation.level": "read_committed"}) == ten[:10] + ten[20:]
    assert read_all(t, 30, **{"isolation.level": "read_uncommitted"}) == ten


def case_open_transaction():
    """an open transaction hides itself and what comes behind it"""
    t = topic("open", 1)
    p = transactional(name("id"))
    feed(t, 5, partitions=1)
    p.begin_transaction()
    p.produce(t, "open", partition=0)
    p.flush(10)
    feed(t, 5, 5, partitions=1)
    before = [str(i) for i in range(5)]
    committed = {"isolation.level": "read_committed"}
    assert read_all(t, 5, **committed) == before
    p.commit_transaction(20)
    assert read_all(t, 11, **committed) == before + ["open"] + [str(i) for i in range(5, 10)]


def case_send_offsets():
    """offsets are committed with a transaction, and not with an aborted one"""
    t, g, out = topic("in", 1), name("g"), topic("out", 1)
    feed(t, 10, partitions=1)
    p = transactional(name("id"))
    a = Member(t, g)
    until(lambda: len(a.read) == 10, a.poll)

    def committed():
        return a.c.committed([TopicPartition(t, 0)], timeout=20)[0].offset
    for offset, end, want in ((4, p.abort_transaction, confluent_kafka.OFFSET_INVALID), (8, p.commit_transaction, 8)):
        p.begin_transaction()
        p.produce(out, str(offset), partition=0)
        p.send_offsets_to_transaction([TopicPartition(t, 0, offset)], a.c.consumer_group_metadata(), 20)
        end(20)
        assert committed() == want, (committed(), want)
    assert read_all(out, 1, **{"isolation.level": "read_committed"}) == ["8"]
    a.close()


def case_fenced():
    """a second producer of the same id ends the first one's transaction and fences it"""
    t, i = topic("fence", 1), name("id")
    one = transactional(i)
    one.begin_transaction()
    one.produce(t, "one", partition=0)
    one.flush(10)
    two = transactional(i)
    try:
        one.produce(t, "one again", partition=0)
        one.commit_transaction(20)
        assert False, "committed"
    except KafkaException as e:
        assert e.args[0].fatal(), e
    two.begin_transaction()
    two.produce(t, "two", partition=0)
    two.commit_transaction(20)
    assert read_all(t, 1, **{"isolation.level": "read_committed"}) == ["two"]


if NEW:
    from confluent_kafka import ConsumerGroupTopicPartitions as GroupPartitions
    from confluent_kafka import ConsumerGroupState
    from confluent_kafka.admin import OffsetSpec

    def result(futures):
        f, = futures.values()
        return f.result(20)

    def case_admin():
        """groups are described, their offsets listed, set and deleted, and they are deleted"""
        t, g = topic("admin", 2), name("g")
        feed(t, 10, partitions=2)
        admin = AdminClient({"bootstrap.servers": BROKER})
        m = Member(t, g)
        until(lambda: len(m.read) == 10, m.poll)
        m.c.commit(asynchronous=False)
        d = result(admin.describe_consumer_groups([g]))
        assert d.state == ConsumerGroupState.STABLE and len(d.members) == 1, d
        assert {p.partition for p in d.members[0].assignment.topic_partitions} == {0, 1}
        assert g in [x.group_id for x in admin.list_consumer_groups().result(20).valid]
        try:
            result(admin.delete_consumer_groups([g]))
            assert False, "deleted"
        except KafkaException as e:
            assert e.args[0].code() == KafkaError.NON_EMPTY_GROUP, e
        m.close()
        got = result(admin.list_consumer_group_offsets([GroupPartitions(g)]))
        assert {(p.partition, p.offset) for p in got.topic_partitions} == {(0, 5), (1, 5)}, got.topic_partitions
        result(admin.alter_consumer_group_offsets([GroupPartitions(g, [TopicPartition(t, 0, 2)])]))
        got = result(admin.list_consumer_group_offsets([GroupPartitions(g, [TopicPartition(t, 0)])]))
        assert got.topic_partitions[0].offset == 2
        result(admin.delete_consumer_groups([g]))
        try:
            d = result(admin.describe_consumer_groups([g]))
            assert d.state == ConsumerGroupState.DEAD, d
        except KafkaException as e:
            assert e.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND, e
        ends = admin.list_offsets({TopicPartition(t, 0): OffsetSpec.latest()})
        assert result(ends).offset == 5

    def case_settings():
        """settings of the broker and of a group are changed and described"""
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
        from confluent_kafka.admin import ResourceType
        admin = AdminClient({"bootstrap.servers": BROKER})

        def change(kind, resource, key, value, op=AlterConfigOpType.SET):
            entry = ConfigEntry(key, value, incremental_operation=op)
            return result(admin.incremental_alter_configs(
                [ConfigResource(kind, resource, incremental_configs=[entry])]))

        def value(kind, resource, key):
            entry = result(admin.describe_configs([ConfigResource(kind, resource)]))[key]
            return entry.value, entry.is_read_only
        group = name("settings")
        change(ResourceType.BROKER, "1", "log.roll.ms", "500000")
        change(ResourceType.GROUP, group, "consumer.session.timeout.ms", "50000")
        until(lambda: value(ResourceType.BROKER, "1", "log.roll.ms") == ("500000", False))
        until(lambda: value(ResourceType.GROUP, group, "consumer.session.timeout.ms")
              == ("50000", False))
        assert value(ResourceType.BROKER, "1", "num.partitions")[1]
        change(ResourceType.BROKER, "1", "log.roll.ms", None, AlterConfigOpType.DELETE)
        for kind, resource, key, bad in ((ResourceType.BROKER, "1", "num.partitions", "4"),
                                         (ResourceType.BROKER, "1", "log.roll.ms", "0"),
                                         (ResourceType.GROUP, group, "consumer.session.timeout.ms", "5")):
            try:
                change(kind, resource, key, bad)
                assert False, "taken: %s=%s" % (key, bad)
            except KafkaException as e:
                assert e.args[0].code() in (KafkaError.INVALID_REQUEST, KafkaError.INVALID_CONFIG), e

    def case_consumer_described():
        """a group of the new protocol is described as one"""
        t, g = topic("described", 2), name("g")
        m = Member(t, g, group_protocol="consumer", group_remote_assignor="range")
        until(lambda: len(m.owned) == 2, m.poll)
        admin = AdminClient({"bootstrap.servers": BROKER})
        d = result(admin.describe_consumer_groups([g]))
        assert d.state == ConsumerGroupState.STABLE and d.type.name == "CONSUMER", (d.state, d.type)
        assert d.partition_assignor == "range", d.partition_assignor
        assert {p.partition for p in d.members[0].assignment.topic_partitions} == {0, 1}
        m.close()

    def case_upgrade():
        """a classic group becomes one of the new protocol, member by member"""
        t, g = topic("upgrade"), name("g")
        a = Member(t, g, partition_assignment_strategy="cooperative-sticky")
        until(lambda: len(a.owned) == 4, a.poll)
        b = Member(t, g, group_protocol="consumer")

        def both():
            a.poll()
            b.poll()
        until(lambda: len(a.owned) == 2 and len(b.owned) == 2, both)
        feed(t, 100)
        until(lambda: len(a.read) + len(b.read) == 100, both)
        a.close()
        until(lambda: len(b.owned) == 4, b.poll)
        b.close()
else:
    del case_consumer

if __name__ == "__main__":
    run(globals())
