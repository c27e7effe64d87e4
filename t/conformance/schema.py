"""Compare share/proto with Kafka's own message definitions.

    schema.py check JAR...      compare every field of every version that both
                                know; prints the differences, exit 1 if any
    schema.py table JAR...      compare share/apis.tab with the APIs of Kafka's clients
    schema.py announced         compare it with what the Kafka at $broker_tcp announces
    schema.py print KEY JAR...  an API's definition in share/proto's notation

JAR... are Kafka's jars (kafka-clients has the requests, the coordinators' and
storage's jars the records), or folders with their common/message/*.json.
"""
import glob
import json
import os
import re
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kqp  # noqa: E402
import wire  # noqa: E402

TABLE = os.path.join(kqp.PROTO, "..", "apis.tab")

TYPES = {"int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint16": "u16",
         "uint32": "u32", "float64": "f64"}
COMMENT = r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/'  # strings may look like one


def texts(places):
    for place in places:
        if os.path.isdir(place):
            for path in glob.glob(os.path.join(place, "**", "*.json"), recursive=True):
                yield open(path).read()
        elif zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as z:
                for name in z.namelist():
                    if re.search(r"(^|/)message/[^/]*\.json$", name):
                        yield z.read(name).decode()


def definitions(places):
    """{name: definition}"""
    out = {}
    for text in texts(places):
        d = json.loads(re.sub(COMMENT, lambda m: m.group(1) or "", text, flags=re.S))
        out[d["name"]] = d
    return out


def snake(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z][a-z])", r"_\g<0>", name).lower()


def span(s):
    if s == "none" or s is None:
        return kqp.MAX, -1
    if "-" in s or s.endswith("+"):
        return kqp.span(s)
    return int(s), int(s)


def value(s):
    if isinstance(s, str):
        if s in ("true", "false"):
            return s == "true"
        if s == "":
            return None
        if s != "null":
            return int(s, 0)
    return s


def fields_of(d):
    """Kafka's fields in the form of kqp.py."""
    common = {s["name"]: s for s in d.get("commonStructs", [])}

    def one(j):
        f = kqp.Field()
        t = j["type"]
        f.array = t.startswith("[]")
        f.single = False
        t = t[2:] if f.array else t
        f.name = snake(j["name"])
        f.first, f.last = span(j.get("versions", j.get("taggedVersions", "0+")))
        f.null_from, f.null_last = span(j.get("nullableVersions"))
        f.tag = j.get("tag", -1) if j.get("taggedVersions", "none") != "none" else -1
        f.tag_first = span(j.get("taggedVersions"))[0]
        f.default = value(j.get("default"))
        f.fields = None
        f.type = TYPES.get(t, t)
        if f.type == "records" and f.default is None:
            f.default = "null"  # as the Java class has it
        if f.is_struct():
            if "fields" in j:
                common.setdefault(t, j)
            f.fields = [one(x) for x in common[t]["fields"]]
            f.single = not f.array
            f.type = snake(t)
        return f
    return [one(j) for j in d.get("fields", [])]


def shape(fields, version, above=""):
    """Every field of the version: (path, its form on the wire)."""
    plain, tagged = [], []
    for f in fields:
        if not f.has(version):
            continue
        path = above + f.name
        kind = "struct" if f.is_struct() else f.type
        null = f.null_from <= version <= getattr(f, "null_last", kqp.MAX)
        base = kqp.default(f, version)
        base = "struct" if f.is_struct() and not f.array and base is not None else base
        row = (path, kind, f.array, null, f.tag, base)
        (tagged if f.tag >= 0 else plain).append((row, f))
    tagged.sort(key=lambda x: x[0][4])
    for row, f in plain + tagged:
        yield row
        if f.fields is not None:
            yield from shape(f.fields, version, row[0] + ".")


def compare(ours, theirs, versions, where, seen, shift=0):
    bad = 0
    for v in versions:
        a, b = list(shape(ours, v)), list(shape(theirs, v - shift))
        seen.update((where, row[0]) for row in a)
        for row in a:
            if row not in b:
                print("%s v%d: not in Kafka: %s" % (where, v, row))
                bad += 1
        for row in b:
            if row not in a:
                print("%s v%d: only in Kafka: %s" % (where, v, row))
                bad += 1
        if not bad and a != b:
            print("%s v%d: another order" % (where, v))
            bad += 1
        if bad:
            break
    return bad


