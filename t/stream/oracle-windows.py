#!/usr/bin/python3
"""What windowed aggregations send, by the rules of FORMAT.md alone: naive, and apart from
kq's own code.

    oracle-windows.py check FILE...   compare with the cases of the files that have a shape
                                      known here; prints differences, exits 1 if there are any
    oracle-windows.py make SEED N     print N random cases of the same format, for run-cases

A sliding window's content is folded anew from all records of its key each time; nothing is
shared between windows, and nothing is ever forgotten.
"""
import json
import random
import sys

LAST = 2**63 - 1


def text(v):
    return v if isinstance(v, str) else json.dumps(v, separators=(",", ":"), ensure_ascii=False)


def rank(v):
    """jq's order: null, numbers, strings."""
    return (0, 0) if v is None else (1, v) if isinstance(v, int) else (2, v)


def plus(a, b):
    return b if a is None else a if b is None else a + b


def less(a, b):
    return rank(a) < rank(b)


def function(name):
    """f(acc, value, key), or None if it is not known here."""
    word, _, arg = name.partition(":")
    return {
        "add": lambda a, v, k: plus(a, v),
        "add_null_at": lambda a, v, k: None if plus(a, v) == int(arg) else plus(a, v),
        "add_null_over": lambda a, v, k: None if less(int(arg), plus(a, v)) else plus(a, v),
        "collect": lambda a, v, k: plus(a, [v]),
        "keyed_text": lambda a, v, k: text(a) + "+" + text(k) + text(v),
        "first": lambda a, v, k: a,
        "last": lambda a, v, k: v,
        "max_of": lambda a, v, k: v if a is None or less(a, v) else a,
        "min_of": lambda a, v, k: v if a is None or less(v, a) else a,
        "plus_text": lambda a, v, k: text(a) + "+" + text(v),
        "minus_text": lambda a, v, k: text(a) + "-" + text(v),
        "tally": lambda a, v, k: plus(a, 1),
        "merge_add": lambda a, v, k: plus(a, v),
        "merge_max": lambda a, v, k: v if a is None or (v is not None and less(a, v)) else a,
        "merge_min": lambda a, v, k: v if a is None or (v is not None and less(v, a)) else a,
        "merge_text": lambda a, v, k: "(" + text(a) + "|" + text(v) + ")",
    }.get(word)


class Stopped(Exception):
    pass


class Window:
    """The common part: stream time, what was sent, the choice of emit."""

    def __init__(self, node):
        self.kind = node["window"]["type"]
        self.w = node["window"]
        self.grace = self.w.get("grace", 0)
        self.final = node.get("emit") == "on_window_close" or node.get("until_closes", False)
        self.time = None
        self.sent = {}      # (start, end, key): (value, time), of what can still be sent
        self.out = []
        op = node["op"]
        self.reduces = op == "reduce"
        if op == "count":
            self.init, self.fns = 0, [lambda a, v, k: a + 1]
            self.merge = lambda a, v, k: a + v
        elif op == "cogroup":
            self.init = node["init"]
            self.fns = [function(g["fn"]["name"]) for g in node["groups"]]
        else:
            self.init = node.get("init")
            self.fns = [function(node["fn"]["name"])]
            if self.reduces:
                self.merge = lambda a, v, k: v if a is None else self.fns[0](a, v, k)
        if "merge" in node:
            self.merge = function(node["merge"]["name"])

    def add(self, port, acc, value, key):
        if acc is None:
            if self.reduces:
                return value
            acc = self.init
        return self.fns[port](acc, value, key)

    def take(self, port, key, value, time):
        """The updates of one record: [(key, start, end, value, old, time)]."""
        self.out = []
        if key is None or value is None:
            return []
        before = self.time
        self.time = time if before is None else max(before, time)
        self.accept(port, key, value, time)
        if self.final:
            self.close(before)
        return self.out

    def is_open(self, end):
        if self.kind in ("tumbling", "hopping", "unlimited"):
            return self.time < end + self.grace or end == LAST
        return self.time <= end + self.grace + self.w.get("gap", 0)

    def update(self, start, end, key, value, time):
        at = (end, start, json.dumps(key).encode())
        old = self.sent.get(at)
        if value is None:
            self.sent.pop(at, None)
            if old is None:
                return
        else:
            self.sent[at] = (value, time, key)
        if not self.final:
            self.out.append((key, start, end, value, old[0] if old else None, time))

    def close(self, before):
        for at in sorted(self.sent):
            if not self.is_open(at[0]):
                value, time, key = self.sent.pop(at)
                self.out.append((key, at[1], at[0], value, None, time))


