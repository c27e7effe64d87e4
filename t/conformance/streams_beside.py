"""Compare what two applications have written, as StreamsPeer dumps it.

    streams_beside.py APP JAVA-DUMP KQST-DUMP
    streams_beside.py twice TOPIC DUMP    each record is there twice: it ran twice

Topics must be equal record by record in each partition: key, value, time, headers.  But:

- Behind a foreign-key join the order hangs on who comes first: compared as sets.
- sliding: kq-stream sends the updates of one record in rising order of their windows.  Its
  store has a late record also in windows that are closed, for those that begin later: of
  the changelog only windows that were open at the end are compared.
- left: what has no partner comes out when it is due, with Kafka Streams sometimes later.
- Changelogs: kq-stream writes a changed key once at a commit, Kafka Streams each change;
  so the last record of each key counts.  A window, session or joined record that is over
  before the commit is not written by kq-stream, and others are deleted when they are over;
  what is there must be equal.
- suppress: a record's time is the clock with Kafka Streams.  The value says where the
  record came from (topic, partition, offset); kq-stream leaves this out.
- A deleted row of a left foreign-key join: Kafka Streams sends two registrations (delete
  without an answer, and an answer without a subscription), kq-stream one (delete and
  answer), which gives the deletion the time of the later of its two rows.
- A changed row of an inner foreign-key join whose key stays: kq-stream wants an answer also
  if there is no right row, since one may have been deleted in the meantime.
- Kafka Streams sends deletions of results that were never sent; kq-stream does not.
- Registrations without a key may be in any partition.
"""
import collections
import re
import struct
import sys


ANSWER, ANSWER_IF_ROW = 2, 3  # instructions of registrations
SLIDING_MS = 10000 + 5000     # difference and grace


def load(path):
    topics = collections.defaultdict(list)
    for line in open(path):
        topic, partition, time, key, value, *headers = line.rstrip("\n").split(" ")
        topics[topic].append((partition, time, key, value, " ".join(headers)))
    return topics


def unescape(text):
    return re.sub(rb"\\x(..)", lambda m: bytes([int(m[1], 16)]), text[1:-1].encode())


def without_origin(record):
    partition, _, key, value, headers = record
    if value != "null":
        raw = unescape(value)
        length, = struct.unpack(">i", raw[16:20])
        value = raw[:8] + raw[20 + length + 4:]
    return partition, "-", key, value, headers


def registrations(records):
    out = []
    for partition, time, key, value, headers in records:
        raw = unescape(value)
        if raw[0] == 0x81:
            if key == "null":
                continue
            value = raw[:1] + raw[2:]
        elif raw[1] == ANSWER_IF_ROW:
            value = raw[:1] + bytes([ANSWER]) + raw[2:]
        else:
            value = raw
        out.append(("-" if key == "null" else partition, time, key, str(value), headers))
    return sorted(out)


def without_vain_deletions(records):
    there = set()
    for record in records:
        partition, _, key, value, _ = record
        if value != "null":
            there.add((partition, key))
        elif (partition, key) not in there:
            continue
        else:
            there.remove((partition, key))
        yield record


def subscriptions(last):
    return {key: (record[:3] + (record[3].replace("\\x01\\x03", "\\x01\\x02", 1),) + record[4:])
            for key, record in last.items()}


def open_at_end(last):
    newest = collections.defaultdict(int)
    for partition, time, *_ in last.values():
        newest[partition] = max(newest[partition], int(time))
    return {key: record for key, record in last.items()
            if struct.unpack(">q", unescape(key[1])[-12:-4])[0] + SLIDING_MS > newest[key[0]]}


def last_of_keys(records):
    last = {}
    for record in records:
        last[record[0], record[2]] = record
    return last


def show(java, kqst):
    for record in [r for r in java if r not in kqst][:10]:
        print("  -", *record)
    for record in [r for r in kqst if r not in java][:10]:
        print("  +", *record)


def changelog_differs(name, java, kqst, is_window):
    if "SUPPRESS" in name:
        java, kqst = (list(map(without_origin, records)) for records in (java, kqst))
    java, kqst = last_of_keys(java), last_of_keys(kqst)
    if "subscription-store" in name:
        java, kqst = subscriptions(java), subscriptions(kqst)
    if name.startswith("sliding"):
        java, kqst = open_at_end(java), open_at_end(kqst)
    if is_window:
        kqst = {key: record for key, record in kqst.items() if record[3] != "null"}
        java = {key: record for key, record in java.items() if key in kqst}
    if java == kqst and java:
        return False
    show(java.values(), kqst.values())
    return True


def differs(app, name, java, kqst):
    if name.endswith("-changelog"):
        is_window = app in ("window", "close", "sliding", "session", "left")
        return changelog_differs(name, java, kqst, is_window)
    if "registration" in name.lower():
        java, kqst = registrations(java), registrations(kqst)
    elif app.startswith("foreign"):
        java, kqst = sorted(without_vain_deletions(java)), sorted(kqst)
    elif app in ("sliding", "left") and name.endswith("-out"):
        java, kqst = sorted(java), sorted(kqst)
    if java == kqst and java:
        return False
    show(java, kqst)
    if sorted(java) == sorted(kqst):
        print("  the same records in another order")
    return True


def compare(app, java, kqst):
    bad = 0
    names = {t.split("-", 1)[1] for t in list(java) + list(kqst)
             if re.match(rf"(java|kqst)-{app}-(?!inner-)", t)}
    if not any(name.endswith("-out") for name in names):
        sys.exit(f"there is nothing of {app}")
    for name in sorted(names):
        if "-FK-JOIN-OUTPUT-STATE-STORE-" in name:
            continue
        one, other = java["java-" + name], kqst["kqst-" + name]
        if differs(app, name, one, other):
            print(f"{name}: {len(one)} records of Kafka Streams, {len(other)} of kq-stream")
            bad += 1
    sys.exit(bad > 0)


def twice(topic, path):
    count = collections.Counter(load(path)[topic])
    odd = [record for record, n in count.items() if n % 2]
    for record in odd[:10]:
        print("  an odd number:", *record)
    sys.exit(bool(odd) or not count)


if sys.argv[1] == "twice":
    twice(*sys.argv[2:])
compare(sys.argv[1], load(sys.argv[2]), load(sys.argv[3]))
