"""Check the APIs for things that kq-broker does not have.  Usage: apis.py NAME"""
from pathlib import Path
import subprocess

from wire import Closed, Conn, run
import kqp

APIS = kqp.load()[0]
# These are tested by configs.py and hostile_groups.py, which write them byte by byte.
IN_BYTES = {"write_txn_markers", "describe_configs", "alter_configs",
            "incremental_alter_configs", "list_config_resources"}


def ask(name, version, **message):
    with Conn() as c:
        return kqp.call(c, APIS[name], version, message)


def same(got, **want):
    """Check that the answer, or a part of it, has these fields."""
    assert {k: got[k] for k in want} == want, got


def _each(name, **message):
    """The answers in every version that is served."""
    m = APIS[name]
    for v in range(m.first, m.last + 1):
        yield v, ask(name, v, **{k: x for k, x in message.items()
                                 if any(f.name == k and f.has(v) for f in m.request)})


def peer():
    """ApiVersions 5 names the cluster and the node that it is meant for.  A refusal carries
    nothing else, and the connection stays usable."""
    cluster = ask("describe_cluster", 2)
    id, node = cluster["cluster_id"], cluster["controller_id"]
    with Conn() as c:
        for cluster_id, node_id, error in (
                (None, -1, 0), (id, node, 0), (id, -1, 42), (None, node, 42), ("", -1, 42),
                ("other", -1, 42), ("other", node, 129), (id, node + 1, 129), (id, -2, 129)):
            a = kqp.call(c, APIS["api_versions"], 5, {
                "client_software_name": "t", "client_software_version": "1",
                "cluster_id": cluster_id, "node_id": node_id})
            assert a["error_code"] == error, (cluster_id, node_id, a)
            assert bool(a["api_keys"]) == bool(a["finalized_features"]) == (error == 0), a
            assert a["finalized_features_epoch"] == (-1 if error else 1)
        a = kqp.call(c, APIS["api_versions"], 5, {"client_software_name": ""})
        same(a, error_code=42, api_keys=[])


def unstable():
    """InitProducerId 6 is not stable in Kafka 4.4.0, which does not serve it."""
    try:
        ask("init_producer_id", 6)
    except Closed:
        return
    assert False, "it was answered"


def acls():
    for _, a in _each("describe_acls"):
        same(a, error_code=54, resources=[])
    for _, a in _each("create_acls", creations=[{"resource_type": 2, "resource_name": "t"}] * 2):
        assert [r["error_code"] for r in a["results"]] == [54, 54]
    for _, a in _each("delete_acls", filters=[{"resource_type_filter": 1}]):
        assert [r["error_code"] for r in a["filter_results"]] == [54]


def tokens():
    for v, a in _each("create_delegation_token", owner_principal_type="User",
                      owner_principal_name="a", max_lifetime_ms=1000):
        same(a, error_code=64, issue_timestamp_ms=-1, principal_name="a" if v >= 3 else "ANONYMOUS")
    for name in "renew_delegation_token", "expire_delegation_token":
        for _, a in _each(name, hmac=b"x"):
            same(a, error_code=64, expiry_timestamp_ms=-1)
    for _, a in _each("describe_delegation_token", owners=None):
        same(a, error_code=64, tokens=[])


def elections(topic):
    for v, a in _each("elect_leaders", topic_partitions=[
            {"topic": topic, "partitions": [0, 9]}, {"topic": "none", "partitions": [0]}]):
        assert v == 0 or a["error_code"] == 0
        assert [[p["error_code"] for p in t["partition_result"]]
                for t in a["replica_election_results"]] == [[84, 3], [3]], a
    for _, a in _each("elect_leaders", topic_partitions=None):
        assert a["replica_election_results"] == []
    a = ask("elect_leaders", 2, election_type=5, topic_partitions=[{"topic": topic, "partitions": [0]}])
    same(a, error_code=42)
    assert a["replica_election_results"][0]["partition_result"][0]["error_code"] == 42


def log_dirs(topic):
    here = ask("describe_log_dirs", 5)["results"][0]["log_dir"]
    for _, a in _each("alter_replica_log_dirs", dirs=[
            {"path": here, "topics": [{"name": topic, "partitions": [0, 9]}]},
            {"path": "/none", "topics": [{"name": topic, "partitions": [0]}]}]):
        assert [[p["error_code"] for p in t["partitions"]] for t in a["results"]] == [[0, 3], [57]], a


def reassignments(topic):
    us = ask("describe_cluster", 2)["controller_id"]
    for replicas, index, error in ((None, 0, 85), ([us], 0, 0), ([], 0, 39), ([us + 1], 0, 39),
                                   ([us, us], 0, 39), ([us], 9, 3), (None, 9, 3)):
        for _, a in _each("alter_partition_reassignments", topics=[
                {"name": topic, "partitions": [{"partition_index": index, "replicas": replicas}]}]):
            assert a["error_code"] == 0
            assert a["responses"][0]["partitions"][0]["error_code"] == error, (replicas, index, a)
    for topics in None, [], [{"name": topic, "partition_indexes": [0]}]:
        same(ask("list_partition_reassignments", 0, topics=topics), error_code=0, topics=[])


