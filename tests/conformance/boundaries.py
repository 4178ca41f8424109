"""Every documented boundary of every operation, from the service models: see synthesis.py for the cases.

The cases come from the models that the program was built from; what the newest models have besides is in the table.

What must hold for each case: an answer within 2 seconds that is no 5xx; an error has a name that the operation's model or the
protocol knows; what is beyond a limit is refused by validation, and what is within is not. The run says which operations there are;
docs/aws-coverage.md is made from that and from coverage_notes.toml.
  boundaries.py --check FILE    the run, and FILE must be what it would write
  boundaries.py --write FILE    the run, and FILE is written
"""
import argparse
import collections
import fnmatch
import gzip
import http.client
import io
import json
import os
import pathlib
import queue
import re
import sys
import threading
import time
import tomllib
import urllib.parse
import xml.etree.ElementTree
import zipfile

import botocore
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import botocore.session

import s3_boundaries
import synthesis
from synthesis import ACCEPTED, SERIAL, VALIDATION

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = ("iam", "sts", "organizations", "kms", "cloudtrail", "logs", "events", "rds", "lambda", "backup")
MAIN, SECOND = "111111111111", "222222222222"
CONNECTIONS = 6
ANSWER_SECONDS = 2.0
CASES_MAX = 220  # an operation
SHOWN_MAX = 40   # failures that are printed in full

# What any operation of a protocol may answer besides its own errors.
VALIDATION_NAMES = {"kms": {"ValidationException"}, "iam": {"ValidationError"}, "sts": {"ValidationError"},
                    "organizations": {"InvalidInputException"}, "cloudtrail": {"ValidationException"},
                    "logs": {"InvalidParameterException"}, "events": {"ValidationException"}, "rds": {"InvalidParameterValue"},
                    "lambda": {"ValidationException", "InvalidParameterValueException"}, "backup": {"InvalidParameterValueException"}}
COMMON = {"json": {"ValidationException", "SerializationException", "AccessDeniedException", "ThrottlingException",
                   "RequestEntityTooLargeException"},
          # Recipients, foreign key specs and stores, and grant tokens that are none, are refused by these names whether the operation's
          # model has them or not.
          "kms": {"UnsupportedOperationException", "InvalidGrantTokenException"},
          "rds": {"InvalidParameterValue", "InvalidParameterCombination", "MissingParameter"},
          # Of a function or plan that is not there, also where the operation's model forgets to say so.
          "lambda": {"InvalidParameterValueException", "InvalidRequestContentException", "ResourceNotFoundException"},
          "backup": {"InvalidParameterValueException", "MissingParameterValueException", "ResourceNotFoundException"},
          "query": {"ValidationError", "MalformedInput", "MalformedQueryString", "AccessDenied", "Throttling", "RequestEntityTooLarge"}}
# What is no request of the operation at all may be refused before the operation is known.
BEFORE = {"MissingAction", "InvalidAction", "UnknownOperationException"}
ABSENT = {"UnknownOperationException", "InvalidAction"}
# What AWS's services limit more than their models say.
NARROWER = {("lambda", "FunctionName", "max")}
UNREADABLE = {"json": {"SerializationException", "ValidationException", "InvalidInputException", "InvalidParameterException",
                       "InvalidParameterValueException", "InvalidRequestContentException"},
              "query": {"MalformedInput", "ValidationError", "InvalidParameterValue"}}

