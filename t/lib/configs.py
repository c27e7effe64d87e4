"""Settings of topics, brokers and groups, for shell tests: NAME [ARG...]

A resource is TYPE/NAME: topic/t, broker/1, broker/ (all), group/g, logger/1."""
from wire import *

TYPES = {"topic": 2, "broker": 4, "logger": 8, "metrics": 16, "group": 32}
OPS = {"set": 0, "delete": 1, "append": 2, "subtract": 3}


def resource(word):
    kind, name = word.split("/", 1)
    return i8(int(kind) if kind.isdigit() else TYPES[kind]) + string(name)


def alter(c, where, changes, validate=False, version=0):
    """[(operation, key, value)], in one request; (error, message)"""
    r = c.call(44, 0, array([resource(where) + array(
        [string(key) + i8(OPS[op]) + string(value) for op, key, value in changes])])
        + i8(validate))
    r.i32()
    out = r.array(lambda: (r.i16(), r.string(), r.i8(), r.string()))
    r.end()
    return out[0][:2]


def replace(c, where, settings, validate=False):
    """AlterConfigs with [(key, value)], which replaces all settings; (error, message)"""
    r = c.call(33, 0, array([resource(where) + array(
        [string(key) + string(value) for key, value in settings])]) + i8(validate))
    r.i32()
    out = r.array(lambda: (r.i16(), r.string(), r.i8(), r.string()))
    r.end()
    return out[0][:2]


def describe(c, where, keys=None):
    """(error, message), [(key, value, is_read_only, source, synonyms, type, documentation)]"""
    r = c.call(32, 3, array([resource(where) + array(
        None if keys is None else [string(k) for k in keys])]) + i8(1) + i8(1))
    r.i32()

    def result():
        head = (r.i16(), r.string(), r.i8(), r.string())
        return head[:2], r.array(lambda: (r.string(), r.string(), r.i8(), r.i8(), r.i8(), r.array(
            lambda: (r.string(), r.string(), r.i8())), r.i8(), r.string()))
    out = r.array(result)[0]
    r.end()
    return out[0], [v[:4] + v[5:] for v in out[1]]


def many():
    """Describe 20,000 brokers, all of them this one; (errors, error of a later request)"""
    with Conn() as c:
        r = c.call(32, 3, array([resource("broker/1") + array(None)] * 20000) + i8(1) + i8(1))
        r.i32()
        errors = {}
        for _ in range(r.i32()):
            error = r.i16()
            errors[error] = errors.get(error, 0) + 1
            r.string(), r.i8(), r.string()
            r.array(lambda: (r.string(), r.string(), r.i8(), r.i8(), r.i8(), r.array(
                lambda: (r.string(), r.string(), r.i8())), r.i8(), r.string()))
        r.end()
        assert errors[0] > 1000 and errors[0] + errors[42] == 20000, errors
        print(describe(c, "broker/1", ["node.id"])[0][0])


def listed(c, types, version=1):
    """error, [(name, type)]"""
    body = carray([i8(t) for t in types]) if version else b""
    r = c.call(74, version, body + TAGS, flex=True)
    r.i32()
    error = r.i16()
    out = []
    for _ in range(r.uvarint() - 1):
        name = r.take(r.uvarint() - 1).decode()
        out.append((name, r.i8() if version else 16))
        r.uvarint()
    return error, out


# ---- steps ----

def change(where, *changes):
    """OP KEY[=VALUE]...; prints the error"""
    with Conn() as c:
        print(*alter(c, where, [
            (op, word.split("=")[0], word.split("=", 1)[1] if "=" in word else None)
            for op, word in zip(changes[::2], changes[1::2])]))


def show(where, *keys):
    """KEY=VALUE SOURCE rw|ro, a line each; the error instead"""
    with Conn() as c:
        (error, message), values = describe(c, where, keys or None)
        if error:
            print(error, message)
        for key, value, read_only, source, *_ in values:
            print("%s=%s %d %s" % (key, "" if value is None else value, source,
                                   "ro" if read_only else "rw"))


def synonyms(where, key):
    with Conn() as c:
        for name, value, source in describe(c, where, [key])[1][0][4]:
            print("%s=%s %d" % (name, value, source))


def names(*types):
    with Conn() as c:
        error, out = listed(c, [int(t) for t in types])
        print(error, *("%s/%d" % pair for pair in out))


