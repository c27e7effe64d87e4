"""The operators, as FORMAT.md has them."""
from functions import Stopped, function, text

LAST = 2**63 - 1
FIXED = ("tumbling", "hopping", "unlimited")


class Refused(Exception):
    """The topology does not start."""


class WindowKey(dict):
    """The key of a windowed result; is_session decides the order of its bytes."""

    def __init__(self, key, start, end, is_session):
        super().__init__(key=key, start=start, end=end)
        self.is_session = is_session


def order(key):
    """The bytes of a key."""
    if not isinstance(key, WindowKey):
        return text(key).encode()
    at = [key["start"].to_bytes(8, "big"), key["end"].to_bytes(8, "big")]
    return order(key["key"]) + (at[1] + at[0] if key.is_session else at[0])


# ---- the graph ----

class Node:
    """A node gets (port, record) by take and sends on by send."""

    window = None       # the aggregation whose windows are in the keys

    def __init__(self, run, spec):
        self.run, self.spec, self.users, self.parents = run, spec, [], []
        self.is_rekeyed = False

    def after(self, parent, port=0, lets_null=False):
        """Behind a change of key, what is sent to an operator with state comes later."""
        if parent.is_rekeyed and self.HAS_STATE:
            parent = self.topic_below(parent)
            parent.lets_null |= lets_null
        self.parents.append(parent)
        parent.users.append((self, port))
        return self

    HAS_STATE = False
    SHARES_TOPIC = False    # as joins of one stream do
    topic = None

    def topic_below(self, parent):
        topic = parent.topic if self.SHARES_TOPIC else None
        topic = topic or Later(self.run).after(parent)
        if self.SHARES_TOPIC:
            parent.topic = topic
        return topic

    def send(self, *record):
        self.run.count_work()
        for node, port in self.users:
            node.take(port, *record)


class Later(Node):
    """A topic of the topology's own: what comes here goes on when the record is done."""

    def __init__(self, run, lets_null=False):
        super().__init__(run, None)
        self.lets_null = lets_null

    def take(self, port, key, *rest):
        if key is not None or self.lets_null:
            self.run.queue.put(self, rest[-1], self.send, key, *rest)


class Pass(Node):
    def take(self, port, key, value, ts):
        self.send(key, value, ts)


class StreamStep(Node):
    """filter, map_values, select_key, map, flat_map of a stream."""

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.fn, self.op = function(spec["fn"]), spec["op"]

    def take(self, port, key, value, ts):
        result = self.fn(value, key)
        if self.op in ("filter", "filter_not"):
            if result == (self.op == "filter"):
                self.send(key, value, ts)
        elif self.op == "map_values":
            self.send(key, result, ts)
        elif self.op in ("select_key", "group_by"):
            self.send(result, value, ts)
        elif self.op == "map":
            self.send(result[0], result[1], ts)
        else:
            for pair in result:
                self.send(pair[0], pair[1], ts)


class Branch(Node):
    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.ways = [(function(b["fn"]), Pass(run, b)) for b in spec["branches"]]
        self.rest = Pass(run, spec) if spec.get("default") else None

    def take(self, port, key, value, ts):
        for test, way in self.ways:
            if test(value, key):
                way.send(key, value, ts)
                return
        if self.rest:
            self.rest.send(key, value, ts)


class To(Node):
    def take(self, port, key, value, ts):
        self.run.emit(self.spec["topic"], key, value, ts)


# ---- tables: a change is (key, new value, old value, ts, is_stale) ----

class Table(Node):
    """rows: what was sent last of each key and not deleted since: (value, ts)."""

    history = None

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.rows = {}

    def get(self, key):
        return self.rows.get(text(key))

    def get_at(self, key, ts):
        return self.get(key)

    def change(self, key, value, ts):
        """Updates the row and tells it (R6, R18)."""
        at = text(key)
        old = self.rows.get(at)
        if value is None and old is None:
            return
        if value is None:
            del self.rows[at]
        else:
            self.rows[at] = (value, ts)
        self.send(key, value, old and old[0], ts, False)