# These end what other operations need, so they come last.
LAST = re.compile(r"^(Delete|Remove|Schedule|Disable|Leave|Close|Untag|Detach|Deactivate|Deregister|Revoke|Retire)")

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]})
GARBAGE_JSON = [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe\x00", b'{"a":' * 3000, b"[" * 100_000, b'{"a":1e999999}', b'{"a":NaN}',
                b'{"\\ud800":1}', b'{"KeyId":"\xc3\x28"}', b"{}" + b" " * 70_000, b'{"KeyId":"a","KeyId":7}', b"\x00" * 1000]
GARBAGE_FORM = [b"%", b"&%zz=1", b"&&&&====", b"&A.member.99999999999999999999=1", b"&A.member.-1=1", b"&Tags.member.1000000.Key=a",
                b"&" + b"A." * 5000 + b"=1", b"&\xff\xfe=\x00", b"&MaxItems.a.b=1", b"&UserName=a&UserName=b", b"&Version=1999-01-01",
                b"&Tags.member.1=x&Tags.member.1.Key=y", b"&" + b"x=1&" * 20_000]


def built_models():
    """{service: model}, and the version, of the botocore package that the build reads (CMakeLists.txt takes the last by name)."""
    wheels = sorted(pathlib.Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer")).glob("python/botocore-*.whl"))
    models = {}
    with zipfile.ZipFile(wheels[-1]) as package:
        for name in sorted(package.namelist()):
            match = re.fullmatch(r"botocore/data/([^/]+)/[^/]+/service-2\.json(\.gz)?", name)
            if match and match[1] in (*SERVICES, "s3"):
                data = package.read(name)
                models[match[1]] = json.loads(gzip.decompress(data) if match[2] else data)
    return models, wheels[-1].name.split("-")[1]


class Target:
    """Signed requests to the installation, over connections that stay open."""

    def __init__(self, endpoint, credentials, region):
        self.host = urllib.parse.urlsplit(endpoint).netloc
        self.endpoint, self.credentials, self.region = endpoint, credentials, region
        self.local = threading.local()

    def send(self, model, headers, body):
        return self.request("POST", "/", headers, body, lambda c, r: botocore.auth.SigV4Auth(c, model.signing_name, r))

    def request(self, method, path, headers, body, auth):
        """(status, headers, body, seconds); status 0 when the connection broke or nothing came in time."""
        request = botocore.awsrequest.AWSRequest(method=method, url=self.endpoint + path, data=body, headers=headers)
        auth(self.credentials, self.region).add_auth(request)
        began = time.monotonic()
        for attempt in (1, 2):
            fresh = getattr(self.local, "connection", None) is None
            if fresh:
                self.local.connection = http.client.HTTPConnection(self.host, timeout=10)
            try:
                self.local.connection.request(method, path, body=body, headers=dict(request.headers.items()))
                answer = self.local.connection.getresponse()
                text = answer.read()
                if answer.will_close:
                    self.local.connection = None
                return answer.status, answer.headers, text, time.monotonic() - began
            except (OSError, http.client.HTTPException) as error:
                self.local.connection.close()
                self.local.connection = None
                # A kept connection may have been closed between two requests; a new one may not.
                if fresh or attempt == 2:
                    return 0, {}, repr(error).encode(), time.monotonic() - began
        raise AssertionError


class Service:
    def __init__(self, name, target, built, newest):
        self.name, self.target = name, target
        self.model = botocore.model.ServiceModel(built, name)
        self.newest = botocore.model.ServiceModel(newest, name)
        self.query = self.model.metadata["protocol"] == "query"
        self.protocol = "query" if self.query else "json"
        self.absent = []

    def operations(self):
        names = sorted(self.model.operation_names, key=lambda n: (bool(LAST.match(n)), n))
        return [self.model.operation_model(name) for name in names]

    def newer_members(self, operation):
        """Members of the input that only the newest model has."""
        def names(model):
            shape = model.operation_model(operation).input_shape
            return set(shape.members) if shape is not None else set()
        return sorted(names(self.newest) - names(self.model)) if operation in self.newest.operation_names else []

    def call(self, operation, value):
        if self.query:
            pairs = [("Action", operation.name), ("Version", self.model.api_version)]
            pairs += synthesis.as_form(operation.input_shape, value) if operation.input_shape is not None else []
            return self.raw(operation, urllib.parse.urlencode(pairs, errors="surrogatepass").encode())
        return self.raw(operation, synthesis.as_json(value).encode(errors="surrogatepass"))

    def raw(self, operation, body):
        if self.query:
            headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        else:
            headers = {"Content-Type": "application/x-amz-json-" + self.model.metadata["jsonVersion"],
                       "X-Amz-Target": self.model.metadata["targetPrefix"] + "." + operation.name}
        return self.target.send(self.model, headers, body)

    def error_of(self, body):
        """(code, message) of an error answer."""
        if self.query:
            code, message = re.search(rb"<Code>(.*?)</Code>", body), re.search(rb"<Message>(.*?)</Message>", body, re.S)
            return (code[1].decode() if code else ""), (message[1].decode(errors="replace") if message else "")
        try:
            document = json.loads(body)
        except ValueError:
            return "", body[:200].decode(errors="replace")
        return document.get("__type", "").split("#")[-1], document.get("message") or document.get("Message") or ""

    def names_of(self, operation):
        """Error names that the operation may answer with."""
        names = set(COMMON[self.protocol]) | VALIDATION_NAMES[self.name] | COMMON.get(self.name, set())
        for shape in operation.error_shapes:
            names |= {shape.name, shape.metadata.get("error", {}).get("code", shape.name)}
        return names


class RestService(Service):
    """A service whose requests have members in their paths, query strings and headers, and JSON in their bodies."""

    PLACES = {"uri", "querystring", "header", "headers"}

    def place(self, operation, member):
        shape = operation.input_shape.members.get(member) if operation.input_shape is not None else None
        return shape.serialization.get("location") if shape is not None else None

    @staticmethod
    def payload(operation):
        return operation.input_shape.serialization.get("payload") if operation.input_shape is not None else None

    def call(self, operation, value):
        return self.raw(operation, None, value)

    def raw(self, operation, body, value=None):
        """`body` instead of the one that the input makes; None for a path that nothing can be put into."""
        if value is None:
            value = self.maker.valid(operation.input_shape) if operation.input_shape is not None else {}
        path, query, headers, members = operation.http["requestUri"], [], {"Content-Type": "application/json"}, {}
        payload = self.payload(operation)
        for name, item in value.items():
            where = self.place(operation, name)
            wire = operation.input_shape.members[name].serialization.get("name", name) if where else name
            if where == "uri":
                path = re.sub(r"\{" + wire + r"\+?\}", lambda m, text=self.text(item): urllib.parse.quote(text, safe="~"), path)
            elif where == "querystring":
                query += [(wire, self.text(one)) for one in (item if isinstance(item, list) else [item]) if one is not None]
            elif where == "header" and item is not None:
                headers[wire] = urllib.parse.quote(self.text(item), safe=" !#$&'()*+,/:;=?@[]^`|~")
            elif where is None:
                members[name] = item
        if "{" in path or "//" in path:
            return None
        if body is None and payload:
            body = members.get(payload, {})
            body = body if isinstance(body, bytes) else synthesis.as_json(body).encode(errors="surrogatepass")
        if body is None:
            body = synthesis.as_json(members).encode(errors="surrogatepass") if members else b""
        path, _, inner = path.partition("?")
        query = urllib.parse.parse_qsl(inner, keep_blank_values=True) + query
        target = path + "?" * bool(query) + urllib.parse.urlencode(query, errors="surrogatepass")
        status, answer_headers, answer, seconds = self.target.request(
            operation.http["method"], target, headers, body, lambda c, r: botocore.auth.SigV4Auth(c, self.model.signing_name, r))
        if status >= 400 and (name := answer_headers.get("x-amzn-errortype")):
            try:
                answer = json.dumps({"message": "", **json.loads(answer or b"{}"), "__type": name.split(":")[0]}).encode()
            except (ValueError, TypeError):
                pass
        return status, answer_headers, answer, seconds

    @staticmethod
    def text(item):
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, synthesis.Raw):
            return item.form_text()
        return "" if item is None else item if isinstance(item, str) else str(item)


def readable(service, body):
    try:
        if service.query:
            xml.etree.ElementTree.fromstring(body)
        elif body:
            json.loads(body)
        return True
    except (ValueError, xml.etree.ElementTree.ParseError):
        return False


def judge(service, operation, expect, member, answer, also=frozenset()):
    """Why the answer is wrong; None when it is right. `also`: names that are right besides."""
    status, _, body, seconds = answer
    if status == 0:
        return f"the connection broke: {body.decode(errors='replace')}"
    if not readable(service, body):
        return f"the answer cannot be parsed: {body[:300]!r}"
    if status >= 500:
        return f"{status}: {body[:300].decode(errors='replace')}"
    if seconds > ANSWER_SECONDS:
        return f"the answer took {seconds:.1f} s"
    if status < 300:
        return f"was accepted, wanted a refusal ({expect})" if expect in (VALIDATION, SERIAL) else None
    code, message = service.error_of(body)
    if code not in service.names_of(operation) | also:
        return f"the error {code} is not the operation's: {message[:200]}"
    if expect == VALIDATION and code not in VALIDATION_NAMES[service.name]:
        return f"wanted a validation error, got {code}: {message[:200]}"
    if expect == SERIAL and code not in UNREADABLE[service.protocol]:
        return f"wanted an error of the protocol, got {code}: {message[:200]}"
    if expect == ACCEPTED and "failed to satisfy constraint" in message:
        text = message.replace("&#39;", "'").replace("&apos;", "'")
        if not member or f"'{member}'" in text:
            return f"is within the limits, got {code}: {message[:300]}"
    return None


def expectation(service, operation, case, what):
    """Forms have only text: what a list or a string looks like in JSON cannot be of a wrong type there. Nor can it be missing in a path."""
    if service.query and (case.expect == SERIAL and what in ("of another type", "not base64") or
                          ".item." in case.name and what in ("missing", "null")):  # an item without members leaves no trace
        return None
    if (service.name, re.split(r"[.:]", case.name)[0], what) in NARROWER:
        return None
    if isinstance(service, RestService) and (member := re.split(r"[.:]", case.name)[0]) == service.payload(operation):
        return None if case.expect == SERIAL or what in ("missing", "null") else case.expect  # a body of any bytes, or of none
    if isinstance(service, RestService) and service.place(operation, member) in RestService.PLACES:
        return None if case.expect == SERIAL or what in ("missing", "null", "empty", "of another type") else case.expect
    return case.expect


class Run:
    def __init__(self):
        self.lock = threading.Lock()
        self.count = collections.Counter()
        self.wrong = collections.defaultdict(list)
        self.slowest = (0.0, "")

    def one(self, service, operation, name, expect, member, send, also=frozenset()):
        answer = send()
        if answer is None:  # no request of the operation can say that
            return
        reason = judge(service, operation, expect, member, answer, also)
        with self.lock:
            self.count[service.name, operation.name] += 1
            self.slowest = max(self.slowest, (answer[3], f"{service.name} {operation.name} {name}"))
            if reason:
                self.wrong[service.name, operation.name].append(f"{name}: {reason}")

    def operation(self, service, operation, maker):
        """All cases of one operation; False when this installation does not have it."""
        if service.name == "s3":
            return self.s3_operation(service, operation, maker)
        service.maker = maker
        status, _, body, _ = service.call(operation, maker.valid(operation.input_shape) if operation.input_shape is not None else {})
        if status >= 400 and service.error_of(body)[0] in ABSENT:
            return False
        cases = list(maker.cases(operation))
        # Where there are too many, a spread of them: the first ones of an operation are all of one member.
        step = max(1, -(-len(cases) // CASES_MAX))
        for case in cases[::step]:
            what = case.name.split(": ")[-1]
            # Without a part of its path a request is another operation's, or none.
            also = BEFORE if isinstance(service, RestService) and what in ("null", "empty") else frozenset()
            self.one(service, operation, case.name, expectation(service, operation, case, what), case.member,
                     lambda value=case.input: service.call(operation, value), also)
        for number, garbage in enumerate(GARBAGE_FORM if service.query else GARBAGE_JSON):
            if service.query:
                garbage = f"Action={operation.name}&Version={service.model.api_version}".encode() + garbage
            self.one(service, operation, f"garbage {number}", None, "", lambda body=garbage: service.raw(operation, body), BEFORE)
        return True


    def s3_operation(self, service, operation, maker):
        for number, (name, must_fail, request) in enumerate(service.cases(operation, maker)):
            answer = service.send(request)
            if number == 0 and answer[0] == 501:
                return False
            reason = service.judge(must_fail, request[0], answer, ANSWER_SECONDS)
            with self.lock:
                self.count[service.name, operation.name] += 1
                self.slowest = max(self.slowest, (answer[3], f"{service.name} {operation.name} {name}"))
                if reason:
                    self.wrong[service.name, operation.name].append(f"{name}: {reason}")
        return True


def seed(session, endpoint):
    """Makes things that the synthesised inputs can name, and returns those names by member."""
    make = {name: session.create_client(name, endpoint_url=endpoint) for name in SERVICES}
    region = session.get_config_variable("region")
    iam, kms, organizations = make["iam"], make["kms"], make["organizations"]
    root = f"arn:aws:iam::{MAIN}:root"
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}]})
    iam.create_user(UserName="boundary")
    iam.create_group(GroupName="boundary")
    role = iam.create_role(RoleName="boundary", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = iam.create_policy(PolicyName="boundary", PolicyDocument=POLICY)["Policy"]["Arn"]
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/boundary", TargetKeyId=key["KeyId"])
    organizations.create_organization(FeatureSet="ALL")
    top = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=top, Name="boundary")["OrganizationalUnit"]["Id"]
    common = {"RoleArn": role, "PolicyArn": policy, "PolicyDocument": POLICY, "AssumeRolePolicyDocument": trust, "Policy": POLICY}
    return {
        "iam": {**common, "UserName": "boundary", "GroupName": "boundary", "RoleName": "boundary", "policyDocumentType": POLICY,
                "PolicySourceArn": role, "PermissionsBoundary": policy, "ResourceArns": "*", "ActionNames": "s3:GetObject",
                "ActionNameType": "s3:GetObject", "ResourceNameType": "*", "Path": "/", "pathType": "/"},
        "sts": {**common, "RoleSessionName": "boundary"},
        "kms": {"KeyId": key["KeyId"], "TargetKeyId": key["KeyId"], "SourceKeyId": key["KeyId"], "DestinationKeyId": key["KeyId"],
                "AliasName": "alias/boundary", "GranteePrincipal": role, "RetiringPrincipal": role, "PolicyType": KEY_POLICY % root,
                "Policy": KEY_POLICY % root, "ReplicaRegion": "us-east-2", "PrimaryRegion": "us-east-2",
                "KeyPairSpec": "ECC_NIST_P256"},  # making an RSA pair may take seconds
        "organizations": {"RootId": top, "ParentId": top, "SourceParentId": top, "DestinationParentId": unit, "OrganizationalUnitId": unit,
                          "TargetId": unit, "PolicyId": "p-FullAWSAccess", "ChildId": unit, "ResourceId": unit, "Content": POLICY,
                          "AccountId": SECOND, "Email": "someone@example.com", "ServicePrincipal": "backup.amazonaws.com"},
        "cloudtrail": {}, "s3": s3_boundaries.known_values(session, endpoint),
        "logs": seed_logs(make["logs"], region), "events": seed_events(make["events"], region), "rds": {},
        "lambda": seed_lambda(make["lambda"], iam, region), "backup": seed_backup(make["backup"], region, role),
    }


