#!/usr/bin/env python3
"""Random cases of joins and versioned tables, with what is right for them.

    oracle-joins.py SEED COUNT [FAMILY...]     cases on stdout, one a line, for run-cases

The results come from the rules themselves, word by word and by brute force: each record that
was ever accepted is kept in a list, and each step looks at all of them.  Nothing here is
shared with the operators or looks like them.
"""
import json
import random
import sys

BIG = 1 << 62


def tostring(v):
    return v if isinstance(v, str) else json.dumps(v, separators=(",", ":"))


def order(key):
    """The place of a key among others: the bytes of its JSON text."""
    return json.dumps(key, separators=(",", ":"), ensure_ascii=False).encode()


# ---- functions: (jq, Python) ----

JOIN = ('($left | tostring) + "," + ($right | tostring)',
        lambda left, right: tostring(left) + "," + tostring(right))
# A joiner whose result may be null.
JOIN_NULL = ('if ($left | tostring) < ($right | tostring) then null '
             'else ($left | tostring) + "," + ($right | tostring) end',
             lambda left, right: None if tostring(left).encode() < tostring(right).encode()
             else tostring(left) + "," + tostring(right))
FIRST = ('if type == "string" then .[0:1] else null end',
         lambda v: v[:1] if isinstance(v, str) else None)
SAME = (".", lambda v: v)
LONG = ('(. | tostring | length) > 1', lambda v: len(tostring(v)) > 1)
MARK = ('if . == null then null else (. | tostring) + "!" end',
        lambda v: None if v is None else tostring(v) + "!")
KEY_OF = ('if type == "string" then .[0:1] else "n" end',
          lambda v: v[:1] if isinstance(v, str) else "n")


def fn(pair, name="f"):
    return {"name": name, "jq": pair[0]}


# ---- the machine: nodes get (key, value, old, time, is_stale) ----

class Node:
    def __init__(self, run):
        self.run, self.users = run, []

    def send(self, *rec):
        for node, port in self.users:
            node.take(port, *rec)

    def after(self, node, port=0):
        node.users.append((self, port))
        return self


class Run:
    """One history: records go to sources; what waits for its turn runs when they are done."""

    def __init__(self):
        self.sources, self.queue, self.output, self.by, self.at = {}, [], [], [], 0

    def source(self, topic, node):
        self.sources.setdefault(topic, []).append(node)
        return node

    def play(self, records):
        for self.at, (topic, key, value, ts) in enumerate(records):
            for node in self.sources.get(topic, []):
                node.take(0, key, value, None, ts, False)
            while self.queue:
                node, port, rec = self.queue.pop(0)
                node.take(port, *rec)


class Pass(Node):
    def take(self, port, *rec):
        self.send(*rec)


class To(Node):
    def __init__(self, run, topic):
        super().__init__(run)
        self.topic = topic

    def take(self, port, key, value, old, ts, is_stale):
        self.run.output.append([self.topic, key, value, ts])
        self.run.by.append(self.run.at)


class Later(Node):
    """A repartition step."""

    def __init__(self, run, lets_null):
        super().__init__(run)
        self.lets_null = lets_null

    def take(self, port, key, value, old, ts, is_stale):
        if key is not None or self.lets_null:
            for node, user_port in self.users:
                self.run.queue.append((node, user_port, (key, value, old, ts, is_stale)))


class SelectKey(Node):
    def __init__(self, run, pair):
        super().__init__(run)
        self.pair = pair

    def take(self, port, key, value, old, ts, is_stale):
        self.send(self.pair[1](value), value, None, ts, False)


class StreamFilter(Node):
    def take(self, port, key, value, old, ts, is_stale):
        if LONG[1](value):
            self.send(key, value, None, ts, False)


# ---- stream-stream: R4, R5, R16 ----

