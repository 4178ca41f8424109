"""The boundaries of S3: what is in its requests stands in paths, query strings, headers and XML, and bodies stream.

For every operation: a valid request, each header and query parameter with values that are none, the document with each of its
elements changed, removed and doubled, and documents that are none. Whatever comes: an answer in time that is no 5xx, whose error code
is in S3's table with its status, and 4xx where the model leaves no other.
"""
import base64
import copy
import hashlib
import re
import urllib.parse
import xml.etree.ElementTree

import botocore.auth
import botocore.model
import botocore.serialize

from harness import REPOSITORY

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
ODD = ["", "x", "-1", "0", "99999999999999999999", "a" * 3000, "%00", "\u00fc\u4e2d", "../../etc", "<a>&\"'", "true", "1970-01-01"]
GARBAGE = [b"<", b"<a", b"<a></b>", b"<a/>", b"\xff\xfe", b"\x00" * 100, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<a>" * 2000,
           b"{}", b"<a xmlns='x'>" + b"<b/>" * 50_000 + b"</a>", b"<?xml version='1.0' encoding='UTF-16'?><a/>"]
NO_XML = {0, 1, 2, 4, 5, 6, 7, 8}  # of those; the others are documents, if odd ones
PLACES = {"header", "headers", "querystring"}
RETRIEVED = {"NotModified": 304}


def known_codes():
    """{code: status}, from the program's own table."""
    text = (REPOSITORY / "src/edge/wire/s3_error_names.cc").read_text()
    return {name: int(status) for name, status in re.findall(r'\{"(\w+)", (\d{3})\}', text)} | RETRIEVED


class S3Auth(botocore.auth.S3SigV4Auth):
    """Signs the body as it is, whatever the scheme."""

    def payload(self, request):
        return hashlib.sha256(request.body or b"").hexdigest()


class S3Service:
    name, query, protocol = "s3", False, "rest-xml"

    def __init__(self, target, built, newest):
        self.target = target
        self.model = botocore.model.ServiceModel(built, "s3")
        self.newest = botocore.model.ServiceModel(newest, "s3")
        self.absent = []
        self.codes = known_codes()
        self.serializer = botocore.serialize.create_serializer("rest-xml", include_validation=False)

    def operations(self):
        names = sorted(self.model.operation_names, key=lambda n: (n.startswith(("Delete", "Abort")), n))
        return [self.model.operation_model(name) for name in names]

    def newer_members(self, operation):
        def names(model):
            shape = model.operation_model(operation).input_shape
            return set(shape.members) if shape is not None else set()
        return sorted(names(self.newest) - names(self.model)) if operation in self.newest.operation_names else []

    def request(self, operation, value):
        """[method, path, query, headers, body] of an input."""
        made = self.serializer.serialize_to_request(value, operation)
        path, _, inner = made["url_path"].partition("?")
        query = urllib.parse.parse_qsl(inner, keep_blank_values=True)
        query += [(k, str(v)) for k, v in (made["query_string"] or {}).items()]
        body = made["body"] or b""
        body = body.encode() if isinstance(body, str) else body
        return [made["method"], path, query, {k: str(v) for k, v in made["headers"].items()}, body]

    def send(self, request, digest=True):
        method, path, query, headers, body = request
        headers = dict(headers)
        if body and digest:
            headers["Content-MD5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
        headers = {k: urllib.parse.quote(v, safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}%") for k, v in headers.items()}
        target = urllib.parse.quote(path, safe="/%~") + "?" * bool(query) + urllib.parse.urlencode(query)
        return self.target.request(method, target, headers, body, lambda c, r: S3Auth(c, "s3", r))

    def judge(self, must_fail, method, answer, seconds_max):
        status, _, body, seconds = answer
        if status == 0:
            return f"the connection broke: {body.decode(errors='replace')}"
        if status >= 500 and status != 501:
            return f"{status}: {body[:300].decode(errors='replace')}"
        if seconds > seconds_max:
            return f"the answer took {seconds:.1f} s"
        if status < 400:
            return "was accepted" if must_fail else None
        if method == "HEAD":
            return None
        try:
            code = xml.etree.ElementTree.fromstring(body).findtext("Code")
        except xml.etree.ElementTree.ParseError:
            return f"{status}: the failure cannot be parsed: {body[:300]!r}"
        if self.codes.get(code, 400 if (code or "").startswith("KMS.") else None) != status:
            return f"{status} {code} is not in the table of codes"
        return None

    def cases(self, operation, maker):
        """(name, must fail, request)"""
        shape = operation.input_shape
        valid = self.request(operation, maker.valid(shape) if shape is not None else {})
        yield "valid", False, valid
        for name, member in (shape.members if shape is not None else {}).items():
            where = member.serialization.get("location")
            if where not in PLACES or name == "ContentLength":  # that is the framing of HTTP
                continue
            wire = member.serialization.get("name", name)
            refused = set(ODD) if getattr(member, "enum", None) and not operation.deprecated else set()
            for number, text in enumerate(ODD):
                changed = copy.deepcopy(valid)
                if where == "querystring":
                    changed[2] = [(k, v) for k, v in changed[2] if k != wire] + [(wire, text)]
                else:
                    changed[3][wire + ("odd" if where == "headers" else "")] = text
                yield f"{name}: odd {number}", text in refused and text != "" and where != "headers", changed
        if not valid[4] or not shape.serialization.get("payload") or operation.has_streaming_input:
            return
        payload = shape.members[shape.serialization["payload"]]
        for number, garbage in enumerate(GARBAGE):
            yield f"garbage {number}", payload.type_name == "structure" and number in NO_XML, [*valid[:4], garbage]
        if payload.type_name == "structure":
            yield from self.documents(valid)

    def documents(self, valid):
        try:
            tree = xml.etree.ElementTree.fromstring(valid[4])
        except xml.etree.ElementTree.ParseError:
            return
        xml.etree.ElementTree.register_namespace("", NAMESPACE)
        for number, _ in enumerate(tree.iter()):
            for what, change in (("gone", None), ("twice", "twice"), *((f"odd {n}", text) for n, text in enumerate(ODD))):
                changed = copy.deepcopy(tree)
                parents = {child: parent for parent in changed.iter() for child in parent}
                element = list(changed.iter())[number]
                if change is None and element in parents:
                    parents[element].remove(element)
                elif change == "twice" and element in parents:
                    parents[element].append(copy.deepcopy(element))
                elif change is not None and not len(element):
                    element.text = change
                else:
                    continue
                yield f"element {number} {what}", False, [*valid[:4], xml.etree.ElementTree.tostring(changed)]


def known_values(session, endpoint):
    """Makes what inputs can name."""
    s3 = session.create_client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket="boundary")
    s3.put_bucket_versioning(Bucket="boundary", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="boundary", Key="key", Body=b"0123456789")["VersionId"]
    upload = s3.create_multipart_upload(Bucket="boundary", Key="key")["UploadId"]
    return {"Bucket": "boundary", "BucketName": "boundary", "Key": "key", "ObjectKey": "key", "CopySource": "boundary/key", "VersionId": version,
            "UploadId": upload, "PartNumber": 1, "Payer": "BucketOwner", "Id": "boundary", "Role": "arn:aws:iam::111111111111:role/boundary"}
