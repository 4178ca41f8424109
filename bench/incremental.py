#!/usr/bin/env python3
"""Incremental backup after 1 % of the pages changed, one row each at random places: Coffer beside pgBackRest.

  incremental.py [--work DIR] [--gib N] [--runs N] [--pg-bin DIR] [--summaries] [--no-peer]

Makes a cluster of its own (one table of N GiB, checksums on), takes a full backup with each engine, updates one row on 1 % of the
pages, and measures the incremental of each engine (the repository is put back before each run). Prints medians and ratios.
--summaries: PostgreSQL 17 or later with summarize_wal on (then there is no peer: give --pg-bin).
Runs as root; servers and engines run as the user postgres.
"""
import argparse
import os
import pwd
import shutil
import statistics
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
COFFER = os.environ.get("COFFER", str(HERE / "build/release/bin/coffer"))
USER = pwd.getpwnam("postgres")
PORT = 5941


def run(command, check=True, **env):
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], user=USER.pw_uid, group=USER.pw_gid, extra_groups=[], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], "HOME": "/tmp", "LANG": "C", **env})
    if check and done.returncode:
        raise SystemExit(f"failed: {command}\n{done.stdout[-3000:]}")
    return done.stdout


def size_of(path):
    return sum(f.stat().st_size for f in Path(path).rglob("*") if f.is_file())


class Bench:
    def __init__(self, a):
        self.a, self.work, self.bin = a, Path(a.work), Path(a.pg_bin)
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        os.chown(self.work, USER.pw_uid, USER.pw_gid)
        self.data = self.work / "data"
        self.conninfo = f"host={self.work} port={PORT} user=postgres dbname=postgres"

    def sql(self, text):
        return run(f"psql -XAtq -v ON_ERROR_STOP=1 -h {self.work} -p {PORT} -U postgres postgres -c \"{text}\"").strip()

    def start(self):
        run(f"{self.bin}/initdb -D {self.data} -k -N -A trust -U postgres >/dev/null")
        with open(self.data / "postgresql.conf", "a") as f:
            f.write("shared_buffers=1GB\nmax_wal_size=16GB\nautovacuum=off\ncheckpoint_timeout=1h\nwal_level=replica\nfsync=off\n")
            if self.a.summaries:
                f.write("summarize_wal=on\n")
            else:
                f.write(f"archive_mode=on\narchive_command='test -e {self.work}/archive-off || {self.pgbackrest} archive-push %p'\n")
        (self.work / "archive-off").touch()
        run(f"{self.bin}/pg_ctl -w -D {self.data} -l {self.work}/log -o '-p {PORT} -k {self.work} -c listen_addresses=' start")

    @property
    def pgbackrest(self):
        return f"pgbackrest --config={self.work}/pgbackrest.conf --stanza=bench"

    def fill(self):
        # 8 rows of about 900 bytes a page and room for a new version of one; text that compresses about 3 to 1.
        rows = int(self.a.gib * 131072 * 7)
        self.sql("CREATE TABLE t (id int, n int, v text) WITH (fillfactor = 85);")
        self.sql(f"INSERT INTO t SELECT i, 0, repeat(md5(i::text), 4) || md5((i*7)::text) || repeat(md5((i*3)::text), 20) FROM generate_series(1, {rows}) i;")
        # Hint bits now, or the first scan after the full backup would change every page.
        self.sql("VACUUM (FREEZE) t;")
        self.sql("CHECKPOINT;")

    def change(self):
        """One row on each of 1 % of the pages, chosen by a hash of the page number."""
        self.sql("UPDATE t SET n = n + 1 WHERE hashint4((ctid::text::point)[0]::int + 17) % 100 = 0 AND (ctid::text::point)[1] = 1;")
        self.sql("CHECKPOINT;")
        return int(self.sql("SELECT count(DISTINCT (ctid::text::point)[0]::int) FROM t WHERE n > 0;"))

    def measure(self, command, repository, saved):
        walls, added = [], 0
        for _ in range(self.a.runs):
            shutil.rmtree(repository)
            run(f"cp -a {saved} {repository}; sync")
            self.sql("CHECKPOINT;")
            before, t0 = size_of(repository), time.monotonic()
            run(command)
            walls.append(time.monotonic() - t0)
            added = size_of(repository) - before
        return statistics.median(walls), added

    def go(self):
        a = self.a
        if not a.summaries and not a.no_peer:
            (self.work / "pgbackrest.conf").write_text(f"""[global]
repo1-path={self.work}/repo
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=benchmark
repo1-retention-full=9
expire-auto=n
process-max={os.cpu_count()}
start-fast=y
log-path={self.work}
lock-path={self.work}/lock
log-level-console=warn
log-level-file=off
compress-type=zst
compress-level=3
beta=y
repo1-bundle=y
repo1-block=y
[bench]
pg1-path={self.data}
pg1-port={PORT}
pg1-socket-path={self.work}
""")
        self.start()
        try:
            self.fill()
            coffer = f"COFFER_KEY=file:{self.work}/key COFFER_VAULT={self.work}/vault {COFFER}"
            backup = f"{coffer} backup --conninfo '{self.conninfo}' --source local --pgdata {self.data} --quiet"
            run(f"{coffer} keys generate {self.work}/key; {coffer} vault init --key officer=file:{self.work}/key")
            run(backup)
            peer = not a.summaries and not a.no_peer
            if peer:
                (self.work / "archive-off").unlink()
                run(f"{self.pgbackrest} stanza-create && {self.pgbackrest} --type=full backup")
            pages = self.change()
            run(f"cp -a {self.work}/vault {self.work}/vault.saved")
            print(f"table {a.gib} GiB, {pages} pages changed ({pages * 8192 / 2**20:.1f} MiB)")
            wall, added = self.measure(backup, self.work / "vault", self.work / "vault.saved")
            print(f"coffer      {wall:7.2f} s   {added / 2**20:8.1f} MiB new   {added / (pages * 8192):.2f} of the changed pages' bytes")
            if peer:
                run(f"cp -a {self.work}/repo {self.work}/repo.saved")
                theirs, their_added = self.measure(f"{self.pgbackrest} --type=incr backup", self.work / "repo", self.work / "repo.saved")
                print(f"pgbackrest  {theirs:7.2f} s   {their_added / 2**20:8.1f} MiB new")
                print(f"ratio       {theirs / wall:7.2f} x faster, {added / their_added:.2f} of its new bytes")
        finally:
            run(f"{self.bin}/pg_ctl -D {self.data} -m immediate stop", check=False)
            shutil.rmtree(self.work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="/var/tmp/coffer-bench-incremental")
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pg-bin", default="/usr/lib/postgresql/15/bin")
    parser.add_argument("--summaries", action="store_true")
    parser.add_argument("--no-peer", action="store_true")
    Bench(parser.parse_args()).go()


if __name__ == "__main__":
    main()
