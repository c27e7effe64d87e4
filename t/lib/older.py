"""A proxy that makes a kq-broker look older or busy: it forwards everything to the
broker's socket, and edits the versions in its ApiVersions answers.

    older.py SOCKET KEY[:MAX]... [KEY=CODE...]

A KEY alone removes the API; with a maximum, the API has versions up to MAX.
With CODEs, the first answers to KEY get these error codes, one after the other;
the code must be the last field of the answer's last element, in a flexible
version, as in OffsetFetch from 8 and DeleteGroups 2.  Prints host:port, which the
broker must advertise.
"""
import socket
import struct
import sys
import threading


def frame(sock):
    def exactly(n):
        got = b""
        while len(got) < n:
            more = sock.recv(n - len(got))
            if not more:
                raise EOFError
            got += more
        return got
    return exactly(struct.unpack(">i", exactly(4))[0])


def change(body, version, changes):
    """Rewrite an ApiVersions answer in place."""
    at = 4 + 2  # correlation id, error
    if version >= 3:
        n, at = body[at] - 1, at + 1  # a compact array, of fewer than 127
        size = 7
    else:
        n, at = struct.unpack_from(">i", body, at)[0], at + 4
        size = 6
    body = bytearray(body)
    for place in range(at, at + n * size, size):
        key, low, high = struct.unpack_from(">hhh", body, place)
        if key in changes:
            most = changes[key]
            if most is None:
                key = 9000 + key
            struct.pack_into(">hhh", body, place, key, low, high if most is None else most)
    return bytes(body)


def serve(client, target, changes, codes):
    server = socket.socket(socket.AF_UNIX)
    server.connect(target)
    try:
        while True: # one at a time: the tools wait for each answer
            request = frame(client)
            key, version = struct.unpack_from(">hh", request)
            server.sendall(struct.pack(">i", len(request)) + request)
            answer = frame(server)
            if key == 18:
                answer = change(answer, version, changes)
            elif codes.get(key):
                # After it come the tags of the element and of the answer.
                answer = answer[:-4] + struct.pack(">h", codes[key].pop(0)) + answer[-2:]
            client.sendall(struct.pack(">i", len(answer)) + answer)
    except (EOFError, OSError):
        client.close()
        server.close()


def main():
    target = sys.argv[1]
    changes = {}
    codes = {}
    for word in sys.argv[2:]:
        if "=" in word:
            key, code = word.split("=")
            codes.setdefault(int(key), []).append(int(code))
            continue
        key, _, most = word.partition(":")
        changes[int(key)] = int(most) if most else None
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, target, changes, codes), daemon=True).start()


main()