class TableSource(Table):
    HAS_STATE = True

    def take(self, port, key, value, ts):
        if key is not None:
            self.change(key, value, ts)


class VersionedSource(Table):
    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.history, self.time, self.versions = spec["history"], -1, {}
        if self.history < 0:
            raise Refused

    def find(self, key, ts):
        """The version of a key that is valid at ts, and whether it is the newest."""
        all_ = sorted(self.versions.get(text(key), {}).items())
        past = [at for at, _ in all_ if at <= ts]
        if not past:
            return None, False
        value = self.versions[text(key)][past[-1]]
        return None if value is None else (value, past[-1]), len(past) == len(all_)

    def get(self, key):
        return self.find(key, LAST)[0]

    def get_at(self, key, ts):
        row, is_newest = self.find(key, ts)
        return row if is_newest or ts >= self.time - self.history else None

    def take(self, port, key, value, ts):
        if key is None:
            return
        self.time = max(self.time, ts)
        if ts < self.time - self.history:
            return
        old, _ = self.find(key, ts)
        mine = self.versions.setdefault(text(key), {})
        is_stale = any(at > ts for at in mine)
        mine[ts] = value
        if value is not None or old is not None:
            self.send(key, value, old and old[0], ts, is_stale)
            return
        for node, port in self.users:       # one with a store of its own may have the row
            if isinstance(node, TableStep) and node.has_store:
                node.take(port, key, None, None, ts, is_stale)


class TableStep(Table):
    """filter and map_values of a table."""

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.fn, self.op = function(spec["fn"]), spec["op"]
        self.has_store = bool(spec.get("materialized"))

    def work(self, value, key):
        if value is None:
            return None
        result = self.fn(value, key)
        if self.op == "map_values":
            return result
        return value if result == (self.op == "filter") else None

    def get(self, key):
        row = super().get(key) if self.has_store else self.parents[0].get(key)
        return self.seen(row, key)

    def get_at(self, key, ts):
        return self.get(key) if self.has_store else self.seen(self.parents[0].get_at(key, ts), key)

    def seen(self, row, key):
        if row is None or self.has_store:
            return row
        value = self.work(row[0], key)
        return None if value is None else (value, row[1])

    def take(self, port, key, value, old, ts, is_stale):
        new = self.work(value, key)
        if self.has_store or self.history is None:
            self.change(key, new, ts)
            return
        old = self.work(old, key)
        if new is not None or old is not None:
            self.send(key, new, old, ts, is_stale)


class ToStream(Node):
    def take(self, port, key, value, old, ts, is_stale):
        self.send(key, value, ts)


class Suppress(Table):
    """R2, R7, R18."""

    def __init__(self, run, spec):
        super().__init__(run, spec)
        until, full = spec["until"], spec["buffer"]
        self.limit = None if until == "window_closes" else until["time_limit"]
        self.most = None if full == "unbounded" else full["max_records"]
        self.stops = full != "unbounded" and full["when_full"] == "shut_down"
        self.time, self.waiting, self.before = -1, {}, {}

    def take(self, port, key, value, old, ts, is_stale):
        self.time = max(self.time, ts)
        due = key["end"] if self.limit is None else ts
        at = text(key)
        due = self.waiting[at][0] if at in self.waiting else due
        self.waiting[at] = (due, order(key), key, value, ts)
        if self.limit is None:
            self.close()
        else:
            self.let_out(lambda due: due <= self.time - self.limit)
        while self.most is not None and self.count() > self.most:
            if self.stops:
                raise Stopped
            self.let_out_one()

    def count(self):
        if self.limit is None:
            return sum(self.window.is_open(rec[0]) for rec in self.waiting.values())
        return len(self.waiting)

    def get(self, key):
        """As in Kafka: while a row waits or is being sent, what was sent before it, without a time;
        else what the table above has."""
        row, at = super().get(key), text(key)
        if at in self.waiting:
            row = self.before.get(at, row)
            return row and (row[0], -1)
        return self.parents[0].get(key)

    def let_out_one(self):
        self.tell(min(self.waiting.values(), key=lambda rec: rec[:2]))

    def tell(self, rec):
        _, _, key, value, ts = rec
        at = text(key)
        self.before[at] = self.rows.get(at)
        self.change(key, value, ts)
        del self.before[at], self.waiting[at]

    def let_out(self, is_due):
        while self.waiting and is_due(min(rec[0] for rec in self.waiting.values())):
            self.let_out_one()

    def close(self):
        due = [rec for rec in self.waiting.values() if not self.window.is_open(rec[0])]
        for rec in sorted(due, key=lambda rec: final_order(rec[2])):
            self.tell(rec)


