"""The checks of produced records, in batches with a valid header and CRC.
For shell tests: NAME [ARG...].  Kafka 4.4.0 does the same except where a comment
says so (and it has no verify.compressed.records)."""
import gzip

from idempotence import describe, numbered
from wire import *

TOO_LARGE, INVALID_RECORD, INVALID_TIMESTAMP = 10, 87, 32


def raw(body, size=None):
    return varint(len(body) if size is None else size) + body


def fields(key=b"k", value=b"v", delta=0, headers=b"", nheader=0, tail=b""):
    return i8(0) + varint(0) + varint(delta) + vdata(key) + vdata(value) + varint(nheader) + headers + tail


GOOD, GOOD_1 = raw(fields()), raw(fields(delta=1))
BROKEN = {  # fault: (records, count)
    "count too high": (GOOD, 2),
    "count too low": (GOOD + GOOD_1, 1),
    "bytes behind": (GOOD + b"xx", 1),
    "size too large": (raw(fields(), 100), 1),
    "size too small": (raw(fields(), 3), 1),
    "a byte more inside": (raw(fields(tail=b"z")), 1),
    "size 0": (varint(0), 1),
    "size -1": (varint(-1) + fields(), 1),
    "null header name": (raw(fields(nheader=1, headers=varint(-1) + vdata(b"v"))), 1),
    "headers -1": (raw(fields(nheader=-1)), 1),
    "headers missing": (raw(fields(nheader=2, headers=vdata(b"h") + vdata(b"v"))), 1),
    "headers not counted": (raw(fields(headers=vdata(b"h") + vdata(b"v"))), 1),
    "key too long": (raw(i8(0) + varint(0) + varint(0) + varint(50) + b"v"), 1),
    "nothing": (b"", 1),
}
STRICT = {  # Kafka stores these, or refuses them with another error
    "key length -2": (raw(i8(0) + varint(0) * 2 + varint(-2) + vdata(b"v") + varint(0)), 1),
    "offset delta 1": (GOOD_1, 1),
    "offset twice": (GOOD + GOOD, 2),
    "offset left out": (GOOD + raw(fields(delta=2)), 2),
}


def refuse(c, topic, name, b):
    error, base, start, faults, message = produce_parts(c, topic, [(0, b)])[0]
    assert (error, base) == (INVALID_RECORD, -1), "%s: %d %d" % (name, error, base)
    assert start == 0, "%s: log start %d" % (name, start)
    return faults, message


def broken():
    """Nothing of the batch is stored; the other batches of the request are."""
    with Conn() as c:
        assert create_topic(c, "broken", 2) == 0
        for name, (records, count) in {**BROKEN, **STRICT}.items():
            for codec, pack in (0, bytes), (1, gzip.compress):
                refuse(c, "broken", name, batch(packed=pack(records), count=count, codec=codec))
        bad = batch(packed=GOOD + b"x", count=1)
        got = produce_parts(c, "broken", [(0, bad), (1, batch([b"good"]))])
        assert got[0][0] == INVALID_RECORD and got[1][:2] == (0, 0), got
        c.send(0, 7, produce_body("broken", bad, acks=0))
        assert c.is_closed()
    with Conn() as c:
        assert list_offsets(c, "broken", -1)[2] == 0
        assert fetch_all(c, "broken", 1) == [(0, None, b"good")]


def packed():
    """Data that does not decompress, or has bytes after its end (Kafka: error -1, and
    it stores the latter)."""
    z = gzip.compress(GOOD)
    with Conn() as c:
        assert create_topic(c, "packed") == 0
        for name, b in {"cut": z[:-1], "empty": b"", "noise": b"no gzip at all, is it?", "behind": z + b"\0",
                        "check sum": z[:-8] + bytes(4) + z[-4:]}.items():
            refuse(c, "packed", name, batch(packed=b, count=1, codec=1))
            for codec in 2, 3, 4:
                refuse(c, "packed", name, batch(packed=b, count=1, codec=codec))
        assert produce(c, "packed", batch(packed=z, count=1, codec=1)) == (0, 0)
        assert produce(c, "packed", batch(packed=z + gzip.compress(GOOD_1), count=2, codec=1)) == (0, 1)