def seed_logs(logs, region):
    logs.create_log_group(logGroupName="boundary")
    logs.create_log_stream(logGroupName="boundary", logStreamName="boundary")
    group = f"arn:aws:logs:{region}:{MAIN}:log-group:boundary"
    return {"logGroupName": "boundary", "logGroupIdentifier": "boundary", "logStreamName": "boundary", "resourceArn": group,
            "LogGroupIdentifier": "boundary", "LogStreamName": "boundary", "retentionInDays": 7, "filterPattern": "x", "policyName": "boundary",
            "policyDocument": RESOURCE_POLICY}


def seed_events(events, region):
    events.put_rule(Name="boundary", EventPattern=PATTERN)
    bus = f"arn:aws:events:{region}:{MAIN}:event-bus/default"
    return {"EventPattern": PATTERN, "ScheduleExpression": "rate(5 minutes)", "EventBusName": "default", "Rule": "boundary",
            "RuleName": "boundary", "EventSourceArn": bus, "ResourceARN": f"arn:aws:events:{region}:{MAIN}:rule/boundary",
            "Event": json.dumps({"id": "1", "source": "x", "detail-type": "y", "account": MAIN, "time": "2026-01-01T00:00:00Z",
                                 "region": region, "resources": [], "detail": {}}),
            "TargetArn": f"arn:aws:logs:{region}:{MAIN}:log-group:boundary"}


