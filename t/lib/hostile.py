"""Requests that no client should send.  NAME [ARG...] sends them, checks the
answers if any are due, and checks that a normal client is still served.
Random data comes from a seed, which is printed on failure; KQ_SEED repeats it."""
import gzip
import random
import resource
import select
import time
import threading
import zlib

from wire import *

SEED = int(os.environ.get("KQ_SEED") or time.time_ns() % 1000000)
rnd = random.Random(SEED)
print("KQ_SEED=%d" % SEED)

INT_MAX = 2**31 - 1


def end(c):
    """End our side; the broker may answer, and must close."""
    try:
        c.s.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    assert c.is_closed(), "the broker did not close"
    c.close()


def send_and_end(b):
    c = Conn()
    try:
        c.raw(b)
    except (BrokenPipeError, ConnectionResetError):
        pass
    end(c)


# ---- frames ----

def random_bytes():
    for _ in range(150):
        send_and_end(rnd.randbytes(rnd.choice((1, 3, 4, 5, 20, 1000, 5000))))
    check_sane()


def random_bodies():
    """Valid headers with random bodies, for every API and version."""
    with Conn() as c:
        ranges = api_versions(c)[1]
    for key, (lo, hi) in ranges.items():
        for version in range(lo, hi + 1):
            for body in (b"", b"\0" * 50, b"\xff" * 50, b"\x01" * 50, rnd.randbytes(rnd.randrange(200))):
                head = i16(key) + i16(version) + i32(1) + string("x") + rnd.choice((b"", TAGS))
                send_and_end(i32(len(head) + len(body)) + head + body)
    check_sane()


def mutants(path, every):
    """Valid requests of every API and version with a few bytes changed.
    Several on each connection: a valid header keeps it open."""
    lines = [line.split() for line in open(path) if line[0] != "#"]
    lines = [x for x in lines if x[2].startswith("request")]
    for key, version, _, text in rnd.sample(lines, len(lines) // int(every)):
        sound = bytes.fromhex(text)
        for _ in range(20):
            b = bytearray(sound)
            for _ in range(rnd.choice((1, 1, 2, 5))):
                at = rnd.randrange(8, len(b))
                b[at] = rnd.choice((0, 1, 0x7f, 0x80, 0xff, rnd.randrange(256)))
            cut = rnd.randrange(14, len(b) + 1) if rnd.random() < 0.2 else len(b)
            b[0:4] = i32(cut - 4)
            send_and_end(bytes(b[:cut]))
    check_sane()


def half_frames():
    """Incomplete frames: the connection stays silent or is closed."""
    silent = []
    for b in b"", b"\0", b"\0\0\0", i32(100), i32(100) + b"x" * 99:
        send_and_end(b)
        c = Conn()
        c.raw(b)
        silent.append(c)
    check_sane()
    for c in silent:
        assert not select.select([c.s], [], [], 0)[0], "answered half a frame"
        c.close()
    # a frame sent in pieces is as good as any
    with Conn() as c:
        for byte in i32(14) + i16(18) + i16(0) + i32(77) + string("slow"):
            c.raw(bytes([byte]))
        assert c.recv(77).i16() == 0


def lengths():
    for n in INT_MAX, 0, -1, -2**31, 100 * 1024 * 1024 + 1, 1:
        c = Conn()
        c.raw(i32(n) + (b"x" if n == 1 else b""))
        assert c.is_closed(), n
        c.close()
    check_sane()


def promised():
    """Many large frames that are announced and begun, but never completed."""
    conns = []
    for _ in range(200):
        c = Conn()
        c.raw(i32(100 * 1024 * 1024) + i16(0) + i16(7) + i32(1) + b"\0" * 1000)
        conns.append(c)
    check_sane()
    for c in conns:
        c.close()


def look_ups():
    """A request that makes the broker decompress much, partition by partition: other
    clients are served between two partitions (the broker has one reactor).  A
    partition that is named twice is refused."""
    n = 20
    z = gzip.compress(record(bytes(50 << 20)))
    with Conn() as c, Conn() as other:
        assert create_topic(c, "packed", n) == 0
        for i in range(n):
            assert produce(c, "packed", batch(packed=z, count=1, codec=1), i)[0] == 0
        parts = [i32(i) + i64(5) for i in range(n)]
        c.send(2, 1, i32(-1) + array([string("packed") + array(parts)]))
        assert api_versions(other)[0] == 0
        assert not select.select([c.s], [], [], 0)[0], "all were looked up before others had a turn"
        r = c.recv()
        rows = r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i16(), r.i64(), r.i64()))))[0][1]
        assert [row[:2] + row[3:] for row in rows] == [(i, 0, 0) for i in range(n)], rows
        for topics in [parts + parts[:1]], [parts, parts[:1]]:
            r = c.call(2, 1, i32(-1) + array([string("packed") + array(p) for p in topics]))
            rows = sum((row for _, row in r.array(lambda: (r.string(), r.array(lambda: (
                r.i32(), r.i16(), r.i64(), r.i64()))))), [])
            assert [row[:2] for row in rows] == [(i % n, 0 if i % n else 42) for i in range(n + 1)], rows
        for _ in range(50):  # at once: they take turns, too, and end when their connection closes
            c.send(2, 1, i32(-1) + array([string("packed") + array(parts)]))
        begin = time.time()
        check_sane()
        assert time.time() - begin < PATIENCE / 2, "served after %d s" % (time.time() - begin)
        c.send(2, 1, i32(-1) + array([string("packed") + array(parts)]))
    check_sane()


