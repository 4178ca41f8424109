#!/usr/bin/env python3
"""A vault on S3 with latency beside the same vault on a local directory: full backup and restore of the same cluster.

  s3_vault.py [--work DIR] [--gib N] [--runs N] [--latency-ms N] [--pg-bin DIR]

The S3 server is Versity Gateway on this machine (scripts/setup-clients --servers), behind a proxy that holds every byte back by half
the latency in each direction. Runs alternate between the two vaults; prints medians and ratios (local time / S3 time: asked 0.8).
Runs as root; PostgreSQL and coffer run as the user postgres.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE / "bench"))
sys.path.insert(0, str(HERE / "tests/end_to_end"))
from incremental import COFFER, USER, run  # noqa: E402
from s3_server import Proxy, S3Server  # noqa: E402

PORT = 5943


class Bench:
    def __init__(self, options):
        self.options, self.work = options, Path(options.work)
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        os.chown(self.work, USER.pw_uid, USER.pw_gid)
        self.coffer = self.work / "coffer"
        shutil.copy(COFFER, self.coffer)
        os.chmod(self.coffer, 0o755)
        self.environment = {}

    def start(self):
        binaries, work = self.options.pg_bin, self.work
        run(f"{binaries}/initdb -D {work}/data -k -N -A trust -U postgres >/dev/null")
        with open(work / "data/postgresql.conf", "a") as f:
            f.write("shared_buffers=512MB\nmax_wal_size=16GB\nautovacuum=off\ncheckpoint_timeout=1h\nwal_level=replica\nfsync=off\n")
        run(f"{binaries}/pg_ctl -w -D {work}/data -l {work}/log -o '-p {PORT} -k {work} -c listen_addresses=' start")
        rows = int(self.options.gib * 131072 * 7)
        run(f"psql -XAtq -v ON_ERROR_STOP=1 -h {work} -p {PORT} -U postgres postgres -c \"CREATE TABLE t (id int, n int, v text); INSERT INTO t "
            f"SELECT i, 0, repeat(md5(i::text), 4) || md5((i*7)::text) || repeat(md5((i*3)::text), 20) FROM generate_series(1, {rows}) i; \" "
            f"-c \"VACUUM (FREEZE) t\" -c CHECKPOINT")
        run(f"{self.coffer} keys generate {work}/a.key && {self.coffer} keys generate {work}/b.key")

    def timed(self, command):
        began = time.monotonic()
        run(command, **self.environment)
        return time.monotonic() - began

    def round(self, vault):
        work = self.work
        opened = f"--vault '{vault}' --key {work}/a.key"
        run(f"{self.coffer} vault init --vault '{vault}' --key a={work}/a.key --key b={work}/b.key", **self.environment)
        run(f"psql -XAtq -h {work} -p {PORT} -U postgres postgres -c CHECKPOINT")
        backup = self.timed(f"{self.coffer} backup --quiet {opened} --source local --pgdata {work}/data --conninfo 'host={work} port={PORT} user=postgres dbname=postgres'")
        shutil.rmtree(work / "copy", ignore_errors=True)
        restore = self.timed(f"{self.coffer} restore --quiet latest --to {work}/copy {opened}")
        shutil.rmtree(work / "copy", ignore_errors=True)
        return backup, restore

    def main(self):
        self.start()
        try:
            with S3Server(str(self.work)) as server, Proxy(server.port, delay=self.options.latency_ms / 2000) as proxy:
                self.environment = server.environment
                local, distant = [], []
                for number in range(self.options.runs):
                    local.append(self.round(f"{self.work}/vault-{number}"))
                    shutil.rmtree(self.work / f"vault-{number}")
                    distant.append(self.round(server.url(f"vault-{number}", proxy.port)))
                    shutil.rmtree(f"{server.data}/bucket/vault-{number}")
        finally:
            run(f"{self.options.pg_bin}/pg_ctl -D {self.work}/data -m immediate stop", check=False)
        for at, what in enumerate(("full backup", "restore")):
            here, there = (statistics.median(r[at] for r in results) for results in (local, distant))
            print(f"{what}: local {here:.2f} s, S3 with {self.options.latency_ms} ms {there:.2f} s, ratio {here / there:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="/var/tmp/coffer-s3-bench")
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=20)
    parser.add_argument("--pg-bin", default="/usr/lib/postgresql/15/bin")
    Bench(parser.parse_args()).main()
