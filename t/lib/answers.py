"""The answers of a broker to a fixed list of requests, valid and invalid ones.

    answers.py ask               ask $broker_tcp; one case per line: NAME VERSIONS, tab, JSON
    answers.py compare OURS THEIRS
                                 print the differences between two such files, except
                                 the intended ones

Values that differ from run to run are replaced: IDs, times, addresses, the text of
messages ("text"; null and "" stay); unordered lists are sorted.

t/data/kafka-answers.txt has the answers of Apache Kafka;
t/conformance/java-answers.sh asks for them again.
"""
import json
import re
import sys
import time

import wire
import kqp

APIS = kqp.load()[0]
NO_UUID = "00000000-0000-0000-0000-000000000000"
LATER = "11111111-2222-3333-4444-555555555555"

# Cases that differ on purpose, and why.
WANTED = {
    "create_topics made": "the settings that kq has are its own",
    "create_topics twice in one": "each time it is named has its answer",
    "create_partitions twice in one": "each time it is named has its answer",
    "delete_topics twice in one": "each time it is named has its answer",
    "delete_groups twice": "each time it is named has its answer",
    "list_offsets a partition twice": "each time it is named has its answer",
    "create_partitions none there": "the message says what is wrong",
    "metadata by id": "Kafka refuses ids in versions 10 and 11, which have the field",
    "metadata by an unknown id": "Kafka refuses ids in versions 10 and 11, which have the field",
    "metadata by neither": "UNKNOWN_SERVER_ERROR in Kafka",
    "find_coordinator no share": "there are no share groups, and the message says so",
    "consumer_group_heartbeat joins": "Kafka counts the epochs of a new group from 2",
    "consumer_group_describe of a new group": "Kafka counts the epochs of a new group from 2",
    "consumer_group_describe of a new group plainly": "Kafka counts the epochs of a new group from 2",
    "consumer_group_describe of a new group that is empty": "Kafka counts the epochs of a new group from 2",
    "elect_leaders all": "Kafka lists all topics without partitions",
    "alter_partition_reassignments nothing": "an empty message in Kafka",
    "update_features in force": "Kafka's message for no error is NONE",
}

IDS = {"topic_id", "member_id", "cluster_id", "leader", "replica_directory_id"}
LEFT_OUT = {"host", "port", "node_endpoints"}
NO_WAIT = ("throttle_time_ms", 0)
TIMES = re.compile(r"timestamp|_time_ms$")


class Asker:
    def __init__(self, address):
        self.conn = wire.Conn(address)
        self.address = address
        self.ids = {}
        self.cases = {}

    def call(self, name, version, **message):
        try:
            return kqp.call(self.conn, APIS[name], version, message)
        except (wire.Closed, OSError):
            self.conn.close()
            self.conn = wire.Conn(self.address)
            return "closed"

    def tell(self, words, name, version, **message):
        """Run one case; returns its answer."""
        answer = self.call(name, version, **message)
        self.cases.setdefault("%s %s" % (name, words), []).append(
            (version, json.dumps(plain(answer), sort_keys=True, separators=(",", ":"))))
        return answer

    def show(self):
        """All cases; consecutive versions with the same answer share a line."""
        for name, answers in self.cases.items():
            while answers:
                first, text = answers[0]
                n = next((i for i, x in enumerate(answers) if x[1] != text), len(answers))
                last = answers[n - 1][0]
                print("%s %s\t%s" % (name, first if first == last else "%d-%d" % (first, last), text))
                del answers[:n]

    def each(self, words, name, **message):
        """Run the case in every version; returns the last answer."""
        m = APIS[name]
        last = min(m.last, {"init_producer_id": 5}.get(name, m.last))
        for v in range(m.first, last + 1):
            fields = {f.name for f in m.request if f.has(v)}
            answer = self.tell(words, name, v, **{k: x for k, x in message.items() if k in fields})
        return answer

    def until(self, ready, name, version, **message):
        for _ in range(200):
            answer = self.call(name, version, **message)
            if ready(answer):
                return answer
            time.sleep(0.05)
        raise SystemExit("%s: waited in vain: %s" % (name, answer))


def plain(v, key=""):
    if isinstance(v, dict):
        return {k: plain(x, k) for k, x in v.items() if k not in LEFT_OUT and (k, x) != NO_WAIT}
    if isinstance(v, list):
        return sorted((plain(x, key) for x in v), key=lambda x: json.dumps(x, sort_keys=True))
    if isinstance(v, bytes):
        return "%d bytes" % len(v)
    if key in IDS and v not in (None, "", NO_UUID):
        return "id"
    if key == "log_dir":
        return "dir"
    if key == "heartbeat_interval_ms" and v:
        return "ms"
    if key in ("total_bytes", "usable_bytes") and v > 0:
        return "bytes"
    if key.endswith("error_message") and v:
        return "text"
    if TIMES.search(key) and isinstance(v, int) and v > 1 << 40:
        return "time"
    return v


