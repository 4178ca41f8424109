#!/usr/bin/env python3
"""What an invocation of a function costs beside the function itself, and beside a plain start of the same interpreter.

  lambda_speed.py [--coffer PROGRAM] [--invocations N] [--cold N]

A new installation runs an empty Python function. Warm: requests that were signed beforehand, one after the other over one connection, from
the first byte sent to the last byte read. Cold: each after a change of the configuration, so that a new sandbox is made. Plain: the
interpreter started with nothing to do, and with the runtime's client imported, by subprocess. Figures are those of the machine and of
what else it does meanwhile. Needs scripts/setup and scripts/setup-clients (for botocore).
"""
import argparse
import base64
import http.client
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile

import api_speed  # noqa: F401  finds botocore
import botocore.auth
import botocore.awsrequest

PACKAGES = pathlib.Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer")) / "functions"
TRUST = {"Version": "2012-10-17",
         "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


class Client:
    def __init__(self, server):
        self.server = server
        self.host = urllib.parse.urlsplit(server.endpoint).netloc
        self.connection = http.client.HTTPConnection(self.host, timeout=60)

    def signed(self, service, method, path, headers, body):
        request = botocore.awsrequest.AWSRequest(method=method, url=self.server.endpoint + path, data=body, headers=headers)
        botocore.auth.SigV4Auth(self.server.credentials, service, "us-east-1").add_auth(request)
        return method, path, body, dict(request.headers.items())

    def send(self, method, path, body, headers):
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300 or answer.getheader("X-Amz-Function-Error"):
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()[:500]}")
        return text

    def ask(self, service, method, path, body, headers=None):
        return self.send(*self.signed(service, method, path, headers or {}, body))


def zipped(text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m.py", text)
    return base64.b64encode(buffer.getvalue()).decode()


def milliseconds(work, count):
    found = []
    for number in range(count):
        began = time.perf_counter()
        work(number)
        found.append((time.perf_counter() - began) * 1000)
    return found


def line(name, values):
    values = sorted(values)
    print(f"{name:44}{statistics.median(values):9.2f}{values[int(len(values) * 0.99) - 1]:9.2f}{values[0]:9.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coffer", default=str(api_speed.HERE / "build/bin/coffer"))
    parser.add_argument("--invocations", type=int, default=1000)
    parser.add_argument("--cold", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        server = api_speed.Coffer(options.coffer, pathlib.Path(work), ",".join(str(c) for c in sorted(os.sched_getaffinity(0))))
        server.start()
        try:
            measure(server, options)
        finally:
            server.stop()


def measure(server, options):
    client = Client(server)
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    made = client.ask("iam", "POST", "/", urllib.parse.urlencode({"Action": "CreateRole", "Version": "2010-05-08", "RoleName": "bench",
                                                                 "AssumeRolePolicyDocument": json.dumps(TRUST)}), form).decode()
    role = made.split("<Arn>")[1].split("</Arn>")[0]
    client.ask("lambda", "POST", "/2015-03-31/functions", json.dumps({
        "FunctionName": "bench", "Runtime": "python3.12", "Role": role, "Handler": "m.handler",
        "Code": {"ZipFile": zipped("def handler(event, context):\n    return event\n")}}))
    path = "/2015-03-31/functions/bench/invocations"
    invocations = [client.signed("lambda", "POST", path, {}, '{"n":%d}' % n) for n in range(options.invocations)]
    client.send(*invocations[0])
    print(f"{'ms':44}{'p50':>9}{'p99':>9}{'least':>9}")
    health = milliseconds(lambda n: client.send("GET", "/healthz", None, {}), options.invocations)
    line("GET /healthz, the same server", health)
    warm = milliseconds(lambda n: client.send(*invocations[n]), options.invocations)
    line("Invoke, warm", warm)
    cold = []
    for number in range(options.cold):
        client.ask("lambda", "PUT", "/2015-03-31/functions/bench/configuration", json.dumps({"Timeout": 10 + number}))
        request = client.signed("lambda", "POST", path, {}, "{}")
        cold += milliseconds(lambda n: client.send(*request), 1)
    line("Invoke, cold", cold)
    python = sorted(PACKAGES.glob("python3.*"))[-1]
    environment = {**os.environ, "PYTHONPATH": str(python)}
    for name, code in (("plain start of the interpreter", "pass"), ("... with the runtime's client imported", "import awslambdaric.bootstrap")):
        line(name, milliseconds(lambda n: subprocess.run([f"/usr/bin/{python.name}", "-c", code], check=True, env=environment), max(options.cold, 10)))
    good = statistics.median(warm) < 5
    print("asked: warm under 5 ms in the median: " + ("yes" if good else "no"))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
