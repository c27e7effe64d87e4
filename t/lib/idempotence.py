"""Producers' sequence numbers, with raw requests: NAME"""
import struct

from wire import *

BAD_EPOCH, OUT_OF_ORDER, TXN_STATE, BAD_RECORD = 47, 45, 48, 87


def numbered(values, id, epoch, sequence, **kw):
    b = bytearray(batch(values, producer_id=id, base_sequence=sequence, **kw))
    struct.pack_into(">h", b, 51, epoch)
    struct.pack_into(">I", b, 17, crc32c(bytes(b[21:])))
    return bytes(b)


def put(c, topic, id, epoch, sequence, n=1, acks=-1, **kw):
    return produce(c, topic, numbered([b"%d-%d" % (epoch, sequence + i) for i in range(n)],
                                      id, epoch, sequence, **kw), acks=acks)


def describe(c, topic, partition=0):
    r = c.call(61, 0, carray([cstring(topic) + carray([i32(partition)]) + TAGS]) + TAGS, flex=True)
    r.i32()

    def producer():
        out = (r.i64(), r.i32(), r.i32(), r.i64(), r.i32(), r.i64())
        r.tags()
        return out

    def part():
        index, error, _ = r.i32(), r.i16(), r.cstring()
        out = (error, r.carray(producer))
        r.tags()
        return out

    def one():
        name, out = r.cstring(), None
        parts = r.carray(part)
        r.tags()
        return parts
    out = r.carray(one)
    r.tags()
    r.end()
    return out[0][0]


def rules():
    with Conn() as c:
        assert create_topic(c, "t") == 0
        assert produce(c, "t", batch([b"before"])) == (0, 0)
        for acks in -1, 1:
            id = 5000 + acks
            first = list_offsets(c, "t", -1)[2]
            for i in range(6):
                assert put(c, "t", id, 0, 2 * i, 2, acks) == (0, first + 2 * i)
            for i in range(1, 6):  # sent again
                assert put(c, "t", id, 0, 2 * i, 2, acks) == (0, first + 2 * i)
            assert put(c, "t", id, 0, 0, 2, acks)[0] == OUT_OF_ORDER
            assert put(c, "t", id, 0, 13, 1, acks)[0] == OUT_OF_ORDER
            assert put(c, "t", id, 1, 12, 1, acks)[0] == OUT_OF_ORDER
            assert put(c, "t", id, 1, 0, 1, acks) == (0, first + 12)
            assert put(c, "t", id, 0, 12, 1, acks)[0] == BAD_EPOCH
            assert put(c, "t", id + 100, 3, 77, 1, acks) == (0, first + 13)  # an unknown producer
        last = 2 ** 31 - 1
        assert put(c, "t", 6000, 0, last - 1, 2)[0] == 0
        assert put(c, "t", 6000, 0, 1)[0] == OUT_OF_ORDER
        assert put(c, "t", 6000, 0, 0)[0] == 0
        assert put(c, "t", 6001, -1, 0)[0] == BAD_RECORD
        error, found = describe(c, "t")
        assert error == 0 and [x[0] for x in found] == [4999, 5001, 5099, 5101, 6000], found
        assert found[0][1:3] == (1, 0) and found[0][4:] == (-1, -1), found
        assert describe(c, "t", 9)[0] == 3
        assert describe(c, "nix")[0] == 3
        print(list_offsets(c, "t", -1)[2])


def pipelined(n="200"):
    """Each request three times at once: each is answered, nothing is stored twice."""
    n = int(n)
    with Conn() as c, Conn() as d:
        metadata(c, ["p"])
        assert create_topic(c, "p") in (0, 36)
        for i in range(0, n, 4):
            want = []
            for k in range(i, i + 4):
                body = produce_body("p", numbered([b"%d" % k], 77, 0, k))
                want += [(conn, conn.send(0, 7, body), k) for conn in (c, c)]
            for conn, correlation, k in want:
                assert produce_answer(conn.recv(correlation)) == (0, k), k
            assert produce_answer(d.call(0, 7, body)) == (0, i + 3)
        values = [int(v) for _, _, v in fetch_all(c, "p")]
        assert values == list(range(n)), values


def go_on(sequence, want):
    """After a restart the last batch is still known, and the next sequence is expected."""
    with Conn() as c:
        sequence = int(sequence)
        got = [put(c, "k", 9, 2, sequence - 1)[0], put(c, "k", 9, 2, sequence + 1)[0],
               put(c, "k", 9, 1, 0)[0], put(c, "k", 9, 2, sequence)[0]]
        assert got == [0, OUT_OF_ORDER, BAD_EPOCH, 0], got
        assert list_offsets(c, "k", -1)[2] == int(want)


def begin():
    with Conn() as c:
        assert create_topic(c, "k", 1, [("internal.segment.bytes", "1000000")]) == 0
        for i in range(4):
            assert put(c, "k", 9, 2, i) == (0, i)


def expired():
    """producer.id.expiration.ms is 1000: after that no producer is known."""
    with Conn() as c:
        metadata(c, ["e"])
        assert create_topic(c, "e") in (0, 36)
        assert put(c, "e", 9, 5, 0)[0] == 0
        assert put(c, "e", 9, 5, 7)[0] == OUT_OF_ORDER
        end = time.monotonic() + PATIENCE
        while describe(c, "e")[1]:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert put(c, "e", 9, 4, 7) == (0, 1)


if __name__ == "__main__":
    run(globals())
