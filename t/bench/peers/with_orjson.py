"""with_orjson.py map | windows: the jobs of streamloop.c by Python and orjson."""
import sys
from datetime import datetime

import orjson

out = sys.stdout.buffer


def run_map():
    for line in sys.stdin.buffer:
        order = orjson.loads(line)
        if order["amount"] > 100:
            out.write(orjson.dumps({"id": order["id"], "amount": order["amount"]}) + b"\n")


def run_windows():
    rows, starts = {}, {}
    for line in sys.stdin.buffer:
        order = orjson.loads(line)
        minute = order["ts"][:16]
        start = starts.get(minute)
        if start is None:
            start = starts[minute] = int(datetime.fromisoformat(minute + ":00+00:00").timestamp()) * 1000
        key = (start, order["customer"])
        row = rows.get(key)
        if row is None:
            rows[key] = [order["amount"], 1]
        else:
            row[0] += order["amount"]
            row[1] += 1
    for (start, key), (total, n) in rows.items():
        out.write(orjson.dumps({"key": key, "start": start, "total": total, "n": n}) + b"\n")


{"map": run_map, "windows": run_windows}[sys.argv[1]]()
