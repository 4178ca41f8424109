"""Whoever holds every credential of the first account cannot destroy what the second keeps for it: in one installation, where the
first account's root, administrator, replication role and presigned URLs attack, and across two, where its private key as a peer does."""
import hashlib
import http.client
import json
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.parse

from daemon import REGION, Refused, _sign
from harness import check, equal, scenario
from s3 import SPACE, S3Client
from scenarios.peers import COPIES, MAIN, ROLE, VAULT, Installation, statement

ROLE_NAME = ROLE.rsplit("/", 1)[1]
FOREVER, SOON = "2999-01-01T00:00:00Z", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
UNTIL = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 30 * 86400))
ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*",
                                                                "Resource": [f"arn:aws:s3:::{COPIES}", f"arn:aws:s3:::{COPIES}/*"]}]})
SETTINGS = ("versioning", "policy", "lifecycle", "encryption", "object-lock", "replication", "publicAccessBlock", "ownershipControls")


class Session(S3Client):
    """A client with a session token."""

    def _sign(self, method, path, search, headers):
        if self.token:
            headers["x-amz-security-token"] = self.token
        super()._sign(method, path, search, headers)

    def presigned(self, method, key, query=None):
        """Status of a request that anybody may send who has its URL."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        pairs = {**(query or {}), "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.access_key}/{scope}", "X-Amz-Date": now,
                 "X-Amz-Expires": "600", "X-Amz-SignedHeaders": "host", **({"X-Amz-Security-Token": self.token} if self.token else {})}
        search = "&".join(f"{k}={urllib.parse.quote(str(v), safe='-_.~')}" for k, v in sorted(pairs.items()))
        path = f"/{COPIES}/{key}"
        canonical = "\n".join([method, path, search, f"host:{self.host}", "", "host", "UNSIGNED-PAYLOAD"])
        signing = ("AWS4" + self.secret_key).encode()
        for part in scope.split("/"):
            signing = _sign(signing, part)
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        status, _, data = self._exchange(method, f"{path}?{search}&X-Amz-Signature={_sign(signing, text).hex()}", {"host": self.host}, b"")
        if status >= 300:
            raise Refused(status, data.decode(errors="replace"), {})


def make_vault(client):
    """A bucket that locks, its key, and versions under every kind of lock."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{VAULT}:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{MAIN}:root"}, "Action": ["kms:Encrypt", "kms:GenerateDataKey"], "Resource": "*"}]})
    key = client.call("kms", "CreateKey", Policy=policy)["KeyMetadata"]["Arn"]
    client.s3("PUT", COPIES, headers={"x-amz-bucket-object-lock-enabled": "true"})
    client.s3("PUT", COPIES, query={"encryption": ""}, body=
              "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>"
              f"<KMSMasterKeyID>{key}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>")
    client.s3("PUT", COPIES, query={"policy": ""}, body=statement(
        Principal={"AWS": f"arn:aws:iam::{MAIN}:root"}, Action=["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
        Resource=f"arn:aws:s3:::{COPIES}/*"))
    versions = {}
    for name, headers in {"compliance": {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": UNTIL},
                          "governance": {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": UNTIL},
                          "held": {"x-amz-object-lock-legal-hold": "ON"}}.items():
        versions[name] = client.s3("PUT", COPIES, name, body=f"bytes of {name}", headers=headers)[1]["x-amz-version-id"]
    return key, versions


def state(client, key, versions):
    """All that an attacker might have changed, as the owner sees it."""
    seen = {}
    for name, version in versions.items():
        try:
            _, headers, data = client.s3("GET", COPIES, name, query={"versionId": version})
            seen[name] = (data, *(headers.get("x-amz-object-lock-" + h) for h in ("mode", "retain-until-date", "legal-hold")))
        except Refused as refused:
            seen[name] = str(refused)
    for setting in SETTINGS:
        try:
            seen[setting] = client.s3("GET", COPIES, query={setting: ""})[2]
        except Refused as refused:
            seen[setting] = refused.status
    seen["key"] = client.call("kms", "DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"]
    seen["key policy"] = client.call("kms", "GetKeyPolicy", KeyId=key, PolicyName="default")["Policy"]
    seen["grants"] = len(client.call("kms", "ListGrants", KeyId=key)["Grants"])
    return seen


def unless_weaker(now, before, versions):
    """`now`, with what was made stronger put back: that is no harm."""
    def strength(one):
        return one[0], one[3] == "ON", one[1] == "COMPLIANCE", one[2] or ""

    result = dict(now)
    for name in versions:
        (data, *was), (data_now, *got) = strength(before[name]), strength(now[name])
        if data_now == data and all(b >= a for a, b in zip(was, got)):
            result[name] = before[name]
    return result


def all_versions(client):
    document = client.document("GET", COPIES, query={"versions": ""})
    return sorted((e.findtext(SPACE + "Key"), e.findtext(SPACE + "VersionId"))
                  for kind in ("Version", "DeleteMarker") for e in document.xml.iter(SPACE + kind))


def attacks_on_objects(versions):
    """(method, key, query, body, headers) of S3."""
    bypass = {"x-amz-bypass-governance-retention": "true"}
    for name, version in versions.items():
        one = {"versionId": version}
        yield "DELETE", name, {}, "", {}
        yield "DELETE", name, one, "", {}
        yield "DELETE", name, one, "", bypass
        yield "PUT", name, {}, "other bytes", {}
        yield "PUT", name, {"retention": "", **one}, f"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{SOON}</RetainUntilDate></Retention>", bypass
        yield "PUT", name, {"retention": "", **one}, "<Retention></Retention>", bypass
        yield "PUT", name, {"legal-hold": "", **one}, "<LegalHold><Status>OFF</Status></LegalHold>", {}
        yield "PUT", name, {"tagging": "", **one}, "<Tagging><TagSet><Tag><Key>expire</Key><Value>yes</Value></Tag></TagSet></Tagging>", {}
        yield "PUT", name, {}, "", {"x-amz-copy-source": f"/{COPIES}/{name}?versionId={version}", "x-amz-metadata-directive": "REPLACE"}
        yield "POST", name, {"uploads": ""}, "", {}
    listed = "".join(f"<Object><Key>{n}</Key><VersionId>{v}</VersionId></Object>" for n, v in versions.items())
    for headers in ({}, bypass):
        yield "POST", "", {"delete": ""}, f"<Delete>{listed}</Delete>", headers


def attacks_on_the_bucket():
    everything = "<Filter><Prefix></Prefix></Filter><Status>Enabled</Status>"
    yield "DELETE", "", {}, "", {}
    yield "PUT", "", {"policy": ""}, ALLOW_ALL, {}
    yield "DELETE", "", {"policy": ""}, "", {}
    yield "PUT", "", {"versioning": ""}, "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>", {}
    yield "PUT", "", {"lifecycle": ""}, (f"<LifecycleConfiguration><Rule><ID>x</ID>{everything}<Expiration><Days>1</Days></Expiration>"
                                         "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"), {}
    yield "DELETE", "", {"lifecycle": ""}, "", {}
    yield "PUT", "", {"object-lock": ""}, "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>", {}
    yield "PUT", "", {"encryption": ""}, ("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"
                                          "</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"), {}
    yield "DELETE", "", {"encryption": ""}, "", {}
    yield "PUT", "", {"replication": ""}, (f"<ReplicationConfiguration><Role>{ROLE}</Role><Rule><ID>x</ID><Priority>1</Priority>{everything}"
                                           "<DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination>"
                                           f"<Bucket>arn:aws:s3:::{COPIES}</Bucket></Destination></Rule></ReplicationConfiguration>"), {}
    yield "DELETE", "", {"replication": ""}, "", {}
    yield "PUT", "", {"ownershipControls": ""}, "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>", {}
    yield "DELETE", "", {"publicAccessBlock": ""}, "", {}


def attacks_on_the_key(key):
    open_policy = statement(Principal={"AWS": "*"}, Action="kms:*", Resource="*")
    yield "DisableKey", {"KeyId": key}
    yield "ScheduleKeyDeletion", {"KeyId": key, "PendingWindowInDays": 7}
    yield "PutKeyPolicy", {"KeyId": key, "PolicyName": "default", "Policy": open_policy, "BypassPolicyLockoutSafetyCheck": True}
    yield "CreateGrant", {"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{MAIN}:root", "Operations": ["Decrypt"]}
    yield "EnableKeyRotation", {"KeyId": key}
    yield "UpdateKeyDescription", {"KeyId": key, "Description": "mine"}
    yield "TagResource", {"KeyId": key, "Tags": [{"TagKey": "a", "TagValue": "b"}]}
    yield "CancelKeyDeletion", {"KeyId": key}


def succeeds(client, attack):
    """Was it answered with success? A list of deletions of which every one failed was not."""
    method, key, query, body, headers = attack
    try:
        _, _, data = client.s3(method, COPIES, key, query, body, headers)
    except Refused as refused:
        return refused.status >= 500
    return not (query.get("delete") == "" and b"<Deleted>" not in data)


def credentials(installation, root):
    """Every one of the first account."""
    def keys(got, token=None):
        return Session(root.host, got["AccessKeyId"], got["SecretAccessKey"], token)
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com", "AWS": f"arn:aws:iam::{MAIN}:root"}, "Action": "sts:AssumeRole"}]})
    everything = statement(Action="*", Resource="*")
    root.call("iam", "CreateUser", UserName="admin")
    root.call("iam", "PutUserPolicy", UserName="admin", PolicyName="all", PolicyDocument=everything)
    admin = keys(root.call("iam", "CreateAccessKey", UserName="admin"))
    root.call("iam", "CreateRole", RoleName=ROLE_NAME, Path="/service-role/", AssumeRolePolicyDocument=trust)
    root.call("iam", "PutRolePolicy", RoleName=ROLE_NAME, PolicyName="all", PolicyDocument=everything)
    session = admin.call("sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s3-replication")
    return {"root": Session(root.host, root.access_key, root.secret_key), "administrator": admin,
            "role": keys(session, session["SessionToken"])}


@scenario("red team in one installation")
def one_installation(world):
    both = Installation(world, "main", MAIN)
    both.peers = f'[[accounts]]\nname = "vault"\nid = "{VAULT}"\n'
    with both:
        both.start()
        root = both.client()
        both.name = "vault"
        owner = both.client()
        key, versions = make_vault(owner)
        before, listed = state(owner, key, versions), all_versions(owner)
        done, calls = [], 0
        for who, client in credentials(both, root).items():
            for attack in (*attacks_on_objects(versions), *attacks_on_the_bucket()):
                calls += 1
                if succeeds(client, attack):
                    done.append((who, *attack[:3]))
            for operation, parameters in attacks_on_the_key(key):
                calls += 1
                try:
                    client.call("kms", operation, **parameters)
                    done.append((who, operation))
                except Refused:
                    pass
            for name, version in versions.items():
                for method, query in (("DELETE", {}), ("DELETE", {"versionId": version}), ("PUT", {})):
                    calls += 1
                    try:
                        client.presigned(method, name, query)
                        done.append((who, "presigned", method, name))
                    except Refused:
                        pass
        check(f"none of {calls} destructive calls with the first account's credentials succeeds", not done, done[:10])
        equal("every byte, lock, setting and the key are as they were", state(owner, key, versions), before)
        equal("and there is no version more or less", all_versions(owner), listed)


class Peer:
    """The private key of the first account as a peer, and all that can be said with it."""

    def __init__(self, place):
        self.key = pathlib.Path(place) / "peer.pem"
        self.openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
        self.public_key = self.openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")[-32:].hex()

    @staticmethod
    def openssl(*arguments):
        return subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def sign(self, text):
        with tempfile.NamedTemporaryFile() as file:
            file.write(text.encode())
            file.flush()
            return self.openssl("pkeyutl", "-sign", "-inkey", self.key, "-rawin", "-in", file.name).hex()

    def call(self, host, operation, given, body=b"", account=MAIN, role=ROLE):
        """Status and answer."""
        text = json.dumps(given, separators=(",", ":")).encode()
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = "/.coffer/peer/v1/" + operation
        headers = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now, "x-coffer-input-sha256": hashlib.sha256(text).hexdigest(),
                   "x-coffer-to": VAULT, "x-coffer-principal": f"arn:aws:sts::{account}:assumed-role/{role.rsplit('/', 1)[1]}/s3-replication",
                   "x-coffer-role": role, "x-coffer-role-id": "AROAEXAMPLEEXAMPLE123"}
        names = ";".join(sorted(headers))
        canonical = "\n".join(["POST", path, "", *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, "UNSIGNED-PAYLOAD"])
        message = "\n".join(["COFFER-PEER-ED25519", now, MAIN, VAULT, hashlib.sha256(canonical.encode()).hexdigest()])
        headers["authorization"] = f"COFFER-PEER-ED25519 Account={MAIN}, SignedHeaders={names}, Signature={self.sign(message)}"
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("POST", path, len(text).to_bytes(4, "big") + text + body, headers)
        response = connection.getresponse()
        answer = response.status, response.read().decode(errors="replace")
        connection.close()
        return answer


def at(text):
    return {"$time": int(time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone) * 1_000_000}


@scenario("red team of a peer")
def a_peer(world):
    vault, peer = Installation(world, "vault", VAULT), Peer(world.directory())
    vault.peers = f'[[peers]]\naccount = "{MAIN}"\npublic_key = "{peer.public_key}"\n'
    with vault:
        vault.start()
        owner = vault.client()
        host = owner.host
        key, versions = make_vault(owner)
        good = {"Bucket": COPIES, "Key": "replica", "VersionId": "arrived.from.the.first.account..", "Size": 4, "ETag": hashlib.md5(b"good").hexdigest(),
                "StorageClass": "STANDARD", "LastModified": at(SOON), "ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": at(UNTIL)}
        status, said = peer.call(host, "ReplicateObject", good, b"good")
        equal("the first account's key writes replicas", status, 200)
        versions["replica"] = good["VersionId"]
        before, calls, refused = state(owner, key, versions), 0, 0

        attacks = []
        for name, version in versions.items():
            one = {"Bucket": COPIES, "Key": name, "VersionId": version}
            attacks += [("ReplicateMetadata", one, b""),
                        ("ReplicateMetadata", {**one, "ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": at(SOON)}, b""),
                        ("ReplicateMetadata", {**one, "ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": at(SOON)}, b""),
                        ("ReplicateMetadata", {**one, "ObjectLockMode": "NONE", "ObjectLockRetainUntilDate": at(FOREVER)}, b""),
                        ("ReplicateMetadata", {**one, "ObjectLockLegalHoldStatus": "OFF"}, b""),
                        ("ReplicateObject", {**one, "Size": 4, "ETag": "0" * 32, "StorageClass": "STANDARD", "LastModified": at(SOON)}, b"evil"),
                        ("ReplicateObject", {**one, "Size": 0, "ETag": "0" * 32, "StorageClass": "STANDARD", "LastModified": at(SOON)}, b""),
                        ("ReplicateObject", {**one, "DeleteMarker": True, "LastModified": at(SOON)}, b""),
                        ("ReplicateObject", {**one, "Size": 4, "ETag": "0" * 32, "BypassGovernanceRetention": True, "LastModified": at(SOON)}, b"evil")]
            for operation in ("DeleteObject", "DeleteObjects", "PutObject", "PutObjectRetention", "PutObjectLegalHold", "CopyObject"):
                attacks.append((operation, {**one, "BypassGovernanceRetention": True}, b""))
        for operation in ("DeleteBucket", "PutBucketPolicy", "DeleteBucketPolicy", "PutBucketVersioning", "PutBucketLifecycleConfiguration",
                          "PutObjectLockConfiguration", "PutBucketEncryption", "DeleteBucketEncryption", "PutBucketReplication", "CreateBucket",
                          "../kms/DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "CreateGrant"):
            attacks.append((operation, {"Bucket": COPIES, "KeyId": key, "Policy": ALLOW_ALL}, b""))
        for name in ("", "../replica", "replica\0"):
            attacks.append(("ReplicateMetadata", {"Bucket": COPIES, "Key": name, "VersionId": versions["replica"]}, b""))
        broken = []
        for operation, given, body in attacks:
            calls += 1
            status, said = peer.call(host, operation, given, body)
            refused += status != 200
            if status >= 500:
                broken.append((operation, status, said))
            if status == 200 and not operation.startswith("Replicate"):
                broken.append((operation, status, said))
        for account, role in ((MAIN, f"arn:aws:iam::{VAULT}:role/x"), (VAULT, f"arn:aws:iam::{VAULT}:role/x"), (VAULT, ROLE)):
            calls += 1
            status, said = peer.call(host, "ReplicateMetadata", {"Bucket": COPIES, "Key": "held", "VersionId": versions["held"]}, b"", account, role)
            if status != 403:
                broken.append((account, role, status))
        stranger = Session(host, "AKIAIOSFODNN7EXAMPLE", "the first account's secret")
        for attack in (*attacks_on_objects(versions), *attacks_on_the_bucket()):
            calls += 1
            if succeeds(stranger, attack):
                broken.append(attack[:3])
        check(f"of {calls} calls none does what a replica's writer may not, and none breaks the server ({refused} of the peer's were refused)",
              not broken, broken[:10])
        equal("every byte, setting and the key are as they were, and no lock is weaker",
              unless_weaker(state(owner, key, versions), before, versions), before)
        vault.end(signal.SIGKILL)
        vault.start()
        equal("also after a kill", unless_weaker(state(vault.client(), key, versions), before, versions), before)
