"""What the end-to-end scenarios share: real PostgreSQL servers, the coffer program, checks that print a line each.

Only the standard library. Servers listen on Unix sockets alone. As root, servers run as the user postgres.
"""
import contextlib
import glob
import hashlib
import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
MAJORS = (13, 14, 15, 16, 17, 18)
SHORT_MAJORS = (15, 17, 18)
CLIENT_MAJOR = 15  # its psql and pgbench talk to every server from 13 to 18


class Failure(Exception):
    """A step that the scenario cannot go on without did not work."""


class Skip(Exception):
    """What the scenario needs is not on this machine."""


# Checks

class Results:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, []
        self.scenario = ""

    def check(self, promise, good, detail=""):
        if good:
            self.passed += 1
            print(f"ok      {self.scenario}: {promise}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {self.scenario}: {promise}" + (f"\n        {detail}" if detail != "" else ""), flush=True)
        return good

    def equal(self, promise, got, wanted):
        return self.check(promise, got == wanted, f"got {got!r}, wanted {wanted!r}")

    def skip(self, why):
        self.skipped.append(self.scenario)
        print(f"skipped {self.scenario}: {why}", flush=True)


results = Results()
check, equal = results.check, results.equal

SCENARIOS = []


def scenario(name, long=False):
    """Registers a function of one argument, the World. `long`: only with --long."""
    def register(function):
        SCENARIOS.append((name, function, long))
        return function
    return register


# Programs

def binaries(major):
    """The folder with the server programs of a major, or Skip."""
    configured = os.environ.get(f"COFFER_PG_BIN_{major}")
    for folder in [configured] if configured else [f"/usr/lib/postgresql/{major}/bin"]:
        if folder and os.access(os.path.join(folder, "postgres"), os.X_OK):
            return folder
    raise Skip(f"no PostgreSQL {major}: install it, or name its programs in COFFER_PG_BIN_{major}")


def tool(name, major=CLIENT_MAJOR):
    """A client program of this very major, or None."""
    with contextlib.suppress(Skip):
        path = os.path.join(binaries(major), name)
        if os.access(path, os.X_OK):
            return path
    return None


def client(name):
    for major in (CLIENT_MAJOR, 18, 17):
        if path := tool(name, major):
            return path
    raise Skip(f"no {name}: install postgresql-client-{CLIENT_MAJOR}")


