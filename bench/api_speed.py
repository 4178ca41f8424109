#!/usr/bin/env python3
"""Requests a second of the AWS front on one core, beside an empty answer of the same server and beside moto's server.

  api_speed.py [--coffer PROGRAM] [--load PROGRAM] [--seconds S] [--rounds N] [--no-moto]

Each server runs on one core, the load generator (bench/http_load.cc) on another. The floor is GET /healthz of coffer: the same HTTP
server without signature, decision and record. Requests are signed by botocore beforehand. Rounds are interleaved, figures are
medians; p99 is taken at half the rate that full load reached. "cpu us" is the server's processor time for a request, all its threads
and the kernel's part included: unlike the rates it hardly depends on what else the machine does. The generator spins, so that
waking it, which over loopback is done by the server's send(), is nobody's cost. Needs scripts/setup-clients --bench for moto.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent.parent
CLIENTS = pathlib.Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer")) / "clients"
sys.path += [str(p) for p in (CLIENTS / "boto3-new/lib").glob("python3*/site-packages")]
import botocore.auth  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.credentials  # noqa: E402

REGION = "us-east-1"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
REQUESTS = 500  # different ones in a file; they are sent round and round within their 15 minutes


def json_headers(target):
    return {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}


def signed(endpoint, credentials, service, headers, body):
    request = botocore.awsrequest.AWSRequest(method="POST", url=endpoint + "/", data=body, headers=headers)
    botocore.auth.SigV4Auth(credentials, service, REGION).add_auth(request)
    return request


def ask(endpoint, credentials, service, headers, body):
    request = signed(endpoint, credentials, service, headers, body)
    sent = urllib.request.Request(endpoint + "/", data=body, headers=dict(request.headers.items()), method="POST")
    with urllib.request.urlopen(sent, timeout=30) as answer:
        return answer.read()


def on_the_wire(endpoint, method, path, headers, body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: " + urllib.parse.urlsplit(endpoint).netloc]
    lines += [f"{k}: {v}" for k, v in headers.items()] + [f"Content-Length: {len(body)}", "", ""]
    text = "\r\n".join(lines).encode() + body
    return f"{len(text)}\n".encode() + text


class Server:
    """A server on one core; `files` are the request files by what they measure."""

    def __init__(self, name, work):
        self.name, self.work, self.files = name, work, {}

    def prepare(self, credentials):
        body = json.dumps({"Description": "bench"}).encode()
        made = json.loads(ask(self.endpoint, credentials, "kms", json_headers("TrentService.CreateKey"), body))
        encrypt = json.dumps({"KeyId": made["KeyMetadata"]["KeyId"], "Plaintext": "c2VjcmV0IG9mIDMyIGJ5dGVzIGZvciB0aGUgYmVuY2g=",
                              "EncryptionContext": {"app": "bench"}}).encode()
        identity = b"Action=GetCallerIdentity&Version=2011-06-15"
        for name, service, headers, body in (("GetCallerIdentity", "sts", FORM, identity),
                                             ("kms:Encrypt", "kms", json_headers("TrentService.Encrypt"), encrypt)):
            text = b""
            for number in range(REQUESTS):
                one = signed(self.endpoint, credentials, service, {**headers, "User-Agent": f"bench/{number}"}, body)
                text += on_the_wire(self.endpoint, "POST", "/", dict(one.headers.items()), body)
            self.write(name, text)

    def write(self, name, text):
        path = self.work / f"{self.name}-{len(self.files)}.requests"
        path.write_bytes(text)
        self.files[name] = path

    def resident_mib(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Coffer(Server):
    def __init__(self, program, work, core):
        super().__init__("coffer", work)
        self.argv = ["taskset", "-c", core, program, "up", "--json", "--data", str(work / "data"), "--listen", "127.0.0.1:0"]

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        text = ""
        while True:  # --json is one document, over one line or several
            text += self.process.stdout.readline().decode()
            try:
                started = json.loads(text)
                break
            except json.JSONDecodeError:
                if self.process.poll() is not None:
                    raise SystemExit("coffer up ended: " + text) from None
        self.endpoint = started["endpoint"]
        with urllib.request.urlopen(self.endpoint + "/healthz", timeout=10) as answer:
            answer.read()
        self.start_seconds = time.monotonic() - began
        lines = pathlib.Path(started["credentials_file"]).read_text().splitlines()
        values = dict(line.replace(" ", "").split("=", 1) for line in lines if "=" in line)
        self.credentials = botocore.credentials.Credentials(values["aws_access_key_id"], values["aws_secret_access_key"])


class Moto(Server):
    def __init__(self, work, core):
        super().__init__("moto", work)
        self.core = core

    def start(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        began = time.monotonic()
        self.process = subprocess.Popen(["taskset", "-c", self.core, str(CLIENTS / "moto/bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.credentials = botocore.credentials.Credentials("AKIAIOSFODNN7EXAMPLE", "secret")
        while True:
            try:
                ask(self.endpoint, self.credentials, "sts", FORM, b"Action=GetCallerIdentity&Version=2011-06-15")
                break
            except OSError:
                if time.monotonic() - began > 60:
                    raise SystemExit("moto's server does not answer") from None
                time.sleep(0.05)
        self.start_seconds = time.monotonic() - began


class Bench:
    def __init__(self, options, cores):
        self.options, self.cores = options, cores

    def load(self, server, what, rate=0.0):
        host = urllib.parse.urlsplit(server.endpoint).netloc
        argv = ["taskset", "-c", self.cores[1], self.options.load, host, str(server.files[what]), "--connections", "16",
                "--seconds", str(self.options.seconds), "--rate", str(rate)]
        before = server.cpu_seconds()
        answer = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
        answer["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / max(answer["requests"], 1)
        if answer["errors"]:
            raise SystemExit(f"{server.name} {what}: {answer['errors']} errors, the first: {answer['first_error']}")
        return answer

    def measure(self, runs):
        """{(server, what): (median requests a second, median processor time)}, rounds interleaved."""
        found = {run: [] for run in runs}
        for _ in range(self.options.rounds):
            for server, what in runs:
                found[server, what].append(self.load(server, what))
        return {run: tuple(statistics.median(one[key] for one in values) for key in ("rps", "cpu_us")) for run, values in found.items()}


def report(coffer, moto, measured, latency, starts, resident):
    asked = {"floor": 0.4, "moto": 20}
    rates = {run: rps for run, (rps, _) in measured.items()}
    floor = rates[coffer, "floor"]
    print(f"{'':24}{'rps':>10}{'cpu us':>9}{'to floor':>10}{'by cpu':>9}{'to moto':>10}{'by cpu':>9}{'p50 ms':>9}{'p99 ms':>9}  (latencies at half load)")
    print(f"{'GET /healthz, the floor':24}{floor:10.0f}{measured[coffer, 'floor'][1]:9.1f}")
    good = True
    for what in ("GetCallerIdentity", "kms:Encrypt"):
        mine = rates[coffer, what]
        to_moto = mine / rates[moto, what] if moto else None
        half = latency[what]
        cpu = measured[coffer, what][1]
        of_moto = f"{to_moto:10.1f}{measured[moto, what][1] / cpu:9.1f}" if moto else f"{'-':>10}{'-':>9}"
        print(f"{what:24}{mine:10.0f}{cpu:9.1f}{mine / floor:10.2f}{measured[coffer, 'floor'][1] / cpu:9.2f}{of_moto}{half['p50_ms']:9.2f}{half['p99_ms']:9.2f}")
        if moto:
            print(f"{'  moto':24}{rates[moto, what]:10.0f}{measured[moto, what][1]:9.1f}")
        good &= mine / floor >= asked["floor"] and (to_moto is None or to_moto >= asked["moto"]) and half["p99_ms"] < 5
    print(f"start-up: {starts[0] * 1000:.0f} ms new, {starts[1] * 1000:.0f} ms on an existing folder" +
          (f"; moto {moto.start_seconds * 1000:.0f} ms" if moto else ""))
    print(f"resident when idle: {resident:.1f} MiB" + (f"; moto {moto.idle_mib:.0f} MiB" if moto else ""))
    good &= starts[1] < 0.3 and resident < 64
    print(f"asked: at least {asked['floor']} x the floor and {asked['moto']} x moto, p99 under 5 ms, start-up under 300 ms, under 64 MiB: " +
          ("held" if good else "MISSED"))
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coffer", default=str(HERE / "build/release/bin/coffer"))
    parser.add_argument("--load", default=str(HERE / "build/release/bin/http_load"))
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-moto", action="store_true")
    options = parser.parse_args()
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
    cores = [cores[0], cores[-1]]
    work = pathlib.Path(tempfile.mkdtemp(prefix="coffer-bench-"))
    running = []
    try:
        coffer = Coffer(options.coffer, work, cores[0])
        coffer.start()
        starts = [coffer.start_seconds]
        coffer.stop()
        coffer.start()
        running.append(coffer)
        starts.append(coffer.start_seconds)
        time.sleep(1)
        resident = coffer.resident_mib()
        coffer.prepare(coffer.credentials)
        coffer.write("floor", on_the_wire(coffer.endpoint, "GET", "/healthz", {}))
        moto = None
        if not options.no_moto:
            moto = Moto(work, cores[0])
            moto.start()
            running.append(moto)
            moto.prepare(moto.credentials)
            moto.idle_mib = moto.resident_mib()
        bench = Bench(options, cores)
        runs = [(coffer, "floor"), (coffer, "GetCallerIdentity"), (coffer, "kms:Encrypt")]
        runs += [(moto, "GetCallerIdentity"), (moto, "kms:Encrypt")] if moto else []
        measured = bench.measure(runs)
        latency = {what: bench.load(coffer, what, measured[coffer, what][0] / 2) for what in ("GetCallerIdentity", "kms:Encrypt")}
        sys.exit(0 if report(coffer, moto, measured, latency, starts, resident) else 1)
    finally:
        for server in running:
            server.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
