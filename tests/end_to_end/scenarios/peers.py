"""Two installations: a bucket of the first, encrypted with its key, is replicated to a bucket of the second under the second's key.
Either side is killed in between. In the end the first is gone, and all is read from the second."""
import configparser
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

from daemon import Lost, Refused
from harness import Failure, check, equal, scenario
from s3 import S3Client

MAIN, VAULT = "111111111111", "222222222222"
SOURCE, COPIES = "rds-cross-account-snapshots-backup", "rds-cross-account-copies"
ROLE = f"arn:aws:iam::{MAIN}:role/service-role/s3crr_role_for_{SOURCE}"


class Installation:
    """`cofferd` with a configuration file."""

    def __init__(self, world, name, account, settings="", environment=None):
        """`settings`: lines that come first in the file."""
        self.program, self.settings, self.environment = world.daemon_program, settings, {**os.environ, **(environment or {})}
        self.place, self.name, self.account = world.directory(), name, account
        self.data, self.log, self.port, self.peers, self.process = self.place / "data", self.place / "log", 0, "", None

    def start(self):
        (self.place / "cofferd.toml").write_text(
            f'data = "{self.data}"\n{self.settings}[server]\nlisten = "127.0.0.1:{self.port}"\n[[accounts]]\nname = "{self.name}"\nid = "{self.account}"\n'
            + self.peers)
        before = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "--config", self.place / "cofferd.toml"], stdout=log, stderr=log, cwd="/",
                                            stdin=subprocess.DEVNULL, env=self.environment)
        deadline = time.monotonic() + 30
        while True:
            said = re.search(r"serving http://127\.0\.0\.1:(\d+)", self.log.read_bytes()[before:].decode(errors="replace"))
            if said:
                self.port = int(said[1])
                return self
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"cofferd did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def end(self, how):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.port}"

    def client(self):
        credentials = configparser.RawConfigParser()
        credentials.read(self.data / "credentials")
        profile = credentials[self.name]
        return S3Client(f"127.0.0.1:{self.port}", profile["aws_access_key_id"], profile["aws_secret_access_key"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)


def statement(effect="Allow", **parts):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, **parts}]})


def enabled(element):
    return f"<{element}><Status>Enabled</Status></{element}>"


