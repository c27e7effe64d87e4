"""Record the traffic between real clients and kq-broker, as t/data/captures.hex:

    PATH=build:$PATH /usr/bin/python3 t/lib/capture.py >t/data/captures.hex

A broker runs in memory; each client talks to it through a proxy, whose address
the broker advertises.  The first two frames of different sizes are kept for each
client, API, version and direction, unless they are large.
"""
import os
import socket
import struct
import subprocess
import sys
import threading

LIBRARY = os.path.dirname(os.path.abspath(__file__))
FRAME_MAX, EACH = 1900, 2


class Proxy:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.client, self.kept = None, {}

    def start(self, upstream):
        self.upstream = upstream
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            c, _ = self.listener.accept()
            host, port = self.upstream.rsplit(":", 1)
            b = socket.create_connection((host, int(port)))
            asked = {}  # correlation id: (API, version)
            for source, to, is_request in (c, b, True), (b, c, False):
                threading.Thread(target=self.pump, args=(source, to, is_request, asked), daemon=True).start()

    def pump(self, source, to, is_request, asked):
        have = b""
        while True:
            try:
                b = source.recv(65536)
            except OSError:
                b = b""
            have += b
            while len(have) >= 4:
                n = 4 + struct.unpack_from(">i", have)[0]
                if len(have) < n:
                    break
                self.note(have[:n], is_request, asked)
                have = have[n:]
            try:
                if not b:
                    to.shutdown(socket.SHUT_WR)
                    return
                to.sendall(b)
            except OSError:
                return

    def note(self, frame, is_request, asked):
        with self.lock:
            if is_request:
                key, version, correlation = struct.unpack_from(">hhi", frame, 4)
                asked[correlation] = key, version
            else:
                key, version = asked[struct.unpack_from(">i", frame, 4)[0]]
                if key == 18 and frame[8:10] == b"\0\x23":
                    version = 0
            rows = self.kept.setdefault((self.client, key, version, not is_request), [])
            if len(frame) <= FRAME_MAX and len(rows) < EACH and len(frame) not in map(len, rows):
                rows.append(frame)


def kcat(address, *args, stdin=b""):
    subprocess.run(["kcat", "-q", "-b", address, *args], input=stdin, stdout=subprocess.DEVNULL, check=True)


def script(name, *args):
    subprocess.run([sys.executable, os.path.join(LIBRARY, name), *args], stdout=subprocess.DEVNULL, check=True)


def main():
    proxy = Proxy()
    broker = subprocess.Popen(
        ["kq-broker", "--memory", "-l", "127.0.0.1:0", "-o", "advertised.listeners=" + proxy.address],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        proxy.start(broker.stdout.readline().split()[1].decode())
        os.environ.update(capture_tcp=proxy.address, RECORDS="8")
        proxy.client = "kcat"
        kcat(proxy.address, "-P", "-t", "k", "-K:", "-Z", "-H", "h=v", "-z", "zstd", stdin=b"a:1\nb:\n")
        kcat(proxy.address, "-C", "-t", "k", "-e")
        kcat(proxy.address, "-L")
        kcat(proxy.address, "-Q", "-t", "k:0:1000")
        for proxy.client, name in ("kafka-python", "client_kafka_python.py"), ("confluent", "client_confluent.py"):
            script(name, "produce", proxy.client, "gzip")
            script(name, "consume", proxy.client)
            script(name, "offsets", proxy.client)
            script(name, "admin")
    finally:
        broker.terminate()
        broker.wait()
    print("# Frames between clients and kq-broker, recorded by t/lib/capture.py:\n"
          "#   CLIENT API VERSION request|response HEX\n"
          "# kcat 1.7.1 and confluent (python3-confluent-kafka 1.7) on librdkafka 2.0.2,\n"
          "# kafka-python (python3-kafka 2.0.2).")
    for (client, key, version, is_response), rows in sorted(proxy.kept.items()):
        for frame in rows:
            print(client, key, version, "response" if is_response else "request", frame.hex())


main()