def seed_lambda(functions, iam, region):
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    role = iam.create_role(RoleName="boundary-function", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("f.py", "def handler(event, context):\n    return 1\n")
    functions.create_function(FunctionName="boundary", Role=role, Runtime="python3.11", Handler="f.handler", Code={"ZipFile": packed.getvalue()})
    return {"FunctionName": "boundary", "Role": role, "Handler": "f.handler", "Runtime": "python3.11", "FunctionVersion": "$LATEST",
            "Principal": "events.amazonaws.com", "Action": "lambda:InvokeFunction", "Qualifier": "$LATEST",
            "Resource": f"arn:aws:lambda:{region}:{MAIN}:function:boundary"}


def seed_backup(backup, region, role):
    backup.create_backup_vault(BackupVaultName="boundary")
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "boundary", "Rules": [
        {"RuleName": "daily", "TargetBackupVaultName": "boundary", "ScheduleExpression": "cron(0 5 ? * * *)"}]})
    return {"BackupVaultName": "boundary", "TargetBackupVaultName": "boundary", "BackupPlanId": plan["BackupPlanId"],
            "ScheduleExpression": "cron(0 5 ? * * *)", "IamRoleArn": role, "Policy": RESOURCE_POLICY,
            "ResourceArn": plan["BackupPlanArn"], "SourceBackupVaultName": "boundary"}