def compacted():
    """In a compacted topic each record needs a key; an empty one is a key."""
    keyless = raw(fields(key=None, delta=1))
    with Conn() as c:
        for topic, policy in ("compact", "compact"), ("both", "compact,delete"):
            assert create_topic(c, topic, 1, [("cleanup.policy", policy)]) == 0
            for codec, pack in (0, bytes), (1, gzip.compress):
                b = batch(packed=pack(GOOD + keyless + raw(fields(key=b"", delta=2))), count=3, codec=codec)
                faults, message = refuse(c, topic, policy, b)
                assert list(faults) == [1] and "key" in faults[1] and faults[1] in message, (faults, message)
            assert list(refuse(c, topic, policy, batch([b"a", b"b"]))[0]) == [0, 1]
            assert produce(c, topic, batch(packed=GOOD + raw(fields(key=b"", delta=1)), count=2)) == (0, 0)
        assert create_topic(c, "unseen", 1, [("cleanup.policy", "compact"), ("verify.compressed.records", "false")]) == 0
        refuse(c, "unseen", "unseen", batch(packed=gzip.compress(raw(fields(key=None))), count=1, codec=1))


def times():
    """The records' own timestamps count; a header with others is corrected."""
    now = int(time.time() * 1000)
    late = batch(packed=GOOD + raw(i8(0) + varint(7200000) + varint(1) + vdata(None) * 2 + varint(0)), count=2)
    with Conn() as c:
        assert create_topic(c, "times") == 0
        for codec in 0, 1:
            b = late if codec == 0 else batch(packed=gzip.compress(late[61:]), count=2, codec=1)
            error, base, start, faults, message = produce_parts(c, "times", [(0, b)])[0]
            assert (error, base, start, list(faults)) == (INVALID_TIMESTAMP, -1, 0, [1]), (error, faults)
            assert "imestamp" in faults[1] and message
        for wrong in 1, now + 7200000:
            error, base = produce(c, "times", batch(packed=GOOD, count=1, time_ms=now, max_time_ms=wrong))
            assert error == 0, error
            records = fetch(c, "times", base)[2]
            assert struct.unpack_from(">q", records, 35)[0] == now
            assert crc32c(records[21:]) == struct.unpack_from(">I", records, 17)[0]
        assert list_offsets(c, "times", now + 1)[2] == -1
        assert create_topic(c, "before", 1, [("message.timestamp.before.max.ms", "1000")]) == 0
        error, _, _, faults, _ = produce_parts(c, "before", [(0, batch([b"x"], time_ms=now - 60000))])[0]
        assert (error, list(faults)) == (INVALID_TIMESTAMP, [0])
        assert produce(c, "before", batch([b"x"], time_ms=-1))[0] == 0  # no timestamp is fine
        hidden = b"".join(raw(i8(0) + varint(t) + varint(i) + vdata(b"k") * 2 + varint(0))
                          for i, t in enumerate((0, 6, now + 1)))
        b = batch(packed=hidden, count=3, time_ms=-1, max_time_ms=now)
        assert list(produce_parts(c, "before", [(0, b)])[0][3]) == [1]


def large():
    """max.decompressed.message.bytes limits a record, without its size field, and only
    in compressed batches."""
    def of(size):
        return raw(fields(value=bytes(size)))
    n = len(fields(value=bytes(980)))
    with Conn() as c:
        assert create_topic(c, "large", 1, [("max.decompressed.message.bytes", str(n))]) == 0
        assert produce(c, "large", batch(packed=gzip.compress(of(980)), count=1, codec=1)) == (0, 0)
        refuse(c, "large", "too large", batch(packed=gzip.compress(of(981)), count=1, codec=1))
        assert produce(c, "large", batch(packed=of(981), count=1)) == (0, 1)