def member(name):
    return wire.i16(0) + wire.array([wire.string(name)]) + wire.data(b"")


def coordinators(a):
    """Wait for both coordinators and their topics before anything is compared."""
    for type, key in ((0, "g"), (1, "t")):
        a.until(lambda r: r["coordinators"][0]["error_code"] == 0, "find_coordinator", 6,
                coordinator_keys=[key], key_type=type)
    a.until(lambda r: r["error_code"] not in (14, 15, 16), "heartbeat", 4, group_id="warm", member_id="x")
    a.until(lambda r: r["error_code"] not in (14, 15, 16), "init_producer_id", 5,
            transactional_id="t", transaction_timeout_ms=10000)


def topics(a):
    """Topics: create, refuse, describe, add partitions."""
    made = a.tell("made", "create_topics", 7, topics=[
        {"name": "a", "num_partitions": 3, "replication_factor": 1}])
    a.until(lambda r: r["topics"][0]["error_code"] == 0, "metadata", 12, topics=[{"name": "a"}])
    a.ids["a"] = made["topics"][0]["topic_id"]
    for words, t in (("again", {"name": "a", "num_partitions": 3, "replication_factor": 1}),
                     ("no partitions", {"name": "x", "num_partitions": 0, "replication_factor": 1}),
                     ("minus two", {"name": "x", "num_partitions": -2, "replication_factor": 1}),
                     ("no replicas", {"name": "x", "num_partitions": 1, "replication_factor": 0}),
                     ("two replicas", {"name": "x", "num_partitions": 1, "replication_factor": 2}),
                     ("no name", {"name": "", "num_partitions": 1, "replication_factor": 1}),
                     ("dots", {"name": "..", "num_partitions": 1, "replication_factor": 1}),
                     ("a slash", {"name": "a/b", "num_partitions": 1, "replication_factor": 1}),
                     ("a long name", {"name": "x" * 250, "num_partitions": 1, "replication_factor": 1}),
                     ("a bad setting", {"name": "x", "num_partitions": 1, "replication_factor": 1,
                                        "configs": [{"name": "retention.ms", "value": "soon"}]}),
                     ("an unknown setting", {"name": "x", "num_partitions": 1, "replication_factor": 1,
                                             "configs": [{"name": "no.such", "value": "1"}]}),
                     ("a null setting", {"name": "x", "num_partitions": 1, "replication_factor": 1,
                                         "configs": [{"name": "retention.ms", "value": None}]}),
                     ("an assignment and a count", {
                         "name": "x", "num_partitions": 1, "replication_factor": 1,
                         "assignments": [{"partition_index": 0, "broker_ids": [1]}]}),
                     ("an assignment to nobody", {
                         "name": "x", "num_partitions": -1, "replication_factor": -1,
                         "assignments": [{"partition_index": 0, "broker_ids": [77]}]}),
                     ("an assignment with a gap", {
                         "name": "x", "num_partitions": -1, "replication_factor": -1,
                         "assignments": [{"partition_index": 1, "broker_ids": [1]}]})):
        a.each(words, "create_topics", topics=[t], timeout_ms=5000)
    twice = {"name": "x", "num_partitions": 1, "replication_factor": 1}
    a.each("twice in one", "create_topics", topics=[twice, twice])
    a.each("none", "create_topics", topics=[])
    for words, t in (("fewer", {"name": "a", "count": 2}), ("as many", {"name": "a", "count": 3}),
                     ("none there", {"name": "no", "count": 5}), ("zero", {"name": "a", "count": 0}),
                     ("assigned to nobody", {"name": "a", "count": 4, "assignments": [{"broker_ids": [77]}]}),
                     ("assigned too few", {"name": "a", "count": 5, "assignments": [{"broker_ids": [1]}]})):
        a.each(words, "create_partitions", topics=[dict({"assignments": None}, **t)], timeout_ms=5000)
    a.each("validated", "create_partitions", validate_only=True, timeout_ms=5000,
           topics=[{"name": "a", "count": 9, "assignments": None}])
    a.each("twice in one", "create_partitions", timeout_ms=5000,
           topics=[{"name": "a", "count": 9, "assignments": None}] * 2)
    for words, names in (("none there", ["no"]), ("no name", [""]), ("nothing", [])):
        for v in range(1, 6):
            a.tell(words, "delete_topics", v, topic_names=names, timeout_ms=5000)
        a.tell(words, "delete_topics", 6, topics=[{"name": n} for n in names], timeout_ms=5000)
    a.tell("by an unknown id", "delete_topics", 6, topics=[{"topic_id": LATER}], timeout_ms=5000)
    a.tell("by neither", "delete_topics", 6, topics=[{}], timeout_ms=5000)
    a.tell("by both", "delete_topics", 6, topics=[{"name": "a", "topic_id": a.ids["a"]}], timeout_ms=5000)
    a.tell("twice in one", "delete_topics", 6, topics=[{"name": "no"}] * 2, timeout_ms=5000)
    for words, names in (("one", ["a"]), ("none there", ["no"]), ("a bad name", ["a/b"]), ("no name", [""]),
                         ("one twice", ["a", "a"])):
        for v in range(4 if words == "none there" else 0, 14):  # older versions create it
            message = {"topics": [{"name": n} for n in names]}
            if v >= 4:
                message["allow_auto_topic_creation"] = False
            if v >= 8:
                message["include_topic_authorized_operations"] = True
            a.tell(words, "metadata", v, **message)
    for v in range(1, 14):
        a.tell("no topics", "metadata", v, topics=[])
    for v in range(10, 14):
        a.tell("by id", "metadata", v, topics=[{"topic_id": a.ids["a"], "name": None}])
        a.tell("by an unknown id", "metadata", v, topics=[{"topic_id": LATER, "name": None}])
        a.tell("by neither", "metadata", v, topics=[{"name": None}])
    a.each("brokers", "describe_cluster", include_cluster_authorized_operations=True)
    a.tell("controllers", "describe_cluster", 2, endpoint_type=2)
    a.tell("nobody", "describe_cluster", 2, endpoint_type=9)
    for words, t in (("some", ["a", "no"]), ("none", [])):
        a.tell(words, "describe_topic_partitions", 0, topics=[{"name": n} for n in t],
               response_partition_limit=4)
    a.tell("a page", "describe_topic_partitions", 0, topics=[{"name": "a"}], response_partition_limit=2)
    a.tell("a cursor", "describe_topic_partitions", 0, topics=[{"name": "a"}],
           cursor={"topic_name": "a", "partition_index": 2})
    a.tell("a cursor before it", "describe_topic_partitions", 0, topics=[{"name": "a"}],
           cursor={"topic_name": "a", "partition_index": -1})
    a.tell("a cursor behind it", "describe_topic_partitions", 0, topics=[{"name": "a"}],
           cursor={"topic_name": "a", "partition_index": 9})
    a.tell("no room", "describe_topic_partitions", 0, topics=[{"name": "a"}], response_partition_limit=0)