class StreamJoin(Node):
    def __init__(self, run, kind, window, pair):
        super().__init__(run)
        self.kind, self.window, self.pair = kind, window, pair
        self.time, self.taken, self.number = -BIG, [], 0

    def bound(self, port):
        return self.window["before" if port else "after"]

    def is_outer(self, port):
        return self.kind == "outer" or (self.kind == "left" and port == 0)

    def alone(self, rec):
        values = (None, rec["value"]) if rec["port"] else (rec["value"], None)
        self.send(rec["key"], self.pair[1](*values), None, rec["time"], False)

    def is_due(self, rec):
        return self.time > rec["time"] + self.bound(rec["port"]) + self.window["grace"]

    def end(self):
        self.time = BIG
        self.let_out()

    def let_out(self):
        due = [rec for rec in self.taken if rec["waits"] and self.is_due(rec)]
        for rec in sorted(due, key=lambda rec: (rec["time"], -rec["port"], order(rec["key"]),
                                                rec["number"])):
            rec["waits"], rec["is_out"] = False, True
            self.alone(rec)

    def take(self, port, key, value, old, ts, is_stale):
        if value is None or (key is None and not self.is_outer(port)):
            return
        if ts + max(self.bound(port), 0) + self.window["grace"] < self.time:
            return
        self.time = max(self.time, ts)
        self.let_out()
        self.number += 1
        rec = {"port": port, "key": key, "value": value, "time": ts, "waits": False,
               "is_out": False, "number": self.number}
        if key is None:
            self.alone(rec)
            return
        partners = []
        for other in self.taken:
            if other["port"] == port or other["key"] != key or other["is_out"]:
                continue
            left, right = (other, rec) if port else (rec, other)
            if left["time"] - self.window["before"] <= right["time"] \
                    <= left["time"] + self.window["after"]:
                partners.append(other)
        for other in sorted(partners, key=lambda other: (other["time"], other["number"])):
            other["waits"] = False
            left, right = (other, rec) if port else (rec, other)
            self.send(key, self.pair[1](left["value"], right["value"]), None,
                      max(ts, other["time"]), False)
        if not partners and self.is_outer(port):
            if self.is_due(rec):
                rec["is_out"] = True
                self.alone(rec)
            else:
                rec["waits"] = True
        self.taken.append(rec)


# ---- tables: R18 ----

class Sent(Node):
    """Sends rows and, of rows that it sent, deletions; knows what it sent last."""

    def __init__(self, run):
        super().__init__(run)
        self.sent = {}

    def row(self, key, value, ts):
        old = self.sent.get(key)
        if value is None and old is None:
            return
        if value is None:
            del self.sent[key]
        else:
            self.sent[key] = value
        self.send(key, value, old, ts, False)


class Table(Sent):
    def __init__(self, run):
        super().__init__(run)
        self.rows = {}

    def take(self, port, key, value, old, ts, is_stale):
        if key is None:
            return
        self.rows.pop(key, None)
        if value is not None:
            self.rows[key] = (value, ts)
        self.row(key, value, ts)

    def get(self, key):
        return self.rows.get(key)


class Versioned(Node):
    def __init__(self, run, history):
        super().__init__(run)
        self.history, self.versions, self.newest, self.tells_all = history, {}, -BIG, False

    def versions_of(self, key):
        return sorted(self.versions.get(key, {}).items())

    def take(self, port, key, value, old, ts, is_stale):
        if key is None or ts < self.newest - self.history:
            return
        old = self.as_of(key, ts)
        self.newest = max(self.newest, ts)
        self.versions.setdefault(key, {})[ts] = value
        if value is not None or old is not None or self.tells_all:
            is_stale = self.versions_of(key)[-1][0] > ts
            self.send(key, value, old and old[0], ts, is_stale)

    def as_of(self, key, ts):
        found = [(value, at) for at, value in self.versions_of(key) if at <= ts]
        return found[-1] if found and found[-1][0] is not None else None

    def get(self, key):
        return self.as_of(key, BIG)

    def get_at(self, key, ts):
        found = self.as_of(key, ts)
        if found and ts < self.newest - self.history and self.versions_of(key)[-1][0] != found[1]:
            return None
        return found


