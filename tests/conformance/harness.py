"""What the conformance tests share: `coffer up` as a child process, the installed clients, checks that print a line each.

Only the standard library. Every server listens on a port that the kernel chose.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
CLIENTS = pathlib.Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer")) / "clients"
DEBIAN_AWS = pathlib.Path("/usr/bin/aws")
ACCOUNTS = {"main": "111111111111", "second": "222222222222"}
REGIONS = ("us-east-1", "us-east-2")
START_SECONDS = 30


class Failure(Exception):
    """A step without which the test cannot go on did not work."""


class Skip(Exception):
    """What the test needs is not on this machine."""


class Results:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, []
        self.test = ""

    def check(self, promise, good, detail=""):
        if good:
            self.passed += 1
            print(f"ok      {self.test}: {promise}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {self.test}: {promise}" + (f"\n        {detail}" if detail != "" else ""), flush=True)
        return good

    def skip(self, why):
        self.skipped.append(self.test)
        print(f"skipped {self.test}: {why}", flush=True)

    def take(self, line):
        """A line of a tour in another language: its checks count as ours."""
        if line.startswith("ok      "):
            self.passed += 1
            print(f"ok      {self.test}: {line[8:]}", flush=True)
        elif line.startswith("FAILED  "):
            self.failed += 1
            print(f"FAILED  {self.test}: {line[8:]}", flush=True)
        else:
            print("        " + line, flush=True)


results = Results()

# Nothing of the caller's own AWS settings may reach a client under test.
CLEAN_ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "COFFER_"))}


def needs(path):
    if not os.access(path, os.X_OK):
        raise Skip(f"no {path}: run scripts/setup")
    return str(path)


def python_of(generation):
    return needs(CLIENTS / f"boto3-{generation}" / "bin" / "python")


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with_parent():
    """A suite that is killed must not leave daemons behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Installation:
    """`coffer up` on a data folder of its own, from start to stop."""

    def __init__(self, program, data=None):
        self.program = program
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="coffer-conformance-"))
        self.data = pathlib.Path(data) if data else self.root / "data"
        self.process = None
        self.start_seconds = 0.0

    def start(self, listen="127.0.0.1:0", extra=()):
        argv = [self.program, "up", "--json", "--data", str(self.data), "--listen", listen]
        for name, account in ACCOUNTS.items():
            argv += ["--account", f"{name}={account}"]
        for region in REGIONS:
            argv += ["--region", region]
        began = time.monotonic()
        self.log = open(self.root / "stderr", "ab")
        self.process = subprocess.Popen([*argv, *extra], stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL,
                                        env={**CLEAN_ENVIRONMENT, "HOME": str(self.root)}, start_new_session=True,
                                        preexec_fn=end_with_parent)
        self.started = self._document()
        self.start_seconds = time.monotonic() - began
        self.endpoint = self.started["endpoint"]
        return self

    def _document(self):
        """The one JSON document that --json prints, however its lines arrive."""
        text, deadline = "", time.monotonic() + START_SECONDS
        descriptor = self.process.stdout.fileno()
        os.set_blocking(descriptor, False)
        while time.monotonic() < deadline:
            select.select([descriptor], [], [], 0.2)
            piece = self.process.stdout.read()
            text += (piece or b"").decode(errors="replace")
            with contextlib.suppress(json.JSONDecodeError):
                return json.loads(text)
            if piece == b"" or self.process.poll() is not None:
                break
        raise Failure(f"`coffer up` did not say where it listens: {text}\n{self.stderr()}")

    def stderr(self):
        return (self.root / "stderr").read_text(errors="replace")[-4000:]

    def failures(self):
        """What the daemon says of requests that it could not answer for a reason of its own."""
        lines = (self.root / "stderr").read_text(errors="replace").splitlines()
        return [line for line in lines if line.startswith(("coffer: error: request ", "coffer: error: server: "))]

    def environment(self, profile="main"):
        """What `coffer up` tells a person to export, and a home without settings."""
        return {**CLEAN_ENVIRONMENT, "HOME": str(self.root), "AWS_SHARED_CREDENTIALS_FILE": self.started["credentials_file"],
                "AWS_PROFILE": profile, "AWS_DEFAULT_REGION": REGIONS[0], "AWS_REGION": REGIONS[0],
                "AWS_ENDPOINT_URL": self.endpoint, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1",
                "AWS_CONFIG_FILE": str(self.root / "no-config"), "COFFER_PROGRAM": str(self.program), "COFFER_DATA": str(self.data)}

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process is None:
            return 0
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        code, self.process = self.process.returncode, None
        return code

    def close(self):
        self.stop()
        self.log.close()
        if os.environ.get("COFFER_KEEP"):
            print(f"        kept {self.root}", flush=True)
        else:
            shutil.rmtree(self.root, ignore_errors=True)


@contextlib.contextmanager
def installation(program):
    made = Installation(program)
    try:
        yield made.start()
        failures = made.failures()
        results.check("every answer fits the models, and nothing was thrown", not failures, "\n".join(failures[:10]))
    finally:
        made.close()


def run_tour(argv, environment, timeout=300, cwd=None):
    """A tour in its own language prints a line a check and ends with 0 when all held."""
    before = results.failed
    done = subprocess.run(argv, env=environment, cwd=cwd or "/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout)
    lines = done.stdout.decode(errors="replace").splitlines()
    for line in lines:
        results.take(line)
    if done.returncode != 0 and results.failed == before:
        raise Failure(f"the tour ended with {done.returncode}")
    if not any(line.startswith("ok      ") for line in lines):
        raise Failure("the tour checked nothing")


@contextlib.contextmanager
def database():
    """A PostgreSQL 15 with a table; the connection string of its superuser. As root the server runs as the user postgres."""
    programs = pathlib.Path("/usr/lib/postgresql/15/bin")
    if not (programs / "initdb").exists():
        raise Skip("no PostgreSQL 15: run scripts/setup")
    place = tempfile.mkdtemp(prefix="coffer-database-")
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(place, "postgres", "postgres")
    data = f"{place}/data"

    def call(program, *words):
        done = subprocess.run([*user, str(programs / program), *words], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failure(f"{program}: {done.stdout[-1500:]}")

    try:
        call("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-k", "--no-sync")
        call("pg_ctl", "-D", data, "-w", "-l", f"{place}/log", "-o",
             f"-c unix_socket_directories={place} -c listen_addresses= -c fsync=off -c wal_level=replica", "start")
        call("psql", "-X", "-q", "-h", place, "-U", "postgres", "-c",
             "CREATE TABLE orders AS SELECT n AS id, 'order ' || n AS what FROM generate_series(1, 1000) n")
        yield f"host={place} user=postgres dbname=postgres"
    finally:
        with contextlib.suppress(Failure):
            call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(place, ignore_errors=True)