def records(a):
    """Records: produce, fetch, list offsets, delete."""
    part = [{"index": 0, "records": wire.batch([b"x", b"y"], time_ms=1700000000000)}]
    for v in range(3, 13):
        a.tell("two", "produce", v, acks=-1, timeout_ms=5000, topic_data=[{"name": "a", "partition_data": part}])
    for words, t, i, acks in (("no topic", "no", 0, -1), ("no partition", "a", 9, -1), ("acks 7", "a", 0, 7)):
        for v in (3, 8, 12):
            a.tell(words, "produce", v, acks=acks, timeout_ms=5000,
                   topic_data=[{"name": t, "partition_data": [dict(part[0], index=i)]}])
    for words, i, offset in (("the first", 0, 0), ("the end", 0, 20), ("behind the end", 0, 99),
                             ("before all", 0, -1), ("of an empty one", 2, 0), ("no partition", 9, 0)):
        p = [{"partition": i, "fetch_offset": offset, "partition_max_bytes": 1 << 20}]
        for v in range(4, 19):
            t = {"partitions": p}
            t.update({"topic": "a"} if v < 13 else {"topic_id": a.ids["a"]})
            a.tell(words, "fetch", v, max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, topics=[t])
    p = [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]
    a.tell("no topic", "fetch", 12, max_wait_ms=0, topics=[{"topic": "no", "partitions": p}])
    a.tell("an unknown id", "fetch", 17, max_wait_ms=0, topics=[{"topic_id": LATER, "partitions": p}])
    a.tell("an epoch to come", "fetch", 12, max_wait_ms=0,
           topics=[{"topic": "a", "partitions": [dict(p[0], current_leader_epoch=99)]}])
    a.tell("no session", "fetch", 12, max_wait_ms=0, session_id=12345, session_epoch=3, topics=[])
    a.tell("by a follower", "fetch", 12, max_wait_ms=0, replica_id=7, topics=[{"topic": "a", "partitions": p}])
    for words, i, when in (("the end", 0, -1), ("the start", 0, -2), ("the latest time", 0, -3),
                           ("the local start", 0, -4), ("the tiered end", 0, -5), ("to be tiered", 0, -6),
                           ("minus nine", 0, -9), ("a time", 0, 1600000000000), ("a time to come", 0, 1 << 50),
                           ("the end of an empty one", 2, -1), ("the start of an empty one", 2, -2),
                           ("the latest time of an empty one", 2, -3), ("a time of an empty one", 2, 5),
                           ("no partition", 9, -1)):
        a.each(words, "list_offsets", replica_id=-1, topics=[
            {"name": "a", "partitions": [{"partition_index": i, "timestamp": when}]}])
    a.each("no topic", "list_offsets", replica_id=-1, topics=[
        {"name": "no", "partitions": [{"partition_index": 0, "timestamp": -1}]}])
    a.tell("a partition twice", "list_offsets", 10, replica_id=-1, topics=[
        {"name": "a", "partitions": [{"partition_index": 0, "timestamp": -1}] * 2}])
    for epoch in (0, 1, -1):
        a.tell("an epoch %d" % epoch, "list_offsets", 10, replica_id=-1, topics=[
            {"name": "a", "partitions": [{"partition_index": 0, "timestamp": -1, "current_leader_epoch": epoch}]}])
    for words, t, i, now, epoch in (("now", "a", 0, -1, 0), ("to come", "a", 0, -1, 5), ("before", "a", 0, -1, -1),
                                    ("of an empty one", "a", 2, -1, 0), ("no topic", "no", 0, -1, 0),
                                    ("no partition", "a", 9, -1, 0), ("fenced", "a", 0, 99, 0)):
        a.each(words, "offset_for_leader_epoch", topics=[{"topic": t, "partitions": [
            {"partition": i, "current_leader_epoch": now, "leader_epoch": epoch}]}])
    for words, t, i, offset in (("two", "a", 0, 2), ("behind the end", "a", 0, 99), ("back", "a", 0, 1),
                                ("minus two", "a", 0, -2), ("no topic", "no", 0, 1), ("no partition", "a", 9, 1),
                                ("to the end", "a", 1, -1)):
        a.each(words, "delete_records", topics=[
            {"name": t, "partitions": [{"partition_index": i, "offset": offset}]}], timeout_ms=5000)
    a.each("the start of what is trimmed", "list_offsets", replica_id=-1, topics=[
        {"name": "a", "partitions": [{"partition_index": 0, "timestamp": -2}]}])
    a.tell("gone", "fetch", 12, max_wait_ms=0, topics=[{"topic": "a", "partitions": p}])
    a.tell("some", "describe_producers", 0, topics=[{"name": "a", "partition_indexes": [0, 9]},
                                                    {"name": "no", "partition_indexes": [0]}])
    for words, t in (("one", [{"topic": "a", "partitions": [0, 9]}]), ("none there", [{"topic": "no", "partitions": [0]}]),
                     ("nothing", [])):
        a.each(words, "describe_log_dirs", topics=t)