class TableStep(Node):
    """A filter or map_values of a table."""

    def __init__(self, run, above, step):
        super().__init__(run)
        self.above, self.step = above, step

    def of(self, found):
        value = found and self.step(found[0])
        return None if value is None else (value, found[1])

    def take(self, port, key, value, old, ts, is_stale):
        value = None if value is None else self.step(value)
        old = None if old is None else self.step(old)
        if value is not None or old is not None:
            self.send(key, value, old, ts, is_stale)

    def get(self, key):
        return self.of(self.above.get(key))

    def get_at(self, key, ts):
        return self.of(self.above.get_at(key, ts))


class Kept(Table):
    """A materialized filter or map_values below a versioned table: it goes by arrival."""

    def __init__(self, run, step):
        super().__init__(run)
        self.step = step

    def take(self, port, key, value, old, ts, is_stale):
        super().take(port, key, None if value is None else self.step(value), None, ts, False)


def has_row(kind, left, right):
    return left is not None and (right is not None or kind != "inner") \
        or kind == "outer" and right is not None


class TableJoin(Sent):
    def __init__(self, run, kind, sides, pair):
        super().__init__(run)
        self.kind, self.sides, self.pair = kind, sides, pair

    def take(self, port, key, value, old, ts, is_stale):
        if is_stale or (port and self.sides[0] is self.sides[1]):
            return
        other = self.sides[1 - port].get(key)
        self.row(key, self.join(key), max(ts, other[1]) if other and
                 self.sides[0] is not self.sides[1] else ts)

    def join(self, key):
        left, right = (side.get(key) for side in self.sides)
        if not has_row(self.kind, left, right):
            return None
        return self.pair[1](left and left[0], right and right[0])

    def get(self, key):
        value = self.join(key)
        times = [side.get(key)[1] for side in self.sides if side.get(key)]
        return None if value is None else (value, max(times))


class ForeignKeyJoin(Sent):
    """R22; what comes out does so when the record that caused it is done."""

    def __init__(self, run, kind, sides, key_pair, pair):
        super().__init__(run)
        self.kind, self.sides, self.key_pair, self.pair = kind, sides, key_pair, pair
        self.named, self.times = {}, {}

    def take(self, port, key, value, old, ts, is_stale):
        if is_stale:
            return
        if port:
            for left in sorted((left for left, name in self.named.items() if name == key),
                               key=order):
                self.result(left, max(ts, self.sides[0].get(left)[1]))
            return
        was = self.named.pop(key, None)
        name = None if value is None else self.key_pair[1](value)
        if name is not None:
            self.named[key] = name
        if value is None or (name is None and self.kind == "inner"):
            name = was
        right = self.sides[1].get(name) if name is not None else None
        self.result(key, max(ts, right[1]) if right else ts)

    def result(self, key, ts):
        left = self.sides[0].get(key)
        name = self.named.get(key)
        right = self.sides[1].get(name) if name is not None else None
        value = None
        if left is not None and (right is not None or self.kind == "left"):
            value = self.pair[1](left[0], right and right[0])
        self.times[key] = ts
        self.run.queue.append((self, 2, (key, value, None, ts, False)))

    def get(self, key):
        value = self.sent.get(key)
        return None if value is None else (value, self.times[key])


class ForeignKeyOut(ForeignKeyJoin):
    def take(self, port, key, value, old, ts, is_stale):
        if port == 2:
            self.row(key, value, ts)
        else:
            super().take(port, key, value, old, ts, is_stale)


class StreamTableJoin(Node):
    def __init__(self, run, kind, table, is_versioned, grace, pair):
        super().__init__(run)
        self.kind, self.table, self.is_versioned = kind, table, is_versioned
        self.grace, self.pair = grace, pair
        self.time, self.waiting, self.number = -BIG, [], 0

    def join(self, key, value, ts):
        row = None
        if key is not None:
            row = self.table.get_at(key, ts) if self.is_versioned else self.table.get(key)
        if row is not None or self.kind == "left":
            self.send(key, self.pair[1](value, row and row[0]), None, ts, False)

    def take(self, port, key, value, old, ts, is_stale):
        if value is None or (key is None and self.kind == "inner"):
            return
        if self.grace is None or key is None or ts + self.grace < self.time:
            self.join(key, value, ts)
            return
        self.time = max(self.time, ts)
        self.number += 1
        self.waiting.append((ts, order(key), self.number, key, value))
        self.let_out(self.time - self.grace)

    def let_out(self, until):
        for rec in sorted(rec for rec in self.waiting if rec[0] <= until):
            self.waiting.remove(rec)
            self.join(rec[3], rec[4], rec[0])


