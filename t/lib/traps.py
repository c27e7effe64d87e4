"""Details on which real clients depend, checked by the bytes on a raw socket."""
from wire import *


def produce_min():
    """Produce is announced from 0, and refused below 3."""
    with Conn() as c:
        lo, hi = api_versions(c)[1][0]
        assert lo == 0 and hi >= 11, (lo, hi)
    for version in 0, 2:
        with Conn() as c:
            c.send(0, version, i16(-1) + i32(1000) + array([]))
            assert c.is_closed()


# librdkafka up to 2.3 enables features if exact versions lie inside the announced
# range; python3-kafka infers the broker's release in this way.
RDKAFKA = [(0, 3), (0, 7), (1, 4), (1, 10), (2, 1), (10, 0), (22, 0), (18, 0)]
KAFKA_PYTHON = [(18, 0), (3, 0), (3, 1), (0, 7), (2, 1), (1, 4), (10, 0)]
# The highest versions that each client library sends, of the APIs served here.
SENT = {
    "librdkafka 2.0": {0: 7, 1: 11, 2: 2, 3: 4, 10: 2, 18: 3, 19: 4, 20: 1, 21: 1, 22: 4, 32: 1, 33: 1, 37: 1},
    "librdkafka 2.15": {0: 10, 1: 16, 2: 7, 3: 12, 10: 2, 18: 3},
    "kafkajs 2": {0: 7, 1: 11, 2: 3, 3: 6, 10: 2, 18: 2, 19: 3, 20: 1, 21: 1, 22: 1, 32: 2, 33: 1, 37: 1},
    "Java 4": {0: 12, 1: 17, 2: 10, 3: 13, 10: 6, 18: 4, 19: 7, 20: 6, 21: 2, 22: 5, 23: 4, 32: 4, 33: 2, 35: 4,
               37: 3, 44: 1, 60: 2, 75: 0},
}


def exact():
    with Conn() as c:
        ranges = api_versions(c)[1]
    for key, version in RDKAFKA + KAFKA_PYTHON:
        lo, hi = ranges[key]
        assert lo <= version <= hi, "API %d: %d is outside %d-%d" % (key, version, lo, hi)
    for who, versions in SENT.items():
        for key, version in versions.items():
            lo, hi = ranges[key]
            assert lo <= version <= hi, "%s: API %d: %d is outside %d-%d" % (who, key, version, lo, hi)


def _flexible(c, version):
    peer = cstring(None) + i32(-1) if version >= 5 else b""
    c.send(18, version, cstring("test") + cstring("1.0") + peer + TAGS, flex=True)
    r = c.recv(c.correlation)  # the header has no tags, in any version
    error = r.i16()
    keys = dict(r.carray(lambda: (r.i16(), (r.i16(), r.i16(), r.tags())[:2])))
    r.i32()
    tags = r.tags()
    r.end()
    return error, keys, tags


def versions():
    """ApiVersions: 0 is not flexible; 3 to 5 are, after an old header; an unknown
    version is answered with error 35 in the form of 0."""
    with Conn() as c:
        error, v0 = api_versions(c)
        assert error == 0 and 18 in v0
        for v in 1, 2:
            assert api_versions(c, v) == (0, v0)
        for v in 3, 4, 5:
            error, keys, _ = _flexible(c, v)
            assert (error, keys) == (0, v0), (v, error, keys)
        for v in 6, 99:
            c.send(18, v, b"\xff\xfe whatever this is", flex=True)
            r = c.recv(c.correlation)
            assert r.i16() == 35
            keys = dict(r.array(lambda: (r.i16(), (r.i16(), r.i16()))))
            r.end()
            assert keys[18] == v0[18], keys
        assert api_versions(c)[0] == 0  # and the connection stays usable
        # KIP-511: a client's name is one word
        c.send(18, 3, cstring("no word\n") + cstring("1.0") + TAGS, flex=True)
        assert c.recv(c.correlation).i16() == 42


