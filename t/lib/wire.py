"""Kafka's protocol on raw sockets, as far as tests need it.

Bodies are built from the small encoders below, so that a test can also build
invalid ones.  See traps.py and hostile.py.
"""
import os
import socket
import struct
import time

PATIENCE = 60 if os.environ.get("KQ_SAN") else 20


def i8(n): return struct.pack(">b", n)
def i16(n): return struct.pack(">h", n)
def i32(n): return struct.pack(">i", n)
def i64(n): return struct.pack(">q", n)


def string(s):
    if s is None:
        return i16(-1)
    s = s.encode() if isinstance(s, str) else s
    return i16(len(s)) + s


def data(b):
    return i32(-1) if b is None else i32(len(b)) + b


def array(items):
    return i32(-1) if items is None else i32(len(items)) + b"".join(items)


def uvarint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def varint(n):
    return uvarint(((n << 1) ^ (n >> 63)) & ((1 << 64) - 1))


def cstring(s):  # compact
    if s is None:
        return uvarint(0)
    s = s.encode() if isinstance(s, str) else s
    return uvarint(len(s) + 1) + s


def carray(items):
    return uvarint(0) if items is None else uvarint(len(items) + 1) + b"".join(items)


TAGS = b"\0"  # none


class Reader:
    def __init__(self, b):
        self.b, self.at = b, 0

    def take(self, n):
        if n < 0 or self.at + n > len(self.b):
            raise ValueError("response cut off at %d of %d, want %d" % (self.at, len(self.b), n))
        self.at += n
        return self.b[self.at - n:self.at]

    def i8(self): return struct.unpack(">b", self.take(1))[0]
    def i16(self): return struct.unpack(">h", self.take(2))[0]
    def i32(self): return struct.unpack(">i", self.take(4))[0]
    def i64(self): return struct.unpack(">q", self.take(8))[0]

    def uvarint(self):
        n = shift = 0
        while True:
            c = self.take(1)[0]
            n |= (c & 127) << shift
            if c < 128:
                return n
            shift += 7

    def varint(self):
        n = self.uvarint()
        return (n >> 1) ^ -(n & 1)

    def string(self):
        n = self.i16()
        return None if n < 0 else self.take(n).decode()

    def data(self):
        n = self.i32()
        return None if n < 0 else self.take(n)

    def cstring(self):
        n = self.uvarint()
        return None if n == 0 else self.take(n - 1).decode()

    def cdata(self):
        n = self.uvarint()
        return None if n == 0 else self.take(n - 1)

    def array(self, fn): return [fn() for _ in range(self.i32())]
    def carray(self, fn): return [fn() for _ in range(self.uvarint() - 1)]

    def tags(self):
        return {self.uvarint(): self.take(self.uvarint()) for _ in range(self.uvarint())}

    def end(self):
        if self.at != len(self.b):
            raise ValueError("%d bytes too many in the response" % (len(self.b) - self.at))


class Closed(Exception):
    """The broker closed the connection."""


def broker():
    return os.environ["broker_tcp"]


class Conn:
    def __init__(self, addr=None, rcvbuf=None):
        addr = addr or broker()
        if addr.startswith("unix:"):
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(PATIENCE)
            self.s.connect(addr[5:])
        else:
            host, port = addr.rsplit(":", 1)
            self.s = socket.socket()
            self.s.settimeout(PATIENCE)
            if rcvbuf:
                self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            self.s.connect((host, int(port)))
            self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def raw(self, b):
        self.s.sendall(b)

    def send(self, key, version, body, flex=False, client="test", correlation=None):
        if correlation is None:
            self.correlation += 1
            correlation = self.correlation
        head = i16(key) + i16(version) + i32(correlation) + string(client) + (TAGS if flex else b"")
        self.raw(i32(len(head) + len(body)) + head + body)
        return correlation

    def exactly(self, n):
        out = bytearray()
        while len(out) < n:
            try:
                b = self.s.recv(min(n - len(out), 1 << 20))
            except ConnectionResetError:
                b = b""
            if not b:
                raise Closed("after %d of %d bytes" % (len(out), n))
            out += b
        return bytes(out)

    def frame(self):
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def recv(self, want=None, flex=False):
        """Read one response; returns a reader after its header."""
        r = Reader(self.frame())
        got = r.i32()
        if want is not None and got != want:
            raise ValueError("correlation id %d, want %d" % (got, want))
        if flex:
            r.tags()
        return r

    def call(self, key, version, body, flex=False, **kw):
        return self.recv(self.send(key, version, body, flex, **kw), flex)

    def is_closed(self):
        """Wait until the broker closes; data before that are ignored."""
        try:
            while self.s.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except socket.timeout:
            return False
        return True

    def close(self):
        self.s.close()

    def __enter__(self): return self
    def __exit__(self, *x): self.close()