def hoard():
    """Large frames, complete except for their ends, on many connections:
    queued.max.request.bytes limits their memory; small requests are served."""
    conns, closed = [], 0
    head = i32(100 * 1024 * 1024) + i16(0) + i16(7) + i32(1)
    for _ in range(30):
        c = Conn()
        try:
            c.raw(head + bytes(10 << 20))
            conns.append(c)
        except ConnectionError:
            closed += 1
    check_sane()
    ends = time.time() + PATIENCE  # another reactor may not have finished yet
    while True:
        n = closed + sum(select.select([c.s], [], [], 0)[0] != [] for c in conns)
        if n >= 20 or time.time() > ends:
            break
        time.sleep(0.05)
    assert n >= 20, n
    for c in conns:
        c.close()
    check_sane()


def unread():
    """Small requests with large answers that the client does not read."""
    with Conn() as c:
        assert create_topic(c, "t") == 0
    n, conns = 4000, []
    for _ in range(60):
        c = Conn(rcvbuf=4096)
        c.send(32, 1, array([i8(2) + string("t") + i32(-1)] * n) + i8(0))
        conns.append(c)
    for c in conns:  # the beginning of an answer, or the end of the connection
        select.select([c.s], [], [], PATIENCE)
    check_sane()
    for c in conns:
        c.close()
    check_sane()
    with Conn() as c:
        assert len(c.call(32, 1, array([i8(2) + string("t") + i32(-1)] * n) + i8(0)).b) > 1000000


def counts():
    """Arrays that claim more elements than the frame holds."""
    for n in INT_MAX, 1000000, -2, -2**31:
        for key, version, body in (
                (3, 1, i32(n)),
                (3, 1, i32(n) + string("a") * 100),
                (0, 7, string(None) + i16(1) + i32(0) + i32(n)),
                (0, 7, string(None) + i16(1) + i32(0) + array([string("t") + i32(n)])),
                (0, 7, string(None) + i16(1) + i32(0) + array([string("t") + array([i32(0) + i32(n)])])),
                (1, 4, i32(-1) * 4 + i8(0) + i32(n)),
                (2, 1, i32(-1) + i32(n)),
                (19, 2, i32(n))):
            with Conn() as c:
                c.send(key, version, body)
                assert c.is_closed(), (n, key)
    for n in 2**31 - 1, 2**32 - 1, 2**64 - 1, 2**35:
        for key, version in (3, 9), (3, 12), (0, 9), (1, 12), (19, 7), (18, 3):
            with Conn() as c:
                c.send(key, version, uvarint(n) * 3, flex=True)
                if key != 18:  # its first field is a string, and the request may fail
                    assert c.is_closed(), (n, key)
    check_sane()


