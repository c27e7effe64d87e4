"""Requests that no client should send to the coordinators.  NAME sends them, and
checks that the broker answers correctly, or closes, and still serves a normal client."""
import time

from wire import *

INT_MAX = 2**31 - 1


def write_markers(c, markers):
    """WriteTxnMarkers 1; markers: (producer id, epoch, coordinator epoch, topic,
    [partition]).  [[error of each partition] of each marker]"""
    r = c.call(27, 1, carray([
        i64(id) + i16(epoch) + i8(1)
        + carray([cstring(topic) + carray([i32(p) for p in parts]) + TAGS])
        + i32(coordinator) + TAGS for id, epoch, coordinator, topic, parts in markers]) + TAGS, flex=True)

    def partition():
        out = r.i32(), r.i16()
        r.tags()
        return out[1]

    def topic():
        r.cstring()
        out = r.carray(partition)
        r.tags()
        return out

    def marker():
        r.i64()
        out = r.carray(topic)
        r.tags()
        return [e for t in out for e in t]
    out = r.carray(marker)
    r.tags()
    r.end()
    return out


def markers():
    """Forged ends of transactions: of unknown producers, with a future coordinator
    epoch (it would fence ours), of more partitions than can exist."""
    with Conn() as c:
        assert create_topic(c, "m") == 0
        sound = (7, 0, 0, "m", [0])
        for id, epoch, coordinator in (-1, 0, 0), (-2, 0, 0), (7, -1, 0), (7, 0, INT_MAX):
            got = write_markers(c, [sound, (id, epoch, coordinator, "m", [0, 0])])
            assert got == [[0], [42, 42]], got
        got = write_markers(c, [(7, 0, 0, "x" * 30000, [0] * 20000), sound])
        assert got == [[42] * 20000, [42]], got[1]
        got = write_markers(c, [(7, 0, 0, "x" * 30000, [0] * 9000), sound])
        assert got == [[42] * 9000, [0]], got[1]
    check_sane()


def names():
    """The longest possible names, where answers repeat them in a message."""
    with Conn() as c:
        r = c.call(69, 0, carray([cstring("x" * 32767)]) + i8(0) + TAGS, flex=True)
        r.i32()
        assert r.uvarint() == 2 and r.i16() == 69 and "not found" in r.cstring()
    check_sane()


def parked():
    """Joins that wait for others forever, each with megabytes of random metadata;
    they stay when their connections close."""
    junk = uvarint(1) + uvarint(1000) + uvarint(4 << 20) + bytes(4 << 20)
    first = Conn()
    first.send(11, 1, string("p") + i32(1800000) + i32(INT_MAX) + string("") + string("consumer")
               + array([string("range") + data(b"")]))
    for k in range(10):
        with Conn() as c:
            try:
                for i in range(6):
                    c.send(11, 9, cstring("p") + i32(1800000) + i32(INT_MAX) + cstring("")
                           + cstring("i%d.%d" % (k, i)) + cstring("consumer")
                           + carray([cstring("range") + cstring("") + TAGS]) + cstring(None) + junk, flex=True)
                c.s.settimeout(0.2)
                c.is_closed()
            except (BrokenPipeError, ConnectionResetError):
                pass
    check_sane()


def repeated():
    """Something large that a small request names many times."""
    def attack(c, key, version, body, flex):
        try:
            c.call(key, version, body, flex)
        except Closed:
            pass

    with Conn() as c:
        c.call(11, 1, string("r") + i32(1800000) + i32(1000) + string("") + string("consumer")
               + array([string("range") + data(bytes(1000000))]))
    with Conn() as c:
        attack(c, 15, 0, array([string("r")] * 3000), False)
    names = [cstring("%d" % i + "n" * 100) for i in range(2000)]
    with Conn() as c:
        r = c.call(68, 1, cstring("k") + cstring("member") + i32(0) + cstring(None) + cstring(None)
                   + i32(1000) + carray(names) + cstring(None) + cstring(None) + carray([]) + TAGS, flex=True)
        r.i32()
        assert r.i16() == 0
        attack(c, 69, 0, carray([cstring("k")] * 20000) + i8(0) + TAGS, True)
    with Conn() as c:
        assert create_topic(c, "r", 1) == 0
        for id in range(1000):
            b = bytearray(batch(producer_id=id, base_sequence=0))
            b[51:53] = i16(0)
            b[17:21] = struct.pack(">I", crc32c(bytes(b[21:])))
            assert produce(c, "r", bytes(b))[0] == 0
        assert create_topic(c, "s", 1000) == 0
        r = c.call(35, 1, array([string("s") + array([])] * 20000))
        r.i32()
        assert r.array(lambda: (r.i16(), r.string(), r.i32()))[0][::2] == (42, 0)
        attack(c, 61, 0, carray([cstring("r") + carray([i32(0)] * 300000) + TAGS]) + TAGS, True)
    check_sane()


def commits():
    """One partition's offset, two hundred thousand times in one request; each becomes
    a record with the group's long name."""
    one = i32(0) + i64(1) + i32(-1) + uvarint(0) + TAGS
    with Conn() as c:
        assert create_topic(c, "often") == 0

        def commit(n):
            r = c.call(8, 8, cstring("x" * 32000) + i32(-1) + cstring("") + cstring(None)
                       + carray([cstring("often") + carray([one] * n) + TAGS]) + TAGS, flex=True)

            def part():
                out = r.i32(), r.i16()
                r.tags()
                return out[1]

            def topic():
                r.cstring()
                out = r.carray(part)
                r.tags()
                return out
            r.i32()
            got = r.carray(topic)
            assert len(got[0]) == n
            return set(got[0])
        assert commit(10) == {0}
        got = commit(200000)
        assert got == {-1}, got
        assert commit(10) == {0}
    check_sane()


def assigned():
    """Small joins with large assignments, while groups may use little memory."""
    def beat(c, group, epoch):
        """(error, epoch)"""
        r = c.call(68, 1, cstring(group) + cstring("member") + i32(epoch) + cstring(None) + cstring(None)
                   + i32(60000 if epoch == 0 else -1) + (carray([cstring("wide")]) if epoch == 0 else uvarint(0))
                   + cstring(None) + cstring(None) + (carray([]) if epoch == 0 else uvarint(0)) + TAGS, flex=True)
        r.i32()
        error = r.i16()
        r.cstring(), r.cstring()
        return error, r.i32()

    with Conn() as c:
        assert create_topic(c, "wide", 4000) == 0
        epochs = []
        for i in range(100):
            error, epoch = beat(c, "g%d" % i, 0)
            if error:
                break
            epochs.append(epoch)
        assert error == 15, error  # COORDINATOR_NOT_AVAILABLE
        assert 3 <= len(epochs) <= 20, len(epochs)
        assert [beat(c, "other", 0)[0] for _ in range(50)] == [15] * 50
        # Members keep working, and when they leave there is room.
        assert beat(c, "g0", epochs[0])[0] == 0
        for i in range(len(epochs)):
            assert beat(c, "g%d" % i, -1)[0] == 0
        assert beat(c, "other", 0)[0] == 0
    check_sane()


def flood(n="2000"):
    """Many connections that must be closed; prints how many seconds that took."""
    begin = time.time()
    for i in range(int(n)):
        with Conn() as c:
            c.raw(i32(-1))
            assert c.is_closed()
    check_sane()
    print(int(time.time() - begin) + 1)


if __name__ == "__main__":
    run(globals())
