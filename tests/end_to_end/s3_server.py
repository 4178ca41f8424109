"""An S3 server of somebody else's (Versity Gateway, see scripts/setup-clients --servers), and a proxy that fails on purpose between
a program and it."""
import contextlib
import os
import random
import socket
import struct
import subprocess
import threading
import time

from harness import Skip

PROGRAM = os.environ.get("COFFER_VERSITYGW") or os.path.join(os.environ.get("COFFER_CACHE", "/var/cache/coffer"), "servers/versitygw/versitygw")
SLOW_DOWN = (b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s")
SLOW_DOWN_BODY = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'


class S3Server:
    """One bucket, "bucket", until the with block ends."""

    def __init__(self, place):
        if not os.access(PROGRAM, os.X_OK):
            raise Skip(f"no S3 server: scripts/setup-clients --servers builds {PROGRAM}")
        self.data, self.log = os.path.join(place, "s3-data"), os.path.join(place, "s3.log")
        os.makedirs(os.path.join(self.data, "bucket"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--access", "foreign", "--secret", "foreignsecret", "--port", f"127.0.0.1:{self.port}", "--region", "us-east-1",
                 "--quiet", "posix", self.data], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.05)
        raise Skip("the S3 server does not start: " + open(self.log, errors="replace").read()[-500:])

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    @property
    def environment(self):
        return {"AWS_ACCESS_KEY_ID": "foreign", "AWS_SECRET_ACCESS_KEY": "foreignsecret", "AWS_EC2_METADATA_DISABLED": "true"}

    def url(self, prefix, port=None):
        return f"s3://bucket/{prefix}?endpoint=http://127.0.0.1:{port or self.port}&region=us-east-1"


class Proxy:
    """Passes connections on to `port`, each piece `delay` seconds later. With faults on, a fifth of the connections is
    answered with 503 SlowDown, and all others end with a reset after some bytes in one direction or the other. `port` is where it listens."""

    def __init__(self, port, delay=0.0, seed=1):
        self.target, self.delay = port, delay
        self.random = random.Random(seed)
        self.faults = False
        self.cuts = self.refusals = self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        self.connections += 1
        fate = self.random.random() if self.faults else 1.0
        if fate < 0.2:
            self.refusals += 1
            with contextlib.suppress(OSError):
                client.recv(65536)
                client.sendall(SLOW_DOWN % (len(SLOW_DOWN_BODY), SLOW_DOWN_BODY))
            client.close()
            return
        up_limit = down_limit = None
        # Most exchanges are small: cuts in them must be as likely as in packs.
        if fate < 0.6:
            up_limit = int(10 ** self.random.uniform(1, 7.5))
        elif self.faults:
            down_limit = int(10 ** self.random.uniform(1, 7.5))
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.pass_on, args=(client, server, up_limit), daemon=True).start()
        self.pass_on(server, client, down_limit)

    def pass_on(self, source, sink, limit):
        """A delay line: what is read is sent `delay` later, and reading goes on meanwhile."""
        queue, changed = [], threading.Condition()

        def send():
            while True:
                with changed:
                    while not queue:
                        changed.wait()
                    due, piece = queue.pop(0)
                    changed.notify()
                time.sleep(max(0.0, due - time.monotonic()))
                if piece is None:
                    with contextlib.suppress(OSError):
                        sink.shutdown(socket.SHUT_WR)
                    return
                try:
                    sink.sendall(piece)
                except OSError:
                    return

        if self.delay:
            threading.Thread(target=send, daemon=True).start()
        seen = 0
        while True:
            try:
                piece = source.recv(1 << 20)
            except OSError:
                piece = b""
            if limit is not None and seen + len(piece) >= limit and piece:
                self.cuts += 1
                for one in (source, sink):
                    with contextlib.suppress(OSError):
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        one.shutdown(socket.SHUT_RDWR)
                        one.close()
                return
            seen += len(piece)
            if self.delay:
                with changed:
                    while sum(len(p or b"") for _, p in queue) > (64 << 20):
                        changed.wait()
                    queue.append((time.monotonic() + self.delay, piece or None))
                    changed.notify()
            else:
                try:
                    sink.sendall(piece) if piece else sink.shutdown(socket.SHUT_WR)
                except OSError:
                    return
            if not piece:
                return
