"""A bucket replicated to another installation through a network that delays, cuts, resets, fails and lies."""
import hashlib
import itertools
import random
import socket
import struct
import threading
import time

from harness import check, equal, scenario
from s3 import SPACE
from scenarios.peers import COPIES, MAIN, SOURCE, VAULT, Installation, make_copies, make_source, wait_until_replicated


class Proxy:
    """Passes connections on to `port`. Each takes the next of `faults`; when there are no more, it does no harm."""

    def __init__(self, port, faults):
        self.target, self.faults, self.met = port, iter(faults), 0
        self.lock, self.listener = threading.Lock(), socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with self.lock:
            kind, amount = next(self.faults, ("none", 0))
            self.met += kind != "none"
        if kind == "answer":
            try:
                client.recv(65536)
                client.sendall(amount)
            except OSError:
                pass
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        ends = threading.Event()
        limits = {"request": amount if kind in ("cut request", "reset request") else None,
                  "answer": amount if kind in ("cut answer", "reset answer") else None}
        delay = amount if kind == "delay" else 0

        def close():
            if ends.is_set():
                return
            ends.set()
            for one in (client, server):
                if kind.startswith("reset"):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                one.close()

        def pump(source, sink, limit):
            passed = 0
            try:
                while True:
                    data = source.recv(65536)
                    if not data:
                        break
                    if delay:
                        time.sleep(delay)
                    if limit is not None and passed + len(data) >= limit:
                        sink.sendall(data[:limit - passed])
                        break
                    sink.sendall(data)
                    passed += len(data)
            except OSError:
                pass
            close()

        threading.Thread(target=pump, args=(client, server, limits["request"]), daemon=True).start()
        pump(server, client, limits["answer"])

    def close(self):
        self.listener.close()


def answers():
    """What a proxy says that has lost its server, and lies."""
    for status in ("500 Internal Server Error", "502 Bad Gateway", "503 Slow Down"):
        for body in (b"", b"<html>sorry</html>", b"{}"):
            yield f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    for body, said in ((b"", 0), (b"{}", 2), (b"null", 4), (b'{"VersionId":"', 50), (b"OK", 2), (b"[]", 2), (b'{"VersionId":"x"}', 17)):
        yield f"HTTP/1.1 200 OK\r\nContent-Length: {said}\r\n\r\n".encode() + body
    yield b"HTTP/1.1 20"
    yield b"\0" * 100


def all_faults(chance, step):
    """Cuts at every byte, or every `step`th, of an exchange; lies; resets; delays."""
    faults = [("cut request", n) for n in range(0, 2400, step)] + [("cut answer", n) for n in range(0, 300, step)]
    faults += [("reset request", n) for n in range(0, 2400, step * 8)] + [("reset answer", n) for n in range(0, 300, step * 8)]
    faults += [("answer", text) for text in answers()] + [("delay", 0.05)] * 5
    chance.shuffle(faults)
    return faults


@scenario("peers with faults between them")
def faults_between(world):
    count = 600 if world.long else 60
    faults = all_faults(random.Random(world.random.random()), 1 if world.long else 40)
    main, vault = Installation(world, "main", MAIN), Installation(world, "vault", VAULT)
    with main, vault:
        main.start().end(15)
        public_key = (main.data / "peers" / f"{MAIN}.pub").read_text().strip()
        vault.peers = f'[[peers]]\naccount = "{MAIN}"\npublic_key = "{public_key}"\n'
        vault.start()
        proxy = Proxy(vault.port, faults)
        main.peers = f'[[peers]]\naccount = "{VAULT}"\nendpoint = "http://127.0.0.1:{proxy.port}"\n'
        main.start()
        make_source(main.client(), make_copies(vault.client()))
        client, digests = main.client(), {}
        chance = random.Random(world.random.random())
        for n in itertools.count():
            # As long as there is trouble there is something to replicate; a connection lives until its fault.
            if n >= count and (proxy.met >= len(faults) or n >= 20 * count):
                break
            text = chance.randbytes(300_000 if n % 25 == 0 else n % 3000)
            name = f"k{n % (count // 2)}"
            version = client.s3("PUT", SOURCE, name, body=text)[1]["x-amz-version-id"]
            digests[(name, version)] = hashlib.sha256(text).hexdigest()
            if n >= count:
                time.sleep(0.2)
        proxy.faults = iter(())
        waiting, failed = wait_until_replicated(client, 3000)
        equal(f"after {proxy.met} faults every object's status becomes COMPLETED", (len(waiting), failed[:3]), (0, []))
        owner, found, wrong = vault.client(), [], []
        marker = {}
        while True:
            page = owner.document("GET", COPIES, query={"versions": "", **marker})
            found += [(e.findtext(SPACE + "Key"), e.findtext(SPACE + "VersionId")) for e in page.xml.iter(SPACE + "Version")]
            if page.get("IsTruncated") != "true":
                break
            marker = {"key-marker": page["NextKeyMarker"], "version-id-marker": page["NextVersionIdMarker"]}
        for name, version in found:
            data = owner.s3("GET", COPIES, name, query={"versionId": version})[2]
            if hashlib.sha256(data).hexdigest() != digests.get((name, version)):
                wrong.append((name, version))
        equal(f"each of {len(digests)} versions is there once", sorted(found), sorted(digests))
        check("with the bytes of its source", not wrong, wrong[:5])
        proxy.close()
