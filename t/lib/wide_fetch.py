"""Fetches of many partitions, each waiting a moment, while one partition grows."""
import threading
import time

from wire import Conn, array, batch, check_sane, create_topic, i8, i32, i64, produce_body, string

PARTITIONS = 300
faults = []


def fetch_body():
    """Fetch little of each partition, with a larger minimum in total: it must wait."""
    return (i32(-1) + i32(1) + i32(1 << 20) + i32(100) + i8(0)
            + array([string("wide") + array([i32(p) + i64(0) + i32(1) for p in range(PARTITIONS)])]))


def reader(c):
    c.call(1, 4, fetch_body())


def writer(c):
    b = batch([b"x"])
    for _ in range(20):
        c.send(0, 7, produce_body("wide", b, 0))
    for _ in range(20):
        c.recv()


def repeat(fn):
    try:
        with Conn() as c:
            while time.time() < deadline and not faults:
                fn(c)
    except Exception as e:
        faults.append("%s: %r" % (fn.__name__, e))


with Conn() as setup:
    assert create_topic(setup, "wide", PARTITIONS, []) == 0
deadline = time.time() + 3
threads = [threading.Thread(target=repeat, args=(fn,)) for fn in (reader, reader, writer)]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert not faults, faults
check_sane()
