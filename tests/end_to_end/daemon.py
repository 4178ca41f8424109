"""`coffer up` as a child process, and a client that signs requests itself. Only the standard library."""
import configparser
import hashlib
import hmac
import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import time
import urllib.parse
import xml.etree.ElementTree

from harness import Failure

ACCOUNT = "111111111111"
REGION = "us-east-1"
START_SECONDS = 30

# Query services say their version, JSON services the front of their targets.
VERSIONS = {"iam": "2010-05-08", "sts": "2011-06-15"}
TARGETS = {"kms": "TrentService", "organizations": "AWSOrganizationsV20161128",
           "cloudtrail": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"}


class Daemon:
    """One data folder, and `coffer up` on it while it runs."""

    def __init__(self, world, environment=None, arguments=()):
        self.program, self.environment, self.arguments = str(world.program), {**world.environment, **(environment or {})}, arguments
        self.place = world.directory()
        self.data, self.log_path = self.place / "data", self.place / "log"
        self.process, self.said = None, b""
        # The kernel ends the daemon when this program is ended by whatever means.
        setpriv = shutil.which("setpriv")
        self.prefix = [setpriv, "--pdeathsig", "KILL"] if setpriv else []

    def launch(self):
        """Starts the process and does not wait until it listens."""
        argv = [*self.prefix, self.program, "up", "--json", "--data", str(self.data), "--listen", "127.0.0.1:0",
                "--account", f"main={ACCOUNT}", *self.arguments]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=self.environment,
                                            cwd="/", close_fds=False)
        return self

    def start(self):
        self.launch()
        text, deadline = b"", time.monotonic() + START_SECONDS
        while not text.endswith(b"}\n"):
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            if not piece:
                self.kill()
                raise Failure(f"`coffer up` did not say where it listens: {text.decode()}\n{self.log()[-2000:]}")
            text += piece
        self.said += text
        self.endpoint = json.loads(text)["endpoint"].removeprefix("http://")
        return self

    def end(self, how):
        """Sends the signal, waits for the end, and tells the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(60)
        self.said += self.process.stdout.read()
        self.process.stdout.close()
        self.process = None
        return code

    def kill(self):
        return self.end(signal.SIGKILL)

    def stop(self):
        return self.end(signal.SIGTERM)

    def close(self):
        if self.process:
            self.kill()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def root_keys(self, profile="main"):
        """Access key id and secret access key of the account's root."""
        credentials = configparser.RawConfigParser()
        credentials.read(self.data / "credentials")
        return credentials[profile]["aws_access_key_id"], credentials[profile]["aws_secret_access_key"]

    def client(self, keys=None, agent="coffer-end-to-end"):
        return Client(self.endpoint, *(keys or self.root_keys()), agent=agent)

    def get(self, path):
        connection = http.client.HTTPConnection(self.endpoint, timeout=30)
        connection.request("GET", path)
        return connection.getresponse().read().decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Lost(Exception):
    """The connection broke before an answer: the call happened or it did not."""


class Refused(Exception):
    def __init__(self, status, body, headers):
        super().__init__(f"{status}: {body[:500]}")
        self.status, self.body, self.headers = status, body, headers


class Answer(dict):
    """JSON as it is; of XML each element with text, by name, the last of its name. `xml` is the root."""
    xml = None


def _flat(name, value):
    """As query services take lists and structures."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}" if name else key, item)
    elif isinstance(value, (list, tuple)):
        for n, item in enumerate(value, 1):
            yield from _flat(f"{name}.member.{n}", item)
    else:
        yield name, str(value).lower() if isinstance(value, bool) else value


def _sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Client:
    """Calls on one connection, for one thread."""

    def __init__(self, endpoint, access_key, secret_key, token=None, agent="coffer-end-to-end"):
        self.host, self.access_key, self.secret_key, self.token, self.agent = endpoint, access_key, secret_key, token, agent
        self.connection = http.client.HTTPConnection(endpoint, timeout=60)
        self.signing_keys = {}

    def call(self, service, operation, agent=None, headers=None, **parameters):
        """An Answer, or Refused, or Lost."""
        sent = {"host": self.host, "user-agent": agent or self.agent}
        if service in VERSIONS:
            body = urllib.parse.urlencode([("Action", operation), ("Version", VERSIONS[service]), *_flat("", parameters)])
            sent["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
        else:
            body = json.dumps(parameters)
            sent["content-type"] = "application/x-amz-json-1.1"
            sent["x-amz-target"] = f"{TARGETS[service]}.{operation}"
        body = body.encode()
        self._authorize(service, sent, body)
        status, answered, text = self.send("POST", "/", {**sent, **(headers or {})}, body)
        if status != 200:
            raise Refused(status, text, answered)
        if service not in VERSIONS:
            return Answer(json.loads(text or "{}"))  # operations without output have no body
        answer = Answer()
        answer.xml = xml.etree.ElementTree.fromstring(text)
        for element in answer.xml.iter():
            if element.text and element.text.strip():
                answer[element.tag.rsplit("}", 1)[-1]] = element.text
        return answer

    def send(self, method, target, headers, body=b""):
        try:
            self.connection.request(method, target, body=body, headers=headers)
            response = self.connection.getresponse()
            return response.status, dict(response.headers), response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise Lost(str(error)) from error

    def _authorize(self, service, headers, body):
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers["x-amz-date"] = now
        if self.token:
            headers["x-amz-security-token"] = self.token
        names = ";".join(sorted(name for name in headers if name != "user-agent"))
        canonical = "\n".join(["POST", "/", "", *(f"{name}:{headers[name]}" for name in names.split(";")), "", names,
                               hashlib.sha256(body).hexdigest()])
        scope = f"{now[:8]}/{REGION}/{service}/aws4_request"
        key = self.signing_keys.get(scope)
        if key is None:
            key = ("AWS4" + self.secret_key).encode()
            for part in scope.split("/"):
                key = _sign(key, part)
            self.signing_keys[scope] = key
        signature = _sign(key, "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])).hex()
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
