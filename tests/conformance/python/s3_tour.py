"""The tour of S3 with boto3: buckets and objects as a person uses them, with the client's own checksums and chunks."""
import base64
import hashlib
import io
import json
import os
import urllib.error
import urllib.request
import zlib

import boto3.s3.transfer
import botocore
import botocore.config
import botocore.exceptions

from checks import ENDPOINT, check, client, end, equal, refused

MAIN, SECOND = "111111111111", "222222222222"
NEW = tuple(map(int, botocore.__version__.split("."))) >= (1, 36)
BUCKET = "tour.with.dots"


def fetch(url, method="GET", data=None, headers=()):
    """Status, headers, body, without any AWS client."""
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def buckets(s3):
    made = s3.create_bucket(Bucket=BUCKET)
    equal("a bucket says where it is", made["Location"], "/" + BUCKET)
    refused("another account cannot take its name", "BucketAlreadyExists", lambda: client("s3", "second").create_bucket(Bucket=BUCKET), status=409)
    refused("a bad name is refused", "InvalidBucketName", lambda: fail_client().create_bucket(Bucket="Bad_Name"), status=400)
    check("the bucket is listed", BUCKET in [b["Name"] for b in s3.list_buckets()["Buckets"]])
    check("but not to the second account", BUCKET not in [b["Name"] for b in client("s3", "second").list_buckets()["Buckets"]])
    equal("head-bucket tells its Region", s3.head_bucket(Bucket=BUCKET)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"], "us-east-1")
    equal("us-east-1 has no location", s3.get_bucket_location(Bucket=BUCKET).get("LocationConstraint"), None)
    away = client("s3", region="us-east-2")
    away.create_bucket(Bucket="tour-east-2", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    equal("another Region is told", s3.get_bucket_location(Bucket="tour-east-2")["LocationConstraint"], "us-east-2")
    refused("what is not there is not found", "NoSuchBucket", lambda: s3.list_objects_v2(Bucket="tour-nothing"), status=404)
    refused("head-bucket of nothing has a status only", "404", lambda: s3.head_bucket(Bucket="tour-nothing"), status=404)


def fail_client():
    """A client that does not judge names itself."""
    made = client("s3")
    made.meta.events.unregister("before-parameter-build.s3", botocore.handlers.validate_bucket_name)
    return made


def objects(s3):
    body = b"what is in it"
    put = s3.put_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt", Body=body, ContentType="text/x-tour", CacheControl="no-cache",
                        ContentDisposition='attachment; filename="x.txt"', Metadata={"Who": "me", "empty": ""}, Tagging="a=1&b=2")
    equal("the ETag is the MD5", put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
    equal("encryption is on by itself", put["ServerSideEncryption"], "AES256")
    got = s3.get_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt")
    equal("the bytes come back", got["Body"].read(), body)
    equal("with what was said of them", (got["ContentType"], got["CacheControl"], got["Metadata"], got["ContentLength"], got.get("TagCount")),
          ("text/x-tour", "no-cache", {"who": "me", "empty": ""}, len(body), 2))
    head = s3.head_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt")
    equal("head tells the length", head["ContentLength"], len(body))
    part = s3.get_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt", Range="bytes=5-6")
    equal("a range is a range", (part["ResponseMetadata"]["HTTPStatusCode"], part["ContentRange"], part["Body"].read()), (206, f"bytes 5-6/{len(body)}", b"is"))
    equal("so are the last bytes", s3.get_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt", Range="bytes=-2")["Body"].read(), b"it")
    refused("a range behind the end is refused", "InvalidRange", lambda: s3.get_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt", Range="bytes=99-"), status=416)
    refused("an unchanged object is not sent", "304", lambda: s3.get_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt", IfNoneMatch=put["ETag"]), status=304)
    refused("another one is not what was asked for", "PreconditionFailed",
            lambda: s3.get_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt", IfMatch='"other"'), status=412)
    refused("what is not there is not found", "NoSuchKey", lambda: s3.get_object(Bucket=BUCKET, Key="nothing"), status=404)
    refused("nor by head", "404", lambda: s3.head_object(Bucket=BUCKET, Key="nothing"), status=404)
    changed = s3.get_object(Bucket=BUCKET, Key="a b/\u00fcber+1.txt", ResponseContentType="text/html", ResponseCacheControl="max-age=9")
    equal("headers can be asked for", (changed["ContentType"], changed["CacheControl"]), ("text/html", "max-age=9"))
    s3.put_object(Bucket=BUCKET, Key="empty")
    equal("an empty object is empty", s3.get_object(Bucket=BUCKET, Key="empty")["Body"].read(), b"")
    equal("and of no particular type", s3.head_object(Bucket=BUCKET, Key="empty")["ContentType"], "binary/octet-stream")
    if NEW:
        refused("a key is created once", "PreconditionFailed", lambda: s3.put_object(Bucket=BUCKET, Key="empty", IfNoneMatch="*"), status=412)


def checksums(s3):
    body = b"123456789"
    for name, value in (("CRC32", "y/Q5Jg=="), ("CRC32C", "4waSgw=="), ("SHA1", base64.b64encode(hashlib.sha1(body).digest()).decode()),
                        ("SHA256", base64.b64encode(hashlib.sha256(body).digest()).decode())):
        if name == "CRC32C" and not hasattr(botocore.httpchecksum, "_HAS_CRT"):
            continue
        try:
            put = s3.put_object(Bucket=BUCKET, Key="sum", Body=body, ChecksumAlgorithm=name)
        except (ImportError, botocore.exceptions.MissingDependencyException):
            put = s3.put_object(Bucket=BUCKET, Key="sum", Body=body, **{"Checksum" + name: value})
        equal(f"{name} is computed and kept", put["Checksum" + name], value)
        equal(f"{name} comes back when asked for", s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")["Checksum" + name], value)
    refused("a wrong checksum keeps nothing", "BadDigest", lambda: s3.put_object(Bucket=BUCKET, Key="bad", Body=body, ChecksumCRC32="AAAAAA=="), status=400)
    refused("nor does a wrong MD5", "BadDigest",
            lambda: s3.put_object(Bucket=BUCKET, Key="bad", Body=body, ContentMD5=base64.b64encode(bytes(16)).decode()), status=400)
    refused("it is not there", "NoSuchKey", lambda: s3.get_object(Bucket=BUCKET, Key="bad"))
    attributes = s3.get_object_attributes(Bucket=BUCKET, Key="sum", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"])
    equal("attributes tell it too", (attributes["ObjectSize"], attributes["Checksum"]["ChecksumSHA256"]),
          (9, base64.b64encode(hashlib.sha256(body).digest()).decode()))


def streams(s3):
    """Bodies that cannot be rewound, or that are larger than what the server buffers."""
    large = os.urandom(3 * 1024 * 1024 + 17)
    s3.put_object(Bucket=BUCKET, Key="large", Body=io.BytesIO(large))
    check("three megabytes come back", s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == large)
    equal("a range across pieces is right", s3.get_object(Bucket=BUCKET, Key="large", Range="bytes=1048570-1048590")["Body"].read(), large[1048570:1048591])
    unsigned = client_with(s3={"payload_signing_enabled": False})
    unsigned.put_object(Bucket=BUCKET, Key="unsigned", Body=large)
    check("so do they unsigned", s3.get_object(Bucket=BUCKET, Key="unsigned")["Body"].read() == large)
    if NEW:
        chunked_by_hand(large)
    signer = client_with(signature_version="s3v4")
    url = signer.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "by url"})
    equal("a presigned PUT works", fetch(url, "PUT", large)[0], 200)
    url = signer.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "by url", "ResponseContentType": "text/plain"})
    status, headers, got = fetch(url)
    check("and so does a presigned GET", (status, headers["Content-Type"]) == (200, "text/plain") and got == large, (status, headers))
    equal("a changed one does not", fetch(url.replace("by%20url", "large"))[0], 403)


def older_signatures(s3):
    """What generate_presigned_url and generate_presigned_post make when nobody says which signature: Version 2."""
    token = client("sts").get_session_token()["Credentials"]
    session = client("s3", credentials=(token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"]))
    for who, signer in (("a user", s3), ("a session", session)):
        url = signer.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "older +", "ContentType": "text/plain", "Metadata": {"by": "url"}})
        check(f"the URL of {who} is of the older kind", "AWSAccessKeyId=" in url and ("x-amz-security-token=" in url) == (signer is session), url)
        equal(f"with that of {who} one puts", fetch(url, "PUT", who.encode(), {"Content-Type": "text/plain"})[0], 200)
        equal(f"what {who} named in it is kept", s3.head_object(Bucket=BUCKET, Key="older +")["Metadata"], {"by": "url"})
        url = signer.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "older +", "ResponseContentType": "text/x-older"})
        status, headers, got = fetch(url)
        equal(f"with that of {who} one gets", (status, headers["Content-Type"], got), (200, "text/x-older", who.encode()))
        status, _, text = fetch(url.replace("text%2Fx-older", "text%2Fhtml"))
        check(f"a changed one of {who} is refused", status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in text, (status, text))
        status, _, text = fetch(signer.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "older +"}, ExpiresIn=-1))
        check(f"so is an expired one of {who}", status == 403 and b"Request has expired" in text, (status, text))
        form = signer.generate_presigned_post(BUCKET, "older form")
        check(f"the form of {who} is of the older kind", "signature" in form["fields"], form["fields"])
        status, _, text = post_form(form, who.encode())
        equal(f"it uploads for {who}", (status, s3.get_object(Bucket=BUCKET, Key="older form")["Body"].read()), (204, who.encode()))
    signed = client_with(signature_version="s3")
    signed.put_object(Bucket=BUCKET, Key="older +", Body=b"by header")
    equal("the older signature in a header works", signed.get_object(Bucket=BUCKET, Key="older +")["Body"].read(), b"by header")
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*",
         "Condition": {"StringEquals": {"s3:signatureversion": "AWS"}}}]}))
    refused("a bucket policy can forbid it", "AccessDenied", lambda: signed.get_object(Bucket=BUCKET, Key="older +"), status=403)
    equal("and nothing else by that", s3.get_object(Bucket=BUCKET, Key="older +")["Body"].read(), b"by header")
    s3.delete_bucket_policy(Bucket=BUCKET)