class GlobalJoin(Node):
    def __init__(self, run, kind, table, key_pair, pair):
        super().__init__(run)
        self.kind, self.table, self.key_pair, self.pair = kind, table, key_pair, pair

    def take(self, port, key, value, old, ts, is_stale):
        if value is None:
            return
        name = self.key_pair[1](value)
        row = self.table.get(name) if name is not None else None
        if row is not None or self.kind == "left":
            if name is not None or self.kind == "left":
                self.send(key, self.pair[1](value, row and row[0]), None, ts, False)


class Group(Node):
    """group_by of a table by KEY_OF, and an aggregate that writes down what it is told."""

    def __init__(self, run):
        super().__init__(run)
        self.rows = {}

    def take(self, port, key, value, old, ts, is_stale):
        if is_stale:
            return
        was = None if old is None else KEY_OF[1](old)
        now = None if value is None else KEY_OF[1](value)
        if was is not None and was == now:
            self.run.queue.append((self.told, 0, (was, [old, value], None, ts, False)))
            return
        if was is not None:
            self.run.queue.append((self.told, 0, (was, [old, None], None, ts, False)))
        if now is not None:
            self.run.queue.append((self.told, 0, (now, [None, value], None, ts, False)))

    @property
    def told(self):
        return Told(self)


class Told:
    def __init__(self, group):
        self.group = group

    def take(self, port, key, change, old, ts, is_stale):
        rows = self.group.rows
        text, at = rows.get(key, (None, -BIG))
        sub, add = change
        if sub is not None and text is not None:
            text = text + "-" + tostring(sub)
        if add is not None:
            text = (text or "") + "+" + tostring(add)
        if text is None:
            return
        rows[key] = (text, max(ts, at))
        self.group.send(key, text, None, max(ts, at), False)


# ---- cases ----

