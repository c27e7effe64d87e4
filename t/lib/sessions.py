"""Fetch sessions (KIP-227), with raw requests: NAME"""
import struct
import sys
import time

from wire import *

NOT_FOUND, BAD_EPOCH, TOPIC_ID_ERROR = 70, 71, 106


def fetch7(c, session, epoch, parts, forget=(), wait_ms=0, min_bytes=1, isolation=0):
    """parts: [(topic, partition, offset)]; (error, session, [(topic, partition, error, hw, records)])"""
    body = (i32(-1) + i32(wait_ms) + i32(min_bytes) + i32(50 << 20) + i8(isolation) + i32(session) + i32(epoch)
            + array([string(t) + array([i32(p) + i64(o) + i64(-1) + i32(1 << 20)]) for t, p, o in parts])
            + array([string(t) + array([i32(p)]) for t, p in forget]))
    r = c.call(1, 7, body)
    r.i32()
    error, session = r.i16(), r.i32()
    out = []
    for _ in range(r.i32()):
        topic = r.string()
        for _ in range(r.i32()):
            p, err, hw, lso, start = r.i32(), r.i16(), r.i64(), r.i64(), r.i64()
            for _ in range(max(r.i32(), 0)):
                r.i64(), r.i64()
            out.append((topic, p, err, hw, [x[2] for x in values_of(r.data() or b"")]))
    r.end()
    return error, session, out


def put(c, topic, value, partition=0):
    error, base = produce(c, topic, batch([value]), partition)
    assert error == 0, error


def life():
    """A session from its creation to its end."""
    with Conn() as c, Conn() as other:
        assert create_topic(c, "a", 3) == 0 and create_topic(c, "b") == 0
        put(c, "a", b"one")
        everything = [("a", 0, 0), ("a", 1, 0), ("a", 2, 0), ("b", 0, 0)]
        error, id, out = fetch7(c, 0, 0, everything)
        assert error == 0 and id > 0, (error, id)
        assert [(x[0], x[1]) for x in out] == [("a", 0), ("a", 1), ("a", 2), ("b", 0)], out
        assert out[0][3:] == (1, [b"one"])
        # The reader moves on; nothing else is new.
        assert fetch7(c, id, 1, [("a", 0, 1)]) == (0, id, [])
        assert fetch7(c, id, 2, []) == (0, id, [])
        put(c, "b", b"two")
        # On another connection, perhaps of another reactor.
        assert fetch7(other, id, 3, []) == (0, id, [("b", 0, 0, 1, [b"two"])])
        # The position did not move: the records are sent again.
        assert fetch7(c, id, 4, []) == (0, id, [("b", 0, 0, 1, [b"two"])])
        assert fetch7(c, id, 5, [("b", 0, 1)]) == (0, id, [])
        # A long poll works as without a session.
        begin = time.monotonic()
        assert fetch7(c, id, 6, [], wait_ms=300) == (0, id, [])
        assert time.monotonic() - begin >= 0.29
        sent = c.send(1, 7, i32(-1) + i32(10000) + i32(1) + i32(1 << 20) + i8(0) + i32(id) + i32(7)
                      + array([]) + array([]))
        put(other, "a", b"three", 2)
        r = c.recv(sent)
        r.i32(), r.i16()
        assert r.i32() == id and r.i32() == 1 and r.string() == "a"
        # A forgotten partition's changes are not reported.
        put(c, "b", b"four")
        assert fetch7(c, id, 8, [("a", 2, 1)], forget=[("b", 0)]) == (0, id, [])
        # An error is reported each time, and so is its end.
        error, _, out = fetch7(c, id, 9, [("b", 7, 0)])
        assert error == 0 and out == [("b", 7, 3, -1, [])], out
        assert fetch7(c, id, 10, [], forget=[("b", 7)]) == (0, id, [])
        error, _, out = fetch7(c, id, 11, [("a", 0, 100)])
        assert out[0][:3] == ("a", 0, 1), out
        error, _, out = fetch7(c, id, 12, [("a", 0, 1)])
        assert out == [("a", 0, 0, 1, [])], out
        # All partitions forgotten: the session ends.
        error, last, out = fetch7(c, id, 13, [], forget=[("a", 0), ("a", 1), ("a", 2)])
        assert (error, last, out) == (0, 0, []), (error, last, out)
        assert fetch7(c, id, 14, [])[0] == NOT_FOUND


