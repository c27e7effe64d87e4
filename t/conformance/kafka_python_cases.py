"""kafka-python, old and new: groups, offsets, admin; transactions since 2.1."""
import threading

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from group_cases import BROKER, PATIENCE, name, run, until

MAJOR = tuple(int(n) for n in kafka.__version__.split(".")[:2])


def committed_at(offset, metadata=""):
    return OffsetAndMetadata(offset, metadata) if MAJOR < (2, 1) else OffsetAndMetadata(offset, metadata, -1)


def topic(prefix, partitions=4):
    t = name(prefix)
    a = KafkaAdminClient(bootstrap_servers=BROKER)
    a.create_topics([NewTopic(name=t, num_partitions=partitions, replication_factor=1)])
    a.close()
    return t


def feed(t, n, first=0, partitions=4):
    p = KafkaProducer(bootstrap_servers=BROKER, linger_ms=5)
    sent = [p.send(t, str(i).encode(), partition=i % partitions) for i in range(first, first + n)]
    p.flush()
    for f in sent:
        f.get(20)
    p.close()


class Member:
    """A consumer that records what it read."""

    def __init__(self, t, group, **more):
        conf = dict(bootstrap_servers=BROKER, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
                    session_timeout_ms=6000, heartbeat_interval_ms=200, fetch_max_wait_ms=20, metadata_max_age_ms=1000)
        conf.update(more)
        self.c = KafkaConsumer(**conf)
        self.read = []
        if t.startswith("^"):
            self.c.subscribe(pattern=t)
        else:
            self.c.subscribe([t])

    def poll(self):
        # Longer than a join takes: a response that the leader receives just after its
        # poll has ended is lost, and it never reads again; also against Kafka.
        for batch in self.c.poll(timeout_ms=500).values():
            self.read += [int(m.value) for m in batch]

    def owned(self):
        return {p.partition for p in self.c.assignment()}

    def close(self):
        self.c.close(autocommit=False)


class polling:
    """Poll the members in parallel, each in a thread: a poll waits until the whole group has joined."""

    def __init__(self, *members):
        self.done = False
        self.threads = [threading.Thread(target=self.loop, args=(m,), daemon=True) for m in members]

    def loop(self, m):
        while not self.done:
            m.poll()

    def __enter__(self):
        for t in self.threads:
            t.start()

    def __exit__(self, *_):
        self.done = True
        for t in self.threads:
            t.join(PATIENCE)


def takes_over(strategy):
    t, g = topic("share"), name("g")
    a = Member(t, g, partition_assignment_strategy=[strategy])
    until(lambda: len(a.owned()) == 4, a.poll)
    b = Member(t, g, partition_assignment_strategy=[strategy])

    with polling(a, b):
        until(lambda: len(a.owned()) == 2 and a.owned() | b.owned() == {0, 1, 2, 3})
        feed(t, 400)
        until(lambda: len(a.read) + len(b.read) >= 400)
    assert sorted(a.read + b.read) == list(range(400)) and len(a.read) == 200
    a.c.commit()
    b.c.commit()
    a.close()
    until(lambda: len(b.owned()) == 4, b.poll)
    feed(t, 100, 400)
    b.read.clear()
    until(lambda: len(b.read) >= 100, b.poll)
    assert sorted(b.read) == list(range(400, 500))
    b.close()


def case_range():
    """range: two share the partitions, and one takes over when the other closes"""
    takes_over(RangePartitionAssignor)


def case_roundrobin():
    """roundrobin: two share the partitions, and one takes over when the other closes"""
    takes_over(RoundRobinPartitionAssignor)


def case_sticky():
    """sticky: two share the partitions, and one takes over when the other closes"""
    takes_over(StickyPartitionAssignor)


def case_pattern():
    """a member that subscribes by a pattern finds topics made later"""
    g, prefix = name("g"), name("pat")
    a = Member("^%s.*" % prefix, g)
    t = topic(prefix)
    feed(t, 10)
    until(lambda: len(a.read) == 10, a.poll)
    a.close()


def case_resume():
    """committed offsets are where the next member begins"""
    t, g = topic("resume", 1), name("g")
    feed(t, 100, partitions=1)
    a = Member(t, g, max_poll_records=10)
    until(lambda: len(a.read) == 30, a.poll)
    a.c.commit()
    until(lambda: len(a.read) == 50, a.poll)
    a.close()
    b = Member(t, g)
    until(lambda: len(b.read) == 70, b.poll)
    assert b.read == list(range(30, 100))
    b.close()


def case_autocommit():
    """offsets are committed on an interval"""
    t, g = topic("auto", 1), name("g")
    feed(t, 100, partitions=1)
    a = Member(t, g, enable_auto_commit=True, auto_commit_interval_ms=100)
    until(lambda: len(a.read) == 100, a.poll)
    until(lambda: a.c.committed(TopicPartition(t, 0)) == 100, a.poll)
    a.close()