def final_order(key):
    return key["end"], key["start"], order(key["key"])


class GroupTable(Node):
    """group_by of a table: what goes on is (new key, value to add, value to subtract, ts)."""

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.fn = function(spec["fn"])
        self.is_rekeyed = True

    def pair(self, value, key):
        pair = None if value is None else self.fn(value, key)
        return None if pair is None or pair[0] is None else pair

    def take(self, port, key, value, old, ts, is_stale):
        if is_stale:
            return
        new, old = self.pair(value, key), self.pair(old, key)
        if new and old and text(new[0]) == text(old[0]):
            self.send(new[0], new[1], old[1], ts)
            return
        if old:
            self.send(old[0], None, old[1], ts)
        if new:
            self.send(new[0], new[1], None, ts)


# ---- aggregations ----

class Aggregate(Table):
    """count, reduce, aggregate, cogroup without a window; of a grouped table, too."""

    HAS_STATE = True

    def __init__(self, run, spec):
        super().__init__(run, spec)
        op = spec["op"]
        self.is_reduce, self.init = op == "reduce", spec.get("init")
        self.sub = self.merge = None
        if op == "count":
            self.init = 0
            self.fns = [lambda value, key, acc: acc + 1]
            self.sub = lambda value, key, acc: acc - 1
            self.merge = lambda key, left, right: left + right
        elif op == "cogroup":
            self.fns = [function(g["fn"]) for g in spec["groups"]]
        else:
            self.fns = [function(spec["fn"])]
        if "sub" in spec:
            self.sub = function(spec["sub"])
        if "merge" in spec:
            self.merge = function(spec["merge"])
        if self.is_reduce:
            self.merge = lambda key, left, right: self.add(0, key, right, left)
        self.store = {}     # key: (aggregate, ts)

    def add(self, port, key, value, acc):
        if acc is None:
            if self.is_reduce:
                return value
            acc = self.init
        return self.fns[port](value, key=key, acc=acc)

    def take(self, port, key, value, *rest):
        sub, ts = rest if len(rest) == 2 else (None, rest[0])
        if key is None or (value is None and sub is None):
            return
        at = text(key)
        acc, time = self.store.get(at, (None, ts))
        if sub is not None and acc is not None:
            acc = self.sub(sub, key=key, acc=acc)
        if value is not None:
            acc = self.add(port, key, value, acc)
        time = max(time, ts)
        self.store[at] = (acc, time)
        if acc is None:
            del self.store[at]
        self.change(key, acc, time)