PATTERN = json.dumps({"source": ["x"]})
RESOURCE_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "logs:PutLogEvents", "Resource": "*"}]})
KEY_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "%s"}, "Action": "kms:*", "Resource": "*"}]})


def run_all(services, known):
    run, work = Run(), queue.Queue()

    def worker():
        while (item := work.get()) is not None:
            service, operation = item
            if not run.operation(service, operation, synthesis.Maker(known[service.name])):
                with run.lock:
                    service.absent.append(operation.name)
            work.task_done()
        work.task_done()

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for late in (False, True):
        for service in services:
            for operation in service.operations():
                if bool(LAST.match(operation.name)) == late:
                    work.put((service, operation))
        work.join()
    for _ in threads:
        work.put(None)
    for thread in threads:
        thread.join()
    return run


# The table

class Notes:
    """coverage_notes.toml: why an operation is absent or only partly there."""

    def __init__(self):
        self.tables = tomllib.loads((HERE / "coverage_notes.toml").read_text())
        self.used = set()

    def find(self, service, kind, operation):
        for pattern, reason in self.tables.get(service, {}).get(kind, {}).items():
            if fnmatch.fnmatchcase(operation, pattern):
                self.used.add((service, kind, pattern))
                return reason
        return None

    def unused(self):
        every = {(service, kind, pattern) for service, kinds in self.tables.items() for kind, table in kinds.items() for pattern in table}
        return sorted(" ".join(one) for one in every - self.used)


