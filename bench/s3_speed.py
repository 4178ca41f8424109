#!/usr/bin/env python3
"""PUT and GET of S3 objects, Coffer beside a foreign S3 server on this machine, in one run.

  s3_speed.py [--coffer build/release/bin/coffer] [--seconds N] [--rounds N] [--sizes 4096,1048576,67108864] [--clients 1,8,32]

Coffer's bucket is encrypted with SSE-KMS and a bucket key; the other server (Versity Gateway on a local directory, from
scripts/setup-clients --servers) encrypts nothing. Plain HTTP over loopback, connections that stay open, UNSIGNED-PAYLOAD. Both are
asked by the same clients, rounds alternate; prints medians of the rounds' rates, the ratio, and the 99th percentile of latencies.
"""
import argparse
import configparser
import hashlib
import hmac
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE / "tests/end_to_end"))
from s3_server import S3Server  # noqa: E402

BUCKET = "bucket"


class Target:
    """An endpoint with its keys."""

    def __init__(self, name, host, access_key, secret_key):
        self.name, self.host, self.access_key = name, host, access_key
        day = time.strftime("%Y%m%d", time.gmtime())
        self.scope = f"{day}/us-east-1/s3/aws4_request"
        self.key = ("AWS4" + secret_key).encode()
        for part in self.scope.split("/"):
            self.key = hmac.new(self.key, part.encode(), hashlib.sha256).digest()

    def headers(self, method, path, query=""):
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        names = "host;x-amz-content-sha256;x-amz-date"
        canonical = f"{method}\n{path}\n{query}\nhost:{self.host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{now}\n\n{names}\nUNSIGNED-PAYLOAD"
        text = f"AWS4-HMAC-SHA256\n{now}\n{self.scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        return {"Host": self.host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now,
                "Authorization": f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope}, SignedHeaders={names}, Signature={signature}"}

    def ask(self, connection, method, path, body=None, query=""):
        connection.request(method, path + ("?" + query if query else ""), body=body, headers=self.headers(method, path, query))
        response = connection.getresponse()
        size = 0
        while piece := response.read(1 << 20):
            size += len(piece)
        if response.status >= 300:
            raise SystemExit(f"{self.name} answers {method} {path} with {response.status}")
        return size

    def connect(self):
        return http.client.HTTPConnection(self.host, timeout=120)


def load(target, method, size, clients, seconds):
    """Requests per second, and latencies, of clients that work for so long."""
    body = os.urandom(size) if method == "PUT" else None
    stop, latencies, lock = time.monotonic() + seconds, [], threading.Lock()

    def client(number):
        connection, mine, n = target.connect(), [], 0
        while time.monotonic() < stop or not mine:
            path = f"/{BUCKET}/{size}/{number}-{n % 8}"
            began = time.monotonic()
            target.ask(connection, method, path, body)
            mine.append(time.monotonic() - began)
            n += 1
        with lock:
            latencies.extend(mine)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(latencies) / (time.monotonic() - began), latencies


def fill(target, size, clients):
    connection, body = target.connect(), os.urandom(size)
    for number in range(clients):
        for n in range(8):
            target.ask(connection, "PUT", f"/{BUCKET}/{size}/{number}-{n}", body)


def start_coffer(program, folder):
    process = subprocess.Popen([program, "up", "--json", "--data", folder + "/data", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE)
    text = b""
    while not text.endswith(b"}\n"):
        text += os.read(process.stdout.fileno(), 65536)
    credentials = configparser.RawConfigParser()
    credentials.read(folder + "/data/credentials")
    main = credentials["main"]
    host = json.loads(text)["endpoint"].removeprefix("http://")
    return process, Target("coffer", host, main["aws_access_key_id"], main["aws_secret_access_key"])


def compare(ours, theirs, sizes, counts, options):
    print("size      clients  what  coffer/s  versitygw/s  ratio   p99 ms coffer  versitygw")
    for size in sizes:
        for clients in counts:
            if size * clients > 600 << 20:
                continue  # more than this machine's memory is for
            for target in (ours, theirs):
                fill(target, size, clients)
            for method in ("PUT", "GET"):
                rates, times = {ours: [], theirs: []}, {ours: [], theirs: []}
                for _ in range(options.rounds):
                    for target in (ours, theirs):
                        rate, latencies = load(target, method, size, clients, options.seconds)
                        rates[target].append(rate)
                        times[target].extend(latencies)
                us, them = (statistics.median(rates[t]) for t in (ours, theirs))
                tail = [1000 * sorted(times[t])[int(len(times[t]) * 0.99)] for t in (ours, theirs)]
                print(f"{size:<9} {clients:<8} {method}  {us:9.1f} {them:12.1f} {us / them:6.2f}x {tail[0]:15.1f} {tail[1]:10.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coffer", default=str(HERE / "build/release/bin/coffer"))
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="4096,1048576,67108864")
    parser.add_argument("--clients", default="1,8,32")
    options = parser.parse_args()
    sizes, counts = ([int(n) for n in text.split(",")] for text in (options.sizes, options.clients))
    with tempfile.TemporaryDirectory(prefix="coffer-s3-speed-") as folder, S3Server(folder) as server:
        process, ours = start_coffer(options.coffer, folder)
        keys = server.environment
        theirs = Target("versitygw", f"127.0.0.1:{server.port}", keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
        try:
            ours.ask(ours.connect(), "PUT", f"/{BUCKET}")
            document = ('<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>'
                        '</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>')
            ours.ask(ours.connect(), "PUT", f"/{BUCKET}", document.encode(), "encryption=")
            compare(ours, theirs, sizes, counts, options)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