class WindowAggregate(Aggregate):
    """The common part of windowed aggregations: stream time, late records, final results."""

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.size, self.kind = spec["window"], spec["window"]["type"]
        self.grace = self.size.get("grace", 0)
        self.is_final = spec.get("emit") == "on_window_close"
        self.time, self.closers, self.newest, self.window = -1, [], -1, self
        self.waiting = {}
        self.check()

    def check(self):
        size = self.size
        if min(self.grace, size.get("diff", 0), size.get("gap", 0), size.get("start", 0)) < 0:
            raise Refused
        if size.get("size", 1) <= 0 or not 0 < size.get("advance", 1) <= size.get("size", 1):
            raise Refused
        if self.kind == "unlimited" and self.is_final:
            raise Refused

    def is_open(self, end):
        if self.kind in FIXED:
            return self.time < end + self.grace
        return self.time <= end + self.grace + self.size.get("gap", 0)

    def take(self, port, key, value, ts):
        if key is None or value is None:
            return
        self.time = max(self.time, ts)
        self.accept(port, key, value, ts)
        if self.is_final:
            for at in sorted(self.waiting):
                if not self.is_open(at[0]):
                    self.change(*self.waiting.pop(at))
        for node in self.closers:
            node.close()

    def update(self, start, end, key, value, ts):
        name = WindowKey(key, start, end, self.kind == "session")
        self.newest = max(self.newest, end if self.kind == "session" else start)
        if not self.is_final:
            self.change(name, value, ts)
        elif value is None:
            self.waiting.pop(final_order(name), None)
        else:
            self.waiting[final_order(name)] = (name, value, ts)

    def get(self, key):
        row = self.waiting.get(final_order(key), (None, None))[1:] if self.is_final else None
        row = super().get(key) if row in (None, (None,)) else row
        return None if self.forgets(key) else row

    def forgets(self, key):
        """A join sees what is within the retention."""
        if self.kind == "unlimited":
            return False
        size = self.size
        span = {"tumbling": "size", "hopping": "size", "sliding": "diff", "session": "gap"}
        keeps = size[span[self.kind]] * (2 if self.kind == "sliding" else 1) + self.grace
        if self.kind == "session":      # R3: what still takes a record is there
            return key["end"] < self.newest - keeps
        return key["start"] <= self.newest - keeps


