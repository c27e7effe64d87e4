"""Single steps and rules of a broker, for shell tests: NAME [ARG...]"""
from wire import *


def create(topic, partitions="1", *configs):
    with Conn() as c:
        print(create_topic(c, topic, int(partitions), [x.split("=", 1) for x in configs]))


def put(topic, partition="0", n="10", size="0", acks="-1"):
    """Produce n records, each in a batch of its own; prints "error offset" of the
    last one.  Creates the topic if necessary, and if that is allowed."""
    with Conn() as c:
        metadata(c, [topic])
        for i in range(int(n)):
            error, base = produce(c, topic, batch([(b"%d" % i).ljust(int(size), b".")]), int(partition), int(acks))
            if error:
                break
        print(error, base)


def get(topic, partition="0"):
    """print every value, one per line; or the error"""
    with Conn() as c:
        error = fetch(c, topic, 0, int(partition))[0]
        if error:
            print("error", error)
            return
        for _, _, value in fetch_all(c, topic, int(partition)):
            print(value.decode().rstrip("."))


def fill(topic, size="100000"):
    """Produce until the broker refuses; prints how many it accepted, and its error."""
    n, b = 0, batch([b"x" * int(size)])
    with Conn() as c:
        while True:
            error, base = produce(c, topic, b)
            if error:
                break
            assert base == n
            n += 1
    print(n, error)


def meta(topic):
    with Conn() as c:
        print(metadata(c, [topic])[topic][0])


def partitions(topic):
    with Conn() as c:
        print(len(metadata(c, [topic])[topic][1]))


def delete(topic):
    with Conn() as c:
        r = c.call(20, 1, array([string(topic)]) + i32(10000))
        r.i32()
        print(r.array(lambda: (r.string(), r.i16()))[0][1])


def append_time():
    """With LogAppendTime the broker's clock counts, else the producer's."""
    with Conn() as c:
        assert create_topic(c, "append", 1, [("message.timestamp.type", "LogAppendTime")]) == 0
        assert create_topic(c, "create") == 0
        before = int(time.time() * 1000)
        for topic, kind in ("append", 8), ("create", 0):
            r = c.call(0, 7, produce_body(topic, batch([b"old", b"er"], time_ms=1000)))
            row = r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i16(), r.i64(), r.i64(), r.i64()))))
            _, error, base, append_ms, _ = row[0][1][0]
            after = int(time.time() * 1000)
            assert (error, base) == (0, 0)
            records = fetch(c, topic)[2]
            attributes, = struct.unpack_from(">h", records, 21)
            max_ms, = struct.unpack_from(">q", records, 35)
            assert attributes == kind, attributes
            if kind:
                assert before - 1000 <= append_ms <= after and max_ms == append_ms, (before, append_ms, max_ms)
                assert list_offsets(c, topic, before - 1000)[2] == 0
            else:
                assert append_ms == -1 and max_ms == 1000
                assert list_offsets(c, topic, 1001)[2] == -1
            assert crc32c(records[21:]) == struct.unpack_from(">I", records, 17)[0]


def too_large():
    """max.message.bytes limits a batch, exactly; it can be changed."""
    with Conn() as c:
        limit = len(batch([b"x" * 1000]))
        assert create_topic(c, "limited", 1, [("max.message.bytes", str(limit))]) == 0
        assert produce(c, "limited", batch([b"x" * 1000]))[0] == 0
        assert produce(c, "limited", batch([b"x" * 1001])) == (10, -1)
        r = c.call(33, 0, array([i8(2) + string("limited") + array([string("max.message.bytes") + string("5000")])])
                   + i8(0))
        r.i32()
        assert r.array(lambda: (r.i16(), r.string(), r.i8(), r.string()))[0][0] == 0
        assert produce(c, "limited", batch([b"x" * 1001])) == (0, 1)
        assert produce(c, "limited", batch([b"x" * 5000])) == (10, -1)


def max_connections(n):
    """n connections are served, one more is closed; closing one makes room."""
    conns = [Conn() for _ in range(int(n))]
    for c in conns:
        assert api_versions(c)[0] == 0
    with Conn() as c:
        assert c.is_closed()
    conns.pop().close()
    deadline = time.time() + PATIENCE
    while True:  # the broker notices it a moment later
        with Conn() as c:
            try:
                assert api_versions(c)[0] == 0
                return
            except (Closed, ConnectionError):
                assert time.time() < deadline


def request_max(n):
    """A request of n bytes is served, one of n + 1 is not."""
    n = int(n)
    with Conn() as c:
        head = 8 + len(string("test"))
        c.send(18, 0, b"")
        assert c.recv().i16() == 0
        value = b"x" * (n - head - len(produce_body("t", batch([b""]))) - 100)
        assert create_topic(c, "t") == 0
        body = produce_body("t", batch([value]))
        while head + len(body) < n:
            value += b"x"
            body = produce_body("t", batch([value]))
        assert head + len(body) == n
        c.send(0, 7, body)
        assert produce_answer(c.recv()) == (0, 0)
        c.send(0, 7, produce_body("t", batch([value + b"x"])))
        assert c.is_closed()


def forge():
    """A client ID, a topic and a setting that look like log lines."""
    line = "\n2026-01-01T00:00:00.000Z error forged\r\n\x1b[31mforged\u0085forged\u2028"
    with Conn() as c:
        c.send(18, 0, b"", client=line)
        c.recv()
        c.send(3, 1, array([string(line)]), client=line)
        c.recv()
        c.send(19, 2, array([string("f") + i32(1) + i16(1) + array([]) + array([string(line) + string(line)])])
               + i32(1000) + i8(0), client=line)
        c.recv()
        c.send(3, 1, i32(99), client=line)
        assert c.is_closed()
    with Conn() as c:
        c.send(18, 3, cstring(line) + cstring(line) + TAGS, flex=True, client=line)
        c.recv()
        c.send(99, 1, b"", client=line)
        assert c.is_closed()


def offsets_first(name):
    """Add a group's offsets to a transaction, as the first request on any group."""
    with Conn() as c:
        r = c.call(22, 0, string(name) + i32(10000))
        r.i32()
        assert r.i16() == 0
        producer = i64(r.i64()) + i16(r.i16())
        r = c.call(25, 0, string(name) + producer + string("group of " + name))
        r.i32()
        print(r.i16())


def hold(seconds="30"):
    """Open a connection, start a long poll, print a line, and wait for the end."""
    with Conn() as c:
        create_topic(c, "held")
        c.send(1, 4, fetch_body("held", 0, wait_ms=1000 * int(seconds)))
        c.send(18, 0, b"")
        print("held", flush=True)
        assert c.is_closed()


run(globals())
