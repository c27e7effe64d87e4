#!/usr/bin/python3
"""Random cases of the format of FORMAT.md, with what model.py says comes out.

    make-cases.py SEED COUNT [FAMILY...]

A family fixes the first operators of a topology; others follow at random.  The ranges are wider
and the chains longer than in public.ndjson.
"""
import random
import sys

sys.dont_write_bytecode = True
import model
from functions import fn

NUM, STR, ANY = "number", "string", "any"
LAST = 2**63 - 1


class Place:
    """What a node gives: the type of its values, the windows in its keys, and for tables the
    history and whether suppress can wait for its windows."""

    def __init__(self, name, kind, type_, window=None, history=0, closes=False, final=False):
        self.name, self.kind, self.type, self.window = name, kind, type_, window
        self.history, self.closes, self.final, self.is_used = history, closes, final, False


class Case:
    def __init__(self, rng, name):
        self.rng, self.name, self.nodes, self.places, self.topics = rng, name, [], [], {}
        self.size = rng.choice([1, 2, 3, 5, 10, 10, 30, 100, 1000, 60000])
        if rng.random() < 0.03:
            self.size = rng.choice([10**12, 2**40])
        self.config = None

    def add(self, op, kind=None, type_=ANY, **rest):
        window, history = rest.pop("keys", None), rest.pop("kept", 0)
        closes, final = rest.pop("closes", False), rest.pop("final", False)
        name = "n%d" % (len(self.nodes) + 1)
        self.nodes.append({"id": name, "op": op,
                           **{k.rstrip("_"): v for k, v in rest.items() if v is not None}})
        place = Place(name, kind, type_, window, history, closes, final)
        if kind:
            self.places.append(place)
        return place

    def pick(self, kind, test=lambda place: True):
        """A place of a kind, most often a late one; None if there is none."""
        fit = [p for p in self.places if p.kind == kind and test(p)]
        if not fit:
            return None
        fresh = [p for p in fit if not p.is_used]
        place = self.rng.choice(fresh[-1:] or fit) if self.rng.random() < 0.7 \
            else self.rng.choice(fit)
        place.is_used = True
        return place

    def materialized(self):
        return True if self.rng.random() < 0.3 else None

    # ---- sources ----

    def topic(self, role, type_=None):
        name = "t%d" % (len(self.topics) + 1)
        self.topics[name] = (role, type_ or self.rng.choice([NUM] * 8 + [STR] * 4 + [ANY]))
        return name

    def stream(self, type_=None):
        old = [t for t, (role, _) in self.topics.items() if role == "stream"]
        name = self.rng.choice(old) if old and self.rng.random() < 0.05 else \
            self.topic("stream", type_)
        return self.add("stream", "S", self.topics[name][1], topic=name)

    def table(self, versioned=0.25):
        name = self.topic("table")
        type_ = self.topics[name][1]
        if self.rng.random() < versioned:
            history = self.rng.choice([1, 5, 20, 100, self.size, 3 * self.size])
            return self.add("table", "T", type_, topic=name, store="versioned", history=history,
                            kept=history)
        return self.add("table", "T", type_, topic=name, materialized=self.materialized())

    def global_table(self):
        name = self.topic("global")
        return self.add("global_table", "L", self.topics[name][1], topic=name)

    # ---- stateless ----

    def test(self, type_, key_too=True):
        r = self.rng
        names = ["is_null", "not_null", "not_null"] + ['key_eq:"a"', 'key_eq:"b"'] * key_too
        names += ["gt:0", "gt:2", "lt:3", "eq:1", "even"] * (type_ != STR)
        names += ['gt:"x"', 'lt:"y"', 'eq:"x"'] * (type_ != NUM)
        return fn(r.choice(names))

    def new_value(self, type_):
        """(function, type)"""
        names = [("same", type_), ("text", STR), ("with_key", STR), ("const:4", NUM)]
        if type_ != STR:
            names += [(n, type_) for n in ("double", "inc", "neg", "mod:3", "null_if:1",
                                           "null_if_even")]
        if type_ != NUM:
            names += [('null_if:"x"', type_)]
        name, type_ = self.rng.choice(names)
        return fn(name), type_

    def filter(self, kind=None):
        at = self.pick(kind or self.rng.choice("ST"))
        if at:
            own = at.kind == "T" and self.materialized() or None
            return self.add(self.rng.choice(["filter", "filter_not"]), at.kind, at.type,
                            from_=at.name, fn=self.test(at.type), materialized=own, keys=at.window,
                            kept=0 if own else at.history, closes=at.closes, final=at.final)

    def map_values(self, kind=None):
        at = self.pick(kind or self.rng.choice("ST"))
        if at:
            new, type_ = self.new_value(at.type)
            own = at.kind == "T" and self.materialized() or None
            return self.add("map_values", at.kind, type_, from_=at.name, fn=new, materialized=own,
                            keys=at.window, kept=0 if own else at.history, closes=at.closes,
                            final=at.final)

    def new_key(self, at):
        names = ['const_key:"k"', "key_suffix:1", "value", "plain_key"]
        names += ["mod_key:2", "mod_key:3"] * (at.type != STR)
        names += ["first_char"] * (at.type != NUM)
        names += ["window_start"] * (at.window is not None)
        return fn(self.rng.choice(names))

    def select_key(self):
        at = self.pick("S")
        if at:
            return self.add("select_key", "S", at.type, from_=at.name, fn=self.new_key(at))

    def new_pair(self, at):
        names = [('const_pair:"k"', at.type), ("key_pair", at.type), ("swap", ANY),
                 ("plain_pair", at.type)]
        names += [("mod_pair:2", at.type), ("mod_pair:3", at.type)] * (at.type != STR)
        names += [("start_pair", at.type)] * (at.window is not None)
        name, type_ = self.rng.choice(names)
        return fn(name), type_

    def map(self):
        at = self.pick("S")
        if at:
            new, type_ = self.new_pair(at)
            return self.add("map", "S", type_, from_=at.name, fn=new)

    def flat_map(self):
        at = self.pick("S")
        if at:
            names = [("none", at.type), ("twice", at.type), ("twice", at.type)]
            names += [("up_to", NUM)] * (at.type != STR) + [("chars", NUM)] * (at.type != NUM)
            name, type_ = self.rng.choice(names)
            return self.add("flat_map", "S", type_, from_=at.name, fn=fn(name))

    def merge(self):
        at = self.pick("S")
        if not at:
            return None
        other = [p for p in self.places if p.kind == "S" and p is not at and p.window == at.window]
        if not other:
            if at.window:
                return None
            other = [self.stream()]
        some = self.rng.sample(other, min(len(other), self.rng.choice([1, 1, 1, 2])))
        for p in some:
            p.is_used = True
        types = {p.type for p in [at] + some}
        return self.add("merge", "S", types.pop() if len(types) == 1 else ANY,
                        from_=[p.name for p in [at] + some], keys=at.window)

    def branch(self):
        at = self.pick("S")
        if not at:
            return None
        id_ = len(self.nodes) + 1
        ways = [{"id": "b%d.%d" % (id_, i), "fn": self.test(at.type)}
                for i in range(self.rng.randint(1, 3))]
        default = "b%d.rest" % id_ if self.rng.random() < 0.6 else None
        self.nodes.append({"id": "n%d" % id_, "op": "branch", "from": at.name, "branches": ways,
                           "default": default})
        for name in [w["id"] for w in ways] + [default] * bool(default):
            self.places.append(Place(name, "S", at.type, at.window))
        if self.rng.random() < 0.4:
            self.merge()
        return self.places[-1]

    # ---- groups and aggregations ----

    def group(self, at=None):
        at = at or self.pick("S")
        if not at:
            return None
        if self.rng.random() < 0.6:
            return self.add("group_by_key", "G", at.type, from_=at.name, keys=at.window)
        return self.add("group_by", "G", at.type, from_=at.name, fn=self.new_key(at))

    def folding(self, type_, init_too=True):
        """(functions of an aggregate over such values, type)"""
        names = [("first", ANY), ("last", type_), ("max_of", type_), ("min_of", type_)]
        inits = {NUM: [0, None], STR: ["", None], ANY: [None]}[type_]
        if type_ == NUM:
            names += [("add", NUM), ("add_null_at:4", NUM), ("add_null_over:6", NUM)]
        if type_ == STR:
            names += [("add", STR)]
        if not init_too:
            names += [("plus_text", STR)] * (type_ == STR)
            name, type_ = self.rng.choice(names)
            return {"fn": fn(name)}, type_
        init = self.rng.choice(inits)
        names += [("plus_text", STR), ("plus_text", STR), ("keyed_text", STR), ("tally", NUM),
                  ("collect", ANY)]
        name, type_ = self.rng.choice(names)
        if name in ("plus_text", "keyed_text"):
            init = ""
        elif name == "tally":
            init = 0
        elif name == "collect":
            init = []
        elif name == "last":
            init = self.rng.choice(inits)
        return {"init": init, "fn": fn(name)}, ANY if name in ("first", "max_of", "min_of") else type_

    def window(self, kind=None):
        r, size = self.rng, self.size
        kind = kind or r.choice(["tumbling", "hopping", "sliding", "session", "unlimited"])
        grace = r.choice([0, 0, 1, 2, size // 2, size, 3 * size, 10 * size])
        if kind == "tumbling":
            return {"type": kind, "size": size, "grace": grace}
        if kind == "hopping":
            return {"type": kind, "size": size, "advance": r.randint(max(1, size // 9), size),
                    "grace": grace}
        if kind == "sliding":
            return {"type": kind, "diff": r.choice([0, size, size, size]), "grace": grace}
        if kind == "session":
            return {"type": kind, "gap": r.choice([0, size, size, size // 3]), "grace": grace}
        return {"type": kind, "start": r.choice([0, 0, size, 5 * size])}

    def aggregate(self, kind=None, emit=0.2):
        """A count, reduce or aggregate of streams; kind: the window's, "plain" or any."""
        at = self.pick("G") if self.rng.random() < 0.2 else None
        at = at or self.group()
        if not at:
            return None
        at.is_used = True
        r, rest = self.rng, {}
        if kind != "plain" and (kind or r.random() < 0.6):
            rest["window"] = self.window(kind)
            if r.random() < emit and rest["window"]["type"] != "unlimited":
                rest["emit"] = "on_window_close"
        return self.fold(at, rest)

    def aggregate_windowed(self):
        return self.aggregate(self.rng.choice(["tumbling", "hopping", "sliding", "session",
                                               "unlimited"]))

    def keys_of(self, window, inner):
        if not window:
            return inner
        kind = window["type"]
        size = window.get("size", window.get("diff"))
        return (kind if kind in ("session", "unlimited") else size, inner)

    def fold(self, at, rest):
        r, window = self.rng, rest.get("window")
        keys = self.keys_of(window, at.window)
        is_session = window and window["type"] == "session"
        closes = bool(window) and window["type"] != "unlimited"
        more = {"keys": keys, "closes": closes, "final": "emit" in rest}
        op = r.choice(["count", "reduce", "aggregate", "aggregate"])
        if op == "count":
            return self.add(op, "T", NUM, from_=at.name, **rest, **more)
        work, type_ = self.folding(at.type, op == "aggregate")
        if is_session and op == "aggregate":
            self.merger(work, type_)
        type_ = STR if is_session and op == "aggregate" and type_ != NUM else type_
        node = self.add(op, "T", type_, from_=at.name, materialized=self.materialized(), **work,
                        **rest, **more)
        if node and "init" in work and work["init"] is None:
            self.nodes[-1]["init"] = None
        return node

    def merger(self, work, type_):
        name = work["fn"]["name"].partition(":")[0]
        if name in ("add", "add_null_at", "add_null_over", "tally") and type_ == NUM:
            work["merge"] = fn("merge_add")
        elif name in ("max_of", "min_of"):
            work["merge"] = fn("merge_" + name[:3])
        elif name in ("plus_text", "keyed_text"):
            work["merge"] = fn("merge_text")
        elif name == "collect":
            work["merge"] = fn("merge_add")
        else:
            work["init"], work["fn"], work["merge"] = "", fn("plus_text"), fn("merge_text")

    def cogroup(self):
        r = self.rng
        groups = [self.group()]
        if not groups[0]:
            return None
        fit = [p for p in self.places if p.kind == "S" and p.window == groups[0].window]
        for _ in range(r.choice([1, 1, 2])):
            if groups[0].window is None and r.random() < 0.5:
                fit.append(self.stream())
            at = r.choice(fit) if fit else None
            if at:
                at.is_used = True
                group = self.group(at)
                if group.window == groups[0].window:
                    groups.append(group)
        for g in groups:
            g.is_used = True
        window = self.window() if r.random() < 0.7 else None
        is_text = r.random() < 0.7
        names = ["plus_text", "keyed_text", "minus_text"] if is_text else ["tally"]
        rest = {"window": window} if window else {}
        if window and window["type"] == "session":
            rest["merge"] = fn("merge_text" if is_text else "merge_add")
        return self.add("cogroup", "T", STR if is_text else NUM,
                        groups=[{"from": g.name, "fn": fn(r.choice(names))} for g in groups],
                        init="" if is_text else 0, **rest, keys=self.keys_of(window, groups[0].window),
                        closes=bool(window) and window["type"] != "unlimited")

    def table_group(self):
        at = self.pick("T")
        if not at:
            return None
        new, type_ = self.new_pair(at)
        group = self.add("group_by", "H", type_, from_=at.name, fn=new)
        group.is_used = True
        r = self.rng
        op = r.choice(["count", "reduce", "aggregate", "aggregate"])
        if op == "count":
            return self.add(op, "T", NUM, from_=group.name)
        own = self.materialized()
        if op == "reduce":
            pairs = {NUM: [("add", "subtract"), ("add", "add_null_at:4"), ("max_of", "first")],
                     STR: [("plus_text", "minus_text"), ("last", "first")],
                     ANY: [("max_of", "first"), ("last", "first")]}[type_]
            add, sub = r.choice(pairs)
            return self.add(op, "T", type_, from_=group.name, fn=fn(add), sub=fn(sub),
                            materialized=own)
        add, sub, init, out = r.choice([("plus_text", "minus_text", "", STR),
                                        ("tally", "untally", 0, NUM)]
                                       + [("add", "subtract", 0, NUM)] * (type_ == NUM))
        return self.add(op, "T", out, from_=group.name, init=init, fn=fn(add), sub=fn(sub),
                        materialized=own)

    # ---- tables ----

    def to_table(self):
        at = self.pick("S")
        if at:
            return self.add("to_table", "T", at.type, from_=at.name, keys=at.window,
                            materialized=self.materialized(), closes=at.closes)

    def to_stream(self):
        at = self.pick("T")
        if at:
            return self.add("to_stream", "S", at.type, from_=at.name, keys=at.window,
                            closes=at.closes)

    def suppress(self, closes=None):
        r = self.rng
        closes = r.random() < 0.5 if closes is None else closes
        at = self.pick("T", lambda p: p.closes and not p.final) if closes else self.pick("T")
        if not at:
            return None
        full = "unbounded"
        if r.random() < 0.4:
            when = "shut_down" if closes or r.random() < 0.3 else "emit_early"
            full = {"max_records": r.choice([1, 2, 3, 5, 9]), "when_full": when}
        limit = r.choice([0, 1, 2, self.size // 2, self.size, 3 * self.size, 10 * self.size])
        return self.add("suppress", "T", at.type, from_=at.name, keys=at.window,
                        until="window_closes" if closes else {"time_limit": limit}, buffer=full,
                        closes=at.closes and closes)

    # ---- joins ----

    def joiner(self, left, right, key_too):
        names = [("concat_joiner", STR), ("concat_joiner", STR), ("sum_joiner", NUM),
                 ("left_joiner", left.type), ("right_joiner", right.type)]
        names += [("key_joiner", STR)] * key_too
        name, type_ = self.rng.choice(names)
        return fn(name), type_

    def two(self, kind, other_kind, source):
        """Two places with keys of the same windows."""
        left = self.pick(kind)
        if not left:
            return None, None
        right = None
        if left.window is None and self.rng.random() < 0.4:
            right = source()
        right = right or self.pick(other_kind, lambda p: p.window == left.window)
        if right is None and left.window is None:
            right = source()
        if right:
            right.is_used = True
            if kind == other_kind and self.rng.random() < 0.4:
                left, right = right, left
        return left, right

    def stream_stream_join(self):
        left, right = self.two("S", "S", self.stream)
        if not right:
            return None
        r, size = self.rng, self.size
        while True:
            before = r.choice([0, 0, 1, size // 2, size, 3 * size, -1, -size])
            after = before if r.random() < 0.3 else r.choice([0, 1, size // 2, size, 3 * size, -1,
                                                              -size])
            if before + after >= 0:
                break
        new, type_ = self.joiner(left, right, True)
        return self.add("stream_stream_join", "S", type_, kind_=None, left=left.name,
                        right=right.name, fn=new, keys=left.window, how=r.choice(
                            ["inner", "left", "outer"]),
                        window={"before": before, "after": after,
                                "grace": r.choice([0, 0, 1, size, 5 * size])})

    def stream_table_join(self):
        left, right = self.two("S", "T", self.table)
        if not right:
            return None
        grace = self.rng.randint(0, right.history) if right.history and self.rng.random() < 0.6 \
            else None
        new, type_ = self.joiner(left, right, True)
        return self.add("stream_table_join", "S", type_, how=self.rng.choice(["inner", "left"]),
                        left=left.name, right=right.name, grace=grace, fn=new, keys=left.window)

    def stream_global_join(self):
        left = self.pick("S")
        right = self.pick("L") if self.rng.random() < 0.3 else None
        right = right or self.global_table()
        if not left:
            return None
        names = ["value", "key_suffix:1", 'const_key:"a"', "plain_key"]
        names += ["mod_key:2"] * (left.type != STR) + ["first_char"] * (left.type != NUM)
        new, type_ = self.joiner(left, right, True)
        return self.add("stream_global_join", "S", type_, how=self.rng.choice(["inner", "left"]),
                        left=left.name, right=right.name, fn=new,
                        key_fn=fn(self.rng.choice(names)), keys=left.window)

    def table_table_join(self):
        left, right = self.two("T", "T", self.table)
        if not right:
            return None
        new, type_ = self.joiner(left, right, False)
        return self.add("table_table_join", "T", type_, left=left.name, right=right.name, fn=new,
                        how=self.rng.choice(["inner", "left", "outer"]),
                        materialized=self.materialized(), keys=left.window)

    def foreign_key_join(self):
        left = self.pick("T")
        if not left:
            return None
        right = None
        if self.rng.random() < 0.5:
            right = self.pick("T", lambda p: p.window is None)
        right = right or self.table()
        right.is_used = True
        names = ["value"] + ["mod_key:2", "mod_key:3"] * (left.type != STR) \
            + ["first_char"] * (left.type != NUM)
        new, type_ = self.joiner(left, right, False)
        return self.add("foreign_key_join", "T", type_, how=self.rng.choice(["inner", "left"]),
                        left=left.name, right=right.name, key_fn=fn(self.rng.choice(names)), fn=new,
                        materialized=self.materialized(), keys=left.window)

    def spoil(self):
        """A number that may make no sense: the topology is refused, or runs with it."""
        r = self.rng
        node = r.choice([n for n in self.nodes if "window" in n or "history" in n])
        at, names = node.get("window", node), sorted(node.get("window", ["history"]))
        name = r.choice([k for k in names if k != "type"])
        at[name] = r.choice([-1, 2 * at[name] + 1] + [0] * ("history" not in node))
        if r.random() < 0.2 and node["op"] in ("count", "reduce", "aggregate"):
            node["emit"] = "on_window_close"

    # ---- the rest of a case ----

    def sinks(self):
        is_one = self.rng.random() < 0.2
        for at in list(self.places):
            if at.kind not in "ST" or (at.is_used and self.rng.random() < 0.85):
                continue
            if at.kind == "T":
                at = self.add("to_stream", "S", at.type, from_=at.name, keys=at.window)
            topic = "out" if is_one else "out%d" % (len(self.nodes) + 1)
            self.add("to", from_=at.name, topic=topic)

    def finish(self):
        for node in self.nodes:
            if "how" in node:
                node["kind"] = node.pop("how")
        self.sinks()
        case = {"name": self.name, "topology": self.nodes, "input": self.input()}
        if self.config:
            case["config"] = self.config
        return case

    def input(self):
        r, size = self.rng, self.size
        keys = r.choice([["a", "b", "c"], ["a", "aa", "b", "c"], ["a"], ["a", "b", "k0", "k1", "x"],
                         [9, 10, 100, "a"], ["a", [], ["a", 1], [10], [9]], list(range(40))])
        texts = r.choice([["x", "y", "z", "xa", "yb"], ["a", "b", "k0", "", "\u00e4x"]])
        base = r.choice([0, 0, 0, 1, size, 1000 * size, 1700000000000])
        last = 2**52 if self.computes_times() else LAST
        if r.random() < 0.05:
            base = last - r.choice([1, 3, 20, 100]) * size
        base = min(max(0, base), last)
        now, step = base, r.choice([1, 2, 1 + size // 5, size, 3 * size])
        nulls = r.choice([0.0, 0.03, 0.15])
        negative = r.random() < 0.06
        if negative:
            self.config = r.choice([None, {"invalid_timestamp": "skip"},
                                    {"invalid_timestamp": "partition_time"},
                                    {"invalid_timestamp": "fail"}])
        out = []
        for _ in range(r.choice([4, 10, 25, 25, 50, 120 if len(keys) > 9 else 25])):
            p = r.random()
            now += 0 if p < 0.25 else r.randint(0, step) if p < 0.93 else r.randint(0, 20 * step) \
                if p < 0.995 else 70000 * size
            now = min(now, last)
            ts = now if r.random() < 0.65 else max(0, now - r.randint(0, r.choice(
                [2, step, 3 * size, 20 * size])))
            if negative and r.random() < 0.15:
                ts = -r.randint(1, 5)
            topic = r.choice(list(self.topics))
            role, type_ = self.topics[topic]
            key = None if r.random() < nulls else r.choice(keys)
            if role == "global":
                key = None if r.random() < nulls else r.choice(keys + texts + [1, 2, "k0", "a1"])
            null = 0.25 if role != "stream" else nulls
            value = None if r.random() < null else self.value(type_, texts)
            out.append([topic, key, value, ts])
        return out

    def computes_times(self):
        """Are times of windows values of expressions?  jq 1.6 knows them up to 2^53 exactly."""
        names = {node[k]["name"].partition(":")[0] for node in self.nodes
                 for k in ("fn", "key_fn") if k in node}
        names |= {g["fn"]["name"] for node in self.nodes for g in node.get("groups", [])}
        return any(p.window for p in self.places) and not names.isdisjoint({
            "with_key", "key_suffix", "plain_key", "window_start", "key_pair", "plain_pair",
            "start_pair", "swap", "twice", "up_to", "keyed_text", "key_joiner"})

    def value(self, type_, texts):
        r = self.rng
        if type_ == ANY:
            type_ = r.choice([NUM, STR, ANY])
        if type_ == ANY:
            return r.choice([[], ["x"], [1, None], [[1], "y"]])
        return r.choice(texts) if type_ == STR else r.randint(-1, 6)


# ---- families ----

ANYTHING = ["filter", "filter", "map_values", "select_key", "map", "flat_map", "merge", "branch",
            "aggregate", "aggregate", "aggregate", "cogroup", "table_group", "table_group",
            "to_table", "to_stream", "to_stream", "suppress", "suppress", "stream_stream_join",
            "stream_table_join", "stream_global_join", "table_table_join", "foreign_key_join"]

FAMILIES = {
    "stateless": (["stream"], ["filter", "map_values", "select_key", "map", "flat_map", "merge",
                               "branch"]),
    "agg": (["stream", "plain"], ANYTHING),
    "tumbling": (["stream", "tumbling"], ANYTHING),
    "hopping": (["stream", "hopping"], ANYTHING),
    "sliding": (["stream", "sliding"], ANYTHING),
    "session": (["stream", "session"], ANYTHING),
    "unlimited": (["stream", "unlimited"], ANYTHING),
    "close": (["stream", "final"], ANYTHING),
    "suppress": (["stream", "aggregate", "suppress"], ANYTHING),
    "closes": (["stream", "windowed", "suppress_closes"], ANYTHING),
    "multi": (["stream", "aggregate", "to_stream", "aggregate", "to_stream", "aggregate"], ANYTHING),
    "cogroup": (["stream", "stream", "cogroup"], ANYTHING),
    "ssj": (["stream", "stream", "stream_stream_join"], ANYTHING),
    "self": (["stream", "self_join"], ANYTHING),
    "stj": (["stream", "table", "stream_table_join"], ANYTHING),
    "stj_versioned": (["stream", "versioned", "stream_table_join"], ANYTHING),
    "sgj": (["stream", "global_table", "stream_global_join"], ANYTHING),
    "table": (["table"], ["filter", "map_values", "table_group", "to_stream", "table_table_join",
                          "suppress"]),
    "versioned": (["versioned"], ["filter", "map_values", "table_group", "to_stream", "suppress",
                                  "table_table_join", "foreign_key_join"]),
    "ttj": (["table", "table", "table_table_join"], ANYTHING),
    "fkj": (["table", "table", "foreign_key_join"], ANYTHING),
    "tgroup": (["table", "table_group"], ANYTHING),
    "totable": (["stream", "to_table"], ANYTHING),
    "merge": (["stream", "branch", "merge", "aggregate"], ANYTHING),
    "wjoin": (["stream", "stream", "twin"], ANYTHING),
    "any": (["stream", "table"], ANYTHING),
    "refused": (["stream", "stream", "versioned", "spoilt"], []),
}


def step(case, word):
    if word == "plain" or word in ("tumbling", "hopping", "sliding", "session", "unlimited"):
        return case.aggregate(word)
    if word in ("final", "windowed"):
        kind = case.rng.choice(["tumbling", "hopping", "sliding", "session"])
        return case.aggregate(kind, 1 if word == "final" else 0)
    if word == "suppress_closes":
        return case.suppress(True)
    if word == "spoilt":
        out = case.rng.choice([case.aggregate_windowed, case.stream_stream_join,
                               case.stream_table_join])()
        case.spoil()
        return out
    if word == "versioned":
        return case.table(1)
    if word == "self_join":
        at = case.places[-1]
        at.is_used = True
        case.two = lambda *_: (at, at)
        out = case.stream_stream_join()
        del case.two
        return out
    if word == "twin":
        window = case.window(case.rng.choice(["tumbling", "hopping", "sliding", "session"]))
        for at in case.places[:2]:
            at.is_used = True
            group = case.group(at)
            group.is_used = True
            case.fold(group, {"window": dict(window, grace=case.rng.choice([0, window["grace"]]))})
        return case.table_table_join()
    return getattr(case, word)()


def make(rng, name, family):
    case = Case(rng, name)
    first, more = FAMILIES[family]
    for word in first:
        step(case, word)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 4, 6, 8]) if more else 0):
        step(case, rng.choice(more))
    return case.finish()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    seed, count = sys.argv[1], int(sys.argv[2])
    names = sys.argv[3:] or sorted(FAMILIES)
    for i in range(count):
        rng = random.Random(f"{seed}.{i}")
        family = names[i % len(names)]
        case = make(rng, f"{family}-{seed}.{i}", family)
        try:
            result = model.play(case)
        except model.TooMuch:
            continue
        if len(result["output"]) < 5000:
            print(model.text({**case, **result}))


if __name__ == "__main__":
    main()