class FixedWindows(WindowAggregate):
    def accept(self, port, key, value, ts):
        is_open = [window for window in self.windows(ts) if self.is_open(window[1])]
        self.newest = max([self.newest] + [start for start, _ in is_open])
        for start, end in is_open:
            at = start, text(key)
            acc, time = self.store.get(at, (None, ts))
            acc, time = self.add(port, key, value, acc), max(time, ts)
            self.store[at] = (acc, time)
            if acc is None:
                del self.store[at]
            self.update(start, end, key, acc, time)

    def windows(self, ts):
        if self.kind == "unlimited":
            return [(self.size["start"], LAST)] if ts >= self.size["start"] else []
        size = self.size["size"]
        step = self.size.get("advance", size)
        starts = range(ts // step * step, max(-1, ts - size), -step)[::-1]
        if any(start + size > LAST for start in starts):
            raise Stopped
        return [(start, start + size) for start in starts]


class SlidingWindows(WindowAggregate):
    """A window [t - diff, t] for each record's time t, and one [t + 1, ...] if it is not empty."""

    def starts(self, times):
        diff = self.size["diff"]
        return ({max(0, t - diff) for t in times}
                | {t + 1 for t in times if any(t < u <= t + 1 + diff for u in times)})

    def accept(self, port, key, value, ts):
        diff = self.size["diff"]
        if ts + diff + self.grace < self.time:
            return
        mine = self.store.setdefault(text(key), [])
        before = self.starts({rec[2] for rec in mine})
        mine.append((port, value, ts))
        for start in sorted(self.starts({rec[2] for rec in mine})):
            is_new = start not in before
            if is_new and start + diff > LAST:
                raise Stopped
            if (is_new or start <= ts <= start + diff) and self.is_open(start + diff):
                self.update(start, start + diff, key, *self.fold(key, mine, start))

    def fold(self, key, records, start):
        acc, time, last = None, 0, 0
        for port, value, ts in records:
            if start <= ts <= start + self.size["diff"]:
                last = time = ts if acc is None else max(time, ts)
                acc = self.add(port, key, value, acc)
        return acc, last


class Sessions(WindowAggregate):
    def accept(self, port, key, value, ts):
        gap = self.size["gap"]
        mine = self.store.setdefault(text(key), {})
        met = sorted((end, start) for start, end in mine
                     if start - gap <= ts <= end + gap and self.is_open(end))
        start = min([ts] + [s[1] for s in met])
        end = max([ts] + [s[0] for s in met])
        if not self.is_open(end):
            return
        acc = None if self.is_reduce else self.init
        for was_end, was_start in met:
            acc = self.merge(key=key, left=acc, right=mine.pop((was_start, was_end)))
        acc = value if self.is_reduce and acc is None else self.fns[port](value, key=key, acc=acc)
        for was_end, was_start in met:
            if (was_start, was_end) != (start, end):
                self.update(was_start, was_end, key, None, was_end)
        if acc is not None:
            mine[start, end] = acc
        self.update(start, end, key, acc, end)


# ---- joins ----

class StreamJoin(Node):
    """R4, R5, R16."""

    HAS_STATE = SHARES_TOPIC = True

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.kind, self.fn = spec["kind"], function(spec["fn"])
        window = spec["window"]
        self.before, self.behind = window["before"], window["after"]
        self.grace = window["grace"]
        if self.before + self.behind < 0 or self.grace < 0:
            raise Refused
        self.time, self.records, self.count = -1, ([], []), 0

    def is_alone(self, side):
        return self.kind == "outer" or (self.kind == "left" and side == 0)

    def pair(self, side, rec, other):
        ends = [rec["value"], other and other["value"]]
        ends = ends[::-1] if side else ends
        ts = max(rec["ts"], other["ts"]) if other else rec["ts"]
        self.send(rec["key"], self.fn(None, rec["key"], left=ends[0], right=ends[1]), ts)

    def take(self, side, key, value, ts):
        bound = self.before if side else self.behind
        if value is None or (key is None and not self.is_alone(side)):
            return
        if ts + max(0, bound) + self.grace < self.time:
            return
        self.time = max(self.time, ts)
        self.let_out()
        self.count += 1
        rec = {"key": key, "value": value, "ts": ts, "order": (ts, 1 - side, order(key), self.count),
               "is_out": False, "is_met": False, "side": side}
        if key is None:
            self.pair(side, rec, None)
            return
        before, after = (self.behind, self.before) if side else (self.before, self.behind)
        self.records[side].append(rec)
        others = [o for o in self.records[1 - side] if text(o["key"]) == text(key)
                  and ts - before <= o["ts"] <= ts + after and not o["is_out"]]
        for other in sorted(others, key=lambda o: o["order"]):
            rec["is_met"] = other["is_met"] = True
            self.pair(side, rec, other)
        self.let_out()

    def let_out(self):
        due = [rec for side in (0, 1) if self.is_alone(side) for rec in self.records[side]
               if not rec["is_out"] and not rec["is_met"]
               and self.time > rec["ts"] + (self.before if side else self.behind) + self.grace]
        for rec in sorted(due, key=lambda rec: rec["order"]):
            rec["is_out"] = True
            self.pair(rec["side"], rec, None)


class StreamTableJoin(Node):
    """The table's port is not used: a lookup goes to the table itself."""

    HAS_STATE = SHARES_TOPIC = True

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.kind, self.fn, self.grace = spec["kind"], function(spec["fn"]), spec.get("grace")
        self.table, self.time, self.waiting = None, -1, []

    def join(self, key, value, ts):
        row = None
        if key is not None:
            row = self.table.get_at(key, ts)
        if row is not None or self.kind == "left":
            self.send(key, self.fn(None, key, left=value, right=row and row[0]), ts)

    def take(self, port, key, value, ts):
        if value is None or (key is None and self.kind == "inner"):
            return
        if self.grace is None or key is None or ts < self.time - self.grace:
            self.join(key, value, ts)
            return
        self.time = max(self.time, ts)
        self.waiting.append((ts, order(key), len(self.waiting), key, value))
        due = sorted((r for r in self.waiting if r[0] <= self.time - self.grace),
                     key=lambda r: r[:2])
        self.waiting = [r for r in self.waiting if r[0] > self.time - self.grace]
        for rec in due:
            self.join(rec[3], rec[4], rec[0])


class GlobalJoin(Node):
    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.kind, self.fn, self.key_fn = spec["kind"], function(spec["fn"]), function(spec["key_fn"])
        self.table = None

    def take(self, port, key, value, ts):
        if value is None:
            return
        name = self.key_fn(value, key)
        row = self.table.get(name) if name is not None else None
        if row is not None or self.kind == "left":
            self.send(key, self.fn(None, key, left=value, right=row and row[0]), ts)


class TableJoin(Table):
    """R11, R18."""

    HAS_STATE = True

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.kind, self.fn, self.sides = spec["kind"], function(spec["fn"]), None
        self.has_store = bool(spec.get("materialized"))

    def result(self, left, right):
        is_there = {"inner": left and right, "left": left, "outer": left or right}[self.kind]
        return self.fn(None, left=left and left[0], right=right and right[0]) if is_there else None

    def get(self, key):
        if self.has_store:
            return super().get(key)
        sides = [side.get(key) for side in self.sides]
        value = self.result(*sides)
        return None if value is None else (value, max(row[1] for row in sides if row))

    def take(self, side, key, value, old, ts, is_stale):
        if is_stale:
            return
        row = None if value is None else (value, ts)
        if self.sides[0] is self.sides[1]:
            self.change(key, self.result(row, row), ts)
            return
        other = self.sides[1 - side].get(key)
        if other is None and (self.kind == "inner" or (self.kind == "left" and side)):
            window = self.sides[1 - side].window
            if value is not None or (window and (window.is_final or window.forgets(key))):
                return      # else one update took both rows away
        ends = (other, row) if side else (row, other)
        self.change(key, self.result(*ends), max(ts, other[1]) if other else ts)


class ForeignKeyJoin(Table):
    """R22.  As in Kafka, a left row subscribes to the right row that it names through one topic,
    and is answered through another; an answer to a left row that is another by then is void."""

    HAS_STATE = True

    def __init__(self, run, spec):
        super().__init__(run, spec)
        self.kind, self.fn, self.key_fn = spec["kind"], function(spec["fn"]), function(spec["key_fn"])
        self.sides, self.subscribed = None, {}      # (name, key): (name, key, left value)

    def take(self, side, key, value, old, ts, is_stale):
        if is_stale:
            return
        if side == 1:
            for name, left, asked in sorted(self.subscribed.values(), key=lambda s: order(s[1])):
                if text(name) == text(key):
                    self.answer(left, asked, value, ts)
            return
        was = None if old is None else self.key_fn(old, key)
        name = None if value is None else self.key_fn(value, key)
        is_nothing = value is None or (name is None and self.kind == "inner")
        if is_nothing and was is None and self.kind == "inner":
            return
        if was is not None and text(was) != text(name):
            self.run.queue.put((self, "ask"), ts, self.registration, was, key, value, ts, False,
                               is_nothing)
        if not (is_nothing and was is not None):
            only_row = self.kind == "inner" and was is None
            self.run.queue.put((self, "ask"), ts, self.registration, name, key, value, ts, True,
                               True, only_row)

    def registration(self, name, key, value, ts, stays, is_answered, only_row=False):
        at, row = (text(name), text(key)), None
        if name is not None:
            row = self.sides[1].get(name)
            self.subscribed[at] = (name, key, value)
            if not stays:
                del self.subscribed[at]
        if is_answered and (row or not only_row):
            self.answer(key, value, row[0] if row and stays else None,
                        max(ts, row[1]) if row else ts)

    def answer(self, key, asked, right, ts):
        self.run.queue.put((self, "answer"), ts, self.resolve, key, asked, right, ts)

    def resolve(self, key, asked, right, ts):
        left = self.sides[0].get(key)
        if text(left and left[0]) != text(asked):
            return
        value = None
        if left is not None and (right is not None or self.kind == "left"):
            value = self.fn(None, key, left=left[0], right=right)
        self.change(key, value, max(ts, left[1]) if left else ts)