def post_form(form, content, fields=None):
    boundary = "a-boundary-of-the-tour"
    body = b"".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in (fields or form["fields"]).items())
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\n'.encode() + content
    body += f"\r\n--{boundary}--\r\n".encode()
    return fetch(form["url"], "POST", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def chunked_by_hand(data):
    """What SDKs send over TLS: no length, chunks, and the checksum behind them."""
    request = botocore.awsrequest.AWSRequest(method="PUT", url=f"{ENDPOINT}/{BUCKET}/chunked", headers={
        "Content-Encoding": "aws-chunked", "X-Amz-Trailer": "x-amz-checksum-crc32", "X-Amz-Decoded-Content-Length": str(len(data)),
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
    request.context["payload_signing_enabled"] = False

    class Signer(botocore.auth.S3SigV4Auth):
        def payload(self, _):
            return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    Signer(boto3.session.Session(profile_name="main").get_credentials(), "s3", "us-east-1").add_auth(request)
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()

    def body():
        for begin in range(0, len(data), 100_000):
            piece = data[begin:begin + 100_000]
            yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        yield f"0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n".encode()

    headers = {**dict(request.headers), "Transfer-Encoding": "chunked"}
    status, answer, text = fetch(f"{ENDPOINT}/{BUCKET}/chunked", "PUT", body(), headers)
    equal("chunks of unknown number are taken, with their trailer", (status, answer["x-amz-checksum-crc32"]), (200, crc))
    got = client("s3").get_object(Bucket=BUCKET, Key="chunked")
    check("and what they carried is there", got["Body"].read() == data and got.get("ContentEncoding") in (None, ""), got.get("ContentEncoding"))


def client_with(**settings):
    session = boto3.session.Session(profile_name="main", region_name="us-east-1")
    return session.client("s3", endpoint_url=ENDPOINT, config=botocore.config.Config(retries={"max_attempts": 0}, **settings))


def listings(s3):
    for name in ("dir/a", "dir/b", "dir/sub/c", "top"):
        s3.put_object(Bucket=BUCKET, Key="list/" + name, Body=b"x")
    page = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", Delimiter="/")
    equal("a delimiter makes folders", ([o["Key"] for o in page["Contents"]], [p["Prefix"] for p in page["CommonPrefixes"]]), (["list/top"], ["list/dir/"]))
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 1}))
    equal("pages of one hold every key once", [o["Key"] for p in pages for o in p.get("Contents", [])], ["list/dir/a", "list/dir/b", "list/dir/sub/c", "list/top"])
    pages = list(s3.get_paginator("list_objects").paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 3}))
    equal("and so do those of the older listing", sum(len(p.get("Contents", [])) for p in pages), 4)
    found = [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET, Prefix="a b/")["Contents"]]
    equal("odd names are listed as they are", found, ["a b/\u00fcber+1.txt"])
    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "list/dir/a"}, {"Key": "list/never"}]})
    equal("several go at once", sorted(d["Key"] for d in deleted["Deleted"]), ["list/dir/a", "list/never"])
    equal("quietly if asked", s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "list/dir/b"}], "Quiet": True}).get("Deleted"), None)