def table(services, notes, built):
    """The text of docs/aws-coverage.md, and the operations whose absence nobody explained."""
    lines = ["# AWS coverage", "",
             "Made by `tests/conformance/run.py --only boundaries --write-coverage` from a run of every operation at every documented "
             "boundary, and from tests/conformance/coverage_notes.toml. Do not edit.", "",
             f"The program knows the service models of botocore {built}; the operations are those of botocore {botocore.__version__}.", "",
             "* supported: the whole operation, with AWS's validation, authorisation and errors.",
             "* partial: supported but for what the last column says.",
             "* absent: answered as AWS answers an operation that it does not know.", "",
             "| service | operations | supported | partial | absent |", "|---|---|---|---|---|"]
    unexplained, parts = [], []
    for service in services:
        count, rows, absent = collections.Counter(), [], collections.defaultdict(list)
        for name in sorted(set(service.model.operation_names) | set(service.newest.operation_names)):
            if name not in service.model.operation_names:
                absent[f"newer than the models of botocore {built}"].append(name)
                count["absent"] += 1
                continue
            if name in service.absent:
                reason = notes.find(service.name, "absent", name)
                if reason is None:
                    unexplained.append(f"{service.name} {name}")
                absent[reason or "(no reason)"].append(name)
                count["absent"] += 1
                continue
            newer = service.newer_members(name)
            reasons = [notes.find(service.name, "partial", name), f"newer than its models: {', '.join(newer)}" if newer else None]
            partial = "; ".join(filter(None, reasons))
            count["partial" if partial else "supported"] += 1
            rows.append(f"| {name} | {'partial' if partial else 'supported'} | {partial or ''} |")
        rows += [f"| {', '.join(names)} | absent | {reason} |" for reason, names in sorted(absent.items(), key=lambda item: item[1])]
        lines.append(f"| {service.name} | {sum(count.values())} | {count['supported']} | {count['partial']} | {count['absent']} |")
        parts += ["", f"## {service.name}", "", "| operation | | reason |", "|---|---|---|", *rows]
    return "\n".join(lines + parts) + "\n", unexplained