# ---- record batches ----

_table = []
for _n in range(256):
    for _ in range(8):
        _n = _n >> 1 ^ (0x82F63B78 if _n & 1 else 0)
    _table.append(_n)


def crc32c(b):
    crc = 0xFFFFFFFF
    for c in b:
        crc = crc >> 8 ^ _table[(crc ^ c) & 255]
    return crc ^ 0xFFFFFFFF


def vdata(b):
    return varint(-1) if b is None else varint(len(b)) + b


def record(value, key=None, delta=0, time_delta=0, headers=()):
    b = i8(0) + varint(time_delta) + varint(delta) + vdata(key) + vdata(value) + varint(len(headers))
    for name, v in headers:
        b += vdata(name.encode()) + vdata(v)
    return varint(len(b)) + b


def batch(values=(b"x",), codec=0, packed=None, base_offset=0, magic=2, count=None, last=None,
          length=None, crc=None, time_ms=None, max_time_ms=None, attributes=0, base_sequence=-1,
          producer_id=-1):
    """A batch of values; every field can be set, also to invalid values."""
    time_ms = int(time.time() * 1000) if time_ms is None else time_ms
    body = packed if packed is not None else \
        b"".join(record(v, delta=i) for i, v in enumerate(values))
    n = len(values) if count is None else count
    tail = (i16(attributes | codec) + i32(n - 1 if last is None else last)
            + i64(time_ms) + i64(time_ms if max_time_ms is None else max_time_ms)
            + i64(producer_id) + i16(-1) + i32(base_sequence) + i32(n) + body)
    return (i64(base_offset) + i32(len(tail) + 9 if length is None else length) + i32(-1)
            + i8(magic) + struct.pack(">I", crc32c(tail) if crc is None else crc) + tail)


def values_of(records):
    """The (offset, key, value) of uncompressed batches, up to a truncated one."""
    out, at = [], 0
    while at + 61 <= len(records):
        base, length = struct.unpack_from(">qi", records, at)
        if at + 12 + length > len(records):
            break
        attributes, = struct.unpack_from(">h", records, at + 21)
        count, = struct.unpack_from(">i", records, at + 57)
        assert attributes & 7 == 0, "a compressed batch"
        r = Reader(records[at + 61:at + 12 + length])
        for _ in range(count):
            r.varint(), r.i8(), r.varint()
            offset = base + r.varint()
            n = r.varint()
            key = None if n < 0 else r.take(n)
            n = r.varint()
            value = None if n < 0 else r.take(n)
            for _ in range(r.varint()):
                r.take(r.varint())
                n = r.varint()
                r.take(max(n, 0))
            out.append((offset, key, value))
        at += 12 + length
    return out


# ---- whole requests, each in one version ----

def api_versions(c, version=0, key=18):
    """(error, {key: (min, max)}) by a version that is not flexible."""
    r = c.call(18, version, b"")
    error = r.i16()
    out = dict(r.array(lambda: (r.i16(), (r.i16(), r.i16()))))
    if version >= 1:
        r.i32()
    r.end()
    return error, out


def produce_body(topic, records, partition=0, acks=-1, timeout_ms=10000):
    return (string(None) + i16(acks) + i32(timeout_ms)
            + array([string(topic) + array([i32(partition) + data(records)])]))


def produce_answer(r):
    out = r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i16(), r.i64(), r.i64(), r.i64()))))
    r.i32()
    r.end()
    return out[0][1][0][1:3]


def produce(c, topic, records, partition=0, acks=-1):
    """(error, base offset)"""
    return produce_answer(c.call(0, 7, produce_body(topic, records, partition, acks)))