def case_metadata():
    """offsets are committed with metadata by an id that is no group's, and read back"""
    t, g = topic("commit", 2), name("g")
    a = KafkaConsumer(bootstrap_servers=BROKER, group_id=g, enable_auto_commit=False)
    one = TopicPartition(t, 1)
    a.assign([one])
    assert a.committed(one) is None
    a.commit({one: committed_at(7, "words")})
    assert a.committed(one) == 7
    got = a.committed(one, metadata=True)
    assert (got.offset, got.metadata) == (7, "words"), got
    a.close()


def case_admin():
    """groups are listed and described, their offsets listed, and they are deleted when empty"""
    t, g = topic("admin", 2), name("g")
    feed(t, 10, partitions=2)
    m = Member(t, g, client_id="tester")
    until(lambda: len(m.read) == 10, m.poll)
    m.c.commit()
    a = KafkaAdminClient(bootstrap_servers=BROKER)
    listed = a.list_consumer_groups() if hasattr(a, "list_consumer_groups") else a.list_groups()
    assert g in str(listed), listed
    d = str(a.describe_consumer_groups([g]) if hasattr(a, "describe_consumer_groups") else a.describe_groups([g]))
    assert "Stable" in d and "tester" in d and g in d, d
    offsets = str(a.list_consumer_group_offsets(g) if hasattr(a, "list_consumer_group_offsets")
                  else a.list_group_offsets(g))
    assert offsets.count("offset=5") == 2 or offsets.count("5") >= 2, offsets
    delete = a.delete_consumer_groups if hasattr(a, "delete_consumer_groups") else a.delete_groups
    assert "68" in str(tried(delete, [g])) or "NonEmpty" in str(tried(delete, [g]))
    m.close()
    assert "NonEmpty" not in str(tried(delete, [g]))
    d = str(a.list_consumer_groups() if hasattr(a, "list_consumer_groups") else a.list_groups())
    assert g not in d, d
    a.close()


def tried(f, *args):
    try:
        return f(*args)
    except KafkaError as e:
        return repr(e)


def case_static():
    """a static member and another share a group"""
    t, g = topic("static"), name("g")
    a = Member(t, g, group_instance_id="a", session_timeout_ms=10000)
    b = Member(t, g)

    with polling(a, b):
        until(lambda: len(a.owned()) == 2 and len(b.owned()) == 2)
    a.close()
    b.close()


def read_all(t, n, **more):
    c = KafkaConsumer(bootstrap_servers=BROKER, auto_offset_reset="earliest", enable_auto_commit=False,
                      fetch_max_wait_ms=20, **more)
    p = TopicPartition(t, 0)
    c.assign([p])
    got = []
    end = c.end_offsets([p])[p]

    def step():
        for batch in c.poll(timeout_ms=50).values():
            got.extend(m.value.decode() for m in batch)
    until(lambda: c.position(p) >= end, step)
    c.close()
    assert len(got) == n, got
    return got


def case_transactions():
    """what is committed is read, what is aborted only by who wants it"""
    t = topic("txn", 1)
    p = KafkaProducer(bootstrap_servers=BROKER, transactional_id=name("id"), transaction_timeout_ms=10000)
    p.init_transactions()
    for i, end in enumerate((p.commit_transaction, p.abort_transaction, p.commit_transaction)):
        p.begin_transaction()
        for j in range(10):
            p.send(t, b"%d-%d" % (i, j), partition=0)
        p.flush()
        end()
    p.close()
    ten = ["%d-%d" % (i, j) for i in (0, 1, 2) for j in range(10)]
    assert read_all(t, 20, isolation_level="read_committed") == ten[:10] + ten[20:]
    assert read_all(t, 30, isolation_level="read_uncommitted") == ten


def case_send_offsets():
    """offsets are committed with a transaction, and not with an aborted one"""
    t, g = topic("in", 1), name("g")
    feed(t, 10, partitions=1)
    m = Member(t, g)
    until(lambda: len(m.read) == 10, m.poll)
    p = KafkaProducer(bootstrap_servers=BROKER, transactional_id=name("id"), transaction_timeout_ms=10000)
    p.init_transactions()
    tp = TopicPartition(t, 0)
    for offset, end, want in ((4, p.abort_transaction, None), (8, p.commit_transaction, 8)):
        p.begin_transaction()
        p.send(t, b"11", partition=0)
        p.send_offsets_to_transaction({tp: committed_at(offset)}, m.c.consumer_group_metadata()
                                      if hasattr(m.c, "consumer_group_metadata") else g)
        end()
        until(lambda: m.c.committed(tp) == want)
    p.close()
    m.close()


def case_consumer():
    """the new protocol: two share the partitions, and one takes over when the other closes"""
    t, g = topic("new"), name("g")
    more = dict(group_protocol="consumer")
    a = Member(t, g, **more)
    until(lambda: len(a.owned()) == 4, a.poll)
    b = Member(t, g, **more)

    with polling(a, b):
        until(lambda: len(a.owned()) == 2 and len(b.owned()) == 2)
    a.close()
    until(lambda: len(b.owned()) == 4, b.poll)
    b.close()


if MAJOR < (2, 1):
    del case_transactions, case_send_offsets, case_static
    del case_sticky  # with Python 3.11 it cannot encode its own user data
if "group_protocol" not in KafkaConsumer.DEFAULT_CONFIG:
    del case_consumer

if __name__ == "__main__":
    run(globals())
