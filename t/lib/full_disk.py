"""Groups and transactions on a full disk: NAME [ARG...]

begin           A group with a member, offsets, three open transactions.
refused FILE    Fill the disk with FILE, then send each request that must write,
                until it is refused; a refused request must have no effect.
go_on FILE      Remove FILE and send the refused requests again: they succeed.
not_served      Groups are unavailable; everything else works.
held_up         Stop the broker while a write waits for the end of a transaction.
show            Print the state, for comparison, without what is only in memory.
"""
import json
import os
import signal

from wire import *

AGAIN = (14, 15, 16)  # codes after which every client retries
TRANSACTIONAL = 0x10
MANY = 3000  # more than the rest of a file's last block can hold
KEPT = "kept.json"


def put_json(v):
    with open(KEPT, "w") as f:
        json.dump(v, f)


def get_json():
    with open(KEPT) as f:
        return json.load(f)


# ---- requests; most return an error code ----

def join(c, group):
    """(error, generation, member id)"""
    r = c.call(11, 3, string(group) + i32(1800000) + i32(60000) + string("") + string("consumer")
               + array([string("range") + data(b"")]))
    r.i32()
    error, generation = r.i16(), r.i32()
    r.string(), r.string()
    return error, generation, r.string()


def sync(c, group, generation, member):
    r = c.call(14, 2, string(group) + i32(generation) + string(member)
               + array([string(member) + data(b"all")]))
    r.i32()
    return r.i16()


def leave(c, group, member):
    r = c.call(13, 1, string(group) + string(member))
    r.i32()
    return r.i16()


def beat(c, group, member, epoch=0):
    r = c.call(68, 1, cstring(group) + cstring(member) + i32(epoch) + cstring(None) + cstring(None)
               + i32(60000) + carray([cstring("t")]) + cstring(None) + cstring(None) + carray([]) + TAGS,
               flex=True)
    r.i32()
    return r.i16()


def commit(c, group, offset, generation=-1, member=""):
    r = c.call(8, 5, string(group) + i32(generation) + string(member)
               + array([string("t") + array([i32(0) + i64(offset) + string("")])]))
    r.i32()
    return r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i16()))))[0][1][0][1]


def offset_of(c, group):
    r = c.call(9, 3, string(group) + array([string("t") + array([i32(0)])]))
    r.i32()
    part = r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i64(), r.string(), r.i16()))))[0][1][0]
    assert part[3] == 0, part
    return part[1]


def init(c, id):
    """(error, [id, producer id, epoch])"""
    r = c.call(22, 1, string(id) + i32(600000))
    r.i32()
    error = r.i16()
    return error, [id, r.i64(), r.i16()]


def who(p):
    return string(p[0]) + i64(p[1]) + i16(p[2])


def add(c, p, topic="t"):
    r = c.call(24, 1, who(p) + array([string(topic) + array([i32(0)])]))
    r.i32()
    return r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i16()))))[0][1][0][1]


def add_offsets(c, p, group):
    r = c.call(25, 1, who(p) + string(group))
    r.i32()
    return r.i16()


def txn_commit(c, p, group, offset):
    r = c.call(28, 1, string(p[0]) + string(group) + i64(p[1]) + i16(p[2])
               + array([string("t") + array([i32(0) + i64(offset) + string("")])]))
    r.i32()
    return r.array(lambda: (r.string(), r.array(lambda: (r.i32(), r.i16()))))[0][1][0][1]


def write_body(p, value, topic="t", sequence=0):
    b = bytearray(batch([value], producer_id=p[1], base_sequence=sequence, attributes=TRANSACTIONAL))
    struct.pack_into(">h", b, 51, p[2])
    struct.pack_into(">I", b, 17, crc32c(bytes(b[21:])))
    return string(p[0]) + produce_body(topic, bytes(b))[2:]


def write(c, p, value, sequence=0):
    return produce_answer(c.call(0, 7, write_body(p, value, sequence=sequence)))[0]


def end(c, p, is_commit=True):
    r = c.call(26, 1, who(p) + i8(int(is_commit)))
    r.i32()
    return r.i16()


def group_state(c, group):
    r = c.call(15, 1, array([string(group)]))
    r.i32()
    return r.array(lambda: (r.i16(), r.string(), r.string(), r.string(), r.string(),
                            r.array(lambda: (r.string(), r.string(), r.string(), r.data(), r.data()))))[0]


def txn_state(c, id):
    """(error, state, epoch, partitions)"""
    r = c.call(65, 0, carray([cstring(id)]) + TAGS, flex=True)
    r.i32()

    def topic():
        out = r.cstring(), r.carray(r.i32)
        r.tags()
        return out

    def one():
        error, _, state, _, _, _, epoch = (r.i16(), r.cstring(), r.cstring(), r.i32(), r.i64(),
                                           r.i64(), r.i16())
        topics = r.carray(topic)
        r.tags()
        return error, state, epoch, sorted(topics)
    return r.carray(one)[0]


def soon(f, *args):
    stop = time.time() + 20
    while not f(*args):
        assert time.time() < stop, args
        time.sleep(0.05)


# ---- steps ----

def begin():
    with Conn() as c:
        assert create_topic(c, "t") == 0
        error, generation, member = join(c, "g")
        assert error == 0 and sync(c, "g", generation, member) == 0
        assert commit(c, "g", 1, generation, member) == 0
        assert commit(c, "simple", 1) == 0
        open_ones = []
        for id in "a", "b", "c":
            error, p = init(c, id)
            assert error == 0 and add(c, p) == 0 and write(c, p, b"of " + id.encode()) == 0
            open_ones.append(p)
        a = open_ones[0]
        assert add_offsets(c, a, "of-a") == 0 and txn_commit(c, a, "of-a", 7) == 0
        assert init(c, "idle")[0] == 0
    put_json({"generation": generation, "member": member, "open": open_ones})