def check(places):
    theirs = definitions(places)
    apis, datas = kqp.load()
    bad, seen, nversion = 0, set(), 0
    by_key = {d["apiKey"]: d for d in theirs.values() if d.get("type") == "request"}
    for name, m in sorted(apis.items(), key=lambda x: x[1].key):
        d = by_key[m.key]
        if snake(d["name"]) != name + "_request":
            print("key %d is %s, not %s" % (m.key, d["name"], name))
            bad += 1
        first, last = span(d["validVersions"])
        if (first, last) != (m.first, m.last):
            print("%s: versions %d-%d, Kafka's are %d-%d" % (name, m.first, m.last, first, last))
            bad += 1
        if span(d["flexibleVersions"])[0] != m.flex:
            print("%s: flexible from %d, Kafka's %s" % (name, m.flex, d["flexibleVersions"]))
            bad += 1
        versions = range(max(first, m.first), min(last, m.last) + 1)
        nversion += len(versions)
        answer = theirs[re.sub("Request$", "Response", d["name"])]
        bad += compare(m.request, fields_of(d), versions, name + " request", seen)
        bad += compare(m.response, fields_of(answer), versions, name + " response", seen)
    by_name = {snake(name): d for name, d in theirs.items()}
    for name, m in sorted(datas.items()):
        if name not in by_name:
            print("%s: not among the definitions" % name)
            bad += 1
            continue
        d = by_name[name]
        first, last = span(d["validVersions"])
        shift = 0
        if d["type"] == "coordinator-key":  # what kind of record it is stands as the version
            shift = d["apiKey"]
        versions = range(max(first + shift, m.first), min(last + shift, m.last) + 1)
        if not versions:
            print("%s: versions %d-%d, Kafka's are %d-%d"
                  % (name, m.first, m.last, first + shift, last + shift))
            bad += 1
        nversion += len(versions)
        bad += compare(m.fields, fields_of(d), versions, name, seen, shift)
    print("%d fields of %d messages in %d versions: %d differences"
          % (len(seen), 2 * len(apis) + len(datas), nversion, bad))
    return bad


def table_rows():
    """{key: (name, versions)}; versions is None where Kafka announces none."""
    out = {}
    for line in open(TABLE):
        if line[0] != "#" and line.strip():
            key, name, versions = line.split()[:3]
            out[int(key)] = name, None if versions == "-" else span(versions)
    return out


def table(places):
    """Every API of the definitions is there, under its name, with its stable versions."""
    bad = 0
    ours = table_rows()
    for d in definitions(places).values():
        if d.get("type") != "request" or d["validVersions"] == "none":
            continue
        key, name = d["apiKey"], re.sub("Request$", "", d["name"])
        first, last = span(d["validVersions"])
        last -= bool(d.get("latestVersionUnstable"))
        first = 0 if name == "Produce" else first  # announced, though refused (KAFKA-18659)
        versions = (first, last) if "broker" in d["listeners"] else None
        got = ours.pop(key, None)
        # An API that needs a plugin of the broker is not announced without it.
        if got != (name, versions) and got != (name, None):
            print("%d %s: %s, not %s" % (key, name, got, versions))
            bad += 1
    for key in ours:
        print("%d: not in Kafka" % key)
        bad += 1
    return bad


def announced():
    with wire.Conn() as c:
        _, got = wire.api_versions(c)
    want = {key: versions for key, (_, versions) in table_rows().items() if versions}
    for key in sorted(set(got) | set(want)):
        if got.get(key) != want.get(key):
            print("%d: Kafka announces %s, not %s" % (key, got.get(key), want.get(key)))
    return got != want


def rows(fields, first, last, depth, known):
    for f in fields:
        lo, hi = max(f.first, first), f.last
        if lo > last or hi < first:
            continue
        t = f.type
        t = "[%s]" % t if f.array else "{%s}" % t if f.single else t
        if f.null_from <= last:
            t += "?" if f.null_from <= lo else "?%d+" % f.null_from
        when = "" if lo == first and hi >= last else "%d+" % lo if hi >= last else "%d-%d" % (lo, hi)
        tag = "tag %d" % f.tag if f.tag >= 0 else ""
        zero = f.default in (None, 0, False) or (f.default == "null" and f.single)
        word = "" if zero else "= %s" % (str(f.default).lower() if f.default != "null" else "null")
        yield ("  " * depth + f.name, t, when, (tag + " " + word).strip())
        if f.fields is not None and f.type not in known:
            known.add(f.type)
            yield from rows(f.fields, first, last, depth + 1, known)


def show(key, places):
    theirs = definitions(places)
    q = next(d for d in theirs.values() if d.get("type") == "request" and d["apiKey"] == key)
    a = theirs[re.sub("Request$", "Response", q["name"])]
    first, last = span(q["validVersions"])
    flex = span(q["flexibleVersions"])[0]
    print("api %d %s %d-%d flex %s" % (key, snake(q["name"])[:-8], first, last,
                                       "none" if flex == kqp.MAX else "%d+" % flex))
    for d, word in ((q, "request"), (a, "response")):
        print("\n" + word)
        table = list(rows(fields_of(d), first, last, 1, set()))
        wide = [max([len(r[i]) for r in table] or [0]) for i in range(4)]
        for r in table:
            print(" ".join(r[i].ljust(wide[i]) for i in range(4) if wide[i]).rstrip())


if __name__ == "__main__":
    if sys.argv[1] == "print":
        show(int(sys.argv[2]), sys.argv[3:])
    elif sys.argv[1] == "announced":
        sys.exit(announced())
    else:
        sys.exit({"check": check, "table": table}[sys.argv[1]](sys.argv[2:]) > 0)
