"""The records that every client writes and every client must read.

As lines of JSON: key, value (null or text), headers, time in ms.
"""
import json
import os

TIME = 1700000000000


def records(n=int(os.environ.get("RECORDS", 40))):
    out = []
    for i in range(n):
        key = None if i % 4 == 0 else "" if i % 4 == 1 else "key-%d" % i
        value = None if i % 10 == 9 else "" if i % 10 == 8 else "value %d \u00e9\n\t\"x\"" % i + "." * (i * 7)
        headers = [["h", "%d" % i], ["h", "again"], ["n", ""]] if i % 3 == 0 else []
        out.append({"key": key, "value": value, "headers": headers, "time": TIME + 1000 * i})
    return out


def enc(s):
    return None if s is None else s.encode()


def dec(b):
    return None if b is None else b.decode()


def show(offset, key, value, headers, time):
    print(json.dumps({"offset": offset, "key": dec(key), "value": dec(value),
                      "headers": [[k, dec(v)] for k, v in headers or []], "time": time}, sort_keys=True))


if __name__ == "__main__":  # the records that a reader must print
    for i, r in enumerate(records()):
        show(i, enc(r["key"]), enc(r["value"]), [(k, enc(v)) for k, v in r["headers"]], r["time"])
