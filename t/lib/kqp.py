"""The messages of share/proto in Python, so that a test can talk to a broker in
field names: the schemas, an encoder and a decoder.

    apis, datas = kqp.load()
    answer = kqp.call(conn, apis["metadata"], 13, {"topics": None})

A message is a dict.  A field missing in a request has its default; an answer has
every field of its version.
"""
import glob
import os
import re
import struct
import uuid

import wire

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "..", "..", "share", "proto")
MAX = 32767
FORMAT = {"bool": ">?", "i8": ">b", "i16": ">h", "i32": ">i", "i64": ">q", "u16": ">H",
          "u32": ">I", "f64": ">d"}
PRIMITIVE = set(FORMAT) | {"uuid", "string", "bytes", "records"}
NO_UUID = "00000000-0000-0000-0000-000000000000"


class Field:
    """name, type (a primitive or the name of a struct), array, its versions,
    null_from (MAX: never null), tag (-1: none), default, fields (of a struct)."""

    def has(self, version): return self.first <= version <= self.last
    def nullable(self, version): return version >= self.null_from
    def is_struct(self): return self.type not in PRIMITIVE


class Message:
    """name, key (None: data), versions first to last, flex, request and
    response, or fields."""

    def flexible(self, version): return version >= self.flex


def span(word):
    if word == "none":
        return MAX, MAX
    if word.endswith("+"):
        return int(word[:-1]), MAX
    first, last = word.split("-")
    return int(first), int(last)


def _field(words, first):
    f = Field()
    f.name, f.type = words[0], words[1]
    f.first, f.last, f.null_from, f.tag, f.default = first, MAX, MAX, -1, None
    m = re.match(r"(.*)\?(\d*)\+?$", f.type)
    if m:
        f.type, f.null_from = m.group(1), int(m.group(2) or 0)
    rest = iter(words[2:])
    for word in rest:
        if word == "tag":
            f.tag = int(next(rest))
        elif word == "=":
            word = next(rest)
            f.default = {"true": True, "false": False, "null": "null"}.get(word) \
                if word in ("true", "false", "null") else int(word)
        else:
            f.first, f.last = span(word)
    f.array, f.single = f.type[0] == "[", f.type[0] == "{"
    f.type = f.type.strip("[]{}")
    f.fields = None
    return f


def parse(path):
    """The messages of one file."""
    out, stack, structs = [], [], {}
    for line in open(path):
        line = re.sub(r"(^|\s)#.*", "", line).rstrip()
        words = line.split()
        if not words:
            continue
        if words[0] in ("api", "data"):
            m = Message()
            m.key = int(words[1]) if words[0] == "api" else None
            m.name = words[-4]
            m.first, m.last = span(words[-3])
            m.flex = span(words[-1])[0]
            m.about = ""
            out.append(m)
        elif words[0] in ("request", "response", "fields"):
            stack, structs = [[]], {}
            setattr(out[-1], words[0], stack[0])
        else:
            depth = (len(line) - len(line.lstrip())) // 2 - 1
            f = _field(words, out[-1].first)
            del stack[depth + 1:]
            stack[depth].append(f)
            if f.is_struct():
                f.fields = structs.setdefault(f.type, [])
                stack.append(f.fields)
    return out


def load(folder=PROTO):
    """({name: api}, {name: data})"""
    apis, datas = {}, {}
    for path in sorted(glob.glob(os.path.join(folder, "*.kqp"))):
        for m in parse(path):
            (datas if m.key is None else apis)[m.name] = m
    return apis, datas


# ---- encoding ----

def default(f, version):
    if f.default == "null":
        return None
    if f.array:
        return []
    if f.is_struct():
        return None if f.null_from != MAX else {}
    if f.default is not None:
        return f.default
    return {"string": "", "bytes": b"", "records": b"", "uuid": NO_UUID, "bool": False,
            "f64": 0.0}.get(f.type, 0)


def _length(n, flex, wide):
    if flex:
        return wire.uvarint(n + 1)
    return wire.i32(n) if wide else wire.i16(n)


def _value(f, v, version, flex):
    if f.type in FORMAT:
        return struct.pack(FORMAT[f.type], v)
    if f.type == "uuid":
        return uuid.UUID(v).bytes
    if f.is_struct():
        return encode(f.fields, version, flex, v)
    v = v.encode() if isinstance(v, str) else v
    return _length(-1 if v is None else len(v), flex, f.type != "string") + (v or b"")


def _whole(f, v, version, flex):
    if f.array:
        if v is None:
            return _length(-1, flex, True)
        return _length(len(v), flex, True) + b"".join(_value(f, x, version, flex) for x in v)
    if f.is_struct() and f.null_from != MAX:
        return b"\xff" if v is None else b"\1" + _value(f, v, version, flex)
    return _value(f, v, version, flex)


def encode(fields, version, flex, message):
    known = {f.name for f in fields}
    assert set(message) <= known, "unknown fields: %s" % (set(message) - known)
    out, tagged = b"", {}
    for f in fields:
        if not f.has(version):
            continue
        v = message.get(f.name, default(f, version))
        if f.tag < 0:
            out += _whole(f, v, version, flex)
        elif f.name in message:
            tagged[f.tag] = _whole(f, v, version, flex)
    if flex:
        out += wire.uvarint(len(tagged))
        for tag in sorted(tagged):
            out += wire.uvarint(tag) + wire.uvarint(len(tagged[tag])) + tagged[tag]
    return out


# ---- decoding ----

def _read_length(r, flex, wide):
    if flex:
        return r.uvarint() - 1
    return r.i32() if wide else r.i16()


def _read_value(f, r, version, flex):
    if f.type in FORMAT:
        return struct.unpack(FORMAT[f.type], r.take(struct.calcsize(FORMAT[f.type])))[0]
    if f.type == "uuid":
        return str(uuid.UUID(bytes=r.take(16)))
    if f.is_struct():
        return decode(f.fields, version, flex, r)
    n = _read_length(r, flex, f.type != "string")
    if n < 0:
        return None
    return r.take(n).decode() if f.type == "string" else r.take(n)


def _read_whole(f, r, version, flex):
    if f.array:
        n = _read_length(r, flex, True)
        return None if n < 0 else [_read_value(f, r, version, flex) for _ in range(n)]
    if f.is_struct() and f.null_from != MAX and r.i8() < 0:
        return None
    return _read_value(f, r, version, flex)


def decode(fields, version, flex, r):
    out = {}
    for f in fields:
        if f.has(version):
            out[f.name] = default(f, version) if f.tag >= 0 else _read_whole(f, r, version, flex)
    if flex:
        by_tag = {f.tag: f for f in fields if f.tag >= 0 and f.has(version)}
        for tag, b in r.tags().items():
            if tag in by_tag:
                out[by_tag[tag].name] = _read_whole(by_tag[tag], wire.Reader(b), version, flex)
            else:
                out["tag %d" % tag] = b
    return out


def call(conn, api, version, message):
    """Send the request; returns the answer."""
    flex = api.flexible(version)
    old_header = api.key == 18  # ApiVersions: the old response header in every version
    id = conn.send(api.key, version, encode(api.request, version, flex, message), flex)
    r = conn.recv(id, flex and not old_header)
    answer = decode(api.response, version, flex, r)
    r.end()
    return answer