def make_source(client, replica_key):
    """The seed's bucket: SSE-KMS, versions, a week's lifecycle, replication. Gives the key's ARN."""
    key = client.call("kms", "CreateKey")["KeyMetadata"]["Arn"]
    client.s3("PUT", SOURCE)
    client.s3("PUT", SOURCE, query={"versioning": ""}, body="<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
    client.s3("PUT", SOURCE, query={"encryption": ""}, body=
              "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>"
              f"<KMSMasterKeyID>{key}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled>"
              "</Rule></ServerSideEncryptionConfiguration>")
    client.s3("PUT", SOURCE, query={"lifecycle": ""}, body=
              "<LifecycleConfiguration><Rule><ID>week</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>"
              "<Expiration><Days>7</Days></Expiration></Rule></LifecycleConfiguration>")
    client.call("iam", "CreateRole", RoleName=ROLE.rsplit("/", 1)[1], Path="/service-role/",
                AssumeRolePolicyDocument=statement(Principal={"Service": "s3.amazonaws.com"}, Action="sts:AssumeRole"))
    allowed = {"source": (["s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl",
                           "s3:GetObjectVersionTagging"], [f"arn:aws:s3:::{SOURCE}", f"arn:aws:s3:::{SOURCE}/*"]),
               "copies": (["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], [f"arn:aws:s3:::{COPIES}/*"]),
               "keys": (["kms:Decrypt"], [key]), "their-key": (["kms:Encrypt", "kms:GenerateDataKey"], [replica_key])}
    for name, (actions, resources) in allowed.items():
        client.call("iam", "PutRolePolicy", RoleName=ROLE.rsplit("/", 1)[1], PolicyName=name,
                    PolicyDocument=statement(Action=actions, Resource=resources))
    client.s3("PUT", SOURCE, query={"replication": ""}, body=
              f"<ReplicationConfiguration><Role>{ROLE}</Role><Rule><ID>all</ID><Priority>1</Priority><Status>Enabled</Status><Filter>"
              "<Prefix></Prefix></Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>"
              f"<SourceSelectionCriteria>{enabled('SseKmsEncryptedObjects')}</SourceSelectionCriteria><Destination>"
              f"<Bucket>arn:aws:s3:::{COPIES}</Bucket><Account>{VAULT}</Account><AccessControlTranslation><Owner>Destination</Owner>"
              f"</AccessControlTranslation><EncryptionConfiguration><ReplicaKmsKeyID>{replica_key}</ReplicaKmsKeyID>"
              "</EncryptionConfiguration></Destination></Rule></ReplicationConfiguration>")
    return key


def make_copies(client):
    """The second account's bucket and its own key, which the first account's role may only encrypt with."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{VAULT}:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": ["kms:Encrypt", "kms:GenerateDataKey"], "Resource": "*"}]})
    key = client.call("kms", "CreateKey", Policy=policy)["KeyMetadata"]["Arn"]
    client.s3("PUT", COPIES)
    client.s3("PUT", COPIES, query={"versioning": ""}, body="<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
    client.s3("PUT", COPIES, query={"policy": ""}, body=statement(
        Principal={"AWS": ROLE}, Action=["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], Resource=f"arn:aws:s3:::{COPIES}/*"))
    return key


class Writer(threading.Thread):
    """Puts its share of the objects, again when the daemon was killed under it."""

    def __init__(self, main, numbers, digests):
        super().__init__(daemon=True)
        self.main, self.numbers, self.digests = main, numbers, digests

    def run(self):
        client = self.main.client()
        for n in self.numbers:
            text = random.Random(n).randbytes(200_000 if n % 50 == 0 else 100 + n % 4000)
            key = f"export/table-{n % 7}/part-{n:05d}.parquet"
            for _ in range(600):
                try:
                    client.s3("PUT", SOURCE, key, body=text)
                    self.digests[key] = hashlib.sha256(text).hexdigest()
                    break
                except (Lost, ConnectionError):
                    time.sleep(0.1)


def wait_until_replicated(client, count):
    """All objects of the source have arrived, says their own status."""
    deadline = time.monotonic() + 60 + count / 10
    waiting = list(client.keys(SOURCE))
    failed = []
    while waiting and time.monotonic() < deadline:
        still = []
        for key in waiting:
            status = client.s3("HEAD", SOURCE, key)[1].get("x-amz-replication-status")
            if status == "PENDING":
                still.append(key)
            elif status != "COMPLETED":
                failed.append((key, status))
        waiting = still
        time.sleep(0.1)
    return waiting, failed


@scenario("peers")
def peers(world):
    count = int(os.environ.get("COFFER_OBJECTS", "10000" if world.long else "400"))
    main, vault = Installation(world, "main", MAIN), Installation(world, "vault", VAULT)
    with main, vault:
        main.start().end(signal.SIGTERM)
        public_key = (main.data / "peers" / f"{MAIN}.pub").read_text().strip()
        vault.peers = f'[[peers]]\naccount = "{MAIN}"\npublic_key = "{public_key}"\n'
        vault.start()
        main.peers = f'[[peers]]\naccount = "{VAULT}"\nendpoint = "http://127.0.0.1:{vault.port}"\n'
        main.start()
        vault_key = make_copies(vault.client())
        main_key = make_source(main.client(), vault_key)

        digests = {}
        writers = [Writer(main, range(start, count, 4), digests) for start in range(4)]
        for writer in writers:
            writer.start()
        while len(digests) < count // 4:
            time.sleep(0.05)
        vault.end(signal.SIGKILL)
        while len(digests) < count // 2:
            time.sleep(0.05)
        main.end(signal.SIGKILL)
        main.start()
        vault.start()
        for writer in writers:
            writer.join()
        client = main.client()
        waiting, failed = wait_until_replicated(client, count)
        equal("every object's status becomes COMPLETED, though both sides were killed", (len(waiting), failed[:3]), (0, []))
        head = client.s3("HEAD", SOURCE, next(iter(digests)))[1]
        equal("the source is encrypted with the first account's key", head.get("x-amz-server-side-encryption-aws-kms-key-id"), main_key)
        check("and says when its lifecycle ends it", 'rule-id="week"' in head.get("x-amz-expiration", ""), head)

        stranger = main.client()
        stranger.host = f"127.0.0.1:{vault.port}"
        stranger.connection = vault.client().connection
        refusals = 0
        for method, query in (("DELETE", {}), ("PUT", {"policy": ""}), ("GET", {"list-type": "2"})):
            try:
                stranger.s3(method, COPIES, query=query, body="{}" if method == "PUT" else b"")
            except Refused as refused:
                refusals += refused.status == 403
        equal("the first account's keys do nothing in the second installation", refusals, 3)

        main.end(signal.SIGTERM)
        client = vault.client()
        wrong = []
        for key in client.keys(COPIES):
            _, headers, data = client.s3("GET", COPIES, key)
            if hashlib.sha256(data).hexdigest() != digests.pop(key, None) or headers.get("x-amz-server-side-encryption-aws-kms-key-id") != vault_key:
                wrong.append(key)
        equal("with the first stopped, every object is read from the second under its own key", (wrong[:3], len(digests)), ([], 0))
