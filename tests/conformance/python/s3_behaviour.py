"""What S3 does in the many small cases that users and other suites rely on, by boto3 and by plain HTTP: one function is
one promise. `s3_behaviour.py WORD...` runs those whose names have all the words."""
import base64
import concurrent.futures
import contextlib
import datetime
import email.header
import hashlib
import hmac
import http.client
import itertools
import json
import sys
import traceback
import urllib.parse
import zlib

import boto3
import botocore.config
import botocore.exceptions
import botocore.session

import checks
from checks import ENDPOINT, check, end

UTC = datetime.timezone.utc
MAIN, SECOND = "111111111111", "222222222222"
HOST = urllib.parse.urlsplit(ENDPOINT).netloc
MIB = 1 << 20
numbers = itertools.count(1)
cases = []


def case(function):
    cases.append(function)
    return function


def client(profile="main", service="s3", credentials=None, **more):
    if service == "s3" and not credentials:
        more = {"signature_version": "s3v4", **more}
    made = checks.client(service, profile, credentials=credentials) if not more else boto3.session.Session(
        profile_name=profile, region_name=checks.REGION).client(service, endpoint_url=ENDPOINT, config=botocore.config.Config(retries={"max_attempts": 0}, **more))
    if service == "s3":
        made.meta.events.unregister("before-parameter-build.s3", botocore.handlers.validate_bucket_name)
    return made


def nobody():
    made = boto3.session.Session().client("s3", endpoint_url=ENDPOINT, config=botocore.config.Config(
        signature_version=botocore.UNSIGNED, retries={"max_attempts": 0}))
    return made


s3, other, anonymous = client(), client("second"), nobody()


def name():
    return f"behaviour-{next(numbers)}"


def bucket(versions=False, open_=False, owner=None, **more):
    made = name()
    (owner or s3).create_bucket(Bucket=made, **more)
    if versions:
        s3.put_bucket_versioning(Bucket=made, VersioningConfiguration={"Status": "Enabled"})
    if open_:
        (owner or s3).delete_public_access_block(Bucket=made)
    return made


def with_lists():
    """A bucket whose ACLs count."""
    return bucket(open_=True, ObjectOwnership="ObjectWriter")


def fill(made, *keys):
    for key in keys:
        s3.put_object(Bucket=made, Key=key, Body=key.encode())
    return made


def body(made, key, by=s3, **more):
    return by.get_object(Bucket=made, Key=key, **more)["Body"].read()


def fails(status, code, call, *arguments, **more):
    """The answer of a call that must fail."""
    try:
        answer = call(*arguments, **more)
    except botocore.exceptions.ClientError as error:
        got = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        assert got[0] == status and (code is None or got[1] == code), f"{got[0]} {got[1]}: {error.response['Error'].get('Message')}, wanted {status} {code}"
        return error.response
    raise AssertionError(f"it was answered: {answer}, wanted {status} {code}")


