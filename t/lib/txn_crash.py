"""Transactions survive a broker that is killed at any moment.

    txn_crash.py BROKER DIR KILLS [SEED] [-- BROKER-OPTION...]

Starts BROKER on DIR and, KILLS times, kills it with SIGKILL at a random moment
and starts it again, while librdkafka's producers write transactions of unique
values to several partitions (some are aborted on purpose), one of them copies
what a group reads from one topic into another, and a consumer reads
read_committed.  Then it checks the stored records:

  - every value of a transaction whose commit was acknowledged is stored, once;
  - no value of an aborted transaction is visible;
  - of a transaction with an unknown end all values are visible, or none;
  - within a partition the values of each producer are in order;
  - the copy equals the source, each value once;
  - the consumer saw exactly these records while the broker was being killed.

Prints one line and exits with 0, or prints what is wrong and exits with 1.
"""
import atexit
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 3
quiet = logging.getLogger("librdkafka")  # it would report every restart of the broker
quiet.setLevel(logging.CRITICAL + 1)
COMMITTED, ABORTED, UNKNOWN = "committed", "aborted", "unknown"


def say(text):
    if os.environ.get("TXN_CRASH_VERBOSE"):
        print("%.3f %s" % (time.time(), text), file=sys.stderr)


def free_port():
    """A port below those of outgoing connections, so that no other program gets
    it while the broker is restarted."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Broker:
    def __init__(self, program, directory, options):
        self.address = "127.0.0.1:%d" % free_port()
        self.command = [program, "-d", directory, "-l", self.address] + options
        self.log = open(directory + ".log", "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log)
        atexit.register(self.process.kill)  # it must not outlive us
        if not self.process.stdout.readline().startswith(b"ready"):
            sys.exit("the broker did not get ready; see %s" % self.log.name)

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait()


class Writer(threading.Thread):
    """Writes transactions until it is stopped; records how each ended."""

    def __init__(self, name, broker, rng, stop):
        super().__init__(daemon=True)
        self.name, self.broker, self.rng, self.stop = name, broker, rng, stop
        self.ends = {}      # transaction -> how it ended
        self.values = {}    # transaction -> [(partition, value)]
        self.count = 0

    def open(self):
        while not self.stop.is_set():
            p = Producer({"bootstrap.servers": self.broker.address,
                          "transactional.id": self.name, "transaction.timeout.ms": 20000,
                          "reconnect.backoff.max.ms": 200, "message.timeout.ms": 15000,
                          "linger.ms": 1, "retry.backoff.ms": 50,
                          "topic.metadata.refresh.fast.interval.ms": 50, "logger": quiet})
            try:
                p.init_transactions(20)
                return p
            except KafkaException as e:
                say("%s: %s" % (self.name, e))
                time.sleep(0.1)
        return None

    def end(self, p, commit):
        """How the transaction ended; retries as long as that may help."""
        while True:
            try:
                if commit:
                    p.commit_transaction(20)
                else:
                    p.abort_transaction(20)
                return COMMITTED if commit else ABORTED
            except KafkaException as e:
                error = e.args[0]
                if error.retriable() and not self.stop.is_set():
                    continue
                if commit and error.txn_requires_abort():
                    commit = False
                    continue
                return UNKNOWN

    def one(self, p):
        txn = "%s-%d" % (self.name, self.count)
        self.count += 1
        self.ends[txn], self.values[txn] = UNKNOWN, []
        p.begin_transaction()
        for i in range(self.rng.randint(1, 20)):
            part, value = self.rng.randrange(PARTITIONS), "%s/%d" % (txn, i)
            self.values[txn].append((part, value))
            p.produce("out", value.encode(), partition=part)
            if self.rng.random() < 0.1:
                p.poll(0)
        commit = self.rng.random() < 0.8
        if not commit:
            p.flush(5)  # an abort would drop what was not sent yet
        self.ends[txn] = self.end(p, commit)

    def run(self):
        p = None
        while not self.stop.is_set():
            if p is None:  # a producer with an empty queue is false, too
                p = self.open()
            if p is None:
                return
            try:
                self.one(p)
            except (KafkaException, BufferError) as e:
                say("%s: %s" % (self.name, e))
                p = None
                continue
            if self.ends["%s-%d" % (self.name, self.count - 1)] == UNKNOWN:
                p = None


class Copier(threading.Thread):
    """Copies topic "in" to "copy", with the offsets of its group, in transactions."""

    def __init__(self, broker, stop):
        super().__init__(daemon=True)
        self.broker, self.stop = broker, stop
        self.committed = 0  # transactions

    def open(self):
        c = Consumer({"bootstrap.servers": self.broker.address, "group.id": "copiers",
                      "auto.offset.reset": "earliest", "enable.auto.commit": False,
                      "isolation.level": "read_committed", "session.timeout.ms": 6000,
                      "reconnect.backoff.max.ms": 200, "logger": quiet})
        p = Producer({"bootstrap.servers": self.broker.address, "transactional.id": "copier",
                      "transaction.timeout.ms": 20000, "reconnect.backoff.max.ms": 200,
                      "retry.backoff.ms": 50, "topic.metadata.refresh.fast.interval.ms": 50,
                      "logger": quiet})
        c.subscribe(["in"])
        try:
            p.init_transactions(20)
        except KafkaException:
            c.close()
            return None, None
        return c, p

    def one(self, c, p):
        batch = [m for m in c.consume(20, 0.2) if not m.error()]
        if not batch:
            return
        p.begin_transaction()
        for m in batch:
            p.produce("copy", m.value(), partition=m.partition())
        p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 20)
        while True:
            try:
                p.commit_transaction(20)
                self.committed += 1
                return
            except KafkaException as e:
                if not e.args[0].retriable():
                    raise

    def run(self):
        c = None
        while not self.stop.is_set():
            if not c:
                c, p = self.open()
                continue
            try:
                self.one(c, p)
            except KafkaException as e:
                say("copier: %s" % e)
                # Start again from the committed offsets.
                c.close()
                c = None
        if c:
            c.close()


def read(broker, topic, wait, seen=None):
    """All committed values of the topic, by partition, in order."""
    c = Consumer({"bootstrap.servers": broker.address, "group.id": "readers-" + topic,
                  "enable.auto.commit": False, "isolation.level": "read_committed",
                  "enable.partition.eof": True, "reconnect.backoff.max.ms": 200, "logger": quiet})
    logs = [[] for _ in range(PARTITIONS)]
    c.assign([TopicPartition(topic, i, 0) for i in range(PARTITIONS)])
    done, ends = time.time() + wait, set()
    while time.time() < done and (seen is None or not seen.is_set()):
        m = c.poll(0.2)
        if m is None:
            continue
        if m.error():
            if m.error().code() == -191:  # the end of a partition
                ends.add(m.partition())
                if seen is None and len(ends) == PARTITIONS:
                    break
            continue
        ends.discard(m.partition())
        logs[m.partition()].append(m.value().decode())
    c.close()
    if seen is None and len(ends) != PARTITIONS:
        fail("%s could not be read to its end: a transaction hangs" % topic)
    return logs


def fail(text):
    print("FAILED: %s" % text)
    sys.exit(1)


def check_out(writers, logs):
    there = {}
    for part, log in enumerate(logs):
        last = {}
        for value in log:
            if value in there:
                fail("%s is there twice" % value)
            there[value] = part
            name, rest = value.rsplit("-", 1)
            place = tuple(int(x) for x in rest.split("/"))
            if place <= last.get(name, (-1, -1)):
                fail("%s stands behind %s-%d/%d" % ((value, name) + last[name]))
            last[name] = place
    count = {COMMITTED: 0, ABORTED: 0, UNKNOWN: 0}
    for w in writers:
        for txn, end in w.ends.items():
            values = w.values[txn]
            n = sum(there.get(v) == part for part, v in values)
            count[end] += 1
            if end == COMMITTED and n != len(values):
                fail("%s was committed; %d of its %d values are there" % (txn, n, len(values)))
            if end == ABORTED and n:
                fail("%s was aborted; %d of its values are there" % (txn, n))
            if n not in (0, len(values)):
                fail("%s is torn: %d of %d values are there" % (txn, n, len(values)))
    return count


def main():
    args = sys.argv[1:]
    options = args[args.index("--") + 1:] if "--" in args else []
    args = args[:args.index("--")] if "--" in args else args
    seed = int(args[3]) if len(args) > 3 else random.randrange(1 << 30)
    rng = random.Random(seed)
    broker = Broker(args[0], args[1], options)
    broker.start()
    admin = AdminClient({"bootstrap.servers": broker.address, "logger": quiet})
    for f in admin.create_topics([NewTopic(t, PARTITIONS, 1) for t in ("in", "out", "copy")]).values():
        f.result()
    feed = Producer({"bootstrap.servers": broker.address, "logger": quiet})
    source = [["in-%d-%d" % (part, i) for i in range(2000)] for part in range(PARTITIONS)]
    for part, values in enumerate(source):
        for value in values:
            feed.produce("in", value.encode(), partition=part)
    feed.flush()
    stop = threading.Event()
    writers = [Writer("w%d" % i, broker, random.Random(seed + i), stop) for i in range(3)]
    copier = Copier(broker, stop)
    threads = writers + [copier]
    tail = []
    tailer = threading.Thread(target=lambda: tail.extend(read(broker, "out", 1e9, stop)), daemon=True)
    for t in threads + [tailer]:
        t.start()
    for _ in range(int(args[2])):
        time.sleep(rng.uniform(0.05, 1.0))
        broker.kill()
        broker.start()
    # The kills may have left the copier's group no time to form: wait for its first commit.
    time.sleep(2)
    deadline = time.time() + 60
    while not copier.committed and time.time() < deadline:
        time.sleep(0.1)
    stop.set()
    for t in threads + [tailer]:
        t.join(60)
        if t.is_alive():
            fail("%s hangs" % t.name)
    # An open transaction is ended by the next producer of its transactional ID.
    for name in ["w0", "w1", "w2", "copier"]:
        p = Producer({"bootstrap.servers": broker.address, "transactional.id": name, "logger": quiet})
        p.init_transactions(30)
    logs = read(broker, "out", 60)
    count = check_out(writers, logs)
    for part in range(PARTITIONS):
        if tail[part] != logs[part][:len(tail[part])]:
            fail("the consumer saw something else in partition %d" % part)
    copied = read(broker, "copy", 60)
    for part in range(PARTITIONS):
        if copied[part] != source[part][:len(copied[part])]:
            fail("the copy of partition %d is not its source" % part)
    if not sum(map(len, copied)) or not count[COMMITTED]:
        fail("nothing happened: %d copied, %s" % (sum(map(len, copied)), count))
    if broker.kill(signal.SIGTERM):
        fail("the broker ended with an error")
    print("%s kills, seed %d: %d transactions committed, %d aborted, %d unknown; "
          "%d values there, %d copied" % (args[2], seed, count[COMMITTED], count[ABORTED],
                                          count[UNKNOWN], sum(map(len, logs)), sum(map(len, copied))))


main()