def ordered():
    """Pipelined requests are answered in order, even if an early one must wait
    (a long poll, acks=all) and later ones need not."""
    with Conn() as c:
        assert create_topic(c, "ordered") == 0
        sent = [c.send(18, 0, b""), c.send(3, 0, array([]))]  # how python3-kafka begins
        sent.append(c.send(1, 4, fetch_body("ordered", 0, wait_ms=300)))
        for i in range(20):
            sent.append(c.send(0, 7, produce_body("ordered", batch([b"%d" % i]))))
            sent.append(c.send(18, 0, b""))
        offsets = []
        for i, want in enumerate(sent):
            r = c.recv(want)
            if i > 2 and i % 2 == 1:
                error, base = produce_answer(r)
                assert error == 0
                offsets.append(base)
        assert offsets == list(range(20)), offsets
        assert [v for _, _, v in fetch_all(c, "ordered")] == [b"%d" % i for i in range(20)]


def features(groups="1"):
    """transaction.version is 2, and group.version 1 if groups may use it."""
    want = {"transaction.version": (2, 2)}
    if groups == "1":
        want["group.version"] = (1, 1)
    with Conn() as c:
        for v in 3, 4, 5:
            error, keys, tags = _flexible(c, v)
            assert error == 0
            r = Reader(tags[2])
            got = r.carray(lambda: (r.cstring(), (r.i16(), r.i16()), r.tags()))
            assert {name: span for name, span, _ in got} == want, got
            # A supported minimum of 0 would break clients of version 3 (KAFKA-17492).
            assert (0 in tags) == (v >= 4)


def unlisted(*more):
    """APIs that are not served are not announced: telemetry, share groups, and more."""
    with Conn() as c:
        ranges = api_versions(c)[1]
        for key in 71, 72, 76, *map(int, more):
            assert key not in ranges, key
        for key, (lo, hi) in ranges.items():
            assert 0 <= lo <= hi, (key, lo, hi)


def _metadata_id(c, topic, version):
    one = bytes(16) + cstring(topic) + TAGS if version >= 10 else cstring(topic) + TAGS
    body = carray([one]) + i8(0) + (i8(0) if version <= 10 else b"") + i8(0) + TAGS
    r = c.call(3, version, body, flex=True)
    r.i32()
    r.carray(lambda: (r.i32(), r.cstring(), r.i32(), r.cstring(), r.tags()))
    r.cstring(), r.i32()
    assert r.uvarint() == 2
    error, name = r.i16(), r.cstring()
    uuid = r.take(16) if version >= 10 else None
    assert (error, name) == (0, topic), (error, name)
    return uuid


def _fetch_by_id(c, uuid, version):
    head = i32(-1) if version < 15 else b""
    part = i32(0) + i32(-1) + i64(0) + i32(-1) + i64(-1) + i32(1 << 20) + TAGS
    body = (head + i32(0) + i32(1) + i32(1 << 20) + i8(0) + i32(0) + i32(-1)
            + carray([uuid + carray([part]) + TAGS]) + carray([]) + cstring("") + TAGS)
    r = c.call(1, version, body, flex=True)
    r.i32(), r.i16(), r.i32()
    assert r.uvarint() == 2
    assert r.take(16) == uuid
    assert r.uvarint() == 2
    index, error = r.i32(), r.i16()
    r.i64(), r.i64(), r.i64()
    r.uvarint(), r.i32()
    return error, r.cdata()


def topic_ids():
    """Topic IDs: never zero in Metadata 10 and later; used by Fetch 13 and later;
    an unknown ID has an error of its own."""
    with Conn() as c:
        assert create_topic(c, "ids") == 0
        assert produce(c, "ids", batch([b"by id"])) == (0, 0)
        ranges = api_versions(c)[1]
        ids = {_metadata_id(c, "ids", v) for v in range(10, ranges[3][1] + 1)}
        assert len(ids) == 1 and bytes(16) not in ids, ids
        uuid = ids.pop()
        assert ranges[1][1] >= 13
        for v in range(13, ranges[1][1] + 1):
            error, records = _fetch_by_id(c, uuid, v)
            assert error == 0 and [x[2] for x in values_of(records)] == [b"by id"], (v, error)
        error, _ = _fetch_by_id(c, b"\x01" * 16, 13)
        assert error == 100, error


run(globals())