def copies(s3):
    s3.put_object(Bucket=BUCKET, Key="from", Body=b"copied", Metadata={"m": "1"}, ContentType="text/a")
    answer = s3.copy_object(Bucket=BUCKET, Key="to", CopySource={"Bucket": BUCKET, "Key": "from"})
    equal("a copy tells its ETag", answer["CopyObjectResult"]["ETag"], f'"{hashlib.md5(b"copied").hexdigest()}"')
    equal("it takes the metadata along", s3.head_object(Bucket=BUCKET, Key="to")["Metadata"], {"m": "1"})
    s3.copy_object(Bucket=BUCKET, Key="to", CopySource=f"{BUCKET}/from", MetadataDirective="REPLACE", Metadata={"n": "2"}, ContentType="text/b")
    head = s3.head_object(Bucket=BUCKET, Key="to")
    equal("or replaces it", (head["Metadata"], head["ContentType"]), ({"n": "2"}, "text/b"))
    refused("nothing can be copied onto itself unchanged", "InvalidRequest",
            lambda: s3.copy_object(Bucket=BUCKET, Key="from", CopySource=f"{BUCKET}/from"), status=400)


def multipart(s3):
    size = 5 * 1024 * 1024
    parts = [os.urandom(size), os.urandom(size), b"the end"]
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="multi", Metadata={"m": "1"})["UploadId"]
    done = [{"PartNumber": n, "ETag": s3.upload_part(Bucket=BUCKET, Key="multi", UploadId=upload, PartNumber=n, Body=p)["ETag"]}
            for n, p in enumerate(parts, 1)]
    equal("parts are listed", [p["Size"] for p in s3.list_parts(Bucket=BUCKET, Key="multi", UploadId=upload)["Parts"]], [len(p) for p in parts])
    equal("so is the upload", [u["Key"] for u in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]], ["multi"])
    refused("parts in another order are refused", "InvalidPartOrder", lambda: s3.complete_multipart_upload(
        Bucket=BUCKET, Key="multi", UploadId=upload, MultipartUpload={"Parts": done[::-1]}), status=400)
    answer = s3.complete_multipart_upload(Bucket=BUCKET, Key="multi", UploadId=upload, MultipartUpload={"Parts": done})
    equal("its ETag is that of its parts", answer["ETag"], '"%s-3"' % hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest())
    check("all of it comes back", s3.get_object(Bucket=BUCKET, Key="multi")["Body"].read() == b"".join(parts))
    equal("or one part", s3.get_object(Bucket=BUCKET, Key="multi", PartNumber=3)["Body"].read(), b"the end")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="gone")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="gone", UploadId=upload, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket=BUCKET, Key="gone", UploadId=upload)
    refused("what was aborted is gone", "NoSuchUpload", lambda: s3.list_parts(Bucket=BUCKET, Key="gone", UploadId=upload), status=404)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="copied")["UploadId"]
    part = s3.upload_part_copy(Bucket=BUCKET, Key="copied", UploadId=upload, PartNumber=1, CopySource=f"{BUCKET}/multi", CopySourceRange="bytes=0-99")
    s3.complete_multipart_upload(Bucket=BUCKET, Key="copied", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]})
    equal("a part can be copied", s3.get_object(Bucket=BUCKET, Key="copied")["Body"].read(), parts[0][:100])
    whole = os.urandom(13 * 1024 * 1024)
    transfer = boto3.s3.transfer.TransferConfig(multipart_threshold=6 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024, max_concurrency=3)
    s3.upload_fileobj(io.BytesIO(whole), BUCKET, "managed", Config=transfer)
    got = io.BytesIO()
    s3.download_fileobj(BUCKET, "managed", got, Config=transfer)
    check("the transfer manager gets back what it sent", got.getvalue() == whole)