class Fixed(Window):
    def __init__(self, node):
        super().__init__(node)
        self.state = {}

    def starts(self, time):
        if self.kind == "unlimited":
            return [self.w["start"]] if time >= self.w["start"] else []
        step = self.w["size"] if self.kind == "tumbling" else self.w["advance"]
        return list(range(time // step * step, max(-1, time - self.w["size"]), -step))[::-1]

    def accept(self, port, key, value, time):
        starts = self.starts(time)
        for s in starts:
            if self.kind != "unlimited" and s + self.w["size"] > LAST:
                raise Stopped
        for s in starts:
            end = LAST if self.kind == "unlimited" else s + self.w["size"]
            if not self.is_open(end):
                continue
            acc, at = self.state.get((s, key), (None, time))
            new, at = self.add(port, acc, value, key), max(at, time)
            self.state[s, key] = (new, at)
            if new is None:
                del self.state[s, key]
            self.update(s, end, key, new, at)


class Sliding(Window):
    def __init__(self, node):
        super().__init__(node)
        self.records = {}

    def windows(self, times):
        d = self.w["diff"]
        own = {max(0, t - d) for t in times}
        return own | {t + 1 for t in times if any(t < u <= t + 1 + d for u in times)}

    def fold(self, key, start):
        acc, at, last = None, 0, 0
        for port, t, v in self.records[key]:
            if start <= t <= start + self.w["diff"]:
                last = at = t if acc is None else max(at, t)
                acc = self.add(port, acc, v, key)
        return acc, last

    def accept(self, port, key, value, time):
        d = self.w["diff"]
        if time + d + self.grace < self.time:
            return
        mine = self.records.setdefault(key, [])
        before = self.windows({t for _, t, _ in mine})
        mine.append((port, time, value))
        after = self.windows({t for _, t, _ in mine})
        for s in sorted(after):
            if s not in before and s + d > LAST:
                mine.pop()
                raise Stopped
        for s in sorted(after):
            if (s not in before or s <= time <= s + d) and self.is_open(s + d):
                self.update(s, s + d, key, *self.fold(key, s))


class Session(Window):
    def __init__(self, node):
        super().__init__(node)
        self.state = {}

    def accept(self, port, key, value, time):
        gap = self.w["gap"]
        mine = self.state.setdefault(key, [])
        met = [s for s in mine if s[0] <= time + gap and s[1] >= time - gap and self.is_open(s[1])]
        start = min([time] + [s[0] for s in met])
        end = max([time] + [s[1] for s in met])
        if not self.is_open(end):
            return
        acc = None if self.reduces else self.init
        for s in sorted(met, key=lambda s: s[:2]):
            acc = self.merge(acc, s[2], key)
        if self.reduces and acc is None:
            acc = value
        else:
            acc = self.fns[port](acc, value, key)
        for s in sorted(met, key=lambda s: s[:2]):
            mine.remove(s)
            if s[:2] != (start, end):
                self.update(s[0], s[1], key, None, s[1])
        if acc is not None:
            mine.append((start, end, acc))
        self.update(start, end, key, acc, end)


def operator(node):
    kind = node["window"]["type"]
    return {"sliding": Sliding, "session": Session}.get(kind, Fixed)(node)


class Regroup:
    """group_by of the table under one key, then an aggregate that shows old values."""

    def __init__(self):
        self.acc, self.time = None, None

    def take(self, new, old, time):
        acc = "" if self.acc is None else self.acc
        if old is not None:
            acc = acc + "-" + text(old)
        if new is not None:
            acc = acc + "+" + text(new)
        self.acc, self.time = acc, time if self.time is None else max(self.time, time)
        return self.acc, self.time


def understand(topology):
    """(topics, windowed node, is it regrouped), or None: another shape."""
    by, topics, node, regrouped = {}, [], None, False
    for n in topology:
        by[n["id"]] = n
        if n["op"] == "stream":
            topics.append(n["topic"])
        elif n["op"] in ("count", "reduce", "aggregate", "cogroup") and n.get("window"):
            if node:
                return None
            node = dict(n)
        elif n["op"] == "suppress":
            if n["until"] != "window_closes" or n["buffer"] != "unbounded" or not node:
                return None
            node["until_closes"] = True
        elif n["op"] == "group_by":
            if not node or n["fn"]["name"] != 'const_pair:"k"' or by[n["from"]]["op"] == "suppress":
                return None
            regrouped = True
        elif n["op"] == "aggregate":
            if not regrouped or n["fn"]["name"] != "plus_text" or n["sub"]["name"] != "minus_text" \
                    or n.get("init") != "":
                return None
        elif n["op"] not in ("group_by_key", "to_stream", "to"):
            return None
    if not node:
        return None
    if node["op"] == "cogroup":
        topics = [by[by[g["from"]]["from"]]["topic"] for g in node["groups"]]
    names = [node["fn"]["name"]] if "fn" in node else [g["fn"]["name"] for g in node.get("groups", [])]
    names += [node["merge"]["name"]] if "merge" in node else []
    if not all(function(n) for n in names) or len(set(topics)) != len(topics) \
            or sum(n["op"] == "to" for n in topology) != 1:
        return None
    return topics, node, regrouped


def run(case):
    shape = understand(case["topology"])
    if not shape:
        return None
    topics, node, regrouped = shape
    w = node["window"]
    refused = w["type"] == "hopping" and w["advance"] > w["size"] \
        or w["type"] == "unlimited" and (node.get("emit") or node.get("until_closes"))
    if refused:
        return {"output": [], "by": [], "error": {"at": "start"}}
    op, group = operator(node), Regroup()
    sink = case["topology"][-1]["topic"]
    output, by, error = [], [], None
    for i, (topic, key, value, time) in enumerate(case["input"]):
        if time < 0:
            error = {"at": i}
            break
        try:
            updates = op.take(topics.index(topic), key, value, time)
        except Stopped:
            error = {"at": i}
            break
        for key, start, end, value, old, at in updates:
            if regrouped:
                output.append([sink, "k", *group.take(value, old, at)])
            else:
                output.append([sink, {"key": key, "start": start, "end": end}, value, at])
            by.append(i)
    result = {"output": output, "by": by}
    if error:
        result["error"] = error
    return result


def check(files):
    known = wrong = 0
    for name in files:
        for line in open(name, encoding="utf-8"):
            case = json.loads(line)
            mine = run(case) if not case.get("config") else None
            if mine is None:
                continue
            known += 1
            theirs = case.get("right", case)
            if any(mine.get(k) != theirs.get(k) for k in ("output", "by", "error")):
                wrong += 1
                if wrong <= 5:
                    print(case["name"])
                    print("  oracle:", json.dumps(mine))
                    print("  file:  ", json.dumps({k: theirs.get(k) for k in ("output", "by", "error")}))
    print(f"{known} cases of a known shape, {wrong} differ")
    return wrong != 0 or known == 0


FNS = {"plus_text": '($acc | tostring) + "+" + tostring',
       "minus_text": '($acc | tostring) + "-" + tostring',
       "keyed_text": '($acc | tostring) + "+" + ($key | tostring) + tostring',
       "add_null_at:4": "($acc + .) | if . == 4 then null else . end",
       "add_null_over:6": "($acc + .) | if . > 6 then null else . end",
       "add": "$acc + .",
       "collect": "$acc + [.]",
       "merge_add": "$left + $right",
       "merge_text": '"(" + ($left | tostring) + "|" + ($right | tostring) + ")"'}


def fn(name):
    return {"name": name, "jq": FNS[name]}


def make_window(r, is_large):
    size = r.choice([1, 2, 3, 5, 7, 10, 30, 100, 1000, 60000] + [10**12, 2**40] * is_large)
    grace = r.choice([0, 0, 1, 2, 5, size, 3 * size, 100])
    kind = r.choice(["tumbling", "hopping", "sliding", "sliding", "sliding", "session", "session",
                     "unlimited"])
    if kind == "hopping":
        return {"type": kind, "size": size, "advance": r.randint(max(1, size // 12), size), "grace": grace}
    if kind == "unlimited":
        return {"type": kind, "start": r.choice([0, 10, 50])}
    word = {"tumbling": "size", "sliding": "diff", "session": "gap"}[kind]
    if kind != "tumbling":
        size = r.choice([0, size, size])
    return {"type": kind, word: size, "grace": grace}


def make_input(r, node, topics):
    w = node["window"]
    scale = max(1, w.get("size", w.get("diff", w.get("gap", 20))) + w.get("grace", 0))
    keys = r.choice([["a"], ["a", "b"], ["a", "aa", "b", "c"], [10, 9, "a", 1], list(range(40))])
    base = r.choice([0, 0, 0, 3, scale, 1000 * scale, 1700000000000, LAST - 20 * scale, LAST - scale // 2])
    now, step = min(max(base, 0), LAST), r.choice([1, 1 + scale // 8, 1 + scale // 2, scale])
    records = []
    for _ in range(r.choice([5, 20, 40, 120])):
        p = r.random()
        now = min(LAST, now + (0 if p < 0.3 else r.randint(0, step) if p < 0.93
                               else r.randint(0, 10 * scale)))
        time = now if r.random() < 0.6 else max(0, now - r.randint(0, r.choice([2, step, 3 * scale])))
        key = None if r.random() < 0.02 else r.choice(keys)
        value = None if r.random() < 0.04 else r.randint(-1, 6)
        records.append([r.choice(topics), key, value, time])
    return records


def make(seed, count):
    for i in range(count):
        r = random.Random(f"{seed}.{i}")
        node = {"id": "w", "op": r.choice(["count", "reduce", "aggregate", "aggregate", "cogroup"]),
                "window": make_window(r, i % 7 == 0)}
        is_text = r.random() < 0.7
        names = ["plus_text", "keyed_text"] if is_text else ["add", "add_null_at:4", "add_null_over:6"]
        topics, tail = ["in"], []
        if node["op"] in ("reduce", "aggregate"):
            node["fn"] = fn(r.choice(names))
        if node["op"] in ("aggregate", "cogroup"):
            node["init"] = "" if is_text else 0
            if node["window"]["type"] == "session":
                node["merge"] = fn("merge_text" if is_text else "merge_add")
        head = [{"id": "in", "op": "stream", "topic": "in"},
                {"id": "g", "op": "group_by_key", "from": "in"}]
        if node["op"] == "cogroup":
            topics = ["in", "other"]
            head += [{"id": "other", "op": "stream", "topic": "other"},
                     {"id": "h", "op": "group_by_key", "from": "other"}]
            node["groups"] = [{"from": "g", "fn": fn(names[0])}, {"from": "h", "fn": fn(names[1])}]
        else:
            node["from"] = "g"
        last, p = "w", r.random()
        if node["window"]["type"] != "unlimited" and p < 0.4:
            if p < 0.2 and node["op"] != "cogroup":
                node["emit"] = "on_window_close"
            else:
                tail = [{"id": "s", "op": "suppress", "from": "w", "until": "window_closes",
                         "buffer": "unbounded"}]
                last = "s"
        elif p > 0.8:
            tail = [{"id": "r", "op": "group_by", "from": "w",
                     "fn": {"name": 'const_pair:"k"', "jq": '["k", .]'}},
                    {"id": "t", "op": "aggregate", "from": "r", "init": "", "fn": fn("plus_text"),
                     "sub": fn("minus_text")}]
            last = "t"
        case = {"name": f"windows-{seed}-{i}",
                "topology": head + [node] + tail + [{"id": "x", "op": "to_stream", "from": last},
                                                    {"id": "o", "op": "to", "from": "x", "topic": "out"}],
                "input": make_input(r, node, topics)}
        print(json.dumps({**case, **run(case)}, separators=(",", ":")))


def main(args):
    if len(args) > 1 and args[0] == "check":
        return check(args[1:])
    if len(args) == 3 and args[0] == "make":
        return make(args[1], int(args[2]))
    sys.stderr.write(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