def groups(a):
    """Groups and their offsets."""
    for words, key, type in (("a group", "g", 0), ("no name", "", 0), ("an unknown type", "g", 9), ("no share", "s", 2)):
        a.each(words, "find_coordinator", key=key, coordinator_keys=[key], key_type=type)
    a.each("two keys", "find_coordinator", coordinator_keys=["g", "g"], key_type=0)
    for words, g, m, gen in (("no group", "none", "x", 1), ("no name", "", "x", 1), ("no member", "none", "", 0)):
        a.each(words, "heartbeat", group_id=g, member_id=m, generation_id=gen)
        a.each(words, "sync_group", group_id=g, member_id=m, generation_id=gen)
        a.each(words, "leave_group", group_id=g, member_id=m, members=[{"member_id": m}])
    a.tell("two", "leave_group", 5, group_id="none", members=[{"member_id": "x"}, {"member_id": "", "group_instance_id": "i"}])
    protocols = [{"name": "range", "metadata": member("a")}]
    for words, change in (("no name", {"group_id": ""}), ("a short session", {"session_timeout_ms": 1}),
                          ("a long session", {"session_timeout_ms": 1 << 30}), ("no protocols", {"protocols": []}),
                          ("no type", {"protocol_type": ""}), ("an unknown member", {"member_id": "x"})):
        a.each(words, "join_group", **dict({
            "group_id": "j", "session_timeout_ms": 10000, "rebalance_timeout_ms": 10000, "member_id": "",
            "protocol_type": "consumer", "protocols": protocols}, **change))
    a.call("delete_groups", 2, groups_names=["j"])  # Kafka keeps it
    t = a.ids["a"]
    for v in range(2, 11):
        one = {"name": "a"} if v < 10 else {"topic_id": t}
        other = {"name": "no"} if v < 10 else {"topic_id": LATER}
        p = [{"partition_index": i, "committed_offset": 5, "committed_metadata": "m"} for i in (0, 9)]
        a.tell("some", "offset_commit", v, group_id="o", topics=[dict(one, partitions=p), dict(other, partitions=p)])
        a.tell("by nobody", "offset_commit", v, group_id="o", generation_id_or_member_epoch=3, member_id="x",
               topics=[dict(one, partitions=p)])
        a.tell("by nobody in none", "offset_commit", v, group_id="none", generation_id_or_member_epoch=3,
               member_id="x", topics=[dict(one, partitions=p)])
        a.tell("no name", "offset_commit", v, group_id="", topics=[dict(one, partitions=p)])
        a.tell("a long word", "offset_commit", v, group_id="o", topics=[dict(one, partitions=[
            {"partition_index": 0, "committed_offset": 5, "committed_metadata": "m" * 5000}])])
        a.tell("a null word", "offset_commit", v, group_id="o", topics=[dict(one, partitions=[
            {"partition_index": 1, "committed_offset": -5, "committed_metadata": None}])])
    for v in range(1, 8):
        for g in ("o", "none", ""):
            a.tell("of " + g, "offset_fetch", v, group_id=g, topics=[{"name": "a", "partition_indexes": [0, 1, 9]},
                                                                     {"name": "no", "partition_indexes": [0]}])
            if v > 1:
                a.tell("all of " + g, "offset_fetch", v, group_id=g, topics=None)
    for v in range(8, 11):
        for g in ("o", "none", ""):
            one, other = ({"name": "a"}, {"name": "no"}) if v < 10 else ({"topic_id": t}, {"topic_id": LATER})
            a.tell("of " + g, "offset_fetch", v, groups=[{"group_id": g, "topics": [
                dict(one, partition_indexes=[0, 1, 9]), dict(other, partition_indexes=[0])]}])
            a.tell("all of " + g, "offset_fetch", v, groups=[{"group_id": g, "topics": None}])
            if v > 8:
                a.tell("by nobody of " + g, "offset_fetch", v, groups=[{
                    "group_id": g, "member_id": "x", "member_epoch": 3, "topics": None}])
    for g in ("o", "none", ""):
        a.each("of " + (g or "no name"), "describe_groups", groups=[g], include_authorized_operations=True)
        a.each("without rights of " + (g or "no name"), "describe_groups", groups=[g])
        a.each("of " + (g or "no name"), "consumer_group_describe", group_ids=[g], include_authorized_operations=True)
    a.each("all", "list_groups")
    for words, states, types in (("empty", ["Empty"], []), ("stable", ["stable"], []), ("no state", ["Odd"], []),
                                 ("classic", [], ["classic"]), ("consumer", [], ["Consumer"]), ("no type", [], ["odd"])):
        a.each(words, "list_groups", states_filter=states, types_filter=types)
    for words, g, t2, i in (("no group", "none", "a", 0), ("no name", "", "a", 0), ("no topic", "o", "no", 0),
                            ("no partition", "o", "a", 9), ("one", "o", "a", 0), ("one again", "o", "a", 0),
                            ("the last", "o", "a", 1)):
        a.tell(words, "offset_delete", 0, group_id=g, topics=[{"name": t2, "partitions": [{"partition_index": i}]}])
    a.each("of one without offsets", "describe_groups", groups=["o"])
    a.each("after that", "list_groups")
    a.tell("without offsets", "delete_groups", 3, groups_names=["o"])
    a.each("none there", "delete_groups", groups_names=["none", ""])
    a.each("twice", "delete_groups", groups_names=["none", "none"])
    a.each("after all", "list_groups")


