#!/usr/bin/env python3
"""From an event to the start of the function that a rule calls for it, warm and cold.

  event_latency.py [--coffer build/release/bin/coffer] [--events N] [--cold N]

An installation of its own; PutEvents one after the other; the function prints when its handler began, which is read from its log group.
The time is that between the call of PutEvents and the handler's first line, by one clock. Cold: the function's configuration is changed
before each event, so that a new environment has to be made. Needs scripts/setup-clients (boto3).
"""
import argparse
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent.parent
CLIENTS = pathlib.Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer")) / "clients"
sys.path += [str(p) for p in (CLIENTS / "boto3-new/lib").glob("python3*/site-packages")]
import boto3  # noqa: E402

SOURCE = """
import time
def handler(event, context):
    print("BEGAN", time.time(), event["detail"]["n"])
"""


def start(program, place):
    process = subprocess.Popen([program, "up", "--json", "--data", f"{place}/data", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    text = b""
    while not text.endswith(b"\n}\n"):
        text += process.stdout.readline()
    return process, json.loads(text)["endpoint"]


def began(logs, group):
    """n -> time, of every handler that has begun."""
    found, arguments = {}, {"logGroupName": group}
    while True:
        try:
            page = logs.filter_log_events(**arguments)
        except logs.exceptions.ResourceNotFoundException:
            return found
        for event in page["events"]:
            if said := re.match(r"BEGAN ([0-9.]+) (\d+)", event["message"]):
                found[int(said[2])] = float(said[1])
        if "nextToken" not in page:
            return found
        arguments["nextToken"] = page["nextToken"]


def show(name, delays):
    delays = sorted(delays)
    print(f"{name:5} {len(delays):5} events  p50 {delays[len(delays) // 2] * 1000:7.1f} ms  p99 {delays[int(len(delays) * 0.99)] * 1000:7.1f} ms  "
          f"most {delays[-1] * 1000:7.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coffer", default=str(HERE / "build/release/bin/coffer"))
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--cold", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        process, endpoint = start(options.coffer, place)
        try:
            os.environ.update(AWS_SHARED_CREDENTIALS_FILE=f"{place}/data/credentials", AWS_PROFILE="main", AWS_DEFAULT_REGION="us-east-1")
            make = lambda name: boto3.client(name, endpoint_url=endpoint)  # noqa: E731
            iam, functions, events, logs = make("iam"), make("lambda"), make("events"), make("logs")
            trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                                                             "Action": "sts:AssumeRole"}]}
            role = iam.create_role(RoleName="f", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
            iam.put_role_policy(RoleName="f", PolicyName="logs", PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}))
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as file:
                file.writestr("f.py", SOURCE)
            function = functions.create_function(FunctionName="f", Runtime="python3.11", Handler="f.handler", Role=role,
                                                 Code={"ZipFile": archive.getvalue()})["FunctionArn"]
            rule = events.put_rule(Name="r", EventPattern='{"source": ["bench"]}')["RuleArn"]
            functions.add_permission(FunctionName="f", StatementId="e", Action="lambda:InvokeFunction", Principal="events.amazonaws.com",
                                     SourceArn=rule)
            events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": function}])
            sent = {}

            def send(n):
                sent[n] = time.time()
                # A resource of its own: order is kept within one.
                answer = events.put_events(Entries=[{"Source": "bench", "DetailType": "t", "Detail": json.dumps({"n": n}),
                                                     "Resources": [f"arn:aws:s3:::b{n}"]}])
                assert answer["FailedEntryCount"] == 0, answer

            def wait(until):
                deadline = time.monotonic() + 120
                while len(found := began(logs, "/aws/lambda/f")) < until:
                    if time.monotonic() > deadline:
                        raise SystemExit(f"only {len(found)} of {until} began")
                    time.sleep(0.2)
                return found

            send(0)
            wait(1)
            for n in range(1, options.events + 1):
                send(n)
                time.sleep(0.02)
            found = wait(options.events + 1)
            show("warm", [found[n] - sent[n] for n in range(1, options.events + 1)])
            for n in range(options.events + 1, options.events + 1 + options.cold):
                functions.update_function_configuration(FunctionName="f", Description=str(n))
                send(n)
                wait(n + 1)
            found = wait(options.events + 1 + options.cold)
            show("cold", [found[n] - sent[n] for n in range(options.events + 1, options.events + 1 + options.cold)])
            print("asked: p99 under 250 ms warm, 1.5 s cold")
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