def produce_parts(c, topic, parts, acks=-1, transactional_id=None):
    """Produce 8, or by a topic's id (16 bytes) 13: {partition: (error, base
    offset, log start, {record: message}, message)} of [(partition, records)]"""
    if isinstance(topic, bytes):
        body = (cstring(transactional_id) + i16(acks) + i32(10000)
                + carray([topic + carray([i32(p) + cstring(b) + TAGS for p, b in parts]) + TAGS]) + TAGS)
        r = c.call(0, 13, body, True)

        def part():
            out = (r.i32(), r.i16(), r.i64(), r.i64(), r.i64(),
                   r.carray(lambda: (r.i32(), r.cstring(), r.tags())[:2]), r.cstring())
            r.tags()
            return out
        (got, rows, _), = r.carray(lambda: (r.take(16), r.carray(part), r.tags()))
        assert got == topic
        r.i32(), r.tags()
    else:
        r = c.call(0, 8, string(transactional_id) + i16(acks) + i32(10000)
                   + array([string(topic) + array([i32(p) + data(b) for p, b in parts])]))
        (got, rows), = r.array(lambda: (r.string(), r.array(lambda: (
            r.i32(), r.i16(), r.i64(), r.i64(), r.i64(), r.array(lambda: (r.i32(), r.string())), r.string()))))
        assert got == topic
        r.i32()
    r.end()
    return {p: (error, base, start, dict(faults), message) for p, error, base, _, start, faults, message in rows}


def topic_id(c, topic):
    """its 16 bytes, by Metadata 12"""
    r = c.call(3, 12, carray([bytes(16) + cstring(topic) + TAGS]) + i8(0) + i8(0) + TAGS, True)
    r.i32()
    r.carray(lambda: (r.i32(), r.cstring(), r.i32(), r.cstring(), r.tags()))
    r.cstring(), r.i32()
    assert r.uvarint() == 2 and r.i16() == 0 and r.cstring() == topic
    return r.take(16)


def fetch_body(topic, offset, partition=0, wait_ms=0, min_bytes=1, max_bytes=50 << 20):
    return (i32(-1) + i32(wait_ms) + i32(min_bytes) + i32(max_bytes) + i8(0)
            + array([string(topic) + array([i32(partition) + i64(offset) + i32(max_bytes)])]))


def fetch_answer(r):
    r.i32()

    def part():
        index, error, hw = r.i32(), r.i16(), r.i64()
        r.i64()
        n = r.i32()
        for _ in range(max(n, 0)):
            r.i64(), r.i64()
        return error, hw, r.data() or b""
    out = r.array(lambda: (r.string(), r.array(part)))
    r.end()
    return out[0][1][0]


def fetch(c, topic, offset=0, partition=0, **kw):
    """(error, high watermark, records)"""
    return fetch_answer(c.call(1, 4, fetch_body(topic, offset, partition, **kw)))


def fetch_all(c, topic, partition=0, offset=0):
    """Every record: [(offset, key, value)]"""
    out = []
    while True:
        error, hw, records = fetch(c, topic, offset, partition)
        assert error == 0, "fetch: error %d" % error
        got = [x for x in values_of(records) if x[0] >= offset]
        out += got
        if offset >= hw:
            return out
        assert got, "no records before the high watermark"
        offset = got[-1][0] + 1


def list_offsets(c, topic, timestamp, partition=0):
    """(error, timestamp, offset)"""
    r = c.call(2, 1, i32(-1) + array([string(topic) + array([i32(partition) + i64(timestamp)])]))
    out = r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i16(), r.i64(), r.i64()))))
    r.end()
    return out[0][1][0][1:]


def create_topic(c, topic, partitions=1, configs=()):
    """the error"""
    r = c.call(19, 2, array([string(topic) + i32(partitions) + i16(1) + array([])
                             + array([string(k) + string(v) for k, v in configs])])
               + i32(10000) + i8(0))
    r.i32()
    out = r.array(lambda: (r.string(), r.i16(), r.string()))
    r.end()
    return out[0][1]


def metadata(c, topics, version=1):
    """{topic: (error, [(partition, error)])} by version 1"""
    assert version == 1
    r = c.call(3, 1, array(None if topics is None else [string(t) for t in topics]))
    r.array(lambda: (r.i32(), r.string(), r.i32(), r.string()))
    r.i32()
    out = {}
    for _ in range(r.i32()):
        error, name, _ = r.i16(), r.string(), r.i8()
        out[name] = (error, r.array(lambda: (r.i16(), r.i32(), r.i32(), r.array(r.i32), r.array(r.i32))))
    r.end()
    return out


def check_sane(topic="sane", addr=None):
    """Check what any client expects: create a topic, produce a record, fetch it."""
    with Conn(addr) as c:
        assert create_topic(c, topic) in (0, 36)
        value = b"sane %d" % time.time_ns()
        error, base = produce(c, topic, batch([value]))
        assert error == 0, "produce: error %d" % error
        error, hw, records = fetch(c, topic, base)
        assert error == 0, "fetch: error %d" % error
        assert (base, None, value) in values_of(records)


def run(table):
    """The main of a script: NAME [ARG...] runs the table's function NAME."""
    import sys
    name = sys.argv[1].replace("-", "_")
    table[name](*sys.argv[2:])
