"""Check that no acknowledged record is lost.

    crash.py produce TOPIC PARTITIONS N [SIGNAL [FILE]]   produce unique values with acks=all,
        several requests in flight on a connection per partition, until N batches
        are acknowledged; then SIGKILL (or SIGNAL) the broker during requests,
        create FILE, and print what was acknowledged: PARTITION OFFSET VALUE
    crash.py check TOPIC PARTITIONS <THAT  check that each of these is stored once,
        at its offset; records that were not acknowledged may be stored, too
"""
import signal
import sys
import threading
import uuid

from wire import *

lock = threading.Lock()


def produce(topic, partitions, n, sig, file):
    acked, count, run_id = [], [0], uuid.uuid4().hex[:8].encode()

    def one(p):
        sent, i = [], 0
        try:
            with Conn() as c:
                while True:
                    while len(sent) < 4:
                        values = [b"%s-%d-%d" % (run_id, p, i + k) for k in range(1 + i % 5)]
                        i += len(values)
                        c.send(0, 7, produce_body(topic, batch(values), p))
                        sent.append(values)
                    error, base = produce_answer(c.recv())
                    assert error == 0, error
                    with lock:
                        acked.extend((p, base + k, v) for k, v in enumerate(sent.pop(0)))
                        count[0] += 1
                        if count[0] == n:
                            if file:
                                open(file, "x").close()
                            os.kill(int(os.environ["broker_pid"]), sig)
        except (Closed, ConnectionError):
            pass
    with Conn() as c:
        assert create_topic(c, topic, partitions) in (0, 36)
    threads = [threading.Thread(target=one, args=(p,)) for p in range(partitions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert count[0] >= n
    for row in acked:
        print("%d %d %s" % (row[0], row[1], row[2].decode()))


def check(topic, partitions):
    want = [line.split() for line in sys.stdin]
    with Conn() as c:
        logs = [fetch_all(c, topic, p) for p in range(partitions)]
    there = {}
    for p, records in enumerate(logs):
        assert [x[0] for x in records] == list(range(len(records))), "partition %d has gaps" % p
        for offset, _, value in records:
            assert value not in there, "%r is there twice" % value
            there[value] = (p, offset)
    for p, offset, value in want:
        got = there.get(value.encode())
        assert got == (int(p), int(offset)), "%s was acknowledged at %s %s, is at %s" % (value, p, offset, got)
    print("%d acknowledged, %d there" % (len(want), len(there)))


if sys.argv[1] == "produce":
    produce(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]),
            getattr(signal, sys.argv[5] if len(sys.argv) > 5 else "SIGKILL"),
            sys.argv[6] if len(sys.argv) > 6 else None)
else:
    check(sys.argv[2], int(sys.argv[3]))