class Case:
    def __init__(self, rng, name):
        self.rng, self.name, self.nodes, self.run = rng, name, [], Run()
        self.topics = []

    def add(self, op, **rest):
        id_ = "n%d" % (len(self.nodes) + 1)
        self.nodes.append({"id": id_, "op": op, **rest})
        return id_

    def stream(self, topic, has_key=True, lets_null=False):
        """A stream and what may be between it and a join."""
        rng = self.rng
        if topic not in self.topics:
            self.topics.append(topic)
        at, node = self.add("stream", topic=topic), self.run.source(topic, Pass(self.run))
        step = rng.choice(["", "", "", "", "filter", "select_key"])
        if step == "filter":
            at = self.add("filter", **{"from": at, "fn": fn(LONG)})
            node = StreamFilter(self.run).after(node)
        elif step == "select_key" and has_key:
            at = self.add("select_key", **{"from": at, "fn": fn(FIRST)})
            node = SelectKey(self.run, FIRST).after(node)
            node = Later(self.run, lets_null).after(node)
        return at, node

    def table(self, topic, versioned=0.2):
        """A table; returns its id, its node, and whether it has history."""
        rng = self.rng
        self.topics.append(topic)
        is_versioned = rng.random() < versioned
        if is_versioned:
            history = rng.choice([0, 5, 20, 100])
            history = max(history, 1)
            at = self.add("table", topic=topic, store="versioned", history=history)
            node = Versioned(self.run, history)
        elif rng.random() < 0.2:
            at = self.add("to_table", **{"from": self.add("stream", topic=topic)})
            node = Table(self.run)
        else:
            at, node = self.add("table", topic=topic), Table(self.run)
        self.run.source(topic, node)
        step = rng.choice(["", "", "", "filter", "map_values"])
        if step:
            pair = LONG if step == "filter" else MARK
            kept = {"materialized": True} if rng.random() < 0.3 else {}
            at = self.add(step, **{"from": at, "fn": fn(pair), **kept})
            work = (lambda v: v if LONG[1](v) else None) if step == "filter" else MARK[1]
            if kept and is_versioned:
                node.tells_all = True
                node, is_versioned = Kept(self.run, work).after(node), False
            else:
                node = TableStep(self.run, node, work).after(node)
        return at, node, is_versioned

    def history(self, count):
        rng = self.rng
        keys = rng.choice([["a", "b"], ["a", "b", "aa", None], ["a"], [1, 10, 9, "x", None],
                           ["x", "y", "z", "a"]])
        values = rng.choice([["x", "y", "xx", "yy", "zz", None], list(range(12)) + [None],
                             ["x1", "x2", "y1", "z", "a", "aa", None, 7]])
        at, spread = rng.choice([0, 50, 1000]), rng.choice([0, 2, 6, 20, 60])
        out = []
        for _ in range(count):
            at += rng.choice([0, 0, 1, 2, 3, 7]) if rng.random() < 0.95 else rng.randrange(200)
            if rng.random() < 0.003:
                at += 70000
            out.append([rng.choice(self.topics), rng.choice(keys), rng.choice(values),
                        max(0, at - rng.randint(0, spread) * (rng.random() < 0.5))])
        return out

    def sink(self, at, node, is_table):
        if is_table and self.rng.random() < 0.4:
            pairs = {"name": "f", "jq": "[(%s), .]" % KEY_OF[0]}
            group = self.add("group_by", **{"from": at, "fn": pairs})
            at = self.add("aggregate", **{
                "from": group, "init": "",
                "fn": {"name": "f", "jq": '($acc | tostring) + "+" + (. | tostring)'},
                "sub": {"name": "f", "jq": '($acc | tostring) + "-" + (. | tostring)'}})
            node = Group(self.run).after(node)
        if is_table:
            at = self.add("to_stream", **{"from": at})
        self.add("to", **{"from": at, "topic": "out"})
        To(self.run, "out").after(node)

    def finish(self, records):
        self.run.play(records)
        return {"name": self.name, "topology": self.nodes, "input": records,
                "output": self.run.output, "by": self.run.by}


def window(rng):
    while True:
        before = rng.choice([0, 0, 1, 2, 5, 5, 10, 30, -1, -3, -10])
        after = before if rng.random() < 0.4 else rng.choice([0, 1, 2, 5, 10, 30, -1, -3, -10])
        if before + after >= 0:
            return {"before": before, "after": after,
                    "grace": rng.choice([0, 0, 1, 3, 10, 50])}


def stream_join(case):
    rng = case.rng
    kind = rng.choice(["inner", "left", "outer"])
    left, left_node = case.stream("l", lets_null=kind != "inner")
    if rng.random() < 0.1:
        right, right_node = left, left_node
    else:
        right, right_node = case.stream("r", lets_null=kind == "outer")
    span = window(rng)
    at = case.add("stream_stream_join", kind=kind, left=left, right=right, window=span,
                  fn=fn(JOIN))
    node = StreamJoin(case.run, kind, span, JOIN)
    node.after(left_node, 0)
    node.after(right_node, 1)
    if rng.random() < 0.25:
        span, kind = window(rng), rng.choice(["inner", "left", "outer"])
        third, third_node = case.stream("q", has_key=False)
        at = case.add("stream_stream_join", kind=kind, left=at, right=third, window=span,
                      fn=fn(JOIN))
        node = StreamJoin(case.run, kind, span, JOIN).after(node, 0)
        node.after(third_node, 1)
    case.sink(at, node, False)


