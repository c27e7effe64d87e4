"""A proxy of a broker that holds back requests of one API.

    hold.py API-KEY

Prints the address of its port.  A connection goes through until it sends such a request: it
prints "held" then, and that connection is silent from then on.
"""
import os
import socket
import struct
import sys
import threading

KEY = int(sys.argv[1])


def exactly(s, n):
    out = b""
    while len(out) < n:
        b = s.recv(n - len(out))
        if not b:
            sys.exit()
        out += b
    return out


def answers(server, client):
    while True:
        b = server.recv(65536)
        if not b:
            return
        client.sendall(b)


def requests(client, server):
    while True:
        size = exactly(client, 4)
        frame = exactly(client, struct.unpack(">i", size)[0])
        if struct.unpack(">h", frame[:2])[0] == KEY:
            print("held", flush=True)
            threading.Event().wait()
        server.sendall(size + frame)


listener = socket.create_server(("127.0.0.1", 0))
print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
host, port = os.environ["broker_tcp"].rsplit(":", 1)
while True:
    client, _ = listener.accept()
    server = socket.create_connection((host, int(port)))
    for job in (answers, server, client), (requests, client, server):
        threading.Thread(target=job[0], args=job[1:], daemon=True).start()