def rules():
    with Conn() as c:
        assert create_topic(c, "r") == 0
        assert fetch7(c, 12345, 1, [("r", 0, 0)]) == (NOT_FOUND, 0, [])
        assert fetch7(c, 0, 7, [("r", 0, 0)])[0] == NOT_FOUND
        assert fetch7(c, 0, -1, [("r", 0, 0)])[:2] == (0, 0)
        _, id, _ = fetch7(c, 0, 0, [("r", 0, 0)])
        assert fetch7(c, id, 2, [])[0] == BAD_EPOCH
        assert fetch7(c, id, 1, [])[0] == 0
        assert fetch7(c, id, 1, [])[0] == BAD_EPOCH  # sent twice
        assert fetch7(c, id, 2, [])[0] == 0
        # Version 13 uses topic IDs.
        r = c.call(1, 13, i32(-1) + i32(0) + i32(1) + i32(1000) + i8(0) + i32(id) + i32(3)
                   + carray([]) + carray([]) + cstring("") + TAGS, flex=True)
        r.i32()
        assert r.i16() == TOPIC_ID_ERROR
        # A full request with the same ID replaces the session, -1 ends it.
        error, other, _ = fetch7(c, id, 0, [("r", 0, 0)])
        assert error == 0 and other not in (0, id)
        assert fetch7(c, id, 3, [])[0] == NOT_FOUND
        assert fetch7(c, other, -1, [("r", 0, 0)])[:2] == (0, 0)
        assert fetch7(c, other, 1, [])[0] == NOT_FOUND
        # Two at once: the first answer comes after the session has moved on.
        _, id, _ = fetch7(c, 0, 0, [("r", 0, 0)])
        with Conn() as c2:
            sent = c.send(1, 7, i32(-1) + i32(10000) + i32(1) + i32(1 << 20) + i8(0) + i32(id) + i32(1)
                          + array([]) + array([]))
            while fetch7(c2, id, 2, [])[0] == BAD_EPOCH:
                pass
            put(c2, "r", b"x")
            r = c.recv(sent)
            r.i32()
            assert r.i16() == BAD_EPOCH
        # Too many partitions for a session: full requests are still answered.
        many = [("r", i, 0) for i in range(10001)]
        error, id, out = fetch7(c, 0, 0, many)
        assert (error, id, len(out)) == (0, 0, 10001), (error, id, len(out))


def full(slots):
    """At most the allowed number of sessions; other readers are served without one."""
    with Conn() as c:
        assert create_topic(c, "f", 2) == 0
        got = [fetch7(c, 0, 0, [("f", 0, 0)])[1] for _ in range(int(slots) + 3)]
        assert all(got[:int(slots)]) and not any(got[int(slots):]), got
        assert fetch7(c, got[0], -1, [("f", 0, 0)])[0] == 0
        assert fetch7(c, 0, 0, [("f", 0, 0)])[1] > 0


def fair():
    """The partition just read moves to the end, so that small answers serve all."""
    with Conn() as c:
        assert create_topic(c, "fair", 3) == 0
        for p in range(3):
            for _ in range(3):
                put(c, "fair", b"x" * 1000, p)
        body = lambda id, epoch, parts: (
            i32(-1) + i32(0) + i32(1) + i32(100) + i8(0) + i32(id) + i32(epoch)
            + array([string("fair") + array([i32(p) + i64(o) + i64(-1) + i32(100)]) for p, o in parts]) + array([]))

        def one(id, epoch, parts):
            r = c.call(1, 7, body(id, epoch, parts))
            r.i32(), r.i16()
            id, served = r.i32(), []
            for _ in range(r.i32()):
                r.string()
                for _ in range(r.i32()):
                    p = r.i32()
                    r.i16(), r.i64(), r.i64(), r.i64(), r.i32()
                    if values_of(r.data() or b""):
                        served.append(p)
            return id, served
        id, first = one(0, 0, [(0, 0), (1, 0), (2, 0)])
        got, offsets = list(first), {p: 0 for p in range(3)}
        for epoch in range(1, 6):
            offsets[got[-1]] += 1
            _, served = one(id, epoch, [(got[-1], offsets[got[-1]])])
            assert len(served) == 1, served
            got += served
        assert sorted(got[:4]) != [0, 0, 0, 0] and set(got[1:4]) == {0, 1, 2}, got


run(globals())