def table_join(case):
    rng = case.rng
    kind = rng.choice(["inner", "left", "outer"])
    pair = rng.choice([JOIN, JOIN, JOIN_NULL])
    left, left_node, is_versioned = case.table("l")
    if rng.random() < 0.1:
        right, right_node = left, left_node
    elif rng.random() < 0.1 and not is_versioned:
        # One update reaches the join by both sides.
        step = rng.choice(["filter", "map_values"])
        right = case.add(step, **{"from": left, "fn": fn(LONG if step == "filter" else MARK)})
        work = (lambda v: v if LONG[1](v) else None) if step == "filter" else MARK[1]
        right_node = TableStep(case.run, left_node, work).after(left_node)
        if rng.random() < 0.5:
            left, left_node, right, right_node = right, right_node, left, left_node
    else:
        right, right_node, _ = case.table("r")
    at = case.add("table_table_join", kind=kind, left=left, right=right, fn=fn(pair))
    node = TableJoin(case.run, kind, (left_node, right_node), pair)
    node.after(left_node, 0)
    node.after(right_node, 1)
    if rng.random() < 0.3:
        third, third_node, _ = case.table("q")
        kind, sides = rng.choice(["inner", "left", "outer"]), [(at, node), (third, third_node)]
        if rng.random() < 0.5:
            sides.reverse()
        at = case.add("table_table_join", kind=kind, left=sides[0][0], right=sides[1][0],
                      fn=fn(pair))
        node = TableJoin(case.run, kind, (sides[0][1], sides[1][1]), pair)
        node.after(sides[0][1], 0)
        node.after(sides[1][1], 1)
    case.sink(at, node, True)


def foreign_key_join(case):
    rng = case.rng
    kind, pair = rng.choice(["inner", "left"]), rng.choice([JOIN, JOIN, JOIN_NULL])
    key_pair = rng.choice([FIRST, FIRST, SAME])
    left, left_node, _ = case.table("l")
    right, right_node, _ = case.table("r")
    at = case.add("foreign_key_join", kind=kind, left=left, right=right, key_fn=fn(key_pair),
                  fn=fn(pair))
    node = ForeignKeyOut(case.run, kind, (left_node, right_node), key_pair, pair)
    node.after(left_node, 0)
    node.after(right_node, 1)
    case.sink(at, node, True)


def stream_table_join(case):
    rng = case.rng
    kind = rng.choice(["inner", "left"])
    first = rng.random() < 0.5
    if first:
        left, left_node = case.stream("l", lets_null=kind == "left")
    right, right_node, is_versioned = case.table("r", 0.7)
    if not first:
        left, left_node = case.stream("l", lets_null=kind == "left")
    history = min([n["history"] for n in case.nodes if "history" in n], default=0)
    grace = rng.randint(0, history) if is_versioned and rng.random() < 0.6 else None
    rest = {} if grace is None else {"grace": grace}
    at = case.add("stream_table_join", kind=kind, left=left, right=right, fn=fn(JOIN), **rest)
    node = StreamTableJoin(case.run, kind, right_node, is_versioned, grace, JOIN)
    node.after(left_node, 0)
    case.sink(at, node, False)


def global_join(case):
    rng = case.rng
    kind = rng.choice(["inner", "left"])
    left, left_node = case.stream("l", has_key=False)
    case.topics.append("r")
    right, table = case.add("global_table", topic="r"), Table(case.run)
    case.run.source("r", table)
    at = case.add("stream_global_join", kind=kind, left=left, right=right, key_fn=fn(FIRST),
                  fn=fn(JOIN))
    case.sink(at, GlobalJoin(case.run, kind, table, FIRST, JOIN).after(left_node), False)


def versioned(case):
    at, node, _ = case.table("l", 1)
    case.sink(at, node, True)


FAMILIES = {f.__name__: f for f in (stream_join, table_join, foreign_key_join,
                                    stream_table_join, global_join, versioned)}


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    names = sys.argv[3:] or sorted(FAMILIES)
    for i in range(count):
        rng = random.Random("%d.%d" % (seed, i))
        family = rng.choice(names)
        case = Case(rng, "joins-%s-%d.%d" % (family, seed, i))
        FAMILIES[family](case)
        records = case.history(rng.choice([10, 30, 60, 150]))
        print(json.dumps(case.finish(records), separators=(",", ":"), ensure_ascii=False))


if __name__ == "__main__":
    main()