def members(a):
    """Groups with members: classic ones and those of KIP-848."""
    protocols = [{"name": "range", "metadata": member("a")}]
    ask = {"group_id": "m", "session_timeout_ms": 10000, "rebalance_timeout_ms": 10000, "member_id": "",
           "protocol_type": "consumer", "protocols": protocols}
    first = a.tell("without an id", "join_group", 9, **ask)
    ask["member_id"] = first["member_id"]
    joined = a.tell("with an id", "join_group", 9, **ask)
    who = {"group_id": "m", "member_id": ask["member_id"], "generation_id": joined["generation_id"]}
    a.tell("another type", "sync_group", 5, **dict(who, protocol_type="other"))
    a.tell("another generation", "sync_group", 5, **dict(who, generation_id=7))
    a.tell("rightly", "sync_group", 5, **dict(who, protocol_type="consumer", protocol_name="range", assignments=[
        {"member_id": who["member_id"], "assignment": wire.i16(0) + wire.array([]) + wire.data(b"")}]))
    a.each("rightly", "heartbeat", **who)
    a.each("another generation", "heartbeat", **dict(who, generation_id=7))
    a.each("another member", "heartbeat", **dict(who, member_id="x"))
    a.each("with a member", "describe_groups", groups=["m"], include_authorized_operations=True)
    a.each("with a member", "consumer_group_describe", group_ids=["m"])
    a.tell("with a member", "delete_groups", 3, groups_names=["m"])
    p = [{"name": "a", "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
    for v in range(2, 10):
        a.tell("by nobody in a group with members", "offset_commit", v, group_id="m", topics=p)
        a.tell("by a member", "offset_commit", v, group_id="m", member_id=who["member_id"],
               generation_id_or_member_epoch=who["generation_id"], topics=p)
        a.tell("of another generation", "offset_commit", v, group_id="m", member_id=who["member_id"],
               generation_id_or_member_epoch=9, topics=p)
    a.tell("subscribed", "offset_delete", 0, group_id="m", topics=[{"name": "a", "partitions": [{"partition_index": 0}]}])
    a.tell("another type", "join_group", 9, **dict(ask, member_id="", protocol_type="other"))
    a.tell("another protocol", "join_group", 9, **dict(ask, member_id="", protocols=[{"name": "odd", "metadata": b""}]))
    a.tell("some", "leave_group", 5, group_id="m", members=[{"member_id": who["member_id"]}, {"member_id": "x"}])
    a.each("left", "describe_groups", groups=["m"])
    a.tell("left", "delete_groups", 3, groups_names=["m"])
    ask = {"group_id": "c", "member_id": "AAAAAAAAAAAAAAAAAAAAAA", "member_epoch": 0, "rebalance_timeout_ms": 5000,
           "subscribed_topic_names": ["a"], "topic_partitions": []}
    for words, change in (("no name", {"group_id": ""}), ("no rebalance timeout", {"rebalance_timeout_ms": -1}),
                          ("no subscription", {"subscribed_topic_names": None}),
                          ("no partitions", {"topic_partitions": None}), ("no member", {"member_id": ""}),
                          ("an epoch ahead", {"member_epoch": 5}), ("an odd epoch", {"member_epoch": -7}),
                          ("an unknown assignor", {"server_assignor": "odd"}), ("an empty instance", {"instance_id": ""}),
                          ("an empty rack", {"rack_id": ""}), ("leaves", {"member_epoch": -1})):
        a.tell(words, "consumer_group_heartbeat", 1, **dict(ask, **change))
    a.tell("a bad pattern", "consumer_group_heartbeat", 1, **dict(ask, subscribed_topic_names=None, subscribed_topic_regex="("))
    epoch = a.tell("joins", "consumer_group_heartbeat", 1, **ask)["member_epoch"]
    for words, change in (("an epoch ahead", {"member_epoch": 50}), ("another", {"member_id": "BBBBBBBBBBBBBBBBBBBBBB", "member_epoch": epoch})):
        a.tell(words + " in a group", "consumer_group_heartbeat", 1, **dict(ask, **change))
    a.each("of a new group", "describe_groups", groups=["c"])
    a.each("of a new group", "consumer_group_describe", group_ids=["c"], include_authorized_operations=True)
    a.each("of a new group plainly", "consumer_group_describe", group_ids=["c"])
    for v in range(2, 10):
        a.tell("by a member of a new group", "offset_commit", v, group_id="c", member_id=ask["member_id"],
               generation_id_or_member_epoch=epoch, topics=p)
        a.tell("of another epoch in a new group", "offset_commit", v, group_id="c", member_id=ask["member_id"],
               generation_id_or_member_epoch=9, topics=p)
        a.tell("by nobody in a new group", "offset_commit", v, group_id="c", topics=p)
    for v in (9, 10):
        for words, m, e in (("a member", ask["member_id"], epoch), ("another epoch", ask["member_id"], 9), ("another", "x", epoch)):
            a.tell("by " + words + " of a new group", "offset_fetch", v, groups=[{
                "group_id": "c", "member_id": m, "member_epoch": e, "topics": None}])
    a.tell("of a new group", "delete_groups", 3, groups_names=["c"])
    a.tell("leaves rightly", "consumer_group_heartbeat", 1, **dict(ask, member_epoch=-1))
    a.each("of a new group that is empty", "consumer_group_describe", group_ids=["c"])
    a.tell("of a new group that is empty", "delete_groups", 3, groups_names=["c"])


def transactions(a):
    """Producers and transactions."""
    for words, change in (("no timeout", {"transaction_timeout_ms": 0}), ("a long timeout", {"transaction_timeout_ms": 1 << 30}),
                          ("no name", {"transactional_id": ""}), ("an epoch alone", {"producer_epoch": 3}),
                          ("an id alone", {"producer_id": 3})):
        a.each(words, "init_producer_id", **dict({"transactional_id": "q", "transaction_timeout_ms": 10000}, **change))
    a.each("a transactional id", "find_coordinator", key="t", coordinator_keys=["t"], key_type=1)
    mine = a.call("init_producer_id", 5, transactional_id="t", transaction_timeout_ms=10000)
    id, epoch = mine["producer_id"], mine["producer_epoch"]
    for words, t, i, e in (("nobody", "none", id, epoch), ("another id", "t", id + 999, epoch), ("an old epoch", "t", id, epoch - 1),
                           ("no transaction", "t", id, epoch), ("no name", "", id, epoch)):
        a.each(words, "end_txn", transactional_id=t, producer_id=i, producer_epoch=e, committed=True)
    for words, t, i, e, topic in (("nobody", "none", id, epoch, "a"), ("another id", "t", id + 999, epoch, "a"),
                                  ("an old epoch", "t", id, epoch - 1, "a"), ("no topic", "t", id, epoch, "no"),
                                  ("no name", "", id, epoch, "a")):
        topics = [{"name": "a", "partitions": [0, 1]}]
        if topic != "a":
            topics.append({"name": topic, "partitions": [0]})
        for v in range(0, 4):
            a.tell(words, "add_partitions_to_txn", v, v3_and_below_transactional_id=t, v3_and_below_producer_id=i,
                   v3_and_below_producer_epoch=e, v3_and_below_topics=topics)
        for v in (4, 5):
            a.tell(words, "add_partitions_to_txn", v, transactions=[{
                "transactional_id": t, "producer_id": i, "producer_epoch": e, "verify_only": True, "topics": topics}])
    for words, t, i, e, g in (("nobody", "none", id, epoch, "g"), ("an old epoch", "t", id, epoch - 1, "g"), ("no group", "t", id, epoch, "")):
        a.each(words, "add_offsets_to_txn", transactional_id=t, producer_id=i, producer_epoch=e, group_id=g)
    for v in range(0, 7):
        one, other = ({"name": "a"}, {"name": "no"}) if v < 6 else ({"topic_id": a.ids["a"]}, {"topic_id": LATER})
        p = [{"partition_index": n, "committed_offset": 5, "committed_metadata": "m"} for n in (0, 9)]
        for words, t, i, e, g, gen in (("nobody", "none", id, epoch, "g", -1), ("an old epoch", "t", id, epoch - 1, "g", -1),
                                       ("no group", "t", id, epoch, "none", 4), ("no name", "t", id, epoch, "", -1)):
            message = dict(transactional_id=t, group_id=g, producer_id=i, producer_epoch=e,
                           topics=[dict(one, partitions=p), dict(other, partitions=p)])
            if v >= 3:
                message["generation_id_or_member_epoch"] = gen
            a.tell(words, "txn_offset_commit", v, **message)
    a.tell("some", "describe_transactions", 0, transactional_ids=["none", ""])
    for words, message in (("of a state", {"state_filters": ["Empty"]}), ("of no state", {"state_filters": ["Odd"]}),
                           ("of an id", {"producer_id_filters": [1 << 40]}), ("that are old", {"duration_filter": 1 << 40}),
                           ("of a pattern", {"transactional_id_pattern": "none.*"}), ("of a bad pattern", {"transactional_id_pattern": "("})):
        a.each(words, "list_transactions", **message)


def others(a):
    """APIs for things that neither broker has."""
    a.each("any", "describe_acls", resource_type_filter=1, operation=1, permission_type=1)
    a.each("one", "create_acls", creations=[{"resource_type": 2, "resource_name": "t", "principal": "User:a", "host": "*",
                                             "operation": 3, "permission_type": 3}])
    a.each("one", "delete_acls", filters=[{"resource_type_filter": 1, "operation": 1, "permission_type": 1}])
    a.each("of another", "create_delegation_token", owner_principal_type="User", owner_principal_name="a", max_lifetime_ms=1000)
    a.each("of nobody", "create_delegation_token", owner_principal_type=None, owner_principal_name=None)
    a.each("one", "renew_delegation_token", hmac=b"abc")
    a.each("one", "expire_delegation_token", hmac=b"abc")
    a.each("all", "describe_delegation_token", owners=None)
    for words, t in (("all", None), ("none", []), ("some", [{"topic": "a", "partitions": [0, 9]}, {"topic": "no", "partitions": [0]}])):
        a.each(words, "elect_leaders", topic_partitions=t)
    a.tell("of an odd type", "elect_leaders", 2, election_type=5, topic_partitions=[{"topic": "a", "partitions": [0]}])
    a.each("elsewhere", "alter_replica_log_dirs", dirs=[{"path": "/none", "topics": [{"name": "a", "partitions": [0]}]}])
    us = a.call("describe_cluster", 2)["controller_id"]
    for words, name, i, r in (("stop", "a", 0, None), ("here", "a", 0, [us]), ("nowhere", "a", 0, []), ("to nobody", "a", 0, [77]),
                              ("twice here", "a", 0, [us, us]), ("no partition", "a", 9, [us]), ("no topic", "no", 0, [us])):
        a.each(words, "alter_partition_reassignments", topics=[{"name": name, "partitions": [{"partition_index": i, "replicas": r}]}])
    a.each("nothing", "alter_partition_reassignments", topics=[])
    for words, t in (("all", None), ("one", [{"name": "a", "partition_indexes": [0]}])):
        a.each(words, "list_partition_reassignments", topics=t)
    user = {"entity_type": "user", "match_type": 0, "match": "a"}
    for words, c in (("all", []), ("one", [user]), ("twice", [user, user]), ("an odd type", [dict(user, entity_type="x")]),
                     ("no type", [dict(user, entity_type="")]), ("an odd match", [dict(user, match_type=9)]),
                     ("no name", [dict(user, match=None)]), ("a name too many", [dict(user, match_type=1)]),
                     ("an address", [user, dict(user, entity_type="ip")])):
        a.each(words, "describe_client_quotas", components=c)
    e = [{"entity_type": "user", "entity_name": "a"}]
    a.each("removed", "alter_client_quotas", entries=[{"entity": e, "ops": [{"key": "producer_byte_rate", "remove": True}]}])
    a.each("of nobody", "alter_client_quotas", entries=[{"entity": [], "ops": []}])
    a.each("of an odd type", "alter_client_quotas", entries=[{"entity": [{"entity_type": "x", "entity_name": "a"}], "ops": []}])
    for words, u in (("all", None), ("nobody", []), ("some", [{"name": "a"}, {"name": "b"}, {"name": "a"}])):
        a.each(words, "describe_user_scram_credentials", users=u)
    a.each("deleted", "alter_user_scram_credentials", deletions=[{"name": "a", "mechanism": 1}, {"name": "", "mechanism": 1},
                                                                 {"name": "b", "mechanism": 9}])
    for words, t, i in (("another partition", "__cluster_metadata", 1), ("another topic", "x", 0)):
        a.each(words, "describe_quorum", topics=[{"topic_name": t, "partitions": [{"partition_index": i}]}])
    for words, f, n in (("in force", "group.version", 1), ("too high", "group.version", 9), ("unknown", "odd", 1), ("lower", "group.version", 0)):
        a.each(words, "update_features", feature_updates=[{"feature": f, "max_version_level": n}], validate_only=True)
    a.tell("unknown", "unregister_broker", 0, broker_id=77)
    a.tell("unknown", "unregister_controller", 0, controller_id=77)
    a.tell("self", "unregister_controller", 0, controller_id=us)
    a.each("another cluster", "add_raft_voter", cluster_id="other")
    a.each("another cluster", "remove_raft_voter", cluster_id="other")


def ask():
    a = Asker(wire.broker())
    for part in coordinators, topics, records, groups, members, transactions, others:
        part(a)
    a.show()


def read(path):
    """{(case, version): JSON}"""
    out = {}
    for line in open(path):
        if line[0] == "#":
            continue
        name, text = line.rstrip("\n").split("\t")
        name, versions = name.rsplit(" ", 1)
        first, _, last = versions.partition("-")
        for v in range(int(first), int(last or first) + 1):
            out[name, v] = text
    return out


def compare(ours, theirs):
    ours, theirs = read(ours), read(theirs)
    differ = sorted(k for k in set(ours) | set(theirs) if ours.get(k) != theirs.get(k))
    idle = set(WANTED) - {name for name, _ in differ}
    bad = [k for k in differ if k[0] not in WANTED]
    for k in bad:
        print("%s v%d\n  ours   %s\n  theirs %s" % (*k, ours.get(k), theirs.get(k)))
    for name in sorted(idle):
        print("%s: differs no more" % name)
    print("%d answers: %d differ as is wanted, %d otherwise"
          % (len(theirs), len(differ) - len(bad), len(bad)))
    sys.exit(1 if bad or idle else 0)


wire.run(globals())
