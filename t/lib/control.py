"""Hostile clients of kq-stream's socket: control.py SOCKET.  Ends with 0 if it still answers."""
import json
import os
import random
import socket
import sys
import time

path = sys.argv[1]


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    return s


def ask(s, request):
    s.sendall(json.dumps(request).encode() + b"\n")
    return answer(s)


def answer(s):
    f = s.makefile("rb")
    rows = 0
    for line in f:
        if not line.startswith(b" "):
            return json.loads(line), rows
        rows += 1
    return None, rows


def check_alive():
    s = connect()
    facts, _ = ask(s, {"verb": "describe"})
    assert facts["application"] == "app", facts
    s.close()


def send_and_close(data):
    s = connect()
    try:
        s.sendall(data)
        s.settimeout(0.2)
        s.recv(65536)
    except (BrokenPipeError, ConnectionResetError, socket.timeout):
        pass
    s.close()


random.seed(9)
for _ in range(200):
    send_and_close(random.randbytes(random.randrange(1, 2000)) + b"\n")
check_alive()

# wrong requests get an error each, on one connection
s = connect()
for line in [b"\n", b"{}\n", b"[1]\n", b'{"verb":1}\n', b'{"verb":"no"}\n', b"{" * 5000 + b"\n",
             b'{"verb":"query"}\n', b'{"verb":"query","store":"x","task":"0_0"}\n',
             b'{"verb":"query","store":"n","task":"9_9"}\n',
             b'{"verb":"query","store":"n","task":"1_0","cursor":"?"}\n']:
    s.sendall(line)
    got, _ = answer(s)
    assert "error" in got, (line[:40], got)
# odd values in right places
for extra in [{"cursor": "AAAA"}, {"cursor": ""}, {"limit": 0}, {"limit": -5}, {"limit": 1 << 62},
              {"start_ms": -(1 << 63), "end_ms": (1 << 63) - 1}, {"start_ms": (1 << 63) - 1},
              {"key": ""}, {"from": "", "to": ""}, {"from": "b", "to": "a"}, {"key": "\u0000x"},
              {"key": "k" * 100000}, {"key": 7}, {"is_json": "yes"}, {"key": "{" * 20000}]:
    got, _ = ask(s, {"verb": "query", "store": "n", "task": "1_0", **extra})
    assert "rows" in got or "error" in got, (extra, got)
s.close()

# a line without an end
send_and_close(b"x" * (1 << 20))
# requests without reading the answers
s = connect()
s.setblocking(False)
try:
    for _ in range(10000):
        s.send(b'{"verb":"describe"}\n')
except BlockingIOError:
    pass
check_alive()
s.close()

# connections that say nothing: the others wait for a place at most some seconds
silent = [connect() for _ in range(20)]
begin = time.time()
check_alive()
assert time.time() - begin < 15
for s in silent:
    s.close()
check_alive()
print("answers")