def versions(s3):
    name = "tour-versions"
    s3.create_bucket(Bucket=name)
    equal("a new bucket has no versions", s3.get_bucket_versioning(Bucket=name).get("Status"), None)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    first, second = (s3.put_object(Bucket=name, Key="k", Body=b)["VersionId"] for b in (b"1", b"2"))
    equal("the older version is still there", s3.get_object(Bucket=name, Key="k", VersionId=first)["Body"].read(), b"1")
    marker = s3.delete_object(Bucket=name, Key="k")
    check("deleting makes a marker", marker["DeleteMarker"], marker)
    refused("behind which the key is not found", "NoSuchKey", lambda: s3.get_object(Bucket=name, Key="k"), status=404)
    refused("the marker itself cannot be read", "MethodNotAllowed", lambda: s3.get_object(Bucket=name, Key="k", VersionId=marker["VersionId"]), status=405)
    listed = s3.list_object_versions(Bucket=name)
    equal("versions are listed, the newest first", ([v["VersionId"] for v in listed["Versions"]], [m["VersionId"] for m in listed["DeleteMarkers"]]),
          ([second, first], [marker["VersionId"]]))
    s3.delete_object(Bucket=name, Key="k", VersionId=marker["VersionId"])
    equal("without the marker the key is back", s3.get_object(Bucket=name, Key="k")["Body"].read(), b"2")
    refused("a bucket with versions cannot go", "BucketNotEmpty", lambda: s3.delete_bucket(Bucket=name), status=409)
    for version in (first, second):
        s3.delete_object(Bucket=name, Key="k", VersionId=version)
    s3.delete_bucket(Bucket=name)
    refused("an empty one can", "NoSuchBucket", lambda: s3.list_objects_v2(Bucket=name))