def report(run, services):
    """A line for each service whose operations all held; every operation that did not, with its cases."""
    shown = 0
    for service in services:
        wrong = {op: cases for (name, op), cases in run.wrong.items() if name == service.name}
        total = sum(count for (name, _), count in run.count.items() if name == service.name)
        there = len(set(service.model.operation_names)) - len(service.absent)
        if not wrong:
            print(f"ok      {service.name}: {there} operations hold at {total} boundaries", flush=True)
        for operation, cases in sorted(wrong.items()):
            print(f"FAILED  {service.name} {operation}: {len(cases)} of {run.count[service.name, operation]} cases: {cases[0]}", flush=True)
            for case in cases[1:]:
                if shown < SHOWN_MAX:
                    print(f"          {case}", flush=True)
                shown += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", metavar="FILE")
    parser.add_argument("--write", metavar="FILE")
    parser.add_argument("--only", metavar="SERVICE:OPERATION", help="one operation, all its failures")
    options = parser.parse_args()
    session = botocore.session.get_session()
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    frozen = session.get_credentials().get_frozen_credentials()
    target = Target(endpoint, botocore.credentials.Credentials(frozen.access_key, frozen.secret_key), os.environ["AWS_DEFAULT_REGION"])
    built, version = built_models()
    loader = botocore.loaders.Loader()
    services = [(RestService if built[name]["metadata"]["protocol"] == "rest-json" else Service)(
        name, target, built[name], loader.load_service_model(name, "service-2")) for name in SERVICES]
    services.append(s3_boundaries.S3Service(target, built["s3"], loader.load_service_model("s3", "service-2")))
    known = seed(session, endpoint)
    if options.only:
        global SHOWN_MAX
        SHOWN_MAX = 10_000
        name, _, operation = options.only.partition(":")
        services = [service for service in services if service.name == name]
        for service in services:
            service.operations = lambda s=service: [s.model.operation_model(o) for o in s.model.operation_names if not operation or o == operation]
    began = time.monotonic()
    run = run_all(services, known)
    report(run, services)
    total = sum(run.count.values())
    print(f"        {total} cases in {time.monotonic() - began:.0f} s; the slowest answer: {run.slowest[0] * 1000:.0f} ms, {run.slowest[1]}")
    failed = bool(run.wrong)
    if not options.only:
        notes = Notes()
        text, unexplained = table(services, notes, version)
        for promise, lacking in (("every absent operation has its reason", unexplained), ("every reason has its operation", notes.unused())):
            failed |= bool(lacking)
            print(f"ok      {promise}" if not lacking else f"FAILED  {promise}: {', '.join(lacking)}", flush=True)
        if options.write:
            pathlib.Path(options.write).write_text(text)
        elif options.check:
            path = pathlib.Path(options.check)
            same = path.exists() and path.read_text() == text
            failed |= not same
            print("ok      the coverage table is up to date" if same else
                  "FAILED  the coverage table is up to date: write it anew with run.py --only boundaries --write-coverage", flush=True)
    sys.exit(1 if failed else 0)


main()