def same(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def raw(method, path, content=None, headers=(), no_length=False):
    """Status, headers and body of a plain request; `path` may be a URL."""
    parts = urllib.parse.urlsplit(path)
    connection = http.client.HTTPConnection(HOST, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest(method, parts.path + ("?" + parts.query if parts.query else ""))
        headers = dict(headers)
        if content is not None and not no_length and "Content-Length" not in headers:
            headers["Content-Length"] = str(len(content))
        for key, value in headers.items():
            connection.putheader(key, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def changed(operation, headers=(), drop=(), after_signing=False, by=None):
    """A client whose requests of `operation` have other headers."""
    made = client() if by is None else by

    def change(request=None, params=None, **_):
        target = request.headers if request is not None else params["headers"]
        for key in list(target):
            if key.lower() in [d.lower() for d in drop]:
                del target[key]
        for key, value in dict(headers).items():
            if key in target:
                del target[key]
            target[key] = value
    made.meta.events.register(f"{'before-send' if after_signing else 'before-call'}.s3.{operation}", change)
    return made


def all_keys(answer):
    return [entry["Key"] for entry in answer.get("Contents", [])]


def prefixes(answer):
    return [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]


def policy(made, *statements, by=s3):
    by.put_bucket_policy(Bucket=made, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def statement(effect, principal, actions, resources, condition=None):
    made = {"Effect": effect, "Principal": principal, "Action": actions, "Resource": resources}
    if condition:
        made["Condition"] = condition
    return made


def arns(made):
    return [f"arn:aws:s3:::{made}", f"arn:aws:s3:::{made}/*"]


def wipe(made):
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=made):
        for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=made, Key=entry["Key"], VersionId=entry["VersionId"], BypassGovernanceRetention=True)


# ---- names and buckets

@case
def bucket_names_are_judged_as_by_aws():
    for bad in ("ab", "a" * 64, "192.168.5.123", "foo_bar", "foo..bar", "foo.-bar", "foo-.bar", "foo-", "-foo", "Foo", "_foo", "foo.", "xn--foo", "foo-s3alias",
                "sthree-foo", "foo\u00e9"):
        try:
            s3.create_bucket(Bucket=bad)
        except botocore.exceptions.ClientError as error:
            same((bad, error.response["Error"]["Code"]), (bad, "InvalidBucketName"))
        else:
            raise AssertionError(f"{bad} was taken")
    for good in ("aaa", "foo-bar", "foo.bar", "a" * 63, "0foo0", "foo--bar", "192.168.5.12a"):
        s3.create_bucket(Bucket=good)
        s3.delete_bucket(Bucket=good)


@case
def own_buckets_are_made_again_and_keep_what_is_in_them():
    made = fill(bucket(), "a")
    s3.create_bucket(Bucket=made)
    same(all_keys(s3.list_objects(Bucket=made)), ["a"])
    fails(409, "BucketAlreadyExists", other.create_bucket, Bucket=made)


@case
def buckets_that_are_not_there():
    for call, more in ((s3.list_objects, {}), (s3.list_objects_v2, {}), (s3.delete_bucket, {}), (s3.put_object, {"Key": "a", "Body": b""}),
                       (s3.get_object, {"Key": "a"}), (s3.get_bucket_acl, {}), (s3.get_bucket_location, {}), (s3.list_object_versions, {})):
        fails(404, "NoSuchBucket", call, Bucket="behaviour-none", **more)
    fails(404, None, s3.head_bucket, Bucket="behaviour-none")


@case
def a_bucket_goes_once_and_only_empty():
    made = fill(bucket(), "a")
    fails(409, "BucketNotEmpty", s3.delete_bucket, Bucket=made)
    s3.delete_object(Bucket=made, Key="a")
    same(s3.delete_bucket(Bucket=made)["ResponseMetadata"]["HTTPStatusCode"], 204)
    fails(404, "NoSuchBucket", s3.delete_bucket, Bucket=made)


@case
def a_bucket_says_where_it_is():
    made = name()
    same(s3.create_bucket(Bucket=made)["Location"], "/" + made)
    same(s3.get_bucket_location(Bucket=made)["LocationConstraint"], None)
    fails(400, "InvalidLocationConstraint", s3.create_bucket, Bucket=name(), CreateBucketConfiguration={"LocationConstraint": "nowhere"})
    head = s3.head_bucket(Bucket=made)["ResponseMetadata"]["HTTPHeaders"]
    same(head["x-amz-bucket-region"], "us-east-1")


@case
def buckets_are_listed_in_pages_and_to_their_owner():
    mine = sorted(bucket() for _ in range(3))
    assert set(mine) <= {b["Name"] for b in s3.list_buckets()["Buckets"]}
    assert not set(mine) & {b["Name"] for b in other.list_buckets()["Buckets"]}
    first = s3.list_buckets(MaxBuckets=1)
    same(len(first["Buckets"]), 1)
    assert first["ContinuationToken"]
    second = s3.list_buckets(MaxBuckets=1, ContinuationToken=first["ContinuationToken"])
    assert second["Buckets"][0]["Name"] > first["Buckets"][0]["Name"]
    status, _, _ = raw("GET", "/")
    assert status in (403, 307), status
    fails(403, "InvalidAccessKeyId", client(credentials=("AKIAIOSFODNN7EXAMPLE", "x", None)).list_buckets)
    key = boto3.session.Session(profile_name="main").get_credentials().access_key
    fails(403, "SignatureDoesNotMatch", client(credentials=(key, "wrong", None)).list_buckets)


@case
def a_request_has_one_id_in_header_and_body():
    status, headers, text = raw("GET", "/behaviour-none?list-type=2")
    same(status, 404)
    assert f"<RequestId>{headers['x-amz-request-id']}</RequestId>".encode() in text, text
    assert headers["content-type"] == "application/xml", headers


# ---- listings

@case
def an_empty_bucket_lists_nothing():
    made = bucket()
    answer = s3.list_objects(Bucket=made)
    same((all_keys(answer), answer["IsTruncated"], answer["MaxKeys"], answer["Marker"], answer["Prefix"], "Delimiter" in answer, "NextMarker" in answer),
         ([], False, 1000, "", "", False, False))
    answer = s3.list_objects_v2(Bucket=made)
    same((answer["KeyCount"], answer["IsTruncated"], answer["Name"]), (0, False, made))


@case
def listings_come_in_pages():
    made = fill(bucket(), "foo", "bar", "baz")
    first = s3.list_objects(Bucket=made, MaxKeys=2)
    same((all_keys(first), first["IsTruncated"], first.get("NextMarker")), (["bar", "baz"], True, None))
    same(all_keys(s3.list_objects(Bucket=made, MaxKeys=2, Marker="baz")), ["foo"])
    first = s3.list_objects_v2(Bucket=made, MaxKeys=2)
    same((all_keys(first), first["IsTruncated"], first["KeyCount"]), (["bar", "baz"], True, 2))
    second = s3.list_objects_v2(Bucket=made, MaxKeys=2, ContinuationToken=first["NextContinuationToken"])
    same((all_keys(second), second["IsTruncated"], second["ContinuationToken"]), (["foo"], False, first["NextContinuationToken"]))
    same(s3.list_objects_v2(Bucket=made, StartAfter="bar")["StartAfter"], "bar")
    both = s3.list_objects_v2(Bucket=made, StartAfter="bar", MaxKeys=1)
    both = s3.list_objects_v2(Bucket=made, StartAfter="bar", ContinuationToken=both["NextContinuationToken"])
    same((all_keys(both), both["StartAfter"]), (["foo"], "bar"))
    for call in (s3.list_objects, s3.list_objects_v2):
        zero = call(Bucket=made, MaxKeys=0)
        same((all_keys(zero), zero["IsTruncated"], zero["MaxKeys"]), ([], False, 0))
        for bad in ("blah", "-1"):
            spoiled = client()
            spoiled.meta.events.register("before-call.s3", lambda params, bad=bad, **_: params.update(url=params["url"] + "&max-keys=" + bad))
            fails(400, "InvalidArgument", getattr(spoiled, call.__name__), Bucket=made)
    fails(400, "InvalidArgument", s3.list_objects_v2, Bucket=made, ContinuationToken="nonsense")
    same(s3.list_objects(Bucket=made, MaxKeys=5000)["MaxKeys"], 1000)


@case
def empty_arguments_of_listings_are_none():
    made = fill(bucket(), "foo", "bar")
    answer = s3.list_objects(Bucket=made, Delimiter="", Marker="", Prefix="")
    same((all_keys(answer), "Delimiter" in answer, answer["Marker"], answer["Prefix"]), (["bar", "foo"], False, "", ""))
    answer = s3.list_objects_v2(Bucket=made, Delimiter="", Prefix="")
    same((all_keys(answer), "Delimiter" in answer, answer["Prefix"], prefixes(answer)), (["bar", "foo"], False, "", []))


@case
def delimiters_roll_up():
    table = [
        (("foo/bar", "foo/bar/xyzzy", "quux/thud", "asdf"), {"Delimiter": "/"}, ["asdf"], ["foo/", "quux/"]),
        (("bar", "baz", "cab", "foo"), {"Delimiter": "a"}, ["foo"], ["ba", "ca"]),
        (("b%ar", "b%az", "c%ab", "foo"), {"Delimiter": "%"}, ["foo"], ["b%", "c%"]),
        (("b ar", "b az", "c ab", "foo"), {"Delimiter": " "}, ["foo"], ["b ", "c "]),
        (("b.ar", "b.az", "c.ab", "foo"), {"Delimiter": "."}, ["foo"], ["b.", "c."]),
        (("bar", "baz", "cab", "foo"), {"Delimiter": "\x0a"}, ["bar", "baz", "cab", "foo"], []),
        (("bar", "baz", "cab", "foo"), {"Delimiter": "/"}, ["bar", "baz", "cab", "foo"], []),
        (("foo/bar", "foo/baz", "quux"), {"Prefix": "foo/"}, ["foo/bar", "foo/baz"], []),
        (("foo/bar", "foo/baz/xyzzy", "quux/thud", "asdf"), {"Prefix": "foo/", "Delimiter": "/"}, ["foo/bar"], ["foo/baz/"]),
        (("bar", "bazar", "cab", "foo"), {"Prefix": "ba", "Delimiter": "a"}, ["bar"], ["baza"]),
        (("b/a/r", "b/a/c", "b/a/g", "g"), {"Prefix": "d", "Delimiter": "/"}, [], []),
        (("b/a/c", "b/a/g", "b/a/r", "g"), {"Prefix": "b", "Delimiter": "z"}, ["b/a/c", "b/a/g", "b/a/r"], []),
        (("b/a/c", "b/a/g", "b/a/r", "g"), {"Prefix": "y", "Delimiter": "z"}, [], []),
        (("asdf/",), {"Prefix": "asdf/", "Delimiter": "/"}, ["asdf/"], []),
        (("foo/bar", "foo/baz", "quux"), {"Prefix": "\x0a"}, [], []),
        (("0/", "1", "1999", "1999#", "1999+", "2000", "0/1000", "0/1005"), {"Delimiter": "/"}, ["1", "1999", "1999#", "1999+", "2000"], ["0/"]),
        (("foo+1/bar", "foo/bar/xyzzy", "quux ab/thud", "asdf+b", "\u00fc/x"), {"Delimiter": "/"}, ["asdf+b"], ["foo+1/", "foo/", "quux ab/", "\u00fc/"]),
    ]
    for keys, arguments, wanted_keys, wanted_prefixes in table:
        made = fill(bucket(), *keys)
        for call in (s3.list_objects, s3.list_objects_v2):
            answer = call(Bucket=made, **arguments)
            same((all_keys(answer), prefixes(answer)), (wanted_keys, wanted_prefixes))
            for key, value in arguments.items():
                same(answer[key], value)


@case
def pages_of_prefixes_go_on_behind_the_last():
    keys = ["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla"]
    made = fill(bucket(), *keys)
    first = s3.list_objects(Bucket=made, Delimiter="/", MaxKeys=1, Marker="")
    same((all_keys(first), prefixes(first), first["IsTruncated"], first["NextMarker"]), (["asdf"], [], True, "asdf"))
    second = s3.list_objects(Bucket=made, Delimiter="/", MaxKeys=1, Marker="asdf")
    same((all_keys(second), prefixes(second), second["NextMarker"]), ([], ["boo/"], "boo/"))
    third = s3.list_objects(Bucket=made, Delimiter="/", MaxKeys=1, Marker="boo/")
    same((prefixes(third), third["IsTruncated"], third.get("NextMarker")), (["cquux/"], False, None))
    inner = s3.list_objects(Bucket=made, Delimiter="/", Prefix="boo/", MaxKeys=1)
    same((all_keys(inner), inner["NextMarker"]), (["boo/bar"], "boo/bar"))
    inner = s3.list_objects(Bucket=made, Delimiter="/", Prefix="boo/", MaxKeys=1, Marker="boo/bar")
    same((prefixes(inner), inner["IsTruncated"]), (["boo/baz/"], False))
    token, seen = None, []
    while True:
        page = s3.list_objects_v2(Bucket=made, Delimiter="/", MaxKeys=1, **({"ContinuationToken": token} if token else {}))
        same(page["KeyCount"], 1)
        seen += all_keys(page) + prefixes(page)
        token = page.get("NextContinuationToken")
        if not page["IsTruncated"]:
            break
    same(seen, ["asdf", "boo/", "cquux/"])


@case
def encoded_listings():
    made = fill(bucket(), "foo+1/bar", "foo/bar/xyzzy", "quux ab/thud", "asdf+b")
    for call in (s3.list_objects, s3.list_objects_v2):
        answer = call(Bucket=made, Delimiter="/", EncodingType="url")
        same((answer["EncodingType"], answer["Delimiter"], all_keys(answer), prefixes(answer)),
             ("url", "/", ["asdf%2Bb"], ["foo%2B1/", "foo/", "quux%20ab/"]))
    fails(400, "InvalidArgument", s3.list_objects, Bucket=made, EncodingType="base64")


@case
def markers_need_not_exist():
    made = fill(bucket(), "bar", "baz", "foo", "quxx")
    for marker, wanted in (("\x0a", ["bar", "baz", "foo", "quxx"]), ("blah", ["foo", "quxx"]), ("zzz", []), ("", ["bar", "baz", "foo", "quxx"])):
        answer = s3.list_objects(Bucket=made, Marker=marker)
        same((answer["Marker"], all_keys(answer), answer["IsTruncated"]), (marker, wanted, False))
        answer = s3.list_objects_v2(Bucket=made, StartAfter=marker)
        same((answer.get("StartAfter", ""), all_keys(answer)), (marker, wanted))


@case
def listings_tell_owners_as_asked():
    made = fill(bucket(), "foo")
    acl = s3.get_object_acl(Bucket=made, Key="foo")
    listed = s3.list_objects(Bucket=made)["Contents"][0]
    head = s3.head_object(Bucket=made, Key="foo")
    same(listed["Owner"], acl["Owner"])
    assert "DisplayName" in acl["Owner"], acl
    same((listed["ETag"], listed["Size"], listed["LastModified"].replace(microsecond=0), listed["StorageClass"]),
         (head["ETag"], 3, head["LastModified"], "STANDARD"))
    same(["Owner" in s3.list_objects_v2(Bucket=made, **more)["Contents"][0] for more in ({}, {"FetchOwner": True}, {"FetchOwner": False})],
         [False, True, False])


@case
def nobody_lists_what_is_not_public():
    made = fill(bucket(), "a")
    fails(403, "AccessDenied", anonymous.list_objects, Bucket=made)
    fails(403, "AccessDenied", anonymous.list_objects_v2, Bucket=made)
    fails(403, "AccessDenied", other.list_objects, Bucket=made)


@case
def versions_are_listed_newest_first():
    made = bucket(versions=True)
    ids = [s3.put_object(Bucket=made, Key="a", Body=str(i))["VersionId"] for i in range(3)]
    s3.put_object(Bucket=made, Key="b")
    marker = s3.delete_object(Bucket=made, Key="a")
    answer = s3.list_object_versions(Bucket=made)
    same([v["VersionId"] for v in answer["Versions"] if v["Key"] == "a"], ids[::-1])
    same([(m["VersionId"], m["IsLatest"]) for m in answer["DeleteMarkers"]], [(marker["VersionId"], True)])
    same((answer["KeyMarker"], answer["VersionIdMarker"], answer["MaxKeys"]), ("", "", 1000))
    first = s3.list_object_versions(Bucket=made, MaxKeys=2)
    same((first["IsTruncated"], first["NextKeyMarker"], first["NextVersionIdMarker"]), (True, "a", ids[2]))
    second = s3.list_object_versions(Bucket=made, KeyMarker="a", VersionIdMarker=ids[2], MaxKeys=2)
    same([v["VersionId"] for v in second["Versions"]], [ids[1], ids[0]])
    fails(400, "InvalidArgument", s3.list_object_versions, Bucket=made, VersionIdMarker=ids[1])
    same(s3.list_object_versions(Bucket=made, Delimiter="/", Prefix="b", EncodingType="url")["Versions"][0]["Key"], "b")
    same(all_keys(s3.list_objects(Bucket=made)), ["b"])


# ---- objects, conditions, ranges

@case
def an_object_lives_and_dies():
    made = bucket()
    fails(404, "NoSuchKey", s3.get_object, Bucket=made, Key="foo")
    fails(404, None, s3.head_object, Bucket=made, Key="foo")
    same(s3.put_object(Bucket=made, Key="foo", Body="bar")["ETag"], '"37b51d194a7513e45b56f6524f2d51f2"')
    same(body(made, "foo"), b"bar")
    s3.put_object(Bucket=made, Key="foo", Body="soup")
    same(body(made, "foo"), b"soup")
    same(s3.delete_object(Bucket=made, Key="foo")["ResponseMetadata"]["HTTPStatusCode"], 204)
    same(s3.delete_object(Bucket=made, Key="foo")["ResponseMetadata"]["HTTPStatusCode"], 204)
    fails(404, "NoSuchKey", s3.get_object, Bucket=made, Key="foo")


@case
def headers_of_an_object():
    made = bucket()
    expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    s3.put_object(Bucket=made, Key="foo", Body="bar", CacheControl="public, max-age=14400", Expires=expires, ContentLanguage="de",
                  ContentEncoding="gzip", ContentDisposition="inline", WebsiteRedirectLocation="/else", StorageClass="STANDARD_IA")
    head = s3.head_object(Bucket=made, Key="foo")
    same((head["CacheControl"], head["Expires"], head["ContentLanguage"], head["ContentEncoding"], head["ContentDisposition"], head["WebsiteRedirectLocation"],
          head["StorageClass"], head["ContentType"], head["AcceptRanges"]),
         ("public, max-age=14400", expires, "de", "gzip", "inline", "/else", "STANDARD_IA", "binary/octet-stream", "bytes"))
    s3.put_object(Bucket=made, Key="foo", Body="")
    head = s3.head_object(Bucket=made, Key="foo")
    same((head["ResponseMetadata"]["HTTPHeaders"]["content-length"], head.get("CacheControl"), head.get("StorageClass")), ("0", None, None))
    s3.put_object(Bucket=made, Key="foo", Body="", ContentEncoding="aws-chunked, gzip")
    same(s3.head_object(Bucket=made, Key="foo")["ContentEncoding"], "gzip")


@case
def metadata_is_replaced_as_a_whole():
    made = bucket()
    s3.put_object(Bucket=made, Key="foo", Metadata={"meta1": "bar", "meta2": ""})
    same(s3.get_object(Bucket=made, Key="foo")["Metadata"], {"meta1": "bar", "meta2": ""})
    s3.put_object(Bucket=made, Key="foo")
    same(s3.get_object(Bucket=made, Key="foo")["Metadata"], {})
    fails(400, "MetadataTooLarge", s3.put_object, Bucket=made, Key="foo", Metadata={"a": "x" * 2048})
    sender = changed("PutObject", {"x-amz-meta-meta1": "Hello World\u00e9"})
    sender.put_object(Bucket=made, Key="foo", Body="bar")
    shown = email.header.decode_header(s3.get_object(Bucket=made, Key="foo")["Metadata"]["meta1"])
    same(shown, [("Hello World\u00e9".encode(), "utf-8")])


@case
def answers_have_the_headers_that_were_asked_for():
    made = fill(bucket(), "foo")
    answer = s3.get_object(Bucket=made, Key="foo", ResponseCacheControl="no-cache", ResponseContentDisposition="bla", ResponseContentEncoding="aaa",
                           ResponseContentLanguage="esperanto", ResponseContentType="foo/bar", ResponseExpires="Wed, 02 Jan 2030 03:04:05 GMT")
    same((answer["CacheControl"], answer["ContentDisposition"], answer["ContentEncoding"], answer["ContentLanguage"], answer["ContentType"],
          answer["ResponseMetadata"]["HTTPHeaders"]["expires"]), ("no-cache", "bla", "aaa", "esperanto", "foo/bar", "Wed, 02 Jan 2030 03:04:05 GMT"))


@case
def reads_have_conditions():
    made = bucket()
    etag = s3.put_object(Bucket=made, Key="foo", Body="bar")["ETag"]
    past, future = "Sat, 29 Oct 1994 19:43:31 GMT", (datetime.datetime.now(UTC) + datetime.timedelta(days=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    table = [({"IfMatch": etag}, 200), ({"IfMatch": etag.strip('"')}, 200), ({"IfMatch": '"ABCORZ"'}, 412), ({"IfMatch": "*"}, 200), ({"IfNoneMatch": etag}, 304),
             ({"IfNoneMatch": "ABCORZ"}, 200), ({"IfModifiedSince": past}, 200), ({"IfUnmodifiedSince": past}, 412), ({"IfUnmodifiedSince": future}, 200),
             ({"IfMatch": etag, "IfUnmodifiedSince": past}, 200), ({"IfNoneMatch": etag, "IfModifiedSince": past}, 304)]
    for call in (s3.get_object, s3.head_object):
        for conditions, status in table:
            try:
                got = call(Bucket=made, Key="foo", **conditions)["ResponseMetadata"]["HTTPStatusCode"]
            except botocore.exceptions.ClientError as error:
                got = error.response["ResponseMetadata"]["HTTPStatusCode"]
                same(error.response["ResponseMetadata"]["HTTPHeaders"].get("etag"), etag if got == 304 else None)
            same((conditions, got), (conditions, status))
    modified = s3.head_object(Bucket=made, Key="foo")["LastModified"]
    with_since = {"IfModifiedSince": modified}
    fails(304, None, s3.get_object, Bucket=made, Key="foo", **with_since)


@case
def writes_have_conditions():
    made = bucket()
    fails(404, "NoSuchKey", s3.put_object, Bucket=made, Key="foo", IfMatch='"x"')
    fails(404, "NoSuchKey", s3.put_object, Bucket=made, Key="foo", IfMatch="*")
    etag = s3.put_object(Bucket=made, Key="foo", Body="1", IfNoneMatch="*")["ETag"]
    fails(412, "PreconditionFailed", s3.put_object, Bucket=made, Key="foo", Body="2", IfNoneMatch="*")
    fails(412, "PreconditionFailed", s3.put_object, Bucket=made, Key="foo", Body="2", IfMatch='"ABCORZ"')
    same(body(made, "foo"), b"1")
    s3.put_object(Bucket=made, Key="foo", Body="2", IfMatch=etag)
    same(body(made, "foo"), b"2")
    same(s3.put_object(Bucket=made, Key="foo", Body="3", IfMatch="*")["ResponseMetadata"]["HTTPStatusCode"], 200)
    fails(501, "NotImplemented", s3.put_object, Bucket=made, Key="foo", IfNoneMatch='"x"')
    upload = s3.create_multipart_upload(Bucket=made, Key="foo")["UploadId"]
    part = s3.upload_part(Bucket=made, Key="foo", UploadId=upload, PartNumber=1, Body="x")["ETag"]
    fails(412, "PreconditionFailed", s3.complete_multipart_upload, Bucket=made, Key="foo", UploadId=upload, IfNoneMatch="*",
          MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})


@case
def deletes_have_conditions():
    made = bucket()
    etag = s3.put_object(Bucket=made, Key="foo", Body="1")["ETag"]
    fails(412, "PreconditionFailed", s3.delete_object, Bucket=made, Key="foo", IfMatch='"wrong"')
    answer = s3.delete_objects(Bucket=made, Delete={"Objects": [{"Key": "foo", "ETag": '"wrong"'}]})
    same([(e["Key"], e["Code"]) for e in answer["Errors"]], [("foo", "PreconditionFailed")])
    s3.delete_object(Bucket=made, Key="foo", IfMatch=etag)
    fails(404, "NoSuchKey", s3.get_object, Bucket=made, Key="foo")
    s3.put_object(Bucket=made, Key="foo", Body="1")
    s3.delete_object(Bucket=made, Key="foo", IfMatch="*")
    fails(404, "NoSuchKey", s3.get_object, Bucket=made, Key="foo")


@case
def ranges():
    made = bucket()
    s3.put_object(Bucket=made, Key="foo", Body="testcontent")
    for asked, status, wanted, shown in (("bytes=4-7", 206, b"cont", "bytes 4-7/11"), ("bytes=4-", 206, b"content", "bytes 4-10/11"), ("bytes=-7", 206, b"content", "bytes 4-10/11"),
                                         ("bytes=0-100", 206, b"testcontent", "bytes 0-10/11"), ("bytes=-100", 206, b"testcontent", "bytes 0-10/11"),
                                         ("bytes=7-4", 200, b"testcontent", None), ("nonsense", 200, b"testcontent", None), ("bytes=0-1,3-4", 200, b"testcontent", None)):
        answer = s3.get_object(Bucket=made, Key="foo", Range=asked)
        same((asked, answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read(), answer.get("ContentRange")), (asked, status, wanted, shown))
    for asked in ("bytes=40-50", "bytes=11-", "bytes=-0"):
        fails(416, "InvalidRange", s3.get_object, Bucket=made, Key="foo", Range=asked)
    s3.put_object(Bucket=made, Key="empty")
    fails(416, "InvalidRange", s3.get_object, Bucket=made, Key="empty", Range="bytes=40-50")
    fails(416, "InvalidRange", s3.get_object, Bucket=made, Key="empty", Range="bytes=0-")
    same(s3.head_object(Bucket=made, Key="foo", Range="bytes=1-2")["ContentLength"], 2)


@case
def keys_of_all_kinds():
    made = bucket()
    keys = ["'", '"', "/", "//a", "a//b", "\u00e9", "e\u0301", "\U0001F600", "a b", "a+b", "a%20b", "%", "$", "&", ":", "<", ">", "_", "~", "?", "#", "=", ";", "@", ",", "\\", "^",
            "`", "{", "|", "}", "[", "]", ".", "..", "a/../b", "\x01", "\x0a", "\x7f", "x" * 1024]
    for key in keys:
        s3.put_object(Bucket=made, Key=key, Body=key.encode())
    for key in keys:
        same((key, body(made, key)), (key, key.encode()))
    same(all_keys(s3.list_objects_v2(Bucket=made)), sorted(keys, key=str.encode))
    fails(400, "KeyTooLongError", s3.put_object, Bucket=made, Key="x" * 1025)
    answer = s3.delete_objects(Bucket=made, Delete={"Objects": [{"Key": key} for key in keys if key not in ("\x01", "\x0a")]})
    same("Errors" in answer, False)


@case
def many_are_deleted_at_once():
    made = fill(bucket(), "key0", "key1", "key2")
    wanted = {"Objects": [{"Key": f"key{i}"} for i in range(3)]}
    for _ in range(2):
        answer = s3.delete_objects(Bucket=made, Delete=wanted)
        same((sorted(d["Key"] for d in answer["Deleted"]), "Errors" in answer), (["key0", "key1", "key2"], False))
    same("Deleted" in s3.delete_objects(Bucket=made, Delete={**wanted, "Quiet": True}), False)
    fails(400, "MalformedXML", s3.delete_objects, Bucket=made, Delete={"Objects": [{"Key": str(i)} for i in range(1001)]})
    same(s3.list_objects_v2(Bucket=made)["KeyCount"], 0)


@case
def the_owner_can_be_insisted_on():
    made = fill(bucket(), "a")
    same(body(made, "a", ExpectedBucketOwner=MAIN), b"a")
    for call, more in ((s3.list_objects, {}), (s3.get_object, {"Key": "a"}), (s3.put_object, {"Key": "a"}), (s3.delete_object, {"Key": "a"}), (s3.get_bucket_policy, {})):
        fails(403, "AccessDenied", call, Bucket=made, ExpectedBucketOwner=SECOND, **more)


# ---- headers of requests

@case
def digests_of_requests():
    made = bucket()
    plain = client(request_checksum_calculation="when_required") if checks.botocore.__version__ >= "1.36" else client()
    md5 = base64.b64encode(hashlib.md5(b"bar").digest()).decode()
    for value, status, code in ((md5, 200, None), ("YWJyYWNhZGFicmE=", 400, "InvalidDigest"), ("bad", 400, "InvalidDigest"), ("rL0Y20xC+Fzt72VPzMSk2A==", 400, "BadDigest"), ("", 400, "InvalidDigest")):
        if status == 200:
            plain.put_object(Bucket=made, Key="foo", Body="bar", ContentMD5=value)
        else:
            fails(status, code, changed("PutObject", {"Content-MD5": value}).put_object, Bucket=made, Key="foo", Body="bar")


@case
def lengths_of_requests():
    made = bucket()
    url = s3.generate_presigned_url("put_object", Params={"Bucket": made, "Key": "foo"})
    same(raw("PUT", url)[0], 411)
    same(raw("PUT", url, b"", {"Content-Length": "-1"})[0], 400)
    same(raw("PUT", url, b"", {"Content-Length": "abc"})[0], 400)
    same(raw("PUT", url, b"bar", {"Expect": "100-continue"})[0], 200)
    same(raw("PUT", url, b"bar", {"Expect": "200"})[0], 417)
    same(raw("PUT", url, b"bar", {"Expect": ""})[0], 200)
    same(raw("PUT", url, b"bar", {"Content-Length": ""})[0], 400)
    same(raw("PUT", url, b"3\r\nbar\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}, no_length=True)[0], 411)


@case
def authorizations_that_are_none():
    made = bucket()
    fails(403, "AccessDenied", changed("PutObject", drop=["Authorization"], after_signing=True).put_object, Bucket=made, Key="foo", Body="bar")
    fails(400, None, changed("PutObject", {"Authorization": "AWS4-HMAC-SHA256 Credential=HAHAHA"}, after_signing=True).put_object, Bucket=made, Key="foo", Body="bar")
    for bad in ("\x07", "", "AWS HAHAHA"):
        try:
            changed("PutObject", {"Authorization": bad}, after_signing=True).put_object(Bucket=made, Key="foo", Body="bar")
            raise AssertionError(bad)
        except botocore.exceptions.ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403), error
    fails(400, None, changed("CreateBucket", {"Authorization": "AWS HAHAHA"}, after_signing=True).create_bucket, Bucket=name())
    for agent in ("", "Fnord"):
        changed("PutObject", {"User-Agent": agent}).put_object(Bucket=made, Key="foo", Body="bar")


@case
def dates_of_requests():
    made = bucket()
    for date in ("Bad Date", "", "20100707T215304Z", "20300707T215304Z", "19500707T215304Z"):
        try:
            changed("PutObject", {"X-Amz-Date": date}, after_signing=True).put_object(Bucket=made, Key="foo", Body="bar")
            raise AssertionError(date)
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("AccessDenied", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed"), error


@case
def continuation_is_told_before_the_body():
    import socket
    made = bucket()
    parts = urllib.parse.urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": made, "Key": "foo"}))
    for path, wanted in ((f"{parts.path}?{parts.query}", b"100"), (f"/{made}/foo", b"403")):
        host, port = HOST.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n".encode())
            same(connection.recv(4096).split(b" ")[1], wanted)
            if wanted == b"100":
                connection.sendall(b"bar")
                same(connection.recv(4096).split(b" ")[1], b"200")


# ---- anonymous, presigned and posted

@case
def presigned_requests():
    made = fill(bucket(), "foo")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": made, "Key": "foo"}, ExpiresIn=100)
    same(raw("GET", url)[::2], (200, b"foo"))
    same(raw("GET", url[:-8] + "0" * 8)[0], 403)
    same(raw("GET", f"/{made}/foo")[0], 403)
    same(raw("GET", s3.generate_presigned_url("get_object", Params={"Bucket": made, "Key": "none"}))[0], 404)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": made, "Key": "bar"})
    same(raw("PUT", put, b"new")[0], 200)
    same(body(made, "bar"), b"new")
    for expires in (0, 604801, -7):
        assert raw("GET", s3.generate_presigned_url("get_object", Params={"Bucket": made, "Key": "foo"}, ExpiresIn=expires))[0] in (400, 403), expires
    typed = s3.generate_presigned_url("put_object", Params={"Bucket": made, "Key": "bar", "ContentType": "text/plain"})
    same(raw("PUT", typed, b"new", {"Content-Type": "text/plain"})[0], 200)
    same(raw("PUT", typed, b"new", {"Content-Type": "text/html"})[0], 403)
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": made, "Key": "foo", "ResponseContentType": "a/b"})
    same(raw("GET", signed)[1]["content-type"], "a/b")


def keys_of(profile="main"):
    credentials = boto3.session.Session(profile_name=profile).get_credentials()
    return credentials.access_key, credentials.secret_key


BOUNDARY = "7d93b2ab4f6a"


def form(fields, file=b"bar", headers=(), to="", file_name="x.txt"):
    """Posts a browser's form."""
    text = b""
    for key, value in fields:
        text += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n'.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    if file is not None:
        text += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\nContent-Type: text/plain\r\n\r\n'.encode() + file + b"\r\n"
    return raw("POST", "/" + to, text + f"--{BOUNDARY}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **dict(headers)})


def packed(document):
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.b64encode(text.encode()).decode()


def signed_fields(conditions, expires=6000, document=None, profile="main"):
    access, secret = keys_of(profile)
    now = datetime.datetime.now(UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    credential = f"{access}/{day}/us-east-1/s3/aws4_request"
    own = [{"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": credential}, {"x-amz-date": stamp}]
    if document is None:
        document = {"expiration": (now + datetime.timedelta(seconds=expires)).strftime("%Y-%m-%dT%H:%M:%SZ"), "conditions": conditions + own}
    text = packed(document)
    key = b"AWS4" + secret.encode()
    for piece in (day, "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, piece.encode(), hashlib.sha256).digest()
    return [("policy", text), ("x-amz-algorithm", "AWS4-HMAC-SHA256"), ("x-amz-credential", credential), ("x-amz-date", stamp),
            ("x-amz-signature", hmac.new(key, text.encode(), hashlib.sha256).hexdigest())]


def usual(made):
    return [{"bucket": made}, ["starts-with", "$key", "foo"], {"acl": "private"}, ["starts-with", "$Content-Type", "text/plain"], ["content-length-range", 0, 1024]]


def usual_fields(key="foo.txt"):
    return [("key", key), ("acl", "private"), ("Content-Type", "text/plain")]


@case
def forms_store_a_file():
    made = bucket()
    same(form(usual_fields() + signed_fields(usual(made)), to=made)[0], 204)
    same(body(made, "foo.txt"), b"bar")
    same(s3.head_object(Bucket=made, Key="foo.txt")["ContentType"], "text/plain")
    same(form(usual_fields("foo-${filename}") + signed_fields(usual(made)), to=made)[0], 204)
    same(body(made, "foo-x.txt"), b"bar")
    upper = [(key.upper() if key != "policy" else "pOLICy", value) for key, value in usual_fields() + signed_fields(usual(made))]
    same(form(upper, to=made)[0], 204)
    same(form([("x-ignore-foo", "bar")] + usual_fields() + signed_fields(usual(made)), to=made)[0], 204)
    same(form(usual_fields("\\$foo.txt") + signed_fields([{"bucket": made}, ["starts-with", "$key", "\\$foo"]] + usual(made)[2:]), to=made)[0], 204)
    same(form(usual_fields() + signed_fields([{"Bucket": made}, ["StArTs-WiTh", "$KeY", "foo"], {"AcL": "private"}, ["StArTs-WiTh", "$CONTENT-TYPE", "text/plain"],
                                              ["content-length-range", 0, 1024]]), to=made)[0], 204)
    same(form(usual_fields() + signed_fields(usual(made) + [["eq", "$x-amz-meta-foo", "barclamp"]]) + [("x-amz-meta-foo", "barclamp")], to=made)[0], 204)
    same(s3.head_object(Bucket=made, Key="foo.txt")["Metadata"], {"foo": "barclamp"})
    big = b"0" * (2 * MIB)
    same(form(usual_fields() + signed_fields(usual(made)[:4] + [["content-length-range", 0, 5 * MIB]]), big, to=made)[0], 204)
    same(body(made, "foo.txt"), big)
    if hasattr(s3, "generate_presigned_post"):
        post = s3.generate_presigned_post(made, "foo-post", Fields={"success_action_status": "201"}, Conditions=[{"success_action_status": "201"}])
        same(form(post["fields"].items(), to=made)[0], 201)


@case
def forms_answer_as_they_ask():
    made = bucket()
    for wanted, status in (("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)):
        got, headers, text = form(usual_fields() + signed_fields(usual(made) + [["starts-with", "$success_action_status", ""]]) + [("success_action_status", wanted)], to=made)
        same((wanted, got), (wanted, status))
        if status == 201:
            assert b"<Key>foo.txt</Key>" in text and headers["location"].endswith(f"/{made}/foo.txt"), (headers, text)
    to = "http://localhost/there"
    got, headers, _ = form(usual_fields() + signed_fields(usual(made) + [["eq", "$success_action_redirect", to]]) + [("success_action_redirect", to)], to=made)
    etag = s3.head_object(Bucket=made, Key="foo.txt")["ETag"].strip('"')
    same((got, headers["location"]), (303, f"{to}?bucket={made}&key=foo.txt&etag=%22{etag}%22"))


@case
def forms_that_are_wrong():
    made = bucket()
    good = usual_fields() + signed_fields(usual(made))

    def without(*names):
        return [(key, value) for key, value in good if key not in names]
    now = datetime.datetime.now(UTC)
    later, before = ((now + datetime.timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%SZ") for s in (6000, -6000))

    def document(**more):
        access, _ = keys_of()
        own = [["starts-with", "$x-amz-algorithm", ""], ["starts-with", "$x-amz-credential", ""], ["starts-with", "$x-amz-date", ""]]
        whole = {"expiration": later, "conditions": usual(made) + own}
        whole.update(more)
        return usual_fields() + signed_fields([], document={key: value for key, value in whole.items() if value is not None})
    own = [["starts-with", "$x-amz-algorithm", ""], ["starts-with", "$x-amz-credential", ""], ["starts-with", "$x-amz-date", ""]]

    def conditions(*some):
        return document(conditions=list(some) + own)
    same(form(document(), to=made)[0], 204)
    table = [
        ("no key", without("key"), 400), ("no policy", without("policy"), 400), ("no signature", without("x-amz-signature"), 400), ("no credential", without("x-amz-credential"), 400),
        ("a field that no condition names", good + [("x-amz-meta-foo", "bar")], 403),
        ("a wrong signature", without("x-amz-signature") + [("x-amz-signature", "0" * 64)], 403),
        ("an expired policy", document(expiration=before), 403), ("no expiration", document(expiration=None), 400), ("no conditions", document(conditions=None), 400),
        ("conditions that are no list", document(conditions={}), 400), ("an expiration that is no date", document(expiration=str(now)), 400), ("an empty expiration", document(expiration=""), 400),
        ("an empty policy", usual_fields() + signed_fields([], document="{}"), 400), ("no JSON", usual_fields() + signed_fields([], document="{nonsense"), 400),
        ("no bucket in the policy", conditions(*usual(made)[1:]), 403), ("a wrong bucket", conditions({"bucket": "else"}, *usual(made)[1:]), 403),
        ("a wrong key", conditions({"bucket": made}, ["starts-with", "$key", "other"], *usual(made)[2:]), 403), ("an unmet condition", conditions(*usual(made), ["eq", "$x-amz-meta-a", "b"]), 403),
        ("a lone range", conditions(*usual(made)[:4], ["content-length-range", 0]), 400), ("a range below", conditions(*usual(made)[:4], ["content-length-range", -1, 0]), 400),
        ("a range of nothing", conditions(*usual(made)[:4], ["content-length-range"]), 400), ("too large", conditions(*usual(made)[:4], ["content-length-range", 0, 2]), 400),
        ("too small", conditions(*usual(made)[:4], ["content-length-range", 512, 1000]), 400), ("a condition of one", conditions(*usual(made), ["eq"]), 400),
        ("an unknown condition", conditions(*usual(made), ["what", "$key", "foo"]), 400), ("an empty condition", conditions(*usual(made), {}), 400),
    ]
    for what, fields, status in table:
        got, _, text = form(fields, to=made)
        assert got == status, f"{what}: {got}, wanted {status}: {text[:300]}"
    assert form(good, file=None, to=made)[0] == 400, "no file"
    same(form(usual_fields(), to=made)[0], 403)
    same(form(usual_fields() + signed_fields(usual("behaviour-none")), to="behaviour-none")[0], 404)


@case
def forms_signed_as_of_old():
    made = bucket()
    access, secret = keys_of()
    text = packed({"expiration": "2040-01-01T00:00:00Z", "conditions": usual(made)})
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
    good = usual_fields() + [("AWSAccessKeyId", access), ("policy", text)]
    same(form(good + [("signature", signature)], to=made)[0], 204)
    same(form(good + [("signature", signature[::-1])], to=made)[0], 403)
    same(form(good, to=made)[0], 400)
    same(form(usual_fields() + [("AWSAccessKeyId", "foo"), ("policy", text), ("signature", signature)], to=made)[0], 403)


@case
def forms_have_checksums_tags_and_encryption():
    made = bucket()
    crc = base64.b64encode(zlib.crc32(b"bar").to_bytes(4, "big")).decode()
    more = usual(made) + [["starts-with", "$x-amz-checksum-crc32", ""], ["starts-with", "$tagging", ""], ["starts-with", "$x-amz-server-side-encryption", ""]]
    same(form(usual_fields() + signed_fields(more) + [("x-amz-checksum-crc32", crc)], to=made)[0], 204)
    same(form(usual_fields() + signed_fields(more) + [("x-amz-checksum-crc32", "AAAAAA==")], to=made)[0], 400)
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    same(form(usual_fields() + signed_fields(more) + [("tagging", tags)], to=made)[0], 204)
    same(s3.get_object_tagging(Bucket=made, Key="foo.txt")["TagSet"], [{"Key": "a", "Value": "b"}])
    same(form(usual_fields() + signed_fields(more) + [("x-amz-server-side-encryption", "aws:kms")], to=made)[0], 204)
    same(s3.head_object(Bucket=made, Key="foo.txt")["ServerSideEncryption"], "aws:kms")


# ---- copies

@case
def copies():
    made, there = fill(bucket(), "foo"), bucket()
    s3.put_object(Bucket=made, Key="meta", Body=b"m", Metadata={"a": "b"}, ContentType="text/foo", Tagging="t=1")
    answer = s3.copy_object(Bucket=there, Key="bar", CopySource={"Bucket": made, "Key": "foo"})
    same((body(there, "bar"), answer["CopyObjectResult"]["ETag"]), (b"foo", s3.head_object(Bucket=made, Key="foo")["ETag"]))
    s3.copy_object(Bucket=made, Key="copy", CopySource=f"{made}/meta")
    got = s3.get_object(Bucket=made, Key="copy")
    same((got["Metadata"], got["ContentType"], got["TagCount"]), ({"a": "b"}, "text/foo", 1))
    s3.copy_object(Bucket=made, Key="copy", CopySource=f"{made}/meta", MetadataDirective="REPLACE", Metadata={"c": "d"}, ContentType="audio/ogg", TaggingDirective="REPLACE", Tagging="z=9")
    got = s3.get_object(Bucket=made, Key="copy")
    same((got["Metadata"], got["ContentType"]), ({"c": "d"}, "audio/ogg"))
    same(s3.get_object_tagging(Bucket=made, Key="copy")["TagSet"], [{"Key": "z", "Value": "9"}])
    s3.put_object(Bucket=made, Key="zero")
    s3.copy_object(Bucket=made, Key="zero2", CopySource=f"{made}/zero")
    same(s3.head_object(Bucket=made, Key="zero2")["ContentLength"], 0)
    fails(400, "InvalidRequest", s3.copy_object, Bucket=made, Key="foo", CopySource={"Bucket": made, "Key": "foo"})
    s3.copy_object(Bucket=made, Key="foo", CopySource={"Bucket": made, "Key": "foo"}, MetadataDirective="REPLACE", Metadata={"foo": "bar"})
    same(s3.head_object(Bucket=made, Key="foo")["Metadata"], {"foo": "bar"})
    fails(404, "NoSuchKey", s3.copy_object, Bucket=made, Key="x", CopySource={"Bucket": made, "Key": "none"})
    fails(404, "NoSuchBucket", s3.copy_object, Bucket=made, Key="x", CopySource={"Bucket": "behaviour-none", "Key": "none"})
    fails(400, "InvalidArgument", s3.copy_object, Bucket=made, Key="x", CopySource=made)
    theirs = bucket(owner=other)
    other.put_object(Bucket=theirs, Key="foo", Body=b"x")
    fails(403, "AccessDenied", s3.copy_object, Bucket=made, Key="x", CopySource=f"{theirs}/foo")
    for key in ("a b", "a+b", "a%20b", "\u00fc", "?versionId=foo"):
        s3.put_object(Bucket=made, Key=key, Body=b"k")
        s3.copy_object(Bucket=made, Key="copy" + key, CopySource={"Bucket": made, "Key": key})
        same(body(made, "copy" + key), b"k")


@case
def copies_have_conditions():
    made = fill(bucket(), "foo")
    etag = s3.head_object(Bucket=made, Key="foo")["ETag"]
    s3.copy_object(Bucket=made, Key="bar", CopySource=f"{made}/foo", CopySourceIfMatch=etag)
    fails(412, "PreconditionFailed", s3.copy_object, Bucket=made, Key="bar", CopySource=f"{made}/foo", CopySourceIfMatch="ABCORZ")
    fails(412, "PreconditionFailed", s3.copy_object, Bucket=made, Key="bar", CopySource=f"{made}/foo", CopySourceIfNoneMatch=etag)
    s3.copy_object(Bucket=made, Key="bar", CopySource=f"{made}/foo", CopySourceIfNoneMatch="ABCORZ")


@case
def copies_of_versions():
    made = bucket(versions=True)
    one = s3.put_object(Bucket=made, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=made, Key="k", Body=b"2")
    answer = s3.copy_object(Bucket=made, Key="c", CopySource={"Bucket": made, "Key": "k", "VersionId": one})
    same((body(made, "c"), answer["CopySourceVersionId"]), (b"1", one))
    same(body(made, "c", VersionId=answer["VersionId"]), b"1")
    s3.copy_object(Bucket=made, Key="k", CopySource={"Bucket": made, "Key": "k", "VersionId": one})
    same(body(made, "k"), b"1")
    s3.delete_object(Bucket=made, Key="k")
    fails(404, "NoSuchKey", s3.copy_object, Bucket=made, Key="c", CopySource={"Bucket": made, "Key": "k"})
    s3.put_object(Bucket=made, Key="url?a=b&c/d", Body=b"u")
    s3.copy_object(Bucket=made, Key="c", CopySource={"Bucket": made, "Key": "url?a=b&c/d"})


# ---- multipart

def upload(made, key, parts, by=s3, **more):
    made_upload = by.create_multipart_upload(Bucket=made, Key=key, **more)["UploadId"]
    listed = [{"PartNumber": n, "ETag": by.upload_part(Bucket=made, Key=key, UploadId=made_upload, PartNumber=n, Body=part)["ETag"]}
              for n, part in enumerate(parts, 1)]
    return made_upload, listed


def complete(made, key, made_upload, parts, **more):
    return s3.complete_multipart_upload(Bucket=made, Key=key, UploadId=made_upload, MultipartUpload={"Parts": parts}, **more)


@case
def uploads_of_parts():
    made = bucket()
    big = bytes(range(256)) * (5 * 4096)
    made_upload, parts = upload(made, "k", [big, big, b"end"], ContentType="text/foo", Metadata={"foo": "bar"})
    answer = complete(made, "k", made_upload, parts)
    digest = hashlib.md5(hashlib.md5(big).digest() * 2 + hashlib.md5(b"end").digest()).hexdigest()
    same(answer["ETag"], f'"{digest}-3"')
    assert answer["Location"].endswith("/k") and made in answer["Location"] and answer["Bucket"] == made and answer["Key"] == "k", answer
    got = s3.get_object(Bucket=made, Key="k")
    same((got["Body"].read() == big + big + b"end", got["ContentType"], got["Metadata"], got.get("PartsCount")), (True, "text/foo", {"foo": "bar"}, None))
    same(complete(made, "k", made_upload, parts)["ETag"], answer["ETag"])
    for start, size in ((0, 10), (len(big) - 5, 10), (2 * len(big), 3)):
        same(body(made, "k", Range=f"bytes={start}-{start + size - 1}"), (big + big + b"end")[start:start + size])
    for number, size in ((1, len(big)), (2, len(big)), (3, 3)):
        for call in (s3.get_object, s3.head_object):
            part = call(Bucket=made, Key="k", PartNumber=number)
            same((part["PartsCount"], part["ContentLength"], part["ResponseMetadata"]["HTTPStatusCode"], part["ETag"]), (3, size, 206, answer["ETag"]))
    fails(416, "InvalidPartNumber", s3.get_object, Bucket=made, Key="k", PartNumber=4)
    s3.put_object(Bucket=made, Key="single", Body=b"abc")
    same(s3.get_object(Bucket=made, Key="single", PartNumber=1)["Body"].read(), b"abc")
    fails(416, "InvalidPartNumber", s3.get_object, Bucket=made, Key="single", PartNumber=2)
    fails(400, "InvalidRequest", s3.get_object, Bucket=made, Key="k", PartNumber=1, Range="bytes=0-1")


@case
def uploads_that_are_wrong():
    made = bucket()
    made_upload, parts = upload(made, "k", [b"small", b"small"])
    fails(400, "EntityTooSmall", complete, made, "k", made_upload, parts)
    made_upload, parts = upload(made, "k", [b"small"])
    fails(400, "InvalidPart", complete, made, "k", made_upload, [{"PartNumber": 9999, "ETag": parts[0]["ETag"]}])
    fails(400, "InvalidPart", complete, made, "k", made_upload, [{"PartNumber": 1, "ETag": '"ffffffffffffffffffffffffffffffff"'}])
    fails(400, "MalformedXML", complete, made, "k", made_upload, [])
    fails(400, "MalformedXML", s3.complete_multipart_upload, Bucket=made, Key="k", UploadId=made_upload)
    fails(404, "NoSuchUpload", complete, made, "k", "none", parts)
    fails(404, "NoSuchUpload", s3.abort_multipart_upload, Bucket=made, Key="k", UploadId="56788")
    fails(404, "NoSuchUpload", s3.upload_part, Bucket=made, Key="k", UploadId="56788", PartNumber=1, Body=b"x")
    fails(400, "InvalidArgument", s3.upload_part, Bucket=made, Key="k", UploadId=made_upload, PartNumber=10001, Body=b"x")
    fails(400, "InvalidArgument", s3.upload_part, Bucket=made, Key="k", UploadId=made_upload, PartNumber=0, Body=b"x")
    s3.upload_part(Bucket=made, Key="k", UploadId=made_upload, PartNumber=2, Body=b"y")
    two = s3.list_parts(Bucket=made, Key="k", UploadId=made_upload)["Parts"]
    fails(400, "InvalidPartOrder", complete, made, "k", made_upload, [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in two[::-1]])
    same(s3.abort_multipart_upload(Bucket=made, Key="k", UploadId=made_upload)["ResponseMetadata"]["HTTPStatusCode"], 204)
    fails(404, "NoSuchUpload", s3.list_parts, Bucket=made, Key="k", UploadId=made_upload)
    fails(404, "NoSuchBucket", s3.create_multipart_upload, Bucket="behaviour-none", Key="k")


@case
def parts_are_sent_again():
    made = bucket()
    big = b"x" * (5 * MIB)
    made_upload, parts = upload(made, "k", [big, b"1"])
    again = s3.upload_part(Bucket=made, Key="k", UploadId=made_upload, PartNumber=2, Body=b"22")["ETag"]
    fails(400, "InvalidPart", complete, made, "k", made_upload, parts)
    complete(made, "k", made_upload, [parts[0], {"PartNumber": 2, "ETag": again.strip('"')}])
    same(s3.head_object(Bucket=made, Key="k")["ContentLength"], len(big) + 2)
    made_upload, parts = upload(made, "k", [b"over"])
    complete(made, "k", made_upload, parts)
    same(body(made, "k"), b"over")


@case
def uploads_are_listed():
    made = bucket()
    ids = {(key, upload(made, key, [])[0]) for key in ("a", "b", "a")}
    listed = s3.list_multipart_uploads(Bucket=made)
    same({(u["Key"], u["UploadId"]) for u in listed["Uploads"]}, ids)
    one = listed["Uploads"][0]
    same((one["StorageClass"], one["Owner"]), ("STANDARD", s3.get_bucket_acl(Bucket=made)["Owner"]))
    assert one["Initiator"]["ID"] and one["Initiated"]
    same(len(s3.list_multipart_uploads(Bucket=made, MaxUploads=2)["Uploads"]), 2)
    made_upload, parts = upload(made, "c", [b"1", b"2", b"3"])
    page = s3.list_parts(Bucket=made, Key="c", UploadId=made_upload, MaxParts=2)
    same(([p["PartNumber"] for p in page["Parts"]], page["IsTruncated"], page["NextPartNumberMarker"]), ([1, 2], True, 2))
    fails(403, "AccessDenied", other.list_multipart_uploads, Bucket=made)


@case
def parts_are_copied():
    made = bucket()
    source = bytes(range(256)) * (6 * 4096)
    s3.put_object(Bucket=made, Key="src", Body=source)
    made_upload = s3.create_multipart_upload(Bucket=made, Key="dst")["UploadId"]
    first = s3.upload_part_copy(Bucket=made, Key="dst", UploadId=made_upload, PartNumber=1, CopySource=f"{made}/src", CopySourceRange=f"bytes=0-{5 * MIB - 1}")
    second = s3.upload_part_copy(Bucket=made, Key="dst", UploadId=made_upload, PartNumber=2, CopySource=f"{made}/src", CopySourceRange="bytes=0-0")
    third_call = dict(Bucket=made, Key="dst", UploadId=made_upload, PartNumber=3)
    complete(made, "dst", made_upload, [{"PartNumber": n, "ETag": p["CopyPartResult"]["ETag"]} for n, p in ((1, first), (2, second))])
    same(body(made, "dst") == source[:5 * MIB] + source[:1], True)
    made_upload = s3.create_multipart_upload(Bucket=made, Key="dst")["UploadId"]
    third_call["UploadId"] = made_upload
    whole = s3.upload_part_copy(CopySource=f"{made}/src", **third_call)["CopyPartResult"]["ETag"]
    fails(400, "InvalidArgument", s3.upload_part_copy, CopySource=f"{made}/src", CopySourceRange="bytes=0-99999999", **third_call)
    for bad in ("0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=2-1"):
        fails(400, "InvalidArgument", s3.upload_part_copy, CopySource=f"{made}/src", CopySourceRange=bad, **third_call)
    fails(404, "NoSuchKey", s3.upload_part_copy, CopySource=f"{made}/none", **third_call)
    complete(made, "dst", made_upload, [{"PartNumber": 3, "ETag": whole}])
    same(s3.head_object(Bucket=made, Key="dst")["ContentLength"], len(source))
    s3.put_bucket_versioning(Bucket=made, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=made, Key="src", Body=b"new")
    made_upload = s3.create_multipart_upload(Bucket=made, Key="dst")["UploadId"]
    answer = s3.upload_part_copy(Bucket=made, Key="dst", UploadId=made_upload, PartNumber=1, CopySource={"Bucket": made, "Key": "src", "VersionId": "null"})
    same(answer["CopySourceVersionId"], "null")
    for key in (" ", "_", "__", "?versionId"):
        s3.put_object(Bucket=made, Key=key, Body=b"special")
        s3.upload_part_copy(Bucket=made, Key="dst", UploadId=made_upload, PartNumber=1, CopySource={"Bucket": made, "Key": key})


@case
def checksums_of_all_kinds():
    made = bucket()
    content = b"x" * 1024
    sums = {"SHA256": base64.b64encode(hashlib.sha256(content).digest()).decode(), "SHA1": base64.b64encode(hashlib.sha1(content).digest()).decode(),
            "CRC32": base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()}
    for kind, value in sums.items():
        member = "Checksum" + kind
        answer = s3.put_object(Bucket=made, Key="k", Body=content, **{member: value})
        same((answer[member], s3.head_object(Bucket=made, Key="k", ChecksumMode="ENABLED")[member]), (value, value))
        same(member in s3.head_object(Bucket=made, Key="k"), False)
        wrong = base64.b64encode(bytes(len(base64.b64decode(value)))).decode()
        fails(400, "BadDigest", s3.put_object, Bucket=made, Key="k", Body=content, **{member: wrong})
        fails(400, "InvalidRequest", s3.put_object, Bucket=made, Key="k", Body=content, **{member: "bad"})
    for kind, type_ in (("SHA256", "COMPOSITE"), ("SHA1", "COMPOSITE"), ("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT")):
        member, big = "Checksum" + kind, b"y" * (5 * MIB)
        try:
            started = s3.create_multipart_upload(Bucket=made, Key="m", ChecksumAlgorithm=kind, ChecksumType=type_)
        except botocore.exceptions.ParamValidationError:
            continue
        same((started["ChecksumAlgorithm"], started["ChecksumType"]), (kind, type_))
        parts = []
        for number, part in enumerate((big, content), 1):
            sent = s3.upload_part(Bucket=made, Key="m", UploadId=started["UploadId"], PartNumber=number, Body=part, ChecksumAlgorithm=kind)
            parts.append({"PartNumber": number, "ETag": sent["ETag"], member: sent[member]})
        if type_ == "COMPOSITE":
            spoiled = [dict(parts[0], **{member: parts[1][member]}), parts[1]]
            fails(400, None, complete, made, "m", started["UploadId"], spoiled)
        done = complete(made, "m", started["UploadId"], parts)
        same(done["ChecksumType"], type_)
        if kind == "CRC32" and type_ == "FULL_OBJECT":
            same(done[member], base64.b64encode(zlib.crc32(big + content).to_bytes(4, "big")).decode())
        else:
            assert done[member].endswith("-2"), done
        asked = s3.get_object_attributes(Bucket=made, Key="m", ObjectAttributes=["Checksum", "ObjectParts", "ETag", "ObjectSize", "StorageClass"])
        same((asked["Checksum"][member], asked["ObjectParts"]["TotalPartsCount"], asked["ObjectSize"], asked["ETag"], asked["StorageClass"]),
             (done[member], 2, len(big) + len(content), done["ETag"].strip('"'), "STANDARD"))


@case
def attributes_of_objects():
    made = bucket(versions=True)
    wanted = ["ETag", "Checksum", "ObjectParts", "ObjectSize", "StorageClass"]
    version = s3.put_object(Bucket=made, Key="k", Body=b"abc")["VersionId"]
    got = s3.get_object_attributes(Bucket=made, Key="k", ObjectAttributes=wanted)
    same((got["ETag"], got["ObjectSize"], got["StorageClass"], got["VersionId"], "ObjectParts" in got), (hashlib.md5(b"abc").hexdigest(), 3, "STANDARD", version, False))
    same(set(s3.get_object_attributes(Bucket=made, Key="k", ObjectAttributes=["ETag"])) & set(wanted), {"ETag"})
    fails(404, "NoSuchKey", s3.get_object_attributes, Bucket=made, Key="none", ObjectAttributes=wanted)
    big = b"z" * (5 * MIB)
    started = s3.create_multipart_upload(Bucket=made, Key="m", ChecksumAlgorithm="SHA256")["UploadId"]
    sent = [s3.upload_part(Bucket=made, Key="m", UploadId=started, PartNumber=n, Body=part, ChecksumAlgorithm="SHA256") for n, part in ((1, big), (2, b"end"))]
    complete(made, "m", started, [{"PartNumber": n, "ETag": p["ETag"], "ChecksumSHA256": p["ChecksumSHA256"]} for n, p in enumerate(sent, 1)])
    first = s3.get_object_attributes(Bucket=made, Key="m", ObjectAttributes=["ObjectParts"], MaxParts=1)["ObjectParts"]
    same((first["IsTruncated"], first["TotalPartsCount"], first["MaxParts"], [(p["PartNumber"], p["Size"]) for p in first["Parts"]]), (True, 2, 1, [(1, len(big))]))
    second = s3.get_object_attributes(Bucket=made, Key="m", ObjectAttributes=["ObjectParts"], PartNumberMarker=first["NextPartNumberMarker"])["ObjectParts"]
    same((second["IsTruncated"], [p["PartNumber"] for p in second["Parts"]], second["PartNumberMarker"]), (False, [2], 1))
    s3.delete_object(Bucket=made, Key="k")
    fails(404, "NoSuchKey", s3.get_object_attributes, Bucket=made, Key="k", ObjectAttributes=wanted)


@case
def uploads_of_the_same_key_do_not_mix():
    made = bucket()
    uploads = [upload(made, "k", [bytes([i]) * 100]) for i in range(3)]
    for made_upload, parts in uploads:
        complete(made, "k", made_upload, parts)
    same(body(made, "k"), b"\x02" * 100)
    made_upload, parts = upload(made, "gone", [b"x"])
    fails(404, "NoSuchUpload", s3.upload_part, Bucket=made, Key="else", UploadId=made_upload, PartNumber=1, Body=b"x")
    fails(409, "BucketNotEmpty", s3.delete_bucket, Bucket=made)


# ---- tags, CORS, logging, notification

@case
def tags_of_buckets():
    made = bucket()
    fails(404, "NoSuchTagSet", s3.get_bucket_tagging, Bucket=made)
    s3.put_bucket_tagging(Bucket=made, Tagging={"TagSet": [{"Key": "Hello", "Value": "World"}]})
    same(s3.get_bucket_tagging(Bucket=made)["TagSet"], [{"Key": "Hello", "Value": "World"}])
    same(s3.delete_bucket_tagging(Bucket=made)["ResponseMetadata"]["HTTPStatusCode"], 204)
    fails(404, "NoSuchTagSet", s3.get_bucket_tagging, Bucket=made)


@case
def tags_of_objects():
    made = fill(bucket(), "k")

    def tags(count, key=10, value=10):
        return {"TagSet": [{"Key": str(i).rjust(key, "k"), "Value": str(i).rjust(value, "v")} for i in range(count)]}
    same(s3.get_object_tagging(Bucket=made, Key="k")["TagSet"], [])
    for good in (tags(2), tags(10), tags(10, 128, 256)):
        s3.put_object_tagging(Bucket=made, Key="k", Tagging=good)
        same(sorted(t["Key"] for t in s3.get_object_tagging(Bucket=made, Key="k")["TagSet"]), sorted(t["Key"] for t in good["TagSet"]))
    for bad, code in ((tags(11), "BadRequest"), (tags(1, 129), "InvalidTag"), (tags(1, 10, 257), "InvalidTag"), ({"TagSet": [{"Key": "a", "Value": "1"}] * 2}, "InvalidTag")):
        fails(400, code, s3.put_object_tagging, Bucket=made, Key="k", Tagging=bad)
    same(len(s3.get_object_tagging(Bucket=made, Key="k")["TagSet"]), 10)
    s3.put_object(Bucket=made, Key="k", Tagging="foo=bar&bar")
    same(s3.get_object_tagging(Bucket=made, Key="k")["TagSet"], [{"Key": "bar", "Value": ""}, {"Key": "foo", "Value": "bar"}])
    same(s3.head_object(Bucket=made, Key="k")["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"], "2")
    s3.delete_object_tagging(Bucket=made, Key="k")
    same(s3.get_object_tagging(Bucket=made, Key="k")["TagSet"], [])
    fails(404, "NoSuchKey", s3.get_object_tagging, Bucket=made, Key="none")


@case
def cors_is_kept_and_obeyed():
    made = bucket()
    fails(404, "NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=made)
    rules = {"CORSRules": [{"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*.get", "*.put"]}]}
    s3.put_bucket_cors(Bucket=made, CORSConfiguration=rules)
    same(s3.get_bucket_cors(Bucket=made)["CORSRules"], rules["CORSRules"])
    s3.delete_bucket_cors(Bucket=made)
    fails(404, "NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=made)
    s3.put_bucket_cors(Bucket=made, CORSConfiguration={"CORSRules": [
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["*suffix"]}, {"AllowedMethods": ["GET"], "AllowedOrigins": ["start*end"]},
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["prefix*"]}, {"AllowedMethods": ["PUT"], "AllowedOrigins": ["*.put"], "AllowedHeaders": ["x-amz-meta-*"], "ExposeHeaders": ["x-amz-meta-header1"]}]})
    url = f"/{made}/none"

    def ask(method, headers, wanted, allow=None, methods=None):
        status, got, _ = raw(method, url, b"" if method == "PUT" else None, headers)
        same((headers, status, got.get("access-control-allow-origin"), got.get("access-control-allow-methods")), (headers, wanted, allow, methods))
    ask("GET", {}, 403)
    for origin, fits in (("foo.suffix", True), ("foo.bar", False), ("foo.suffix.get", False), ("startend", True), ("start1end", True), ("start12end", True), ("0start12end", False),
                         ("prefix", True), ("prefix.suffix", True), ("bla.prefix", False)):
        ask("GET", {"Origin": origin}, 403, origin if fits else None, "GET" if fits else None)
        ask("OPTIONS", {"Origin": origin, "Access-Control-Request-Method": "GET"}, 200 if fits else 403, origin if fits else None, "GET" if fits else None)
    ask("OPTIONS", {}, 400)
    ask("OPTIONS", {"Origin": "foo.suffix"}, 400)
    ask("OPTIONS", {"Origin": "foo.suffix", "Access-Control-Request-Method": "PUT"}, 403)
    ask("OPTIONS", {"Origin": "x.put", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-amz-meta-a"}, 200, "x.put", "PUT")
    ask("OPTIONS", {"Origin": "x.put", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-else"}, 403)
    ask("PUT", {"Origin": "x.put"}, 403, "x.put", "PUT")
    s3.put_bucket_cors(Bucket=made, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    ask("GET", {"Origin": "example"}, 403, "*", "GET")
    fails(400, "InvalidRequest", s3.put_bucket_cors, Bucket=made, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["WHAT"], "AllowedOrigins": ["*"]}]})


@case
def logging_and_notification():
    made, target = bucket(), bucket()
    same("LoggingEnabled" in s3.get_bucket_logging(Bucket=made), False)
    policy(target, statement("Allow", {"Service": "logging.s3.amazonaws.com"}, "s3:PutObject", f"arn:aws:s3:::{target}/*"))
    s3.put_bucket_logging(Bucket=made, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "log/"}})
    same(s3.get_bucket_logging(Bucket=made)["LoggingEnabled"]["TargetPrefix"], "log/")
    s3.put_bucket_logging(Bucket=made, BucketLoggingStatus={})
    same("LoggingEnabled" in s3.get_bucket_logging(Bucket=made), False)
    fails(400, "InvalidTargetBucketForLogging", s3.put_bucket_logging, Bucket=made, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": "behaviour-none", "TargetPrefix": ""}})
    empty = s3.get_bucket_notification_configuration(Bucket=made)
    same([key for key in empty if key != "ResponseMetadata"], [])
    s3.put_bucket_notification_configuration(Bucket=made, NotificationConfiguration={"EventBridgeConfiguration": {}})
    same("EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=made), True)
    same(s3.get_bucket_request_payment(Bucket=made)["Payer"], "BucketOwner")


# ---- versions

@case
def versioning_is_switched():
    made = bucket()
    same("Status" in s3.get_bucket_versioning(Bucket=made), False)
    for status in ("Suspended", "Enabled", "Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=made, VersioningConfiguration={"Status": status})
        same(s3.get_bucket_versioning(Bucket=made)["Status"], status)


@case
def versions_come_and_go():
    made = bucket(versions=True)
    ids = [s3.put_object(Bucket=made, Key="k", Body=f"content-{i}")["VersionId"] for i in range(5)]
    for i, version in enumerate(ids):
        same(body(made, "k", VersionId=version), f"content-{i}".encode())
    s3.delete_object(Bucket=made, Key="k", VersionId=ids[-1])
    same(body(made, "k"), b"content-3")
    fails(404, "NoSuchVersion", s3.get_object, Bucket=made, Key="k", VersionId=ids[-1])
    marker = s3.delete_object(Bucket=made, Key="k")
    same(marker["DeleteMarker"], True)
    response = fails(404, "NoSuchKey", s3.get_object, Bucket=made, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    same((response["x-amz-delete-marker"], response["x-amz-version-id"]), ("true", marker["VersionId"]))
    fails(405, "MethodNotAllowed", s3.get_object, Bucket=made, Key="k", VersionId=marker["VersionId"])
    fails(405, None, s3.head_object, Bucket=made, Key="k", VersionId=marker["VersionId"])
    gone = s3.delete_object(Bucket=made, Key="k", VersionId=marker["VersionId"])
    same((gone["DeleteMarker"], gone["VersionId"]), (True, marker["VersionId"]))
    same(body(made, "k"), b"content-3")
    fails(400, "InvalidArgument", s3.get_object, Bucket=made, Key="k", VersionId="")
    first = s3.delete_object(Bucket=made, Key="never")
    same(first["DeleteMarker"], True)
    again = s3.delete_object(Bucket=made, Key="never")
    assert again["VersionId"] != first["VersionId"]


@case
def plain_objects_become_null_versions():
    made = fill(bucket(), "k")
    same("VersionId" in s3.head_object(Bucket=made, Key="k"), False)
    s3.put_bucket_versioning(Bucket=made, VersioningConfiguration={"Status": "Enabled"})
    same(s3.head_object(Bucket=made, Key="k")["VersionId"], "null")
    new = s3.put_object(Bucket=made, Key="k", Body=b"new")["VersionId"]
    same(body(made, "k", VersionId="null"), b"k")
    s3.put_bucket_versioning(Bucket=made, VersioningConfiguration={"Status": "Suspended"})
    for i in range(2):
        answer = s3.put_object(Bucket=made, Key="k", Body=f"null{i}")
        same(answer.get("VersionId", "null"), "null")
    same({v["VersionId"] for v in s3.list_object_versions(Bucket=made)["Versions"]}, {"null", new})
    marker = s3.delete_object(Bucket=made, Key="k")
    same((marker["DeleteMarker"], marker["VersionId"]), (True, "null"))
    same({v["VersionId"] for v in s3.list_object_versions(Bucket=made)["Versions"]}, {new})
    s3.delete_object(Bucket=made, Key="k", VersionId="null")
    same(body(made, "k"), b"new")


@case
def many_versions_are_deleted_at_once():
    made = bucket(versions=True)
    ids = [s3.put_object(Bucket=made, Key="k", Body=str(i))["VersionId"] for i in range(2)]
    answer = s3.delete_objects(Bucket=made, Delete={"Objects": [{"Key": "k", "VersionId": v} for v in ids]})
    same({d["VersionId"] for d in answer["Deleted"]}, set(ids))
    answer = s3.delete_objects(Bucket=made, Delete={"Objects": [{"Key": "k"}]})["Deleted"][0]
    same((answer["DeleteMarker"], answer["Key"]), (True, "k"))
    gone = s3.delete_objects(Bucket=made, Delete={"Objects": [{"Key": "k", "VersionId": answer["DeleteMarkerVersionId"]}]})["Deleted"][0]
    same((gone["DeleteMarker"], gone["DeleteMarkerVersionId"], gone["VersionId"]), (True,) + (answer["DeleteMarkerVersionId"],) * 2)
    keys = [f"k{i}" for i in range(40)]
    versions = [{"Key": key, "VersionId": s3.put_object(Bucket=made, Key=key)["VersionId"]} for key in keys]
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        for answer in pool.map(lambda _: client().delete_objects(Bucket=made, Delete={"Objects": versions}), range(5)):
            same((len(answer["Deleted"]), "Errors" in answer), (40, False))
    same("Versions" in s3.list_object_versions(Bucket=made), False)


@case
def a_version_has_its_tags_and_uploads_their_ids():
    made = bucket(versions=True)
    one = s3.put_object(Bucket=made, Key="k", Tagging="a=1")["VersionId"]
    s3.put_object(Bucket=made, Key="k")
    same(s3.get_object_tagging(Bucket=made, Key="k", VersionId=one)["TagSet"], [{"Key": "a", "Value": "1"}])
    same(s3.get_object_tagging(Bucket=made, Key="k")["TagSet"], [])
    made_upload, parts = upload(made, "m", [b"x"])
    version = complete(made, "m", made_upload, parts)["VersionId"]
    same(s3.head_object(Bucket=made, Key="m")["VersionId"], version)


# ---- Object Lock

def locked():
    return bucket(ObjectLockEnabledForBucket=True)


@case
def lock_configurations():
    made = locked()
    same(s3.get_bucket_versioning(Bucket=made)["Status"], "Enabled")

    def put(mode, where=made, **more):
        return s3.put_object_lock_configuration(Bucket=where, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, **more}}})
    for mode, more in (("GOVERNANCE", {"Days": 1}), ("COMPLIANCE", {"Years": 1})):
        put(mode, **more)
        same(s3.get_object_lock_configuration(Bucket=made)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"], {"Mode": mode, **more})
    fails(400, "MalformedXML", put, "GOVERNANCE", Days=1, Years=1)
    for more in ({"Days": 0}, {"Days": -1}, {"Years": -1}):
        fails(400, "InvalidArgument", put, "GOVERNANCE", **more)
    fails(400, "InvalidArgument", put, "GOVERNANCE", Days=36501)
    for mode in ("abc", "governance"):
        fails(400, "MalformedXML", put, mode, Years=1)
    fails(400, "MalformedXML", s3.put_object_lock_configuration, Bucket=made, ObjectLockConfiguration={"ObjectLockEnabled": "Disabled"})
    plain = bucket()
    fails(409, "InvalidBucketState", put, "GOVERNANCE", where=plain, Days=1)
    fails(404, "ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration, Bucket=plain)
    fails(409, "InvalidBucketState", s3.put_bucket_versioning, Bucket=made, VersioningConfiguration={"Status": "Suspended"})


@case
def retention_of_versions():
    made, plain = locked(), fill(bucket(), "k")
    until = datetime.datetime.now(UTC).replace(microsecond=0) + datetime.timedelta(days=3)
    longer, shorter = until + datetime.timedelta(days=1), until - datetime.timedelta(days=1)
    governed, strict = {"Mode": "GOVERNANCE", "RetainUntilDate": until}, {"Mode": "COMPLIANCE", "RetainUntilDate": until}
    version = s3.put_object(Bucket=made, Key="k", Body=b"x")["VersionId"]
    fails(404, "NoSuchObjectLockConfiguration", s3.get_object_retention, Bucket=made, Key="k")
    s3.put_object_retention(Bucket=made, Key="k", Retention=governed)
    same(s3.get_object_retention(Bucket=made, Key="k")["Retention"], governed)
    head = s3.head_object(Bucket=made, Key="k")
    same((head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]), ("GOVERNANCE", until))
    fails(403, "AccessDenied", s3.delete_object, Bucket=made, Key="k", VersionId=version)
    answer = s3.delete_objects(Bucket=made, Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    same([e["Code"] for e in answer["Errors"]], ["AccessDenied"])
    s3.put_object_retention(Bucket=made, Key="k", Retention={**governed, "RetainUntilDate": longer})
    fails(403, "AccessDenied", s3.put_object_retention, Bucket=made, Key="k", Retention={**governed, "RetainUntilDate": shorter})
    s3.put_object_retention(Bucket=made, Key="k", Retention={**governed, "RetainUntilDate": shorter}, BypassGovernanceRetention=True)
    for bad in ({"Mode": "abc", "RetainUntilDate": until}, {"Mode": "governance", "RetainUntilDate": until}):
        fails(400, "MalformedXML", s3.put_object_retention, Bucket=made, Key="k", Retention=bad)
    fails(400, "MalformedXML", s3.put_object_retention, Bucket=made, Key="k", Retention={"Mode": "GOVERNANCE"})
    fails(400, "InvalidRequest", s3.put_object_retention, Bucket=plain, Key="k", Retention=governed)
    fails(400, "InvalidRequest", s3.get_object_retention, Bucket=plain, Key="k")
    answer = s3.delete_objects(Bucket=made, Delete={"Objects": [{"Key": "k", "VersionId": version}]}, BypassGovernanceRetention=True)
    same("Errors" in answer, False)
    strictly = s3.put_object(Bucket=made, Key="k", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    fails(403, "AccessDenied", s3.delete_object, Bucket=made, Key="k", VersionId=strictly, BypassGovernanceRetention=True)
    fails(403, "AccessDenied", s3.put_object_retention, Bucket=made, Key="k", Retention=governed, BypassGovernanceRetention=True)
    fails(403, "AccessDenied", s3.put_object_retention, Bucket=made, Key="k", Retention={**strict, "RetainUntilDate": shorter}, BypassGovernanceRetention=True)
    s3.put_object_retention(Bucket=made, Key="k", Retention={**strict, "RetainUntilDate": longer})
    same(s3.delete_object(Bucket=made, Key="k")["DeleteMarker"], True)


@case
def modes_of_retention_are_changed():
    made = locked()
    until = datetime.datetime.now(UTC).replace(microsecond=0) + datetime.timedelta(days=3)
    s3.put_object(Bucket=made, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    strict = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
    fails(403, "AccessDenied", s3.put_object_retention, Bucket=made, Key="k", Retention=strict)
    s3.put_object_retention(Bucket=made, Key="k", Retention=strict, BypassGovernanceRetention=True)
    same(s3.get_object_retention(Bucket=made, Key="k")["Retention"], strict)


@case
def default_retention_locks_uploads():
    made = locked()
    s3.put_object_lock_configuration(Bucket=made, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
    made_upload, parts = upload(made, "m", [b"x"])
    version = complete(made, "m", made_upload, parts)["VersionId"]
    same(s3.head_object(Bucket=made, Key="m")["ObjectLockMode"], "GOVERNANCE")
    fails(403, "AccessDenied", s3.delete_object, Bucket=made, Key="m", VersionId=version)
    s3.delete_object(Bucket=made, Key="m", VersionId=version, BypassGovernanceRetention=True)


@case
def legal_holds():
    made, plain = locked(), fill(bucket(), "k")
    version = s3.put_object(Bucket=made, Key="k", Body=b"x")["VersionId"]
    s3.put_object_legal_hold(Bucket=made, Key="k", LegalHold={"Status": "ON"})
    same((s3.get_object_legal_hold(Bucket=made, Key="k")["LegalHold"], s3.head_object(Bucket=made, Key="k")["ObjectLockLegalHoldStatus"]), ({"Status": "ON"}, "ON"))
    fails(403, "AccessDenied", s3.delete_object, Bucket=made, Key="k", VersionId=version, BypassGovernanceRetention=True)
    fails(400, "MalformedXML", s3.put_object_legal_hold, Bucket=made, Key="k", LegalHold={"Status": "abc"})
    fails(400, "InvalidRequest", s3.put_object_legal_hold, Bucket=plain, Key="k", LegalHold={"Status": "ON"})
    fails(400, "InvalidRequest", s3.get_object_legal_hold, Bucket=plain, Key="k")
    s3.put_object_legal_hold(Bucket=made, Key="k", LegalHold={"Status": "OFF"})
    same(s3.get_object_legal_hold(Bucket=made, Key="k")["LegalHold"], {"Status": "OFF"})
    s3.delete_object(Bucket=made, Key="k", VersionId=version)


# ---- lifecycle

def lifecycle(made, *rules):
    return s3.put_bucket_lifecycle_configuration(Bucket=made, LifecycleConfiguration={"Rules": list(rules)})


@case
def lifecycles_are_kept():
    made = bucket()
    fails(404, "NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=made)
    date = datetime.datetime(2037, 1, 1, tzinfo=UTC)
    rules = [
        {"ID": "rule1", "Expiration": {"Days": 1}, "Prefix": "test1/", "Status": "Enabled"}, {"ID": "rule2", "Expiration": {"Date": date}, "Filter": {"Prefix": "test2/"}, "Status": "Disabled"},
        {"ID": "rule3", "NoncurrentVersionExpiration": {"NoncurrentDays": 2}, "Filter": {"Prefix": "past/"}, "Status": "Enabled"},
        {"ID": "rule4", "Expiration": {"ExpiredObjectDeleteMarker": True}, "Filter": {"Prefix": ""}, "Status": "Enabled"},
        {"ID": "rule5", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}, "Filter": {"Prefix": "up/"}, "Status": "Enabled"},
        {"ID": "rule6", "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 90, "StorageClass": "GLACIER"}], "Expiration": {"Days": 365}, "Filter": {"Prefix": "t/"}, "Status": "Enabled"},
        {"ID": "rule7", "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "STANDARD_IA"}], "Filter": {"Prefix": "n/"}, "Status": "Enabled"},
        {"ID": "rule8", "Expiration": {"Days": 5}, "Filter": {"And": {"Prefix": "g/", "ObjectSizeGreaterThan": 10, "ObjectSizeLessThan": 100}}, "Status": "Enabled"},
        {"ID": "rule9", "Expiration": {"Days": 5}, "Filter": {"Tag": {"Key": "a", "Value": "b"}}, "Status": "Enabled"},
    ]
    for rule in rules:
        lifecycle(made, rule)
        same(s3.get_bucket_lifecycle_configuration(Bucket=made)["Rules"], [rule])
    lifecycle(made, {"Expiration": {"Days": 31}, "Filter": {"Prefix": "a/"}, "Status": "Enabled"}, {"Expiration": {"Days": 31}, "Filter": {"Prefix": "b/"}, "Status": "Enabled"})
    ids = [rule["ID"] for rule in s3.get_bucket_lifecycle_configuration(Bucket=made)["Rules"]]
    assert len(set(ids)) == 2 and all(ids), ids
    s3.delete_bucket_lifecycle(Bucket=made)
    fails(404, "NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=made)


@case
def lifecycles_that_are_wrong():
    made = bucket()
    good = {"ID": "rule1", "Expiration": {"Days": 2}, "Prefix": "test1/", "Status": "Enabled"}
    lifecycle(made, {**good, "ID": "a" * 255})
    fails(400, "InvalidArgument", lifecycle, made, {**good, "ID": "a" * 256})
    fails(400, "InvalidArgument", lifecycle, made, good, {**good, "Prefix": "test2/"})
    for status in ("enabled", "disabled", "invalid"):
        fails(400, "MalformedXML", lifecycle, made, {**good, "Status": status})
    fails(400, "InvalidArgument", lifecycle, made, {**good, "Expiration": {"Days": 0}})
    fails(400, None, lifecycle, made, {**good, "Expiration": {"Date": datetime.datetime(2037, 1, 1, 1, tzinfo=UTC)}})
    spoiled = client()
    spoiled.meta.events.register("before-call.s3.PutBucketLifecycleConfiguration", lambda params, **_: params.update(body=(b"<LifecycleConfiguration><Rule><Expiration><Date>20200101</Date></Expiration>"
        b"<ID>r</ID><Prefix>a</Prefix><Status>Enabled</Status></Rule></LifecycleConfiguration>")))
    fails(400, None, changed("X", by=spoiled).put_bucket_lifecycle_configuration, Bucket=made, LifecycleConfiguration={"Rules": [good]})
    fails(400, None, lifecycle, made, {"ID": "x", "Prefix": "", "Status": "Enabled"})


@case
def expirations_are_told():
    made = bucket()
    lifecycle(made, {"ID": "rule1", "Expiration": {"Days": 1}, "Prefix": "days1/", "Status": "Enabled"})
    answer = s3.put_object(Bucket=made, Key="days1/foo", Body="bar")
    told = answer["Expiration"]
    assert 'rule-id="rule1"' in told and told.startswith('expiry-date="'), told
    when = datetime.datetime.strptime(told.split('"')[1], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert datetime.timedelta(days=1) <= when - datetime.datetime.now(UTC) <= datetime.timedelta(days=2), when
    same(s3.head_object(Bucket=made, Key="days1/foo")["Expiration"], told)
    same("Expiration" in s3.put_object(Bucket=made, Key="else"), False)
    lifecycle(made, {"ID": "rule1", "Expiration": {"Days": 1}, "Filter": {"Tag": {"Key": "key1", "Value": "tag1"}}, "Status": "Enabled"})
    s3.put_object(Bucket=made, Key="tagged", Tagging="key1=tag1")
    assert "Expiration" in s3.head_object(Bucket=made, Key="tagged")
    s3.put_object_tagging(Bucket=made, Key="tagged", Tagging={"TagSet": [{"Key": "key1", "Value": "else"}]})
    same("Expiration" in s3.head_object(Bucket=made, Key="tagged"), False)


# ---- encryption

CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"0123456789abcdef0123456789abcdef"}


def customers():
    made = bucket()
    s3.put_bucket_encryption(Bucket=made, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]})
    return made


@case
def keys_of_customers():
    try:
        made = customers()
    except botocore.exceptions.ParamValidationError:
        made = bucket()
        s3.put_bucket_encryption(Bucket=made, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    for size in (1, 1024, MIB, 13 * MIB):
        s3.put_object(Bucket=made, Key="k", Body=b"A" * size, **CUSTOMER)
        same(body(made, "k", **CUSTOMER) == b"A" * size, True)
    head = s3.head_object(Bucket=made, Key="k", **CUSTOMER)
    same((head["SSECustomerAlgorithm"], head["SSECustomerKeyMD5"]), ("AES256", base64.b64encode(hashlib.md5(CUSTOMER["SSECustomerKey"]).digest()).decode()))
    fails(400, "InvalidRequest", s3.get_object, Bucket=made, Key="k")
    fails(400, None, s3.head_object, Bucket=made, Key="k")
    fails(400, "InvalidRequest", s3.get_object, Bucket=made, Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=b"x" * 32)
    for headers in ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, {"x-amz-server-side-encryption-customer-key": base64.b64encode(b"x" * 32).decode()},
                    {"x-amz-server-side-encryption-customer-algorithm": "AES256", "x-amz-server-side-encryption-customer-key": base64.b64encode(b"x" * 32).decode()},
                    {"x-amz-server-side-encryption-customer-algorithm": "AES256", "x-amz-server-side-encryption-customer-key": base64.b64encode(b"x" * 32).decode(),
                     "x-amz-server-side-encryption-customer-key-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}):
        response = fails(400, None, changed("PutObject", headers).put_object, Bucket=made, Key="x", Body=b"x")
        assert response["Error"]["Code"] in ("InvalidArgument", "InvalidRequest"), response["Error"]
    fails(400, None, s3.put_object, Bucket=made, Key="x", ServerSideEncryption="aws:kms", **CUSTOMER)
    other_key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"z" * 32}
    source = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": CUSTOMER["SSECustomerKey"]}
    s3.copy_object(Bucket=made, Key="c", CopySource=f"{made}/k", **source, **other_key)
    same(len(body(made, "c", **other_key)), 13 * MIB)
    s3.copy_object(Bucket=made, Key="c", CopySource=f"{made}/k", **source, ServerSideEncryption="AES256")
    same(len(body(made, "c")), 13 * MIB)
    fails(400, "InvalidRequest", s3.copy_object, Bucket=made, Key="c", CopySource=f"{made}/k")
    started = s3.create_multipart_upload(Bucket=made, Key="m", **CUSTOMER)["UploadId"]
    part = s3.upload_part(Bucket=made, Key="m", UploadId=started, PartNumber=1, Body=b"part", **CUSTOMER)["ETag"]
    fails(400, None, s3.upload_part, Bucket=made, Key="m", UploadId=started, PartNumber=2, Body=b"part", **other_key)
    fails(400, None, s3.upload_part, Bucket=made, Key="m", UploadId=started, PartNumber=2, Body=b"part")
    complete(made, "m", started, [{"PartNumber": 1, "ETag": part}], **({}))
    same(body(made, "m", Range="bytes=1-2", **CUSTOMER), b"ar")


@case
def keys_of_kms():
    made = bucket()
    kms = client(service="kms")
    key = kms.create_key()["KeyMetadata"]
    answer = s3.put_object(Bucket=made, Key="k", Body=b"x" * 1000, ServerSideEncryption="aws:kms", SSEKMSKeyId=key["KeyId"])
    same((answer["ServerSideEncryption"], answer["SSEKMSKeyId"]), ("aws:kms", key["Arn"]))
    same(body(made, "k"), b"x" * 1000)
    fails(400, None, s3.put_object, Bucket=made, Key="k", ServerSideEncryption="aws:kms", SSEKMSKeyId="00000000-0000-0000-0000-000000000000")
    fails(400, "InvalidArgument", changed("PutObject", {"x-amz-server-side-encryption-aws-kms-key-id": key["KeyId"]}).put_object, Bucket=made, Key="k")
    fails(400, "InvalidArgument", s3.put_object, Bucket=made, Key="k", ServerSideEncryption="AES256", SSEKMSKeyId=key["KeyId"])
    fails(400, "InvalidArgument", s3.put_object, Bucket=made, Key="k", ServerSideEncryption="aes:kms")
    fails(400, None, changed("GetObject", {"x-amz-server-side-encryption": "aws:kms"}).get_object, Bucket=made, Key="k")
    fails(400, None, changed("HeadObject", {"x-amz-server-side-encryption": "aws:kms"}).head_object, Bucket=made, Key="k")
    made_upload, parts = upload(made, "m", [b"part"], ServerSideEncryption="aws:kms", SSEKMSKeyId=key["Arn"])
    same(complete(made, "m", made_upload, parts)["SSEKMSKeyId"], key["Arn"])
    same(body(made, "m"), b"part")


@case
def encryption_of_buckets():
    made = bucket()
    same(s3.get_bucket_encryption(Bucket=made)["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"], {"SSEAlgorithm": "AES256"})
    key = client(service="kms").create_key()["KeyMetadata"]

    def put(**more):
        return s3.put_bucket_encryption(Bucket=made, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": more}]})
    put(SSEAlgorithm="aws:kms", KMSMasterKeyID=key["Arn"])
    answer = s3.put_object(Bucket=made, Key="k")
    same((answer["ServerSideEncryption"], answer["SSEKMSKeyId"]), ("aws:kms", key["Arn"]))
    same(upload(made, "m", [b"x"]) and s3.create_multipart_upload(Bucket=made, Key="m")["ServerSideEncryption"], "aws:kms")
    same(s3.put_object(Bucket=made, Key="k", ServerSideEncryption="AES256")["ServerSideEncryption"], "AES256")
    s3.delete_bucket_encryption(Bucket=made)
    same(s3.put_object(Bucket=made, Key="k")["ServerSideEncryption"], "AES256")
    put(SSEAlgorithm="aws:kms")
    same(s3.put_object(Bucket=made, Key="k")["ServerSideEncryption"], "aws:kms")


@case
def unencrypted_puts_are_denied_by_policy():
    made = bucket()
    objects = f"arn:aws:s3:::{made}/*"
    policy(made, statement("Deny", "*", "s3:PutObject", objects, {"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}}),
           statement("Deny", "*", "s3:PutObject", objects, {"Null": {"s3:x-amz-server-side-encryption": "true"}}))
    fails(403, "AccessDenied", s3.put_object, Bucket=made, Key="k")
    fails(403, "AccessDenied", s3.put_object, Bucket=made, Key="k", ServerSideEncryption="aws:kms")
    s3.put_object(Bucket=made, Key="k", ServerSideEncryption="AES256")
    policy(made, statement("Deny", "*", "s3:PutObject", objects, {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "true"}}))
    fails(403, "AccessDenied", s3.put_object, Bucket=made, Key="k")
    policy(made, statement("Deny", "*", "s3:PutObject", objects, {"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "aws:kms"}}))
    fails(403, "AccessDenied", s3.put_object, Bucket=made, Key="k", ServerSideEncryption="AES256")
    s3.put_object(Bucket=made, Key="k", ServerSideEncryption="aws:kms")


# ---- policies across accounts

@case
def policies_let_others_in():
    made = fill(bucket(open_=True), "asdf")
    fails(404, "NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=made)
    policy(made, statement("Allow", {"AWS": "*"}, "s3:ListBucket", arns(made)))
    same(all_keys(other.list_objects(Bucket=made)), ["asdf"])
    same(all_keys(other.list_objects_v2(Bucket=made)), ["asdf"])
    same(all_keys(anonymous.list_objects(Bucket=made)), ["asdf"])
    same(s3.get_bucket_policy_status(Bucket=made)["PolicyStatus"]["IsPublic"], True)
    fails(403, "AccessDenied", other.get_object, Bucket=made, Key="asdf")
    fails(403, "AccessDenied", other.list_object_versions, Bucket=made)
    policy(made, statement("Allow", {"AWS": f"arn:aws:iam::{SECOND}:root"}, ["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{made}/*"))
    same(body(made, "asdf", other), b"asdf")
    fails(403, "AccessDenied", anonymous.get_object, Bucket=made, Key="asdf")
    other.put_object(Bucket=made, Key="theirs", Body=b"t")
    same(body(made, "theirs"), b"t")
    same(s3.get_bucket_policy_status(Bucket=made)["PolicyStatus"]["IsPublic"], False)
    policy(made, statement("Deny", "*", "s3:GetObject", f"arn:aws:s3:::{made}/*"))
    fails(403, "AccessDenied", s3.get_object, Bucket=made, Key="asdf")
    s3.delete_bucket_policy(Bucket=made)
    same(body(made, "asdf"), b"asdf")


@case
def policies_that_are_wrong():
    made = bucket()
    for bad in ("{}", "", "[1]", '{"Version":"2012-10-17","Statement":[]}'):
        fails(400, None, s3.put_bucket_policy, Bucket=made, Policy=bad)
    fails(400, "MalformedPolicy", policy, made, statement("Allow", {"AWS": f"arn:aws:iam::{SECOND}:root"}, "s3:GetObject", "arn:aws:s3:::someone-else/*"))
    fails(400, "MalformedPolicy", policy, made, statement("Allow", {"AWS": f"arn:aws:iam::{MAIN}:user/none"}, "s3:GetObject", f"arn:aws:s3:::{made}/*"))


@case
def tags_decide():
    made = bucket(open_=True)
    for key, tags in (("publictag", "security=public&foo=bar"), ("privatetag", "security=private"), ("invalidtag", "security1=public")):
        s3.put_object(Bucket=made, Key=key, Tagging=tags, Body=b"x")
    objects = f"arn:aws:s3:::{made}/*"
    for action, call in (("s3:GetObject", other.get_object), ("s3:GetObjectTagging", other.get_object_tagging)):
        policy(made, statement("Allow", {"AWS": "*"}, action, objects, {"StringEquals": {"s3:ExistingObjectTag/security": "public"}}))
        call(Bucket=made, Key="publictag")
        fails(403, "AccessDenied", call, Bucket=made, Key="privatetag")
        fails(403, "AccessDenied", call, Bucket=made, Key="invalidtag")
    policy(made, statement("Allow", {"AWS": "*"}, ["s3:PutObjectTagging", "s3:GetObject"], objects, {"StringEquals": {"s3:ExistingObjectTag/security": "public"}}))
    other.put_object_tagging(Bucket=made, Key="publictag", Tagging={"TagSet": [{"Key": "security", "Value": "private"}]})
    fails(403, "AccessDenied", other.put_object_tagging, Bucket=made, Key="publictag", Tagging={"TagSet": []})
    policy(made, statement("Allow", {"AWS": "*"}, ["s3:PutObject", "s3:PutObjectTagging"], objects, {"StringEquals": {"s3:RequestObjectTag/security": "public"}}))
    other.put_object(Bucket=made, Key="new", Tagging="security=public")
    fails(403, "AccessDenied", other.put_object, Bucket=made, Key="new")
    fails(403, "AccessDenied", other.put_object, Bucket=made, Key="new", Tagging="security=private")


@case
def headers_decide():
    made, source = bucket(open_=True), bucket(open_=True)
    for key in ("public/foo", "public/bar", "private/foo"):
        s3.put_object(Bucket=source, Key=key, Body=key)
    policy(source, statement("Allow", {"AWS": "*"}, ["s3:GetObject", "s3:GetObjectTagging"], f"arn:aws:s3:::{source}/*"))
    objects = f"arn:aws:s3:::{made}/*"
    policy(made, statement("Allow", {"AWS": "*"}, "s3:PutObject", objects, {"StringLike": {"s3:x-amz-copy-source": source + "/public/*"}}))
    other.copy_object(Bucket=made, Key="new_foo", CopySource={"Bucket": source, "Key": "public/foo"})
    same(body(made, "new_foo"), b"public/foo")
    fails(403, "AccessDenied", other.copy_object, Bucket=made, Key="x", CopySource={"Bucket": source, "Key": "private/foo"})
    policy(made, statement("Allow", {"AWS": "*"}, "s3:PutObject", objects, {"StringEquals": {"s3:x-amz-metadata-directive": "COPY"}}))
    other.copy_object(Bucket=made, Key="x", CopySource={"Bucket": source, "Key": "public/foo"}, MetadataDirective="COPY")
    fails(403, "AccessDenied", other.copy_object, Bucket=made, Key="y", CopySource={"Bucket": source, "Key": "public/bar"})
    policy(made, statement("Allow", {"AWS": "*"}, "s3:PutObject", objects), statement("Deny", {"AWS": "*"}, "s3:PutObject", objects, {"StringLike": {"s3:x-amz-acl": "public*"}}))
    other.put_object(Bucket=made, Key="plain", Body=b"x")
    fails(403, "AccessDenied", other.put_object, Bucket=made, Key="public", Body=b"x", ACL="public-read")
    policy(made, statement("Allow", {"AWS": "*"}, "s3:PutObject", objects, {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}))
    fails(403, "AccessDenied", other.put_object, Bucket=made, Key="k", Body=b"x")
    other.put_object(Bucket=made, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    policy(made, {"Effect": "Deny", "NotPrincipal": {"AWS": f"arn:aws:iam::{MAIN}:root"}, "Action": "s3:ListBucket", "Resource": arns(made)})
    s3.list_objects_v2(Bucket=made)
    fails(403, "AccessDenied", other.list_objects_v2, Bucket=made)


@case
def public_access_is_blocked():
    made = bucket()
    same(set(s3.get_public_access_block(Bucket=made)["PublicAccessBlockConfiguration"].values()), {True})
    public = statement("Allow", "*", "s3:GetObject", f"arn:aws:s3:::{made}/*")
    fails(403, "AccessDenied", policy, made, public)
    s3.delete_public_access_block(Bucket=made)
    fails(404, "NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, Bucket=made)
    policy(made, public)
    s3.put_object(Bucket=made, Key="k", Body=b"x")
    same(raw("GET", f"/{made}/k")[0], 200)
    s3.put_public_access_block(Bucket=made, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    same(s3.get_public_access_block(Bucket=made)["PublicAccessBlockConfiguration"],
         {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": True})
    same(raw("GET", f"/{made}/k")[0], 403)
    policy(made, statement("Allow", "*", "s3:GetObject", f"arn:aws:s3:::{made}/*", {"IpAddress": {"aws:SourceIp": "10.0.0.0/24"}}))
    same(s3.get_bucket_policy_status(Bucket=made)["PolicyStatus"]["IsPublic"], False)


@case
def prefixes_and_delimiters_decide():
    made = fill(bucket(open_=True), "foo/a", "bar/b")
    policy(made, statement("Allow", {"AWS": "*"}, "s3:ListBucket", f"arn:aws:s3:::{made}", {"StringLike": {"s3:prefix": "foo/*"}, "StringEquals": {"s3:delimiter": "/"}}))
    other.list_objects_v2(Bucket=made, Prefix="foo/x", Delimiter="/")
    fails(403, "AccessDenied", other.list_objects_v2, Bucket=made, Prefix="foo/x")
    fails(403, "AccessDenied", other.list_objects_v2, Bucket=made, Prefix="bar/", Delimiter="/")
    policy(made, statement("Allow", {"AWS": "*"}, "*", arns(made)))
    made_upload, parts = upload(made, "m", [b"x"], by=other)
    other.complete_multipart_upload(Bucket=made, Key="m", UploadId=made_upload, MultipartUpload={"Parts": parts})
    same(body(made, "m"), b"x")
    assert other.list_object_versions(Bucket=made)["Versions"]


@case
def users_and_roles_of_two_accounts():
    made = fill(bucket(), "k")
    iam, sts = client("second", "iam"), client("second", "sts")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    user = client(credentials=(key["AccessKeyId"], key["SecretAccessKey"], None))
    policy(made, statement("Allow", {"AWS": f"arn:aws:iam::{SECOND}:user/reader"}, "s3:GetObject", f"arn:aws:s3:::{made}/*"))
    fails(403, "AccessDenied", user.get_object, Bucket=made, Key="k")
    iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "sts:AssumeRole"], "Resource": "*"}]}))
    same(body(made, "k", user), b"k")
    own = client(credentials=(key["AccessKeyId"], key["SecretAccessKey"], None))
    theirs = name()
    own.create_bucket(Bucket=theirs)
    other.put_object(Bucket=theirs, Key="x")
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{SECOND}:user/reader"}, "Action": "sts:AssumeRole"}]}))
    iam.put_role_policy(RoleName="reader", PolicyName="get", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}))
    got = client(service="sts", credentials=(key["AccessKeyId"], key["SecretAccessKey"], None)).assume_role(RoleArn=f"arn:aws:iam::{SECOND}:role/reader", RoleSessionName="reading")["Credentials"]
    session = client(credentials=(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"]))
    session.put_object(Bucket=theirs, Key="y", Body=b"y")
    fails(403, "AccessDenied", session.get_object, Bucket=theirs, Key="y")
    del sts


# ---- ownership and access control lists

@case
def ownership_is_switched():
    made = bucket()
    same(s3.get_bucket_ownership_controls(Bucket=made)["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}])
    for ownership in ("ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"):
        s3.put_bucket_ownership_controls(Bucket=made, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})
        same(s3.get_bucket_ownership_controls(Bucket=made)["OwnershipControls"]["Rules"][0]["ObjectOwnership"], ownership)
    s3.delete_bucket_ownership_controls(Bucket=made)
    fails(404, "OwnershipControlsNotFoundError", s3.get_bucket_ownership_controls, Bucket=made)


@case
def lists_are_off_by_default():
    made = fill(bucket(), "k")
    fails(400, "AccessControlListNotSupported", s3.put_bucket_acl, Bucket=made, ACL="public-read")
    fails(400, "AccessControlListNotSupported", s3.put_object_acl, Bucket=made, Key="k", ACL="public-read")
    fails(400, "AccessControlListNotSupported", s3.put_object, Bucket=made, Key="k", ACL="public-read")
    fails(400, "InvalidBucketAclWithObjectOwnership", s3.create_bucket, Bucket=name(), ACL="public-read")
    same([(g["Grantee"]["Type"], g["Permission"]) for g in s3.get_bucket_acl(Bucket=made)["Grants"]], [("CanonicalUser", "FULL_CONTROL")])


@case
def canned_lists_of_buckets():
    made = fill(with_lists(), "k")
    everybody, users = "http://acs.amazonaws.com/groups/global/AllUsers", "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
    for acl, grants in (("private", []), ("public-read", [(everybody, "READ")]), ("public-read-write", [(everybody, "READ"), (everybody, "WRITE")]), ("authenticated-read", [(users, "READ")])):
        s3.put_bucket_acl(Bucket=made, ACL=acl)
        got = s3.get_bucket_acl(Bucket=made)["Grants"]
        same([(g["Grantee"].get("URI"), g["Permission"]) for g in got if g["Grantee"]["Type"] == "Group"], grants)
        same(raw("GET", f"/{made}?list-type=2")[0], 200 if acl.startswith("public") else 403)
        same(raw("PUT", f"/{made}/anon", b"x")[0], 200 if acl == "public-read-write" else 403)
        if acl != "private":
            other.list_objects(Bucket=made)
        else:
            fails(403, "AccessDenied", other.list_objects, Bucket=made)
    s3.put_bucket_acl(Bucket=made, ACL="public-read-write")
    other.put_object(Bucket=made, Key="theirs", Body=b"t")
    fails(403, "AccessDenied", s3.get_object, Bucket=made, Key="theirs")
    other.put_object(Bucket=made, Key="shared", Body=b"t", ACL="bucket-owner-full-control")
    same(body(made, "shared"), b"t")
    other.put_object(Bucket=made, Key="read", Body=b"t", ACL="bucket-owner-read")
    same(body(made, "read"), b"t")
    anonymous.delete_object(Bucket=made, Key="shared")
    fails(403, None, anonymous.get_bucket_acl, Bucket=made)
    direct = name()
    fails(400, "InvalidBucketAclWithBlockPublicAccessError", s3.create_bucket, Bucket=direct, ACL="public-read", ObjectOwnership="ObjectWriter")


@case
def canned_lists_of_objects():
    made = with_lists()
    for acl, by_nobody, by_other in (("private", 403, 403), ("public-read", 200, 200), ("public-read-write", 200, 200), ("authenticated-read", 403, 200)):
        for step in (lambda: s3.put_object(Bucket=made, Key="k", Body=b"x", ACL=acl), lambda: s3.put_object_acl(Bucket=made, Key="k", ACL=acl)):
            step()
            same((acl, raw("GET", f"/{made}/k")[0]), (acl, by_nobody))
            if by_other == 200:
                other.get_object(Bucket=made, Key="k")
            else:
                fails(403, "AccessDenied", other.get_object, Bucket=made, Key="k")
            s3.put_object_acl(Bucket=made, Key="k", ACL="private")
    same([(g["Grantee"]["Type"], g["Permission"]) for g in s3.get_object_acl(Bucket=made, Key="k")["Grants"]], [("CanonicalUser", "FULL_CONTROL")])
    s3.put_object(Bucket=made, Key="k", Body=b"x", ACL="public-read")
    s3.copy_object(Bucket=made, Key="c", CopySource=f"{made}/k")
    same(raw("GET", f"/{made}/c")[0], 403)
    s3.copy_object(Bucket=made, Key="c", CopySource=f"{made}/k", ACL="public-read")
    same(raw("GET", f"/{made}/c")[0], 200)
    s3.put_public_access_block(Bucket=made, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    same(raw("GET", f"/{made}/k")[0], 403)
    s3.put_public_access_block(Bucket=made, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    same(raw("GET", f"/{made}/k")[0], 200)
    for acl in ("public-read", "public-read-write", "authenticated-read"):
        fails(403, "AccessDenied", s3.put_object, Bucket=made, Key="z", ACL=acl)
        fails(403, "AccessDenied", s3.put_bucket_acl, Bucket=made, ACL=acl)
    s3.put_bucket_ownership_controls(Bucket=made, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    s3.delete_public_access_block(Bucket=made)
    same(raw("GET", f"/{made}/k")[0], 403)
    fails(400, "InvalidArgument", changed("PutObject", {"x-amz-acl": "public-ready"}).put_object, Bucket=made, Key="k")


@case
def lists_are_set_at_once_by_many():
    made = with_lists()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: s3.put_bucket_acl(Bucket=made, ACL="public-read"), range(30)))
    same(raw("GET", f"/{made}?list-type=2")[0], 200)


@case
def forms_of_nobody():
    made = with_lists()
    s3.put_bucket_acl(Bucket=made, ACL="public-read-write")
    same(form([("key", "foo.txt"), ("acl", "public-read")], to=made)[0], 204)
    same(raw("GET", f"/{made}/foo.txt")[::2], (200, b"bar"))
    for wanted, status in (("201", 201), ("404", 204)):
        same(form([("key", "foo.txt"), ("acl", "public-read"), ("success_action_status", wanted)], to=made)[0], status)
    same(form([("key", "foo.txt"), ("acl", "public-read"), ("Content-Type", "text/plain"), ("x-ignore-foo", "bar")], to=made)[0], 204)


# ---- concurrency

@case
def readers_see_one_write_or_the_other():
    made = bucket()
    contents = [bytes([letter]) * (2 * MIB) for letter in b"ABCD"]
    s3.put_object(Bucket=made, Key="k", Body=contents[0])

    def write(content):
        client().put_object(Bucket=made, Key="k", Body=content)

    def read(_):
        got = client().get_object(Bucket=made, Key="k")["Body"].read()
        assert got in contents, "a mix"
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(write, content) for content in contents * 2]
        reads = [pool.submit(read, None) for _ in range(12)]
        for one in writes + reads:
            one.result()
    assert body(made, "k") in contents


@case
def one_of_many_conditional_writes_wins():
    made = bucket()

    def write(number):
        try:
            client().put_object(Bucket=made, Key="k", Body=str(number) * 1000, IfNoneMatch="*")
            return 200
        except botocore.exceptions.ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = list(pool.map(write, range(16)))
    same((got.count(200), set(got) <= {200, 412, 409}), (1, True))


@case
def buckets_come_and_go_at_once():
    made = name()

    def run(_):
        try:
            client().create_bucket(Bucket=made)
        except botocore.exceptions.ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
        return 200
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert set(pool.map(run, range(6))) <= {200, 409}
    s3.delete_bucket(Bucket=made)


@case
def what_s3_has_not():
    made = fill(bucket(), "k")
    for query in ("website",):
        fails(404, None, s3.get_bucket_website, Bucket=made)
    assert raw("GET", s3.generate_presigned_url("get_object", Params={"Bucket": made, "Key": "k"}) + "")[0] == 200
    fails(404, "ReplicationConfigurationNotFoundError", s3.get_bucket_replication, Bucket=made)
    del query


def main():
    words = sys.argv[1:]
    for function in cases:
        promise = function.__name__
        if not all(word in promise for word in words):
            continue
        try:
            function()
        except Exception as error:  # one broken promise must not hide the others
            where = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == __file__]
            check(promise.replace("_", " "), False, f"{type(error).__name__}: {error} (lines {where})"[:700])
        else:
            check(promise.replace("_", " "), True)
    end()


main()
