"""Everything at once, for SECONDS: topics are created, grown, altered, trimmed
and deleted while clients produce, fetch, wait, look up offsets by time, and
disconnect at any moment.  Afterwards an untouched topic must have all
acknowledged records, and the remaining topics must be intact."""
import random
import sys
import threading

from wire import *

SEED = int(os.environ.get("KQ_SEED") or time.time_ns() % 1000000)
print("KQ_SEED=%d" % SEED)
deadline = time.time() + float(sys.argv[1])
NAMES = ["churn-%d" % i for i in range(4)]
faults, steady = [], []


def delete_topic(c, name):
    r = c.call(20, 1, array([string(name)]) + i32(1000))
    r.i32()
    return r.array(lambda: (r.string(), r.i16()))[0][1]


def grow(c, name, n):
    r = c.call(37, 0, array([string(name) + i32(n) + i32(-1)]) + i32(1000) + i8(0))
    r.i32()
    return r.array(lambda: (r.string(), r.i16(), r.string()))[0][1]


def alter(c, name, key, value):
    r = c.call(33, 0, array([i8(2) + string(name) + array([string(key) + string(value)])]) + i8(0))
    r.i32()
    return r.array(lambda: (r.i16(), r.string(), r.i8(), r.string()))[0][0]


def trim(c, name, partition, offset):
    r = c.call(21, 0, array([string(name) + array([i32(partition) + i64(offset)])]) + i32(1000))
    r.i32()
    return r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i64(), r.i16()))))[0][1][0][2]


def admin(rnd, c):
    name = rnd.choice(NAMES)
    what = rnd.randrange(6)
    if what == 0:
        assert delete_topic(c, name) in (0, 3)
    elif what == 1:
        assert grow(c, name, rnd.randrange(1, 6)) in (0, 3, 37)
    elif what == 2:
        assert alter(c, name, *rnd.choice((("internal.segment.bytes", "1000"), ("durability", "os"), ("durability", "disk"),
                                           ("message.timestamp.type", "LogAppendTime"),
                                           ("max.message.bytes", "300")))) in (0, 3)
    elif what == 3:
        assert trim(c, name, rnd.randrange(3), rnd.choice((-1, 0, 5, 50))) in (0, 1, 3)
    else:
        assert create_topic(c, name, rnd.randrange(1, 4), [("internal.segment.bytes", str(rnd.choice((2000, 100000))))]) \
            in (0, 36)


def writer(rnd, c):
    b = batch([b"%d" % rnd.randrange(1000)] * rnd.randrange(1, 20))
    error, base = produce(c, rnd.choice(NAMES), b, rnd.randrange(3), rnd.choice((-1, 1)))
    assert error in (0, 3, 10), error
    for _ in range(rnd.randrange(3)):  # do not wait for some of the answers
        c.send(0, 7, produce_body(rnd.choice(NAMES), b, rnd.randrange(3)))
        if rnd.random() < 0.05:
            raise Closed
        produce_answer(c.recv())


def reader(rnd, c):
    error, hw, records = fetch(c, rnd.choice(NAMES), rnd.choice((0, 0, 3, 100)), rnd.randrange(3),
                               wait_ms=rnd.choice((0, 5, 50)), min_bytes=rnd.choice((1, 100, 1 << 20)))
    assert error in (0, 1, 3), error
    at = 0
    while at + 61 <= len(records):  # whole batches, each with a valid CRC
        n = 12 + struct.unpack_from(">i", records, at + 8)[0]
        if at + n > len(records):
            break
        if n < 300:
            assert crc32c(records[at + 21:at + n]) == struct.unpack_from(">I", records, at + 17)[0]
        at += n
    error = list_offsets(c, rnd.choice(NAMES), rnd.choice((-1, -2, int(time.time() * 1000) - 50)), rnd.randrange(3))[0]
    assert error in (0, 3), error


def leaver(rnd, c):
    """Begins a long poll and disconnects."""
    c.send(1, 4, fetch_body(rnd.choice(NAMES), rnd.choice((0, 1000)), rnd.randrange(3), wait_ms=60000,
                            min_bytes=1 << 30))
    raise Closed


def keeper(rnd, c):
    value = b"%d" % len(steady)
    error, base = produce(c, "steady", batch([value]))
    assert error == 0, error
    steady.append((base, None, value))


def going():
    """Whether to go on: for SECONDS, on a slow machine until something has happened."""
    now = time.time()
    return now < deadline or (len(steady) <= 20 and now < deadline + 60)


def repeat(fn, seed):
    rnd, c = random.Random(seed), None
    try:
        while going():
            try:
                c = c or Conn()
                fn(rnd, c)
            except Closed:
                c.close()
                c = None
    except Exception as e:
        faults.append("%s: %r" % (fn.__name__, e))
        raise


with Conn() as setup:
    assert create_topic(setup, "steady", 1, [("internal.segment.bytes", "3000")]) == 0
threads = [threading.Thread(target=repeat, args=(fn, SEED + i)) for i, fn in enumerate(
    [admin, admin, writer, writer, writer, reader, reader, leaver, keeper])]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert not faults, faults
with Conn() as last:
    assert fetch_all(last, "steady") == steady
    assert len(steady) > 20
    for name, (error, partitions) in metadata(last, None).items():
        assert error == 0
        if name in NAMES:
            for p in partitions:
                error, _, first = list_offsets(last, name, -2, p[1])
                assert error == 0
                fetch_all(last, name, p[1], first)
check_sane()
print("%d steady records" % len(steady))