def settings(s3):
    tags = [{"Key": "team", "Value": "data + more"}]
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": tags})
    equal("tags of a bucket", s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"], tags)
    s3.put_object_tagging(Bucket=BUCKET, Key="to", Tagging={"TagSet": tags})
    equal("tags of an object", s3.get_object_tagging(Bucket=BUCKET, Key="to")["TagSet"], tags)
    s3.delete_bucket_tagging(Bucket=BUCKET)
    refused("no tags is a failure", "NoSuchTagSet", lambda: s3.get_bucket_tagging(Bucket=BUCKET), status=404)
    encryption = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"][0]
    equal("encryption is SSE-S3 by default", encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256")
    equal("nobody is let in from outside", s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"], True)
    lifecycle = {"Rules": [{"ID": "week", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 7}}]}
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=lifecycle)
    equal("a lifecycle is kept", s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"], lifecycle["Rules"])
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://site.example"], "ExposeHeaders": ["ETag"]}
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    status, headers, _ = fetch(f"{ENDPOINT}/{BUCKET}/to", "OPTIONS", headers={
        "Origin": "https://site.example", "Access-Control-Request-Method": "GET"})
    equal("a browser of that site is let in", (status, headers["Access-Control-Allow-Origin"]), (200, "https://site.example"))
    status, _, _ = fetch(f"{ENDPOINT}/{BUCKET}/to", "OPTIONS", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"})
    equal("of another one it is not", status, 403)
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    put = s3.put_object(Bucket=BUCKET, Key="sealed", Body=b"by a key", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    equal("SSE-KMS names its key", (put["ServerSideEncryption"], put["SSEKMSKeyId"]), ("aws:kms", key))
    equal("and opens", s3.get_object(Bucket=BUCKET, Key="sealed")["Body"].read(), b"by a key")
    client("kms").disable_key(KeyId=key)
    refused("a disabled key opens nothing", "KMS.DisabledException", lambda: s3.get_object(Bucket=BUCKET, Key="sealed"), status=400)


def policies(s3):
    other = client("s3", "second")
    refused("the second account is kept out", "AccessDenied", lambda: other.get_object(Bucket=BUCKET, Key="to"), status=403)
    document = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{SECOND}:root"}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/to"}]})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=document)
    equal("a policy comes back", json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"]), json.loads(document))
    equal("it is not public", s3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"]["IsPublic"], False)
    equal("it lets the second account in", other.get_object(Bucket=BUCKET, Key="to")["Body"].read(), b"copied")
    refused("to what it names only", "AccessDenied", lambda: other.get_object(Bucket=BUCKET, Key="from"), status=403)
    equal("whoever does not sign stays out", fetch(f"{ENDPOINT}/{BUCKET}/to")[0], 403)
    s3.delete_bucket_policy(Bucket=BUCKET)
    refused("without a policy there is none", "NoSuchBucketPolicy", lambda: s3.get_bucket_policy(Bucket=BUCKET), status=404)
    name = "tour-public"
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}]}))
    s3.put_object(Bucket=name, Key="open", Body=b"for all")
    equal("what a policy makes public is read unsigned", fetch(f"{ENDPOINT}/{name}/open")[2], b"for all")