def unknown_apis():
    for key in -1, 99, 1000, 32767, -32768, 4:
        with Conn() as c:
            c.send(key, 0, b"")
            assert c.is_closed(), key
    with Conn() as c:
        ranges = api_versions(c)[1]
    for key, (lo, hi) in ranges.items():
        if key == 18:
            continue
        for version in lo - 1, hi + 1, 32767, -32768:
            with Conn() as c:
                c.send(key, version, b"")
                assert c.is_closed(), (key, version)
    check_sane()


# ---- batches ----

CORRUPT, TOO_LARGE, INVALID_RECORD, CODEC, TIME = 2, 10, 87, 76, 32


def batches():
    good = batch([b"a", b"b"])
    whole = len(good)
    huge = (1 << 63) - 1
    cases = {
        "CRC": (batch(crc=1), CORRUPT),
        "a bit": (good[:-1] + bytes([good[-1] ^ 1]), CORRUPT),
        "count above": (batch([b"a", b"b"], count=3, last=1), INVALID_RECORD),
        "count below": (batch([b"a", b"b"], count=1, last=1), INVALID_RECORD),
        "count huge": (batch([b"a"], count=INT_MAX, last=0), INVALID_RECORD),
        "count 0": (batch([], count=0, last=-1), INVALID_RECORD),
        "count negative": (batch([b"a"], count=-1, last=-2), INVALID_RECORD),
        "magic 0": (batch(magic=0), INVALID_RECORD),
        "magic 1": (batch(magic=1), INVALID_RECORD),
        "magic 3": (batch(magic=3), INVALID_RECORD),
        "magic -1": (batch(magic=-1), INVALID_RECORD),
        "length above": (batch(length=whole), CORRUPT),
        "length huge": (batch(length=INT_MAX), CORRUPT),
        "length below": (batch([b"a", b"b"], length=50), None),
        "length 0": (batch(length=0), CORRUPT),
        "length negative": (batch(length=-1), CORRUPT),
        "length least": (batch(length=-2**31), CORRUPT),
        "base offset": (batch(base_offset=5), INVALID_RECORD),
        "base offset huge": (batch(base_offset=huge), INVALID_RECORD),
        "base offset negative": (batch(base_offset=-1), INVALID_RECORD),
        "two": (good + good, INVALID_RECORD),
        "one and a half": (good + good[:30], INVALID_RECORD),
        "cut off": (good[:-1], CORRUPT),
        "a header": (good[:60], CORRUPT),
        "a byte": (b"\0", CORRUPT),
        "nothing": (b"", None),
        "null": (None, None),
        "codec 5": (batch(codec=5), CODEC),
        "codec 7": (batch(codec=7), CODEC),
        "control": (batch(attributes=32), INVALID_RECORD),
        "no sequence": (batch(producer_id=7), INVALID_RECORD),
        "append time": (batch(attributes=8), TIME),
        "future": (batch(time_ms=huge), TIME),
        "too large": (batch([b"x" * 1100000]), TOO_LARGE),
    }
    with Conn() as c:
        assert create_topic(c, "batches") == 0
        assert produce(c, "batches", good) == (0, 0)
        for name, (b, want) in cases.items():
            for acks in 1, -1:
                error, base = produce(c, "batches", b, acks=acks)
                assert error != 0 and base == -1, "%s: accepted" % name
                assert want in (None, error), "%s: error %d, want %d" % (name, error, want)
        error, base = produce(c, "batches", good, acks=5)
        assert error == 21, error
        assert produce(c, "batches", good, partition=1)[0] == 3
        assert produce(c, "batches", good, partition=-1)[0] == 3
        assert produce(c, "batches", good, partition=INT_MAX)[0] == 3
        assert [v for _, _, v in fetch_all(c, "batches")] == [b"a", b"b"]
        assert produce(c, "batches", good) == (0, 2)
    with Conn() as c:  # no answer: the connection ends
        c.send(0, 7, produce_body("batches", batch(crc=1), acks=0))
        assert c.is_closed()
    check_sane()


