"""Planted secrets: whatever a caller or an operator trusts the daemon with is looked for in its output, its data folder, its answers
and its memory as other processes see it."""
import base64
import hashlib
import json
import os
import pathlib
import resource
import secrets
import signal
import subprocess
import urllib.parse

from daemon import ACCOUNT, Daemon, Refused
from harness import Coffer, as_database_user, check, equal, run, scenario

PRINCIPAL = f"arn:aws:iam::{ACCOUNT}:root"


class Markers:
    """Secrets by name, and the forms in which bytes show up."""

    def __init__(self):
        self.known = {}

    def text(self, name):
        return self.add(name, "planted" + secrets.token_hex(16))

    def bytes(self, name, size):
        return self.add(name, secrets.token_bytes(size))

    def add(self, name, value):
        self.known[name] = value if isinstance(value, bytes) else value.encode()
        return value

    @staticmethod
    def forms(value):
        yield value
        yield value.hex().encode()
        yield value.hex().upper().encode()
        yield urllib.parse.quote(value, safe="").encode()
        # Base64 as part of something longer, at each offset, without what its neighbours change.
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + value)
            yield encoded[(0, 2, 3)[offset]:len(encoded) // 4 * 4 - 4]

    def found_in(self, data, names=None):
        return sorted(name for name, value in self.known.items()
                      if (names is None or name in names) and any(form in data for form in self.forms(value)))


# RSAES-OAEP with SHA-256 (RFC 8017), for the key material that a customer imports.

def der_items(data):
    """The contents of a sequence's items."""
    while data:
        size, at = data[1], 2
        if size & 0x80:
            at = 2 + (size & 0x7F)
            size = int.from_bytes(data[2:at], "big")
        yield data[at:at + size]
        data = data[at + size:]


def mask(seed, size):
    blocks = (hashlib.sha256(seed + n.to_bytes(4, "big")).digest() for n in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def oaep(public_key, message):
    _, bits = der_items(next(der_items(public_key)))
    modulus, exponent = (int.from_bytes(n, "big") for n in der_items(next(der_items(bits[1:]))))
    size = (modulus.bit_length() + 7) // 8
    data = hashlib.sha256(b"").digest()
    data += b"\0" * (size - len(message) - 2 * 32 - 2) + b"\1" + message
    seed = secrets.token_bytes(32)
    data = xor(data, mask(seed, len(data)))
    block = b"\0" + xor(seed, mask(data, 32)) + data
    return pow(int.from_bytes(block, "big"), exponent, modulus).to_bytes(size, "big")


def policy(sid):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": sid, "Effect": "Allow", "Action": "kms:*", "Resource": "*"}]})


class Planting:
    """Calls that carry secrets, good and refused. What is answered to the refused ones is kept."""

    def __init__(self, daemon, markers):
        self.daemon, self.markers, self.answers, self.unexpected = daemon, markers, [], []
        self.client = daemon.client()

    def refused(self, service, operation, client=None, **parameters):
        try:
            (client or self.client).call(service, operation, **parameters)
            self.unexpected.append(f"{operation} was not refused")
        except Refused as refusal:
            self.answers.append(refusal.body + json.dumps(refusal.headers))

    def send(self, headers, body=b"", target="/", method="POST"):
        """As it stands, unsigned or badly signed."""
        status, answered, text = self.client.send(method, target, {"Host": self.client.host, **headers}, body)
        self.answers.append(text + json.dumps(answered))
        if status == 200:
            self.unexpected.append(f"{headers} {body} was not refused")

    def keys(self):
        markers, call = self.markers, self.client.call
        key = call("kms", "CreateKey", Description="a description is no secret")["KeyMetadata"]["KeyId"]
        plain = base64.b64encode(markers.text("plaintext of Encrypt").encode()).decode()
        blob = call("kms", "Encrypt", KeyId=key, Plaintext=plain)["CiphertextBlob"]
        call("kms", "Decrypt", CiphertextBlob=blob)
        call("kms", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=key)
        data_key = call("kms", "GenerateDataKey", KeyId=key, KeySpec="AES_256")
        markers.add("data key", base64.b64decode(data_key["Plaintext"]))
        pair = call("kms", "GenerateDataKeyPair", KeyId=key, KeyPairSpec="ECC_NIST_P256")
        markers.add("private key of a pair", base64.b64decode(pair["PrivateKeyPlaintext"])[36:68])
        markers.add("random bytes", base64.b64decode(call("kms", "GenerateRandom", NumberOfBytes=32)["Plaintext"]))
        long = base64.b64encode((markers.text("plaintext that is too long") * 200).encode()).decode()
        self.refused("kms", "Encrypt", KeyId=key, Plaintext=long)
        self.refused("kms", "Encrypt", KeyId="no-such-key", Plaintext=plain)
        self.refused("kms", "Encrypt", KeyId=key, Plaintext={"object": markers.text("plaintext in an object")})
        self.refused("kms", "Encrypt", KeyId=key, Plaintext=markers.text("plaintext that is no base64") + "!")
        signing = call("kms", "CreateKey", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
        message = base64.b64encode(markers.text("message of a MAC").encode()).decode()
        call("kms", "GenerateMac", KeyId=signing, MacAlgorithm="HMAC_SHA_256", Message=message)

        outside = call("kms", "CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
        wrapping = call("kms", "GetParametersForImport", KeyId=outside, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
        public_key = base64.b64decode(wrapping["PublicKey"])
        for name, size in (("imported key material", 32), ("key material of a wrong size", 31)):
            wrapped = base64.b64encode(oaep(public_key, markers.bytes(name, size))).decode()
            imported = {"KeyId": outside, "ImportToken": wrapping["ImportToken"], "EncryptedKeyMaterial": wrapped,
                        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
            self.refused("kms", "ImportKeyMaterial", **imported) if size == 31 else call("kms", "ImportKeyMaterial", **imported)
        call("kms", "Encrypt", KeyId=outside, Plaintext=plain)

    def identities(self):
        markers, call = self.markers, self.client.call
        call("iam", "CreateUser", UserName="user")
        call("iam", "PutUserPolicy", UserName="user", PolicyName="all", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
        made = call("iam", "CreateAccessKey", UserName="user")
        secret = markers.add("secret access key of a user", made["SecretAccessKey"])
        user = self.daemon.client((made["AccessKeyId"], secret))
        user.call("sts", "GetCallerIdentity")
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": PRINCIPAL}, "Action": "sts:AssumeRole"}]}
        call("iam", "CreateRole", RoleName="role", AssumeRolePolicyDocument=json.dumps(trust))
        assumed = user.call("sts", "AssumeRole", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/role", RoleSessionName="session",
                            Policy=policy(markers.text("session policy")))
        federated = user.call("sts", "GetFederationToken", Name="federated", Policy=policy(markers.text("policy of a federated user")))
        for name, session in (("role", assumed), ("federated user", federated), ("session", user.call("sts", "GetSessionToken"))):
            markers.add(f"secret access key of a {name}", session["SecretAccessKey"])
            markers.add(f"session token of a {name}", session["SessionToken"])
            client = self.daemon.client((session["AccessKeyId"], session["SecretAccessKey"]))
            client.token = session["SessionToken"]
            client.call("sts", "GetCallerIdentity")
        # Passwords are not part of this installation, and still are sent to it.
        for operation in ("CreateLoginProfile", "ChangePassword"):
            self.refused("iam", operation, UserName="user", Password=markers.text(f"password of {operation}"), OldPassword="x", NewPassword="y")
        self.refused("sts", "AssumeRoleWithWebIdentity", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/role", RoleSessionName="session",
                     WebIdentityToken=markers.text("web identity token"))

    def headers(self):
        markers = self.markers
        body = b"Action=GetCallerIdentity&Version=2011-06-15"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.send({**form, "Authorization": "Bearer " + markers.text("bearer token")}, body)
        basic = base64.b64encode(("user:" + markers.text("basic password")).encode()).decode()
        self.send({**form, "Authorization": "Basic " + basic}, body)
        scope = f"AWS4-HMAC-SHA256 Credential={self.client.access_key}/20200101/us-east-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature="
        self.send({**form, "X-Amz-Date": "20200101T000000Z", "Authorization": scope + markers.bytes("old signature", 32).hex()}, body)
        self.send({**form, "X-Amz-Date": "20200101T000000Z", "Authorization": scope + markers.text("signature that is none"),
                   "X-Amz-Security-Token": markers.text("stray session token")}, body)
        self.send({}, target=f"/?Action=GetCallerIdentity&X-Amz-Signature={markers.text('signature in a query')}", method="GET")
        self.send({"Cookie": markers.text("cookie"), "X-Amz-Target": "TrentService.Encrypt", "Content-Type": "application/x-amz-json-1.1"},
                  ('{"Plaintext":"' + markers.text("body of broken JSON")).encode())
        wrong = self.daemon.client((self.client.access_key, markers.text("secret access key that is wrong")))
        self.refused("kms", "Encrypt", wrong, KeyId="k", Plaintext=base64.b64encode(markers.text("plaintext badly signed").encode()).decode())


def operators_keys(world, markers, environment):
    """The vault's side: passphrases of its slots."""
    coffer = Coffer(world, root=True)
    word_file = world.directory() / "word"
    word_file.write_text(markers.text("passphrase in a file") + "\n")
    os.chmod(word_file, 0o600)
    environment["PLANTED_PASSPHRASE"] = markers.text("passphrase in the environment")
    said = ""
    for arguments in (["vault", "init", "--key", "one=passphrase-env:PLANTED_PASSPHRASE", "--key", f"two=passphrase-file:{word_file}"],
                      ["keys", "list"], ["points", "--key", f"passphrase-file:{word_file}"],
                      ["points", "--key", "passphrase-env:PLANTED_PASSPHRASE"], ["points", "--key", "passphrase-env:HOME"]):
        said += coffer.call(*arguments, key=False, env=environment)[2]
    return said, coffer.vault


def files_below(root):
    for path in sorted(pathlib.Path(root).rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


@scenario("planted secrets")
def planted_secrets(world):
    markers = Markers()
    environment = {"AWS_SECRET_ACCESS_KEY": markers.text("environment"), "COFFER_PASSWORD": markers.text("environment of ours")}
    with Daemon(world, environment=environment) as daemon:
        daemon.start()
        planting = Planting(daemon, markers)
        planting.keys()
        planting.identities()
        planting.headers()
        equal("what carries a wrong secret is refused", planting.unexpected, [])
        root_secret = markers.add("secret access key of the root", daemon.root_keys()[1])
        own_files = {"credentials": root_secret, "keys/installation.key": "", "recovery.key": ""}
        for name in own_files:
            if "key" in name:
                own_files[name] = markers.add(name, (daemon.data / name).read_text().split()[-1])
        metrics = daemon.get("/metrics")
        running_files = list(files_below(daemon.data))
        verdict = daemon.stop()
        equal("the daemon ends well", verdict, 0)

        # A policy that a session was made with is CloudTrail's to tell, so the record of the call has it, and the log alone.
        told_by_audit = {"session policy", "policy of a federated user"}
        problems = []
        for path, data in [*running_files, *files_below(daemon.data)]:
            name = str(path.relative_to(daemon.data))
            found = [m for m in markers.found_in(data) if not (m in told_by_audit and name.startswith("catalog.sqlite"))]
            problems += [f"{m} in {name}" for m in found if markers.known[m].decode(errors="replace") != own_files.get(name)]
        check("no secret is in the data folder but in its own file", not problems, "\n".join(sorted(set(problems))))
        folder = b"".join(data for _, data in running_files)
        check("what is no secret is found there, so the search works", b"a description is no secret" in folder and root_secret.encode() in folder)
        for place, text in (("the log", daemon.log()), ("standard output", daemon.said.decode()), ("/metrics", metrics)):
            equal(f"no secret is in {place}", markers.found_in(text.encode()), [])
        equal("no secret is in an answer that refuses", markers.found_in("\n".join(planting.answers).encode()), [])
        refusals = "\n".join(planting.answers)
        check("the refusals are as many as were provoked", len(planting.answers) >= 14, refusals[:2000])

        vault_environment = {}
        said, vault = operators_keys(world, markers, vault_environment)
        equal("no passphrase is in what the tool says", markers.found_in(said.encode()), [])
        problems = [f"{m} in {path}" for path, data in files_below(vault) for m in markers.found_in(data)]
        equal("no passphrase is in the vault", problems, [])


def dies_with_core(argv, place, environment=None):
    """Whether ABRT leaves a core file of a process in `place`, and what it said before."""
    unlimited = resource.RLIM_INFINITY
    process = subprocess.Popen(argv, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (unlimited, unlimited)))
    said = process.stdout.readline()
    process.send_signal(signal.SIGABRT)
    process.wait(30)
    process.stdout.close()
    return said, [p.name for p in pathlib.Path(place).iterdir() if p.name.startswith("core")]


@scenario("memory of the daemon")
def memory(world):
    """What the kernel gives of a daemon's memory: nothing to a core file, nothing to other processes of its user."""
    place = world.directory()
    user = as_database_user()
    reader = "import sys; open(f'/proc/{sys.argv[1]}/mem', 'rb'); open(f'/proc/{sys.argv[1]}/environ', 'rb')"
    with Daemon(world) as daemon:
        daemon.prefix += user
        daemon.start()
        code, said = run([*user, "/usr/bin/env", "python3", "-c", reader, str(daemon.process.pid)], check_exit=False)
        check("no other process of its user reads its memory or its environment", code != 0 and "PermissionError" in said, said[-500:])
        check("it works like this as a user without rights", daemon.client().call("sts", "GetCallerIdentity")["Account"] == ACCOUNT)
        daemon.stop()

    data = world.directory() / "data"
    argv = [str(world.program), "up", "--json", "--data", str(data), "--listen", "127.0.0.1:0"]
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    _, control = dies_with_core(["/bin/sh", "-c", "echo up; exec sleep 60"], place)
    for name in control:
        os.unlink(place / name)
    said, cores = dies_with_core(argv, place, world.environment)
    check("the daemon that was aborted had begun", said.startswith(b"{"), said)
    if control:
        equal("a daemon that is aborted leaves no core file", cores, [])
    else:
        print(f"        core files are not written on this machine (core_pattern: {pattern}): only that there is none could be seen", flush=True)
        equal("a daemon that is aborted leaves no core file", cores, [])
