#!/usr/bin/env python3
"""How fast a point becomes Parquet, beside other ways to get the same tables there.

One table of mixed columns in a server of its own; two workers. Each way gets the same rows into zstd (level 3) Parquet files:

  coffer        the export stage of bench/export_only.cc (ninja export_only): COPY, Parquet, digests by SQL, and every file read again
  copy-duckdb   psql: COPY TO STDOUT CSV, piped into DuckDB
  copy-pyarrow  psql: COPY TO STDOUT CSV, piped into pyarrow's CSV reader and its Parquet writer
  copy-null     COPY BINARY of the table to a sink that drops it: what no way can be faster than, alone

The peers prove nothing and read nothing again. Prints one line of JSON for each way, and the ratios.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer"))
sys.path.insert(0, str(ROOT / "tests" / "end_to_end"))
import harness  # noqa: E402

TABLE = """CREATE TABLE measured (id int8, customer int4, placed timestamp, amount numeric(12,2), weight float8, open bool, code varchar(12), note text, key uuid);
INSERT INTO measured SELECT i, i % 9973, '2026-01-01'::timestamp + i * '1 s'::interval, (i % 100000) / 7.0, sqrt(i), i % 3 = 0, 'c' || i % 1000,
  md5(i::text) || ' ' || md5((i * 7)::text), md5(i::text)::uuid FROM generate_series(1, {rows}) i; VACUUM ANALYZE measured; CHECKPOINT"""

DUCKDB = """import duckdb, sys
c = duckdb.connect(); c.execute("SET threads = 2")
c.execute("COPY (SELECT * FROM read_csv('/dev/stdin', header = false, columns = {'id':'BIGINT','customer':'INTEGER','placed':'TIMESTAMP','amount':'DECIMAL(12,2)','weight':'DOUBLE','open':'VARCHAR','code':'VARCHAR','note':'VARCHAR','key':'UUID'})) TO '%s' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3)" % sys.argv[1])
"""
PYARROW = """import sys, pyarrow as pa, pyarrow.csv as csv, pyarrow.parquet as pq
names = ['id','customer','placed','amount','weight','open','code','note','key']
types = {'id': pa.int64(), 'customer': pa.int32(), 'placed': pa.timestamp('us'), 'amount': pa.decimal128(12, 2), 'weight': pa.float64(), 'open': pa.bool_(), 'code': pa.string(), 'note': pa.string(), 'key': pa.string()}
pa.set_cpu_count(2)
reader = csv.open_csv(sys.stdin.buffer, csv.ReadOptions(column_names=names, block_size=8 << 20), convert_options=csv.ConvertOptions(column_types=types, true_values=['t'], false_values=['f']))
writer = None
for batch in reader:
    writer = writer or pq.ParquetWriter(sys.argv[1], batch.schema, compression='zstd', compression_level=3)
    writer.write_batch(batch)
writer.close()
"""


def pipe(cluster, copy, consumer):
    began = time.monotonic()
    source = subprocess.Popen([harness.client("psql"), "-X", "-q", "-h", cluster.socket, "-U", "postgres", "-d", "postgres", "-c", copy], stdout=subprocess.PIPE)
    sink = subprocess.run(consumer, stdin=source.stdout, env={**os.environ, "PYTHONPATH": ":".join(str(p) for p in [*CACHE.glob("arrow/*"), *CACHE.glob("duckdb/*")])})
    source.stdout.close()
    if source.wait() != 0 or sink.returncode != 0:
        raise SystemExit("a peer failed")
    return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--program", required=True, help="the coffer program, which makes the vault")
    parser.add_argument("--export-only", required=True, help="bin/export_only of an optimised build")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    world = harness.World(options.program, 1, False)
    place = pathlib.Path(tempfile.mkdtemp(prefix="coffer-bench-"))
    place.chmod(0o777)
    try:
        cluster = harness.Cluster.create(world, 15, checksums=True)
        cluster.sql(TABLE.format(rows=options.rows))
        coffer = harness.Coffer(world).init()
        point = coffer.backup(cluster, "stream")["id"]
        results = {}

        def keep(way, seconds, size, **more):
            best = results.get(way)
            if best is None or seconds < best["seconds"]:
                results[way] = {"way": way, "seconds": round(seconds, 2), "rows_per_second": round(options.rows / seconds), "file_bytes": size, **more}

        for turn in range(options.times):
            out = place / f"coffer-{turn}"
            out.mkdir(mode=0o777)
            out.chmod(0o777)
            scratch = place / "scratch"
            scratch.mkdir(exist_ok=True)
            scratch.chmod(0o777)
            done = subprocess.run([*harness.as_database_user(), options.export_only, coffer.vault, coffer.key, point, str(out), "bench", "typed", "2"],
                                  capture_output=True, text=True, env={**os.environ, "COFFER_SCRATCH": str(scratch)})
            if done.returncode != 0:
                raise SystemExit(done.stderr)
            report = json.loads(done.stdout)
            keep("coffer", report["export_ms"] / 1000, report["file_bytes"], peak_mib=report["peak_kib"] >> 10)
            shutil.rmtree(out)
            csv = "COPY measured TO STDOUT (FORMAT csv)"
            for way, code in (("copy-duckdb", DUCKDB), ("copy-pyarrow", PYARROW)):
                file = place / (way + ".parquet")
                seconds = pipe(cluster, csv, [sys.executable, "-c", code, str(file)])
                keep(way, seconds, file.stat().st_size)
            keep("copy-null", pipe(cluster, "COPY measured TO STDOUT (FORMAT binary)", ["/bin/sh", "-c", "cat >/dev/null"]), 0)
        for way in results.values():
            print(json.dumps(way))
        fastest = max(results[w]["rows_per_second"] for w in ("copy-duckdb", "copy-pyarrow"))
        smallest = min(results[w]["file_bytes"] for w in ("copy-duckdb", "copy-pyarrow"))
        print(json.dumps({"of_the_fastest_peer": round(results["coffer"]["rows_per_second"] / fastest, 2), "of_the_smallest_file": round(results["coffer"]["file_bytes"] / smallest, 3),
                          "load_average": os.getloadavg()[0]}))
    finally:
        world.close()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
