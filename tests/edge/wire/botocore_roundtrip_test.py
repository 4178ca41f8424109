#!/usr/bin/env python3
"""botocore, the client that most people use, against the codecs: it serialises a request and reads an answer for every operation of
every service in the tables, with generated values; and Python's regular expressions against ours for every pattern of the models.

Needs build/release/bin/wire_peer, or the program that COFFER_WIRE_PEER names. botocore's dependencies are those of the Python that runs
it, or of the clients that scripts/setup keeps."""
import base64
import datetime
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PEER = os.environ.get("COFFER_WIRE_PEER", str(ROOT / "build/release/bin/wire_peer"))
CACHE = Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer"))
SERVICES = "backup cloudtrail events iam kms lambda logs organizations rds s3 scheduler sts".split()
# Their payloads are streams of events, which no codec of ours speaks.
EVENT_STREAMS = {"SelectObjectContent", "InvokeWithResponseStream", "GetLogObject", "StartLiveTail"}
# They ask for the same as another operation does; the newer one answers.
SAME_REQUEST = {"GetBucketLifecycle": "GetBucketLifecycleConfiguration", "GetBucketNotification": "GetBucketNotificationConfiguration",
                "PutBucketLifecycle": "PutBucketLifecycleConfiguration", "PutBucketNotification": "PutBucketNotificationConfiguration",
                "ListDirectoryBuckets": "ListBuckets"}
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def load_botocore():
    """The pinned package, unpacked: its loader wants files."""
    wheel = os.environ.get("COFFER_BOTOCORE") or str(max((CACHE / "python").glob("botocore-*.whl"), default=""))
    if not wheel:
        raise unittest.SkipTest("no botocore package: run scripts/setup")
    folder = tempfile.TemporaryDirectory()
    with zipfile.ZipFile(wheel) as package:
        wanted = [n for n in package.namelist() if not n.startswith("botocore/data/") or n.count("/") == 2
                  or n.split("/")[2] in SERVICES]
        package.extractall(folder.name, wanted)
    sys.path.insert(0, folder.name)
    sys.path.extend(str(p) for p in sorted((CACHE / "clients" / "boto3-new").glob("**/site-packages")))
    try:
        import botocore.parsers  # noqa: F401
    except ImportError as missing:
        raise unittest.SkipTest(f"botocore cannot be imported: {missing}")
    return folder


class Peer:
    def __init__(self):
        if not Path(PEER).exists():
            raise unittest.SkipTest(f"no {PEER}: build the target wire_peer")
        self.process = subprocess.Popen([PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the peer died of {str(command)[:2000]}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def tagged(shape, value):
    """A Python value of a shape as the peer's typed JSON."""
    kind = shape.type_name
    if kind == "structure":
        return {"m": [[k, tagged(shape.members[k], v)] for k, v in value.items()]}
    if kind == "map":
        return {"m": [[k, tagged(shape.value, v)] for k, v in value.items()]}
    if kind == "list":
        return {"l": [tagged(shape.member, v) for v in value]}
    if kind in ("string", "char"):
        return {"s": value}
    if kind in ("integer", "long"):
        return {"i": str(value)}
    if kind in ("float", "double"):
        return {"d": repr(value)}
    if kind == "boolean":
        return {"b": value}
    if kind == "blob":
        return {"x": base64.b64encode(value).decode()}
    if kind == "timestamp":
        return {"t": str((value - EPOCH) // datetime.timedelta(microseconds=1))}
    raise AssertionError(kind)


def normal(value):
    """Typed JSON without the order of members."""
    (tag, of), = value.items()
    if tag == "m":
        return {"m": {k: normal(v) for k, v in of}}
    if tag == "l":
        return {"l": [normal(v) for v in of]}
    return {"d": float(of)} if tag == "d" else value


class Generator:
    """Values of a shape, seeded; valid as far as lengths, ranges and enums go."""

    TEXTS = ["a", "Hello, world", "x" * 40, "<&>\"'", "päivää €", "a\nb\tc", "100%", "a+b=c&d", "😀", " lead and trail "]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, shape, depth=0, full=False, where=None):
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, depth, full)
        if kind == "list":
            most = min(3, shape.metadata.get("max", 3))
            count = max(shape.metadata.get("min", 1), self.random.randint(1, max(most, 1)))
            return [self.value(shape.member, depth + 1, full, where) for _ in range(min(count, 12))]
        if kind == "map":
            return {self.text(shape.key, where) + str(i): self.value(shape.value, depth + 1, full, where) for i in range(2)}
        if kind in ("string", "char"):
            return self.text(shape, where)
        if kind in ("integer", "long"):
            low = int(shape.metadata.get("min", -2 ** 31 if kind == "integer" else -2 ** 63))
            high = int(shape.metadata.get("max", 2 ** 31 - 1 if kind == "integer" else 2 ** 63 - 1))
            return self.random.choice([low, high, self.random.randint(low, high)])
        if kind in ("float", "double"):
            low, high = float(shape.metadata.get("min", -1e9)), float(shape.metadata.get("max", 1e9))
            return self.random.choice([low, high, self.random.uniform(low, high)])
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "blob":
            return bytes(self.random.randrange(256) for _ in range(self.random.choice([1, 2, 3, 31])))
        if kind == "timestamp":
            seconds = self.random.choice([0, 951782400, 1764000000, self.random.randrange(4102444800)])
            return EPOCH + datetime.timedelta(seconds=seconds)
        raise AssertionError(kind)

    def structure(self, shape, depth, full=False):
        value = {}
        names = list(shape.members)
        if getattr(shape, "is_tagged_union", False):
            names = [self.random.choice(names)]
        for name in names:
            member = shape.members[name]
            required = name in shape.required_members or getattr(shape, "is_tagged_union", False)
            if depth > 4 and not required:
                continue
            if required or full or self.random.random() < (0.6 if depth < 2 else 0.3):
                value[name] = self.value(member, depth + 1, False, member.serialization.get("location"))
        scalars = [n for n in names if shape.members[n].type_name not in ("structure", "list", "map")]
        if not value and scalars and depth > 0:  # queries cannot tell an empty structure from none
            name = self.random.choice(scalars)
            value[name] = self.value(shape.members[name], depth + 1)
        return value

    def text(self, shape, where):
        if shape.enum:
            return self.random.choice(shape.enum)
        low, high = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 40))
        text = self.random.choice(self.TEXTS)
        if where in ("header", "headers"):
            text = "plain-Value_1"
        if where == "uri":
            text = self.random.choice(["plain", "arn:aws:iam::123456789012:role/a b", "a%2Fb", "ä/ö"])
        text = text[:max(high, 1)] if high else text[:1]
        return text + "z" * max(0, min(low, 300) - len(text))