def bombs():
    """The decompressed size of one request's batches is limited; each request starts at 0."""
    z = gzip.compress(raw(fields(value=bytes(100 << 20))))
    bomb, small = batch(packed=z, count=1, codec=1), batch(packed=gzip.compress(GOOD), count=1, codec=1)
    n = 20
    with Conn() as c:
        assert create_topic(c, "bombs", n) == 0
        got = produce_parts(c, "bombs", [(i, bomb) for i in range(n - 2)] + [(n - 2, small), (n - 1, batch())])
        errors = [got[i][0] for i in range(n)]
        assert errors == [0] * 11 + [TOO_LARGE] * 8 + [0], errors
        assert "together" in got[n - 2][4], got[n - 2]
        assert produce(c, "bombs", small, n - 2) == (0, 0)


def insync():
    """With fewer replicas than min.insync.replicas, acks=all needs them all."""
    with Conn() as c:
        assert create_topic(c, "insync", 1, [("min.insync.replicas", "2")]) == 0
        assert produce(c, "insync", batch()) == (0, 0)


def init_producer_id(c, transactional_id):
    """(id, epoch), by InitProducerId 1; waits for the coordinator"""
    deadline = time.time() + PATIENCE
    while True:
        r = c.call(22, 1, string(transactional_id) + i32(60000))
        r.i32()
        error, id, epoch = r.i16(), r.i64(), r.i16()
        if error not in (14, 15, 16, 51):
            assert error == 0, error
            return id, epoch
        assert time.time() < deadline, error
        time.sleep(.1)


def producers():
    """A refused batch takes no sequence number, and begins no transaction."""
    with Conn() as c:
        assert create_topic(c, "numbers") == 0
        id, epoch = init_producer_id(c, None)
        for n in range(3):
            refuse(c, "numbers", "numbered", numbered([], id, epoch, n, packed=GOOD + b"x", count=1))
            b = numbered([], id, epoch, n, packed=GOOD, count=1)
            assert produce(c, "numbers", b) == (0, n)
            assert produce(c, "numbers", b) == (0, n)  # sent again
        assert create_topic(c, "transactions") == 0
        topic = topic_id(c, "transactions")
        id, epoch = init_producer_id(c, "intake")
        for n in range(3):
            for packed in GOOD + b"x", GOOD:
                b = numbered([], id, epoch, n, packed=packed, count=1, attributes=16)
                error = produce_parts(c, topic, [(0, b)], transactional_id="intake")[0][0]
                assert error == (0 if packed == GOOD else INVALID_RECORD), (n, error)
                error, rows = describe(c, "transactions")
                assert error == 0 and len(rows) == (0 if n == 0 and packed != GOOD else 1), rows
        assert [o for o, _, _ in fetch_all(c, "transactions")] == [0, 1, 2]


def by_id():
    """Produce 13 goes by topic ids."""
    with Conn() as c:
        assert create_topic(c, "ids", 2) == 0
        topic = topic_id(c, "ids")
        got = produce_parts(c, topic, [(1, batch([b"a"])), (0, batch(packed=GOOD, count=2)), (2, batch())])
        assert [got[i][:3] for i in range(3)] == [(INVALID_RECORD, -1, 0), (0, 0, 0), (3, -1, -1)], got
        for unknown in bytes(16), b"\x7f" * 16:
            assert produce_parts(c, unknown, [(0, batch())])[0][:3] == (100, -1, -1)
        assert fetch_all(c, "ids", 1) == [(0, None, b"a")]
        c.send(0, 13, cstring(None) + i16(0) + i32(1000) + carray([topic + carray(
            [i32(0) + cstring(batch([b"b"])) + TAGS]) + TAGS]) + TAGS, True)
        assert produce(c, "ids", batch([b"c"])) == (0, 1)


if __name__ == "__main__":
    run(globals())