def as_database_user():
    """What goes before a command so that it runs as an unprivileged user."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def give_to_database_user(path):
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(path, account.pw_uid, account.pw_gid)


CLEAN_ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "COFFER_")) or k.startswith("COFFER_PG_BIN_")}


def run(argv, check_exit=True, timeout=600, env=None, cwd="/", stdin=None):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, cwd=cwd,
                          env={**CLEAN_ENVIRONMENT, **(env or {})}, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL)
    text = done.stdout.decode(errors="replace")
    if check_exit and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{text[-3000:]}")
    return text if check_exit else (done.returncode, text)


# Servers

class Cluster:
    """One PostgreSQL data directory, and its server while it runs."""

    def __init__(self, world, major, data, socket):
        self.world, self.major, self.data, self.socket = world, major, str(data), str(socket)
        self.bin = binaries(major)
        self.running = False

    @classmethod
    def create(cls, world, major, checksums=None, wal_segment_mb=None, settings=None):
        place = world.directory()
        cluster = cls(world, major, place / "data", place / "s")
        argv = as_database_user() + [f"{cluster.bin}/initdb", "-D", cluster.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                                     "--locale=C", "--no-sync"]
        if checksums:
            argv.append("-k")
        elif checksums is False and major >= 18:
            argv.append("--no-data-checksums")
        if wal_segment_mb:
            argv.append(f"--wal-segsize={wal_segment_mb}")
        run(argv)
        world.make_directory(cluster.socket)
        lines = {"listen_addresses": "", "unix_socket_directories": cluster.socket, "fsync": "off", "shared_buffers": "64MB",
                 "max_wal_size": "4GB", "wal_level": "replica", "max_wal_senders": "6", "log_min_messages": "warning",
                 "wal_log_hints": "off", "max_connections": "40", **(settings or {})}
        with open(f"{cluster.data}/postgresql.conf", "a") as conf:
            for name, value in lines.items():
                conf.write(f"{name} = '{value}'\n")
        cluster.start()
        return cluster

    @classmethod
    def restored(cls, world, major, data):
        """A cluster that a restore made; its socket lies in a place of its own."""
        place = world.directory()
        cluster = cls(world, major, data, place / "s")
        world.make_directory(cluster.socket)
        return cluster

    def start(self, check_exit=True):
        log = self.data + ".log"
        options = f"-c unix_socket_directories={self.socket} -c listen_addresses= -c fsync=off"
        code, text = run(as_database_user() + [f"{self.bin}/pg_ctl", "-D", self.data, "-l", log, "-o", options, "-w", "-t", "300", "start"],
                         check_exit=False)
        if code != 0:
            tail = pathlib.Path(log).read_text(errors="replace")[-2000:] if os.path.exists(log) else ""
            if check_exit:
                raise Failure(f"PostgreSQL {self.major} did not start in {self.data}:\n{text}\n{tail}")
            return tail
        self.running = True
        self.world.clusters.append(self)
        # pg_ctl comes back when the server answers, which may be before recovery has ended.
        deadline = time.monotonic() + 300
        while self.sql("SELECT pg_is_in_recovery()") != "f":
            if time.monotonic() > deadline:
                raise Failure(f"recovery in {self.data} does not end")
            time.sleep(0.05)
        return ""

    def stop(self, mode="fast"):
        if self.running:
            run(as_database_user() + [f"{self.bin}/pg_ctl", "-D", self.data, "-w", "-t", "300", "-m", mode, "stop"], check_exit=False)
            self.running = False

    def destroy(self):
        self.stop("immediate")
        shutil.rmtree(self.data, ignore_errors=True)

    @property
    def conninfo(self):
        return f"host={self.socket} user=postgres dbname=postgres"

    def sql(self, text, database="postgres", check_exit=True):
        argv = [client("psql"), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-U", "postgres", "-d", database, "-f", "-"]
        result = run(argv, stdin=text.encode(), check_exit=check_exit)
        return result.strip() if check_exit else result

    def pgbench_init(self, scale, extra=()):
        run([client("pgbench"), "-h", self.socket, "-U", "postgres", "-i", "-q", "-s", str(scale), *extra, "postgres"])

    def balances(self):
        """The four sums that a TPC-B like load keeps equal."""
        return self.sql("SELECT (SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts), (SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers),"
                        " (SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)").split("|")

    def digest(self, table, database="postgres"):
        return self.sql(f"SELECT count(*) || ':' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM {table} t", database)

    def amcheck(self):
        """Exit code and output of pg_amcheck over all databases; None before 14, whose amcheck it does not know."""
        if self.major < 14:
            return None
        self.sql("CREATE EXTENSION IF NOT EXISTS amcheck")
        return run([client("pg_amcheck"), "-h", self.socket, "-U", "postgres", "--all", "--install-missing"], check_exit=False)


class Load:
    """pgbench in the background, until the with block ends."""

    def __init__(self, cluster, clients=4):
        self.argv = [client("pgbench"), "-h", cluster.socket, "-U", "postgres", "-n", "-c", str(clients), "-T", "3600", "postgres"]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=CLEAN_ENVIRONMENT)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Background(threading.Thread):
    """Calls step(n) for n = 0, 1, 2 ... beside the with block. Errors are kept for the end."""

    def __init__(self, step):
        super().__init__(daemon=True)
        self.step, self.count, self.error = step, 0, None
        self.ending = threading.Event()

    def run(self):
        try:
            while not self.ending.is_set():
                self.step(self.count)
                self.count += 1
        except Exception as error:  # told by __exit__
            self.error = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.ending.set()
        self.join()
        if self.error and kind is None:
            raise self.error


# The program under test

class Coffer:
    """The coffer program on one vault."""

    def __init__(self, world, vault=None, key=None, root=False):
        self.world = world
        self.vault = str(vault or world.directory() / "vault")
        self.key = key
        self.prefix = [] if root else as_database_user()

    def argv(self, *arguments, key=True):
        command = [*self.prefix, str(self.world.program), *map(str, arguments), "--vault", self.vault]
        if key and self.key:
            command += ["--key", self.key]
        return command

    def start(self, *arguments):
        """In the background, output thrown away; a process group of its own."""
        return subprocess.Popen(self.argv(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                env=self.world.environment, cwd="/", start_new_session=True)

    def call(self, *arguments, key=True, env=None, timeout=1800):
        """Exit code, JSON document or None, and everything that was said."""
        done = subprocess.run(self.argv(*arguments, "--json", key=key), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              env={**self.world.environment, **(env or {})}, cwd="/", timeout=timeout)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        document = None
        with contextlib.suppress(ValueError):
            document = json.loads(out) if out.strip() else None
        return done.returncode, document, out + err

    def must(self, *arguments, key=True, env=None):
        code, document, said = self.call(*arguments, key=key, env=env)
        if code != 0:
            raise Failure(f"coffer {' '.join(map(str, arguments))} ended with {code}:\n{said[-3000:]}")
        return document

    def init(self):
        """A vault with two slots; the first key is the one used."""
        place = self.world.directory()
        self.key, self.second_key = str(place / "first.key"), str(place / "second.key")
        for path in (self.key, self.second_key):
            run([*self.prefix, str(self.world.program), "keys", "generate", path], env=self.world.environment)
        self.must("vault", "init", "--key", f"first={self.key}", "--key", f"second={self.second_key}", key=False)
        return self

    def backup_arguments(self, cluster, source):
        return ["backup", "--conninfo", cluster.conninfo, "--source", source] + (["--pgdata", cluster.data] if source == "local" else [])

    def backup(self, cluster, source, *more):
        """What the tool says of the new point; `id` is its id."""
        document = self.must(*self.backup_arguments(cluster, source), *more)
        return {**document, **document["point"]}

    def points(self):
        return self.must("points")["points"]

    def verify_clean(self):
        """None, or what verify says."""
        code, document, said = self.call("verify", "--all")
        return None if code == 0 and document and document["clean"] else said[-2000:]


class World:
    """One scenario's place on the disk and its processes; all gone at the end."""

    def __init__(self, program, seed, long):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="coffer-e2e-"))
        os.chmod(self.root, 0o755)
        self.random = random.Random(seed)
        self.long = long
        self.clusters = []
        self.count = 0
        # A copy: the database's user need not be able to reach the build directory.
        self.program, self.daemon_program = self.root / "coffer", pathlib.Path(program).parent / "cofferd"
        shutil.copy(program, self.program)
        os.chmod(self.program, 0o755)
        sandbox = pathlib.Path(program).parent / "coffer-sandbox"
        if sandbox.exists():  # what `coffer up` starts functions by
            shutil.copy(sandbox, self.root / "coffer-sandbox")
        self.environment = {**CLEAN_ENVIRONMENT, "HOME": str(self.directory())}

    def directory(self):
        self.count += 1
        return self.make_directory(self.root / str(self.count))

    def make_directory(self, path):
        os.mkdir(path, 0o700)
        give_to_database_user(path)
        return pathlib.Path(path)

    def close(self):
        for cluster in self.clusters:
            cluster.stop("immediate")
        if not os.environ.get("COFFER_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)


def tree_digest(root):
    """Path -> digest of every file below."""
    digests = {}
    for path in sorted(glob.glob(f"{root}/**", recursive=True, include_hidden=True)):
        if os.path.isfile(path):
            digests[os.path.relpath(path, root)] = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    return digests


def kill_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main(program, long, only, seed, exactly=False):
    for name, function, is_long in SCENARIOS:
        if only and (name != only if exactly else only not in name) or is_long and not long and not only:
            continue
        results.scenario = name
        world = World(program, seed, long)
        began = time.monotonic()
        try:
            function(world)
        except Skip as why:
            results.skip(str(why))
        except Failure as failure:
            results.check("runs to its end", False, str(failure))
        except Exception as error:  # a scenario that falls over is a failed scenario, not the end of the suite
            results.check("runs to its end", False, f"{type(error).__name__}: {error}")
        finally:
            world.close()
        print(f"        {name}: {time.monotonic() - began:.1f} s", flush=True)
    if results.skipped:
        print(f"{len(results.skipped)} scenarios were skipped: {', '.join(results.skipped)}")
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed or not results.passed else 0