class Roundtrip(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = load_botocore()
        import botocore.awsrequest
        import botocore.model
        import botocore.parsers
        import botocore.serialize
        cls.botocore = botocore
        cls.models = {s: botocore.model.ServiceModel(cls.load_model(s), s) for s in SERVICES}
        cls.peer = Peer()

    @classmethod
    def load_model(cls, service):
        """As it is in the file: what botocore's loader adds is for its own users, not for the wire."""
        newest = max((Path(cls.folder.name) / "botocore/data" / service).glob("*/service-2.json.gz"))
        return json.loads(gzip.decompress(newest.read_bytes()))

    @classmethod
    def tearDownClass(cls):
        cls.peer.close()
        cls.folder.cleanup()

    def operations(self):
        for service, model in self.models.items():
            for name in model.operation_names:
                if name not in EVENT_STREAMS:
                    yield service, model, model.operation_model(name)

    # ---- requests

    def request_of(self, model, operation, params):
        """Method, target, headers and body as botocore sends them."""
        serializer = self.botocore.serialize.create_serializer(model.resolved_protocol, include_validation=False)
        made = serializer.serialize_to_request(params, operation)
        body, headers = made["body"], dict(made["headers"])
        query = made["query_string"]
        if isinstance(query, dict):
            query = self.botocore.awsrequest.percent_encode_sequence(query) if hasattr(self.botocore.awsrequest, "percent_encode_sequence") \
                else urllib.parse.urlencode([(k, v) for k, vs in query.items() for v in (vs if isinstance(vs, list) else [vs])], quote_via=urllib.parse.quote)
        target = made["url_path"]
        if query:
            target += ("&" if "?" in target else "?") + query
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
        if hasattr(body, "read"):
            body = body.read()
        return made["method"], target, headers, body.encode() if isinstance(body, str) else body or b""

    def send(self, service, model, operation, params):
        method, target, headers, body = self.request_of(model, operation, params)
        pairs = [[k, v if isinstance(v, str) else v.decode() if isinstance(v, bytes) else str(v)] for k, v in headers.items()]
        return self.peer.ask(do="decode", service=service, method=method, target=target, headers=pairs, body=base64.b64encode(body).decode())

    def expected(self, model, operation, params):
        """What of the parameters arrives: a stream stays a stream, and headers that have a map's prefix have small letters."""
        shape = operation.input_shape
        params = dict(params)
        payload = shape.serialization.get("payload")
        if payload and payload not in params and shape.members[payload].type_name == "structure" and model.protocol == "rest-json":
            params[payload] = {}  # botocore sends an empty object
        if payload and shape.members[payload].serialization.get("streaming"):
            params.pop(payload, None)
        for name, member in shape.members.items():
            if name in params and member.serialization.get("location") == "headers":
                params[name] = {k.lower(): v for k, v in params[name].items()}
        return normal(tagged(shape, params))

    def test_every_request_that_botocore_writes_is_read_as_it_was_meant(self):
        count = 0
        for service, model, operation in self.operations():
            shape = operation.input_shape
            for seed in range(4 if shape else 1):
                generator = Generator(f"{service} {operation.name} {seed}")
                params = generator.structure(shape, 0, full=seed == 0) if shape else {}
                if service == "s3" and shape:
                    self.tame_s3(operation.name, shape, params)
                with self.subTest(service=service, operation=operation.name, seed=seed):
                    answer = self.send(service, model, operation, params)
                    self.assertNotIn("error", answer)
                    self.assertNotIn("failure", answer)
                    self.assertEqual(answer["operation"], SAME_REQUEST.get(operation.name, operation.name))
                    if shape and operation.name not in SAME_REQUEST:
                        self.assertEqual(normal(answer["input"]), self.expected(model, operation, params))
                    count += 1
        print(f"{count} requests", file=sys.stderr)

    @staticmethod
    def tame_s3(name, shape, params):
        """Bucket names have no slashes, what becomes a host name neither; a stream is empty here."""
        if "RequestRoute" in params:
            params["RequestRoute"] = "route"
        if "Bucket" in params:
            params["Bucket"] = "a-bucket"
        if name == "ListBuckets":
            params.pop("Bucket", None)
        payload = shape.serialization.get("payload")
        if payload and shape.members[payload].serialization.get("streaming"):
            params[payload] = b""

    def test_what_the_model_demands_and_is_not_there_is_named(self):
        for service, model, operation in self.operations():
            shape = operation.input_shape
            if model.protocol not in ("json", "query") or not shape:
                continue
            for missing in shape.required_members:
                params = Generator(f"{service} {operation.name}").structure(shape, 0)
                params.pop(missing, None)
                with self.subTest(service=service, operation=operation.name, missing=missing):
                    answer = self.send(service, model, operation, params)
                    self.assertIsNotNone(answer["refused"])
                    at = missing[0].lower() + missing[1:]
                    self.assertIn(f"Value null at '{at}' failed to satisfy constraint: Member must not be null", answer["refused"])

    # ---- answers

    def read(self, model, operation, answer):
        parser = self.botocore.parsers.create_parser(model.resolved_protocol)
        headers = {}
        from botocore.compat import HTTPHeaders
        headers = HTTPHeaders.from_pairs(answer["headers"]) if hasattr(HTTPHeaders, "from_pairs") else dict(answer["headers"])
        headers = {k: v for k, v in answer["headers"]} if not headers else headers
        return parser.parse({"status_code": answer["status"], "headers": headers, "body": base64.b64decode(answer["body"])},
                            operation.output_shape)

    def test_botocore_reads_every_answer_as_it_was_meant(self):
        count = 0
        for service, model, operation in self.operations():
            shape = operation.output_shape
            if operation.deprecated:
                continue
            for seed in range(4 if shape else 1):
                generator = Generator(f"{service} {operation.name} out {seed}")
                output = generator.structure(shape, 0, full=seed == 0) if shape else {}
                if shape:
                    self.tame_output(shape, output)
                with self.subTest(service=service, operation=operation.name, seed=seed):
                    answer = self.peer.ask(do="encode", service=service, operation=operation.name, output=tagged(shape, output) if shape else {"m": []})
                    self.assertNotIn("failure", answer)
                    self.assertIn(answer["status"], (200, 201, 202, 204, 206, output.get("StatusCode"), output.get("Status")))
                    if answer["status"] >= 300:
                        continue
                    parsed = self.read(model, operation, answer)
                    parsed.pop("ResponseMetadata", None)
                    if shape:
                        self.assertEqual(self.plain(shape, parsed), self.plain(shape, output))
                    count += 1
        print(f"{count} answers", file=sys.stderr)

    @staticmethod
    def tame_output(shape, output):
        for name, member in shape.members.items():
            if member.serialization.get("location") == "statusCode":
                output[name] = 200
            if member.serialization.get("location") == "headers" and name in output:
                output[name] = {k.lower(): v for k, v in output[name].items()}
        payload = shape.serialization.get("payload")
        if payload and shape.members[payload].serialization.get("streaming"):
            output.pop(payload, None)
        elif payload in output and shape.members[payload].type_name == "blob":
            output[payload] = b"text"  # botocore decodes it

    def plain(self, shape, value):
        """For comparison: IAM's policy documents are percent-encoded on the wire; what is empty may be absent."""
        kind = shape.type_name
        if kind == "structure":
            # botocore itself adds the payload that is not there, and cannot tell an absent structure from an empty one.
            members = {k: self.plain(shape.members[k], v) for k, v in value.items() if k in shape.members}
            return {k: v for k, v in members.items() if v not in ({}, [], None, "", b"")}
        if kind == "list":
            return [self.plain(shape.member, v) for v in value]
        if kind == "map":
            return {k: self.plain(shape.value, v) for k, v in value.items()}
        if kind == "blob":
            return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else value.read()
        if kind == "timestamp":
            return value.astimezone(UTC)
        if shape.name == "policyDocumentType":
            return urllib.parse.unquote(value)
        return value

    # ---- failures

    def test_botocore_reads_every_error_of_the_models(self):
        for service, model, operation in self.operations():
            for error in operation.error_shapes:
                code = error.metadata.get("error", {}).get("code") or error.name
                with self.subTest(service=service, operation=operation.name, error=error.name):
                    answer = self.peer.ask(do="fail", service=service, operation=operation.name, code=0, name=error.name, message="Wörds & <more>")
                    self.assertGreaterEqual(answer["status"], 400)
                    declared = error.metadata.get("error", {}).get("httpStatusCode")
                    if declared:
                        self.assertEqual(answer["status"], declared)
                    parsed = self.read(model, operation, answer)
                    self.assertEqual(parsed["Error"]["Code"], error.name if model.protocol in ("json", "rest-json") else code)
                    self.assertEqual(parsed["Error"]["Message"], "Wörds & <more>")

    # ---- patterns

    def test_patterns_agree_with_python(self):
        seen = {}
        for model in self.models.values():
            for name in model.shape_names:
                pattern = model.shape_for(name).metadata.get("pattern")
                if pattern:
                    seen[pattern] = name
        randomness = random.Random(7)
        # What Java says otherwise than Python: categories (Python's re has none), and its dot stops at more line ends.
        for pattern in sorted(seen):
            translated = pattern.replace(r"\p{L}", "a-zA-ZäöЖ").replace(r"\p{N}", "0-9½").replace(r"\p{Z}", " \u3000")
            translated = re.sub(r"\\uD800\\uDC00-\\uDBFF\\uDFFF", "\U00010000-\U0010FFFF", translated)
            translated = re.sub(r"(\\[wd])-(?=[^\]])", r"\1\\-", translated)
            compiled = re.compile(translated, re.ASCII)
            texts = self.samples(pattern, randomness)
            with self.subTest(pattern=pattern):
                found = self.peer.ask(do="match", pattern=pattern, texts=texts)["matches"]
                self.assertIsNotNone(found, "does not compile")
                for text, ours in zip(texts, found):
                    self.assertEqual(ours, compiled.fullmatch(text) is not None, repr(text))

    @staticmethod
    def samples(pattern, randomness):
        """Texts near the pattern: what it accepts as far as Python can say, and the same a little broken."""
        import re._parser as parser  # as of Python 3.11
        translated = pattern.replace(r"\p{L}", "a-zA-Z").replace(r"\p{N}", "0-9").replace(r"\p{Z}", " ")
        translated = translated.replace(r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010FFFF")
        tree = parser.parse(re.sub(r"(\\[wd])-(?=[^\]])", r"\1\\-", translated), re.ASCII)

        def choose(items):
            op, value = randomness.choice(items)
            name = str(op)
            if name == "LITERAL":
                return chr(value)
            if name == "RANGE":
                return chr(randomness.randint(*value))
            return {"CATEGORY_WORD": "w", "CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "n"}.get(str(value), "-")

        def make(nodes):
            out = ""
            for op, value in nodes:
                name = str(op)
                if name == "LITERAL":
                    out += chr(value)
                elif name == "NOT_LITERAL" or name == "ANY":
                    out += randomness.choice("abc-. 1")
                elif name == "IN":
                    out += choose(value) if str(value[0][0]) != "NEGATE" else randomness.choice("abc-./ 1$")
                elif name in ("MAX_REPEAT", "MIN_REPEAT"):
                    least, most, body = value
                    count = randomness.choice([least, least + 1, min(int(most), least + 5)])
                    out += "".join(make(body) for _ in range(min(count, int(most))))
                elif name == "SUBPATTERN":
                    out += make(value[3])
                elif name == "BRANCH":
                    out += make(randomness.choice(value[1]))
            return out

        texts = ["", "a", "-", " ", "--", "aws.x", "system.a", "ä", "½", "Ж", "123456789012", "a.b", "a--b", "A1-", "default.x"]
        for _ in range(30):
            text = make(tree)[:400]
            texts.append(text)
            if text:
                at = randomness.randrange(len(text))
                texts.append(text[:at] + randomness.choice("-.a1 /$ä") + text[at + 1:])
                texts.append(text[:at] + text[at + 1:])
                texts.append(text + randomness.choice("-.a1 /$"))
        return [t for t in texts if not any(0xD800 <= ord(c) < 0xE000 or c in "\r\x85\u2028\u2029\n" or ord(c) == 0 for c in t)]


if __name__ == "__main__":
    unittest.main()