def forms(s3):
    form = client_with(signature_version="s3v4").generate_presigned_post(BUCKET, "form/${filename}", Fields={"x-amz-meta-by": "form", "success_action_status": "201"},
                                      Conditions=[["content-length-range", 1, 100], {"x-amz-meta-by": "form"}, {"success_action_status": "201"}])

    def post(content, fields=None):
        return post_form(form, content, fields)

    status, _, text = post(b"by a browser")
    check("a browser's form uploads", status == 201 and b"<Key>form/f.txt</Key>" in text, (status, text))
    got = s3.get_object(Bucket=BUCKET, Key="form/f.txt")
    equal("with its metadata", (got["Body"].read(), got["Metadata"]), (b"by a browser", {"by": "form"}))
    status, _, text = post(b"x" * 101)
    check("not more than its policy allows", status == 400 and b"EntityTooLarge" in text, (status, text))
    status, _, text = post(b"x", {**form["fields"], "x-amz-meta-by": "other"})
    check("nor anything else", status == 403 and b"Invalid according to Policy" in text, (status, text))


def addresses():
    host = client_with(s3={"addressing_style": "virtual"})
    host.meta.events.register("before-send.s3", lambda request, **_: None)
    status, _, text = fetch(f"{ENDPOINT}/to", headers={"Host": f"{BUCKET}.localhost"})
    check("a bucket can be named by the host", status == 403 and f"<Resource>/{BUCKET}/to</Resource>".encode() in text, (status, text))


def waiters(s3):
    for name, arguments in (("bucket_exists", {"Bucket": BUCKET}), ("object_exists", {"Bucket": BUCKET, "Key": "to"}),
                            ("bucket_not_exists", {"Bucket": "tour-nothing"}), ("object_not_exists", {"Bucket": BUCKET, "Key": "nothing"})):
        try:
            s3.get_waiter(name).wait(**arguments, WaiterConfig={"Delay": 0, "MaxAttempts": 2})
            check(f"the waiter {name} ends", True)
        except botocore.exceptions.WaiterError as error:
            check(f"the waiter {name} ends", False, str(error))


def paginators(s3):
    for n in range(3):
        s3.create_multipart_upload(Bucket=BUCKET, Key=f"open/{n}")
    small = {"PageSize": 2}
    uploads = [u["Key"] for p in s3.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET, PaginationConfig=small) for u in p.get("Uploads", [])]
    equal("pages of uploads", uploads, ["open/0", "open/1", "open/2"])
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET, PaginationConfig=small)
    keys = [v["Key"] for p in pages for v in p.get("Versions", [])]
    check("pages of versions hold each once", len(keys) == len(set(keys)) > 10, keys)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="pages")["UploadId"]
    for n in range(1, 6):
        s3.upload_part(Bucket=BUCKET, Key="pages", UploadId=upload, PartNumber=n, Body=b"x")
    parts = s3.get_paginator("list_parts").paginate(Bucket=BUCKET, Key="pages", UploadId=upload, PaginationConfig=small)
    equal("pages of parts", [p["PartNumber"] for page in parts for p in page.get("Parts", [])], [1, 2, 3, 4, 5])


def main():
    print(f"        botocore {botocore.__version__}")
    s3 = client("s3")
    buckets(s3)
    for part in (objects, checksums, streams, older_signatures, listings, copies, multipart, versions, settings, policies, forms):
        part(s3)
    addresses()
    waiters(s3)
    paginators(s3)
    end()


main()