def lying_records():
    """None of them is stored.  With verify.compressed.records=false compressed ones
    are, and must do no harm when they are decompressed later (by a look-up by time)."""
    now = int(time.time() * 1000)
    noise = rnd.randbytes(500)
    with Conn() as c:
        for i, codec in enumerate(range(5)):
            topic = "lying-%d" % codec
            assert create_topic(c, topic) == 0
            assert create_topic(c, "unseen-" + topic, 1, [("verify.compressed.records", "false")]) == 0
            for packed in noise, b"", b"\xff" * 100, varint(INT_MAX), varint(-5), \
                    record(b"x")[:-1], record(b"x", delta=INT_MAX), record(b"x") + b"more", \
                    varint(8) + i8(0) + varint(0) * 2 + varint(INT_MAX):
                b = batch(packed=packed, codec=codec, count=5, time_ms=now - 100, max_time_ms=now)
                assert produce(c, topic, b) == (INVALID_RECORD, -1)
                topic = "unseen-" + topic
                assert produce(c, topic, b)[0] == (0 if codec else INVALID_RECORD)
                list_offsets(c, topic, now - 50)
                fetch(c, topic)
                topic = topic[7:]
            assert list_offsets(c, topic, -1)[2] == 0
    check_sane()


def zstd_bomb(head, plain):
    """A zstd frame made by hand: a raw block, then blocks that repeat one byte."""
    out = bytearray(b"\x28\xb5\x2f\xfd\x00\x58")  # window of 2 MiB
    out += struct.pack("<I", len(head) << 3)[:3] + head
    n = plain // 131072
    for i in range(n):
        out += struct.pack("<I", (131072 << 3 | 1 << 1 | (i == n - 1)))[:3] + b"\0"
    return bytes(out)


def gzip_bomb(head, plain):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = z.compress(head) + z.flush(zlib.Z_FULL_FLUSH)
    piece = z.compress(bytes(1 << 22)) + z.flush(zlib.Z_FULL_FLUSH)
    return (b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + first + piece * (plain >> 22) + z.flush()
            + bytes(8))  # the checksum comes too late to help


def large_records():
    """A record of 120 MiB, compressed to a few kilobytes: it takes no memory, whether
    it is accepted or refused."""
    plain = 120 << 20
    inner = i8(0) + varint(0) + varint(0) + varint(-1) + varint(plain - 1)  # no headers follow
    head = varint(len(inner) + plain) + inner
    with Conn() as c:
        assert create_topic(c, "large") == 0
        assert create_topic(c, "large-compact", 1, [("cleanup.policy", "compact")]) == 0
        b = batch(packed=zstd_bomb(head, plain), codec=4, count=1)
        for i in range(4):
            assert produce(c, "large", b) == (0, i)
            assert produce(c, "large-compact", b) == (INVALID_RECORD, -1)
    check_sane()


def bombs():
    """A megabyte that decompresses to gigabytes: refused quickly.  If it is stored
    without a check, a look-up by time decompresses it."""
    now = int(time.time() * 1000)
    plain = 1 << 30
    # one record without an end
    inner = i8(0) + varint(0) + varint(0) + varint(-1) + varint(plain - 100)
    head = varint(plain + len(inner) - 100) + inner
    with Conn() as c:
        for codec, packed in (4, zstd_bomb(head, plain)), (1, gzip_bomb(head, plain - (64 << 20))):
            topic = "bomb-%d" % codec
            assert create_topic(c, "no-" + topic) == 0
            assert create_topic(c, topic, 1, [("verify.compressed.records", "false")]) == 0
            b = batch(packed=packed, codec=codec, count=2, time_ms=now - 100, max_time_ms=now)
            assert len(b) < 1048588, len(b)
            begin = time.time()
            assert produce(c, "no-" + topic, b) == (INVALID_RECORD, -1)
            took = time.time() - begin
            assert took < (20 if os.environ.get("KQ_SAN") else 3), "%.1f s" % took
            error, base = produce(c, topic, b)
            assert error == 0
            begin = time.time()
            for _ in range(3):
                error, _, offset = list_offsets(c, topic, now - 50)
                assert error != 0 and offset == -1, (error, offset)
            took = time.time() - begin
            assert took < (60 if os.environ.get("KQ_SAN") else 10), "%.1f s" % took
            assert produce(c, topic, batch([b"after"]))[0] == 0
            assert len(fetch(c, topic)[2]) > len(b)  # it is passed on as it is
    check_sane()