def fill(path):
    with open(path, "wb", buffering=0) as f:
        for size in 65536, 4096, 1:
            try:
                while f.write(bytes(size)):
                    pass
            except OSError:
                pass


def until_refused(what, *args):
    """Repeat the request until it is refused; returns how many succeeded."""
    for n in range(MANY):
        error = what(n, *args)
        if error:
            assert error in AGAIN, (error, n)
            return n
    assert False, "never refused"


def refused(path):
    k = get_json()
    fill(path)
    with Conn() as c:
        def commits(n):
            return commit(c, "g", 100 + n, k["generation"], k["member"])
        n = until_refused(commits)
        last = 100 + n - 1 if n else 1
        # Several times: a request without room must not count later.
        for i in range(5):
            assert commit(c, "g", 5000 + i, k["generation"], k["member"]) in AGAIN
            assert commit(c, "simple", 5000 + i) in AGAIN
            assert commit(c, "new", 5000 + i) in AGAIN
        assert offset_of(c, "g") == last and offset_of(c, "new") == -1
        # The group's members get the error, and none has an assignment.
        error, generation, member = join(c, "joined")
        assert error == 0 and sync(c, "joined", generation, member) in AGAIN
        assert group_state(c, "joined")[2] == "PreparingRebalance"
        assert leave(c, "joined", member) == 0
        assert beat(c, "consumers", "me") in AGAIN
        # Prepare may fit into the rest of a block; the marker of the offsets does not.
        a, b, d = k["open"]
        assert end(c, a) == 0
        soon(lambda: txn_state(c, "a")[1] == "PrepareCommit")
        assert offset_of(c, "of-a") == -1
        until_refused(lambda n: init(c, "idle")[0])
        for i in range(5):
            assert init(c, "new-%d" % i)[0] in AGAIN
            assert end(c, b) in AGAIN and end(c, d, False) in AGAIN
            assert add_offsets(c, b, "of-b") in AGAIN
        assert txn_state(c, "b")[:2] == txn_state(c, "c")[:2] == (0, "Ongoing")
        assert txn_state(c, "b")[3] == [("t", [0])]
        assert txn_state(c, "new-0")[0] != 0
        assert txn_state(c, "a")[1] == "PrepareCommit"
        # What needs no write works as before.
        r = c.call(12, 1, string("g") + i32(k["generation"]) + string(k["member"]))
        r.i32()
        assert r.i16() == 0
        assert group_state(c, "g")[2] == "Stable"
    k["last"] = last
    put_json(k)


def go_on(path):
    k = get_json()
    if os.path.exists(path):
        os.unlink(path)
    a, b, d = k["open"]
    with Conn() as c:
        assert offset_of(c, "g") == k["last"] and offset_of(c, "simple") == 1
        soon(lambda: txn_state(c, "a")[1] == "CompleteCommit")
        assert offset_of(c, "of-a") == 7
        assert commit(c, "g", 9000, k["generation"], k["member"]) == 0
        assert commit(c, "new", 9001) == 0
        assert add_offsets(c, b, "of-b") == 0 and txn_commit(c, b, "of-b", 8) == 0
        assert write(c, b, b"of b", 1) == 0
        assert end(c, b) == 0 and end(c, d, False) == 0
        soon(lambda: txn_state(c, "b")[1] == "CompleteCommit" and txn_state(c, "c")[1] == "CompleteAbort")
        assert offset_of(c, "of-b") == 8 and offset_of(c, "g") == 9000
        for id in "idle", "new-0":
            error, p = init(c, id)
            assert error == 0 and add(c, p) == 0 and write(c, p, b"late") == 0 and end(c, p) == 0
            soon(lambda: txn_state(c, id)[1] == "CompleteCommit")
        error, generation, member = join(c, "joined")
        assert error == 0 and sync(c, "joined", generation, member) == 0
        assert beat(c, "consumers", "me") == 0


def not_served():
    """No client gets an empty answer: connections are closed."""
    for ask in offset_of, group_state, lambda c, g: commit(c, g, 77), join:
        with Conn() as c:
            try:
                got = ask(c, "g")
            except Closed:
                continue
            assert False, got
    with Conn() as c:
        assert txn_state(c, "idle")[1] == "Empty"
    check_sane()


def held_up():
    """The transaction of "b" never ends, as a partition's log can't be read.  A write
    of its next one waits for that, until the broker is stopped."""
    p = get_json()["open"][1]
    with Conn() as c:
        assert create_topic(c, "u") == 0
        assert end(c, p, False) == 0
        c.send(0, 7, write_body(p, b"next", "u"))
        time.sleep(0.2)
        os.kill(int(os.environ["broker_pid"]), signal.SIGTERM)
        assert c.is_closed()


def show():
    """Print the state; of "a", which was ending, only what does not depend on its end."""
    with Conn() as c:
        for group in "g", "simple", "new", "of-a", "of-b", "consumers":
            print(group, group_state(c, group), offset_of(c, group) if group != "of-a" else "")
        for id in "b", "c", "idle", "new-0", "new-1":
            print(id, txn_state(c, id))
        print("a", txn_state(c, "a")[0] == 0, txn_state(c, "a")[2])


if __name__ == "__main__":
    run(globals())