def rules():
    with Conn() as c:
        assert alter(c, "broker/", [("set", "log.retention.ms", "5")] * 2)[0] == 42
        assert alter(c, "broker/", [("set", "log.retention.ms", None)])[0] == 42
        assert replace(c, "broker/", [("log.retention.ms", None)])[0] == 42
        for where in "broker/2", "broker/x", "broker/-1", "logger/2", "logger/", "1/x", "99/x":
            assert describe(c, where)[0][0] == 42, where
            assert alter(c, where, [("set", "log.retention.ms", "5")])[0] == 42, where
        for where in "group/", "metrics/":
            assert describe(c, where)[0][0] == 42, where
            assert alter(c, where, [("set", "consumer.session.timeout.ms", "50000")])[0] == 42
        assert describe(c, "metrics/m") == ((0, ""), [])
        assert alter(c, "metrics/m", [("set", "interval.ms", "1000")])[0] == 42
        # With validate_only nothing is changed.
        assert alter(c, "broker/1", [("set", "message.max.bytes", "77")], True) == (0, None)
        assert replace(c, "group/g", [("consumer.session.timeout.ms", "46000")], True) == (0, None)
        assert alter(c, "logger/1", [("set", "root", "ERROR")], True) == (0, None)
        assert describe(c, "broker/1", ["message.max.bytes"])[1][0][1] == "1048588"
        assert describe(c, "group/g", ["consumer.session.timeout.ms"])[1][0][1] == "45000"
        assert describe(c, "logger/1")[1][0][:2] == ("root", "INFO")
        # AlterConfigs replaces all settings.
        assert alter(c, "broker/", [("set", "log.retention.ms", " 9 "),
                                    ("set", "log.cleanup.policy", "compact")]) == (0, None)
        assert replace(c, "broker/", [("log.roll.ms", "8")]) == (0, None)
        assert [v[:2] for v in describe(c, "broker/")[1]] == [("log.roll.ms", "8")]
        assert replace(c, "broker/", []) == (0, None)
        assert describe(c, "broker/") == ((0, ""), [])
        # If one setting is bad, nothing of the resource is changed.
        assert alter(c, "broker/", [("set", "log.roll.ms", "8"),
                                    ("set", "log.retention.ms", "x")])[0] == 42
        assert describe(c, "broker/") == ((0, ""), [])
        # An edit of a list starts from its current value.
        assert alter(c, "broker/", [("append", "log.cleanup.policy", " compact ")]) == (0, None)
        assert describe(c, "broker/")[1][0][:2] == ("log.cleanup.policy", "delete,compact")
        assert alter(c, "broker/", [("subtract", "log.cleanup.policy", "delete,compact")]) == (0, None)
        assert describe(c, "broker/")[1][0][:2] == ("log.cleanup.policy", "")
        assert alter(c, "broker/", [("append", "log.retention.ms", "5")])[0] == 40
        # A longer value would not fit into a response.
        throttled = "follower.replication.throttled.replicas"
        pairs = [",".join("%d:1" % i for i in range(n, n + 4000)) for n in (0, 4000)]
        assert create_topic(c, "long") == 0
        assert alter(c, "topic/long", [("append", throttled, pairs[0])]) == (0, None)
        error, message = alter(c, "topic/long", [("append", throttled, pairs[1])])
        assert error == 40 and message.endswith("longer than 32767 bytes"), message
        assert describe(c, "topic/long", [throttled])[1][0][1] == pairs[0]
        # Settings that depend on each other are checked together.
        assert alter(c, "broker/", [("set", "log.cleaner.max.compaction.lag.ms", "5")]) == (0, None)
        assert alter(c, "broker/1", [("set", "log.cleaner.min.compaction.lag.ms", "6")])[0] == 42
        assert alter(c, "group/g", [("set", "consumer.session.timeout.ms", "44999")])[0] == 40
        assert alter(c, "group/g", [("set", "consumer.heartbeat.interval.ms", "15001")])[0] == 40
        # The documentation of a setting without effect says so; kq's tools show it.
        doc = {v[0]: v[6] for v in describe(c, "broker/1")[1]}
        assert doc["log.retention.ms"].endswith("; without effect yet")
        assert "effect" not in doc["message.max.bytes"]
    print("ok")


def heartbeat(group):
    """let a member join; prints the heartbeat interval that it gets"""
    with Conn() as c:
        r = c.call(68, 1, cstring(group) + cstring("member") + i32(0) + cstring(None) + cstring(None)
                   + i32(60000) + carray([cstring("t")]) + cstring(None) + cstring(None)
                   + carray([]) + TAGS, flex=True)
        r.i32()
        error = r.i16()
        for _ in range(2):
            n = r.uvarint()
            r.take(n - 1 if n else 0)
        r.i32()
        print(error, r.i32())


def held(c, where, key):
    """the key's current value; None if it is not set"""
    (error, _), values = describe(c, where, [key])
    return "none" if error or not values else repr(values[0][1].strip())


def values(cases, record=""):
    """Run the changes in the lines of CASES, RESOURCE OP KEY VALUE; ... -> ERROR VALUE,
    and print those with another result.  With record, print all, and ignore the
    results in CASES.  Waits a little where Kafka's broker may not have received its
    controller's change yet."""
    kafka = record or os.environ.get("AGAINST") == "kafka"
    with Conn() as c:
        for n, line in enumerate(open(cases, newline="\n")):
            line = line.rstrip("\n")
            if line.startswith("#"):
                continue
            what = line.rsplit(" -> ", 1)[0]
            kind, changes = what.split(" ", 1)
            where = "broker/" if kind == "broker" else "%s/values-%d" % (kind, n)
            if kind == "topic":
                create_topic(c, where[6:])
            for part in changes.split("; "):
                op, key, *value = part.split(" ", 2)
                value = value[0].encode().decode("unicode_escape") if value else None
                error = alter(c, where, [(op, key, value)])[0]
            got = "%s -> %d %s" % (what, error, held(c, where, key))
            for _ in range(20):
                if not kafka or (got == line and not record):
                    break
                time.sleep(0.02)
                got = "%s -> %d %s" % (what, error, held(c, where, key))
            if record or got != line:
                print(got)


run(globals())