# ---- many clients, and clients that do not read ----

def pipeline():
    """Thousands of requests are sent before the first answer is read."""
    n = 20000
    one = i32(13) + i16(18) + i16(0)
    with Conn() as c:
        t = threading.Thread(target=lambda: c.raw(b"".join(
            one + i32(i) + string("abc") for i in range(n))))
        t.start()
        check_sane()
        for i in range(n):
            c.recv(i)
        t.join()
    # and no answer is ever read
    for _ in range(10):
        c = Conn()
        c.s.setblocking(False)
        try:
            while True:
                c.s.send(b"".join(one + i32(i) + string("abc") for i in range(1000)))
        except BlockingIOError:
            pass
        check_sane()
        c.close()
    check_sane()


def fill(c, topic, mib):
    assert create_topic(c, topic) == 0
    value = rnd.randbytes(1000000)
    b = batch([value], crc=None)
    for i in range(mib):
        c.send(0, 7, produce_body(topic, b, acks=1))
    for i in range(mib):
        assert produce_answer(c.recv())[0] == 0
    return b


def slow_reader():
    """Many fetches of everything by a client that reads almost nothing."""
    with Conn() as c:
        fill(c, "slow", 20)
    slow = []
    for _ in range(20):
        c = Conn(rcvbuf=4096)
        for _ in range(20):
            c.send(1, 4, fetch_body("slow", 0))
        slow.append(c)
    for c in slow:
        c.exactly(100)
    check_sane()
    with Conn() as c:  # other clients read at full speed
        error, hw, records = fetch(c, "slow", 0)
        assert error == 0 and len(records) > 19000000
    for c in slow[:10]:
        c.exactly(100000)
    check_sane()
    for c in slow:
        c.close()
    check_sane()


def long_polls():
    """A thousand readers wait for records, with the longest possible time;
    half of them disconnect, the others get the new records."""
    with Conn() as c:
        assert create_topic(c, "polled") == 0
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        waiting = [Conn() for _ in range(500)]
        for w in waiting:
            for _ in range(2):
                w.send(1, 4, fetch_body("polled", 0, wait_ms=INT_MAX))
        for w in waiting[::2]:
            w.close()
        assert produce(c, "polled", batch([b"at last"])) == (0, 0)
        for w in waiting[1::2]:
            for _ in range(2):
                error, _, records = fetch_answer(w.recv())
                assert error == 0 and values_of(records) == [(0, None, b"at last")]
            w.close()
        # one request with the same partition ten thousand times
        part = array([i32(0) + i64(1) + i32(100)] * 10000)
        c.send(1, 4, i32(-1) + i32(INT_MAX) + i32(1) + i32(1 << 20) + i8(0) + array([string("polled") + part]))
        with Conn() as other:
            assert produce(other, "polled", batch([b"again"])) == (0, 1)
        c.recv()
    check_sane()


def thousand():
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    conns = [Conn() for _ in range(1000)]
    for c in conns:
        c.send(18, 0, b"")
    for c in conns:
        assert c.recv(1).i16() == 0
    check_sane()
    for c in conns:
        c.close()
    check_sane()


def strange_names():
    """Invalid topic names; arbitrary IDs and client IDs."""
    with Conn() as c:
        for name in "", ".", "..", "a/b", "../x", "a b", "a\0b", "a\nb", "\u00e9", "x" * 250, "*", "a:b":
            assert create_topic(c, name) == 17, name
            assert produce(c, name, batch())[0] in (3, 17), name
            assert metadata(c, [name])[name][0] == 17, name
            assert fetch(c, name)[0] in (3, 17), name
        for name in "x" * 249, "a.b", "A-1", "...":
            assert create_topic(c, name) == 0, name
        assert create_topic(c, "a_b") == 17  # collides with a.b in names of metrics
    for client in None, "", "\0", "\n", "x" * 32767, b"\xff\xfe":
        with Conn() as c:
            c.send(18, 0, b"", client=client)
            assert c.recv(1).i16() == 0
    check_sane()


run(globals())
