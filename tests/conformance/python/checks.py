"""Checks that print a line each, and clients for an account of the installation under test."""
import os
import sys
import time

import boto3
import botocore.config
import botocore.exceptions

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ["AWS_DEFAULT_REGION"]
failed = 0


def check(promise, good, detail=""):
    global failed
    if good:
        print(f"ok      {promise}", flush=True)
    else:
        failed += 1
        print(f"FAILED  {promise}" + (f": {detail}" if detail != "" else ""), flush=True)
    return good


def equal(promise, got, wanted):
    return check(promise, got == wanted, f"got {got!r}, wanted {wanted!r}")


def refused(promise, code, call, *words, status=None):
    """`call` fails with this error code, and its message has these words."""
    try:
        answer = call()
    except botocore.exceptions.ClientError as error:
        got, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        shown = error.response["ResponseMetadata"]["HTTPStatusCode"]
        lacking = [word for word in words if word not in message]
        return check(promise, got == code and not lacking and status in (None, shown), f"{shown} {got}: {message}")
    return check(promise, False, f"it was answered: {answer}")


def client(service, profile="main", region=REGION, credentials=None):
    """`credentials`: (access key id, secret, token or None) instead of a profile's."""
    settings = botocore.config.Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=20)
    if credentials:
        session = boto3.session.Session(aws_access_key_id=credentials[0], aws_secret_access_key=credentials[1],
                                        aws_session_token=credentials[2], region_name=region)
    else:
        session = boto3.session.Session(profile_name=profile, region_name=region)
    return session.client(service, endpoint_url=ENDPOINT, config=settings)


def eventually(condition, seconds=5):
    """Reads are recorded within 100 ms of the call, not in it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            return found
        time.sleep(0.05)
    return found


def end():
    sys.exit(1 if failed else 0)