def quotas():
    user = {"entity_type": "user", "match_type": 0, "match": "a"}
    for components, error in (([], 0), ([user], 0), ([user, user], 42),
                              ([dict(user, entity_type="x")], 35), ([dict(user, entity_type="")], 42),
                              ([dict(user, match_type=9)], 42), ([dict(user, match=None)], 42),
                              ([dict(user, match_type=1)], 42), ([user, dict(user, entity_type="ip")], 42)):
        for _, a in _each("describe_client_quotas", components=components):
            same(a, error_code=error, entries=None if error else [])
    entity = [{"entity_type": "user", "entity_name": "a"}]
    put = {"key": "producer_byte_rate", "value": 1.5}
    for e, ops, error in ((entity, [put], 35), (entity, [dict(put, remove=True)], 0), (entity, [], 0),
                          ([], [put], 42), ([{"entity_type": "x", "entity_name": None}], [put], 42)):
        for validate_only in True, False:
            for _, a in _each("alter_client_quotas", entries=[{"entity": e, "ops": ops}],
                              validate_only=validate_only):
                same(a["entries"][0], error_code=error, entity=e)


def scram():
    for users, errors in (None, []), ([], []), (["a", "b", "a"], [92, 91]):
        a = ask("describe_user_scram_credentials", 0,
                users=users and [{"name": n} for n in users])
        assert a["error_code"] == 0 and [r["error_code"] for r in a["results"]] == errors, a
    a = ask("alter_user_scram_credentials", 0,
            deletions=[{"name": "a", "mechanism": 1}, {"name": "", "mechanism": 1},
                       {"name": "b", "mechanism": 9}],
            upsertions=[{"name": "c", "mechanism": 1, "iterations": 4096, "salt": b"s",
                         "salted_password": b"p"}, {"name": "a", "mechanism": 2}])
    assert [(r["user"], r["error_code"]) for r in a["results"]] \
        == [("a", 91), ("", 93), ("b", 33), ("c", 35)], a
    assert ask("describe_user_scram_credentials", 0, users=None)["results"] == []


def quorum():
    us = ask("describe_cluster", 2)["controller_id"]
    for v, a in _each("describe_quorum", topics=[
            {"topic_name": "__cluster_metadata", "partitions": [{"partition_index": 0},
                                                                {"partition_index": 1}]},
            {"topic_name": "other", "partitions": [{"partition_index": 0}]}]):
        assert a["error_code"] == 0
        (mine, no), (other,) = (t["partitions"] for t in a["topics"])
        assert (no["error_code"], other["error_code"]) == (3, 3), a
        same(mine, error_code=0, leader_id=us, observers=[])
        assert [x["replica_id"] for x in mine["current_voters"]] == [us]
        assert mine["current_voters"][0]["log_end_offset"] == mine["high_watermark"]
        assert v < 2 or [n["node_id"] for n in a["nodes"]] == [us]
    for name in "add_raft_voter", "remove_raft_voter":
        for _, a in _each(name, cluster_id=None, voter_id=us):
            same(a, error_code=35)
        for _, a in _each(name, cluster_id="other"):
            same(a, error_code=104)
    for name, id, gone in (("unregister_broker", "broker_id", 102),
                           ("unregister_controller", "controller_id", 136)):
        same(ask(name, 0, **{id: us}), error_code=42)
        same(ask(name, 0, **{id: us + 1}), error_code=gone)


def updates():
    for feature, level, type, error in (("group.version", 1, 1, 0), ("group.version", 2, 1, 95),
                                        ("group.version", 0, 1, 95), ("group.version", 0, 3, 95),
                                        ("transaction.version", 2, 1, 0), ("other", 1, 1, 95)):
        for v, a in _each("update_features", validate_only=True, feature_updates=[
                {"feature": feature, "max_version_level": level}]):
            assert a["error_code"] == error, (feature, level, a)
            assert v > 1 or [r["feature"] for r in a["results"]] == ([] if error else [feature])


def table():
    """kq-broker --help=protocol lists what is announced, with a reason where it is not what
    Kafka announces."""
    with Conn() as c:
        a = kqp.call(c, APIS["api_versions"], 4, {"client_software_name": "t",
                                                  "client_software_version": "1"})
    announced = {k["api_key"]: (k["min_version"], k["max_version"]) for k in a["api_keys"]}
    text = subprocess.run(["kq-broker", "--help=protocol"], capture_output=True, text=True,
                          check=True).stdout
    seen = set()
    for line in text.splitlines()[1:]:
        key, name, served, kafka, why = line.split(None, 4)
        first, _, last = served.partition("-")
        want = None if served == "-" else (int(first), int(last or first))
        assert announced.get(int(key)) == want, (line, announced.get(int(key)))
        assert (served == kafka) == (why == "-") or served == kafka == "-", line
        assert served != "-" or why != "-", line
        seen.add(int(key))
    assert set(announced) <= seen, "not in share/apis.tab: %s" % (set(announced) - seen)
    names = {m.key for m in APIS.values()}
    assert set(announced) == names, \
        "only in share/proto, or only in dispatch.c: %s" % (names ^ set(announced))
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("*.py"))
    untested = {name for name in APIS if '"%s"' % name not in tests} - IN_BYTES
    assert not untested, "t/lib/*.py has no request of: %s" % untested


run(globals())
