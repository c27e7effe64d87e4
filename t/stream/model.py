#!/usr/bin/python3
"""The operators of FORMAT.md by their text alone: slow, simple, and apart from kq's own code.

    model.py check FILE...   run the cases of the files, compare with what they say comes out,
                             print the first differences; exits 1 if there are any
    model.py run FILE...     print each case with what the model says comes out

Nothing is ever forgotten, nothing is indexed: a join looks at all records, a sliding window is
folded anew from all records of its key.  Names of functions are those of the format.
"""
import json
import sys

sys.dont_write_bytecode = True
from functions import Stopped, text
from nodes import (Aggregate, Branch, FixedWindows, ForeignKeyJoin, GlobalJoin, GroupTable, Later,
                   Pass, Refused, Sessions, SlidingWindows, StreamJoin, StreamStep,
                   StreamTableJoin, Suppress, Table, TableJoin, TableSource, TableStep, To,
                   ToStream, VersionedSource)

WORK_MAX = 100_000


class TooMuch(Exception):
    """Joins of joins made more records than are worth the time."""


# ---- a case ----

class Queue:
    """The topics of the topology's own.  The lowest time is next; of equal times the one that
    Java's PriorityQueue gives, with which Kafka chooses."""

    def __init__(self):
        self.topics, self.heap = {}, []

    def put(self, name, ts, work, *args):
        topic = self.topics.setdefault(name, [])
        topic.append((ts, work, args))
        if len(topic) == 1:
            self.offer(topic)

    def offer(self, topic):
        heap, i = self.heap, len(self.heap)
        heap.append(topic)
        while i and heap[i][0][0] < heap[(i - 1) // 2][0][0]:
            heap[i], heap[(i - 1) // 2] = heap[(i - 1) // 2], heap[i]
            i = (i - 1) // 2

    def poll(self):
        heap, i = self.heap, 0
        first, last = heap[0], heap.pop()
        if heap:
            heap[0] = last
        while 2 * i + 1 < len(heap):
            child = 2 * i + 1
            if child + 1 < len(heap) and heap[child][0][0] > heap[child + 1][0][0]:
                child += 1
            if heap[i][0][0] <= heap[child][0][0]:
                break
            heap[i], heap[child] = heap[child], heap[i]
            i = child
        return first

    def run(self):
        while self.heap:
            topic = self.poll()
            _, work, args = topic.pop(0)
            if topic:
                self.offer(topic)
            work(*args)


class Run:
    def __init__(self, case):
        self.queue, self.output, self.by, self.sent = Queue(), [], [], []
        self.nodes, self.sources, self.topics, self.times = {}, {}, {}, {}
        self.work = 0
        self.policy = (case.get("config") or {}).get("invalid_timestamp", "fail")
        for spec in case["topology"]:
            self.build(spec)

    def count_work(self):
        self.work += 1
        if self.work > WORK_MAX:
            raise TooMuch

    def emit(self, topic, key, value, ts):
        self.sent.append([topic, key, value, ts])

    def build(self, spec):
        node = getattr(self, "build_" + spec["op"], self.build_step)(spec)
        if spec["op"] != "branch":
            self.nodes[spec["id"]] = node

    # Streams

    def build_stream(self, spec):
        """Two streams of one topic are one node."""
        return (self.sources.get(spec["topic"]) or [self.source(spec, Pass(self, spec))])[0]

    def source(self, spec, node):
        self.sources.setdefault(spec["topic"], []).append(node)
        return node

    def build_step(self, spec):
        parent = self.nodes[spec["from"]]
        if isinstance(parent, Table):
            node = TableStep(self, spec).after(parent)
            node.window = parent.window
            node.history = None if node.has_store else parent.history
            return node
        node = StreamStep(self, spec).after(parent)
        node.is_rekeyed = parent.is_rekeyed or spec["op"] in ("select_key", "map", "flat_map")
        node.window = None if node.is_rekeyed else parent.window
        return node

    def build_branch(self, spec):
        parent = self.nodes[spec["from"]]
        node = Branch(self, spec).after(parent)
        ids = [b["id"] for b in spec["branches"]] + [spec["default"]] * bool(spec.get("default"))
        for name, way in zip(ids, [way for _, way in node.ways] + [node.rest]):
            way.is_rekeyed = parent.is_rekeyed
            self.nodes[name] = way

    def build_merge(self, spec):
        node = Pass(self, spec)
        for name in spec["from"]:
            node.after(self.nodes[name])
        node.is_rekeyed = any(parent.is_rekeyed for parent in node.parents)
        return node

    def build_to(self, spec):
        return To(self, spec).after(self.nodes[spec["from"]])

    # Groups and aggregations

    def build_group_by_key(self, spec):
        return self.nodes[spec["from"]]

    def build_group_by(self, spec):
        parent = self.nodes[spec["from"]]
        kind = GroupTable if isinstance(parent, Table) else StreamStep
        node = kind(self, spec).after(parent)
        node.is_rekeyed = True
        return node

    def grouped(self, name):
        """The topic of a group is made for the first aggregation; further ones share it."""
        parent = self.nodes[name]
        if not parent.is_rekeyed:
            return parent
        if name not in self.topics:
            self.topics[name] = Later(self).after(parent)
        return self.topics[name]

    def aggregate(self, spec):
        windows = {"sliding": SlidingWindows, "session": Sessions}
        window = spec.get("window")
        kind = Aggregate if window is None else windows.get(window["type"], FixedWindows)
        node = kind(self, spec)
        for i, group in enumerate(spec.get("groups", [spec])):
            node.after(self.grouped(group["from"]), i)
        return node

    build_count = build_reduce = build_aggregate = build_cogroup = aggregate

    # Tables

    def build_table(self, spec):
        kind = VersionedSource if spec.get("store") == "versioned" else TableSource
        return self.source(spec, kind(self, spec))

    def build_global_table(self, spec):
        return self.source(spec, TableSource(self, spec))

    def build_to_table(self, spec):
        return self.below(TableSource(self, spec), spec)

    def build_to_stream(self, spec):
        return self.below(ToStream(self, spec), spec)

    def below(self, node, spec):
        parent = self.nodes[spec["from"]]
        node.window = parent.window
        return node.after(parent)

    def build_suppress(self, spec):
        parent = self.nodes[spec["from"]]
        if parent.history is not None:
            raise Refused
        node = Suppress(self, spec).after(parent)
        node.window = parent.window
        if node.limit is None:
            if node.window is None:
                raise Refused
            node.window.closers.append(node)
        return node

    # Joins

    def build_stream_stream_join(self, spec):
        node, kind = StreamJoin(self, spec), spec["kind"]
        node.after(self.nodes[spec["left"]], 0, kind != "inner")
        return node.after(self.nodes[spec["right"]], 1, kind == "outer")

    def build_stream_table_join(self, spec):
        node = StreamTableJoin(self, spec)
        node.after(self.nodes[spec["left"]], 0, spec["kind"] == "left")
        node.table = self.nodes[spec["right"]]
        if node.grace is not None and (node.table.history is None or node.table.history < node.grace):
            raise Refused
        return node

    def build_stream_global_join(self, spec):
        node = GlobalJoin(self, spec).after(self.nodes[spec["left"]])
        node.table, node.is_rekeyed = self.nodes[spec["right"]], node.parents[0].is_rekeyed
        return node

    def join_tables(self, node, spec):
        node.sides = [self.nodes[spec["left"]], self.nodes[spec["right"]]]
        if node.sides[0] is node.sides[1] and isinstance(node, TableJoin):
            node.after(node.sides[0])
        else:
            node.after(node.sides[0], 0)
            node.after(node.sides[1], 1)
        return node

    def build_table_table_join(self, spec):
        node = self.join_tables(TableJoin(self, spec), spec)
        node.window = node.sides[0].window
        return node

    def build_foreign_key_join(self, spec):
        node = self.join_tables(ForeignKeyJoin(self, spec), spec)
        node.window = node.sides[0].window
        return node

    # Records

    def time_of(self, topic, ts):
        """The time that a record has by the policy, or None: it is left out."""
        if ts < 0:
            if self.policy == "skip":
                return None
            ts = self.times.get(topic, -1)
            if self.policy == "fail" or ts < 0:
                raise Stopped
        self.times[topic] = max(ts, self.times.get(topic, -1))
        return ts

    def play(self, i, topic, key, value, ts):
        self.sent = []
        ts = self.time_of(topic, ts)
        if ts is None:
            return
        for node in self.sources.get(topic, []):
            node.take(0, key, value, ts)
        self.queue.run()
        self.output += self.sent
        self.by += [i] * len(self.sent)


def play(case):
    try:
        run = Run(case)
    except Refused:
        return {"output": [], "by": [], "error": {"at": "start"}}
    result = {"output": run.output, "by": run.by}
    for i, record in enumerate(case["input"]):
        try:
            run.play(i, *record)
        except Stopped:
            result["error"] = {"at": i}
            break
    return result


def by_topic(result):
    """What is compared: by topic, the records in order and what caused them; the error."""
    topics = {}
    for record, by in zip(result["output"], result["by"]):
        topics.setdefault(record[0], []).append((text(record[1:]), by))
    return topics, result.get("error")


def cases(files):
    for name in files:
        with open(name, encoding="utf-8") as file:
            yield from map(json.loads, file)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("check", "run"):
        sys.exit(__doc__)
    count = wrong = 0
    for case in cases(sys.argv[2:]):
        mine = play(case)
        if sys.argv[1] == "run":
            bare = {k: v for k, v in case.items() if k not in ("output", "by", "error", "right")}
            print(text({**bare, **mine}))
            continue
        count += 1
        theirs = case.get("right", case)
        if by_topic(mine) != by_topic(theirs):
            wrong += 1
            if wrong <= 5:
                print(case["name"])
                print("  model:", text(mine))
                print("  file: ", text({k: theirs[k] for k in mine | theirs if k in
                                        ("output", "by", "error") and k in theirs}))
    if sys.argv[1] == "check":
        print(f"{count} cases: {count - wrong} as the model says, {wrong} not")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
