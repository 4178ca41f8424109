#!/usr/bin/env python3
"""Copies between two vaults on one machine, beside a plain copy of the same objects.

  copy_speed.py [--work DIR] [--gib N] [--runs N] [--changes N] [--repetitive] [--pg-bin DIR]

Makes a cluster (one table of N GiB, checksums on), backs it up, and copies the point into an empty mirror: with everything read back
(--verify all) and with what is new read back (--verify new). The floor: as many threads copy the same pack files, each to a temporary
name, with an fsync of file and folder. Then 1 % of the pages change, N times: bytes moved, and the time from the end of the backup to
the verified copy. Medians; processor time is user and system of the whole program. Runs as root; the server as postgres.
"""
import argparse
import concurrent.futures
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import incremental  # noqa: E402: its cluster

JOBS = 2


class Copies(incremental.Bench):
    def coffer(self, *words):
        """The document of a command, its seconds and its processor seconds."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run([incremental.COFFER, *words, "--json"], user=incremental.USER.pw_uid, group=incremental.USER.pw_gid, extra_groups=[],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], "HOME": "/tmp"})
        took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"failed: {words}\n{done.stderr[-2000:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return json.loads(done.stdout), took, cpu

    def fill(self):
        if self.a.repetitive:
            return super().fill()
        # Random hexadecimal text, which seals to about half.
        rows = int(self.a.gib * 131072 * 7)
        self.sql("CREATE TABLE t (id int, n int, v text) WITH (fillfactor = 85);")
        self.sql("ALTER TABLE t ALTER v SET STORAGE PLAIN;")
        self.sql("INSERT INTO t SELECT i, 0, (SELECT string_agg(md5(random()::text || j || i), '') FROM generate_series(1, 28) j) "
                 f"FROM generate_series(1, {rows}) i;")
        self.sql("VACUUM FREEZE t;")
        self.sql("CHECKPOINT;")

    def vault(self):
        self.source, self.mirror = str(self.work / "vault"), str(self.work / "mirror")
        self.key, self.own = str(self.work / "key"), str(self.work / "own")
        for key in (self.key, self.own):
            self.coffer("keys", "generate", key)
        self.coffer("vault", "init", "--vault", self.source, "--key", self.key)

    def backup(self):
        return self.coffer("backup", "--vault", self.source, "--key", self.key, "--conninfo", self.conninfo, "--pgdata", str(self.data),
                           "--source", "local", "--jobs", str(JOBS))[0]["point"]

    def copy(self, verify):
        document, took, cpu = self.coffer("copy", "latest", "--vault", self.source, "--key", self.key, "--to", self.mirror, "--to-key", self.own,
                                          "--verify", verify, "--jobs", str(JOBS))
        return document["points"][0], took, cpu

    def plain(self):
        target = self.work / "plain"
        shutil.rmtree(target, ignore_errors=True)
        packs = list(Path(self.source).glob("packs/*/*"))
        os.sync()
        began = time.monotonic()

        def one(pack):
            folder = target / pack.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / (".tmp-" + pack.name)
            with open(pack, "rb", buffering=0) as source, open(temporary, "wb", buffering=0) as copy:
                while os.sendfile(copy.fileno(), source.fileno(), None, 1 << 23):
                    pass
                os.fsync(copy.fileno())
            os.rename(temporary, folder / pack.name)
            directory = os.open(folder, os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)
            return pack.stat().st_size

        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            size = sum(pool.map(one, packs))
        took = time.monotonic() - began
        shutil.rmtree(target)
        return size, took

    def change(self):
        self.sql("UPDATE t SET n = n + 1 WHERE ctid IN (SELECT ('(' || (random() * (pg_relation_size('t') / 8192 - 1))::int || ',1)')::tid "
                 "FROM generate_series(1, (pg_relation_size('t') / 8192 / 100)::int));")
        self.sql("CHECKPOINT;")


def line(what, size, took, cpu=None):
    rate = size / took / 1e6
    print(f"{what:34} {took:7.2f} s  {rate:8.0f} MB/s" + (f"  {cpu / (size / 1e9):6.2f} core s a GB" if cpu is not None else ""), flush=True)
    return rate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default="/var/tmp/copy-speed")
    parser.add_argument("--gib", type=float, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--changes", type=int, default=5)
    parser.add_argument("--repetitive", action="store_true", help="rows that seal to a fifteenth, as bench/incremental.py has them")
    parser.add_argument("--pg-bin", default="/usr/lib/postgresql/15/bin")
    a = parser.parse_args()
    a.summaries, a.no_peer = False, True
    bench = Copies(a)
    try:
        bench.start()
        bench.vault()
        bench.fill()
        first = bench.backup()
        print(f"load before: {os.getloadavg()[0]:.1f}; point of {first['size_bytes'] / 1e6:.0f} MB, {first['stored_bytes'] / 1e6:.0f} MB sealed")
        plain, new, full = [], [], []
        for _ in range(a.runs):
            plain.append(bench.plain())
            for verify, results in (("new", new), ("all", full)):
                shutil.rmtree(bench.mirror, ignore_errors=True)
                os.sync()
                results.append(bench.copy(verify))
        size = plain[0][0]
        floor = line("plain parallel copy, fsynced", size, statistics.median(t for _, t in plain))
        for what, results in (("copy, what is new read back", new), ("copy, every page read back", full)):
            rate = line(what, size, statistics.median(t for _, t, _ in results), statistics.median(c for _, _, c in results))
            print(f"{'':34} {100 * rate / floor:7.0f} % of the plain copy")
        lag, ratio = [], []
        for _ in range(a.changes):
            bench.change()
            point = bench.backup()
            began = time.monotonic()
            moved, _, _ = bench.copy("all")
            lag.append(time.monotonic() - began)
            ratio.append(moved["copied_bytes"] / point["stored_bytes"])
        if lag:
            print(f"after 1 % of the pages changed: {statistics.median(ratio):.2f} x the new bytes move (most {max(ratio):.2f}), "
                  f"verified {statistics.median(lag):.2f} s after the backup (most {max(lag):.2f}), {a.changes} times")
        print(f"load after: {os.getloadavg()[0]:.1f}")
    finally:
        subprocess.run(f"{bench.bin}/pg_ctl -D {bench.data} -m immediate stop", shell=True, user=incremental.USER.pw_uid, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        if not os.environ.get("COFFER_KEEP"):
            shutil.rmtree(bench.work, ignore_errors=True)


if __name__ == "__main__":
    main()
