"""Exports: what pyarrow, DuckDB and hyparquet read of them is what SQL says, value by value; broken exports are noticed; imports."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import harness
from harness import Cluster, Coffer, Skip, binaries, check, equal, scenario

CACHE = pathlib.Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer"))
JAVASCRIPT = CACHE / "clients" / "parquet"
READER = pathlib.Path(__file__).resolve().parent.parent / "parquet_reader.py"

# name, type, values, what SQL says of a value as JSON, how a reader presents it (see parquet_reader.py)
KINDS = [
    ("flag", "bool", ["true", "false"], "to_json({v})", "plain"),
    ("small", "int2", ["-32768", "32767"], "to_json({v})", "plain"),
    ("medium", "int4", ["-2147483648", "2147483647"], "to_json({v})", "plain"),
    ("large", "int8", ["-9223372036854775808", "9223372036854775807"], "to_json({v}::text)", "text"),
    ("real", "float4", ["NaN", "Infinity", "-Infinity", "1.1754944e-38", "0.1", "-0"], "to_json(encode(float4send({v}), 'hex'))", "float4"),
    ("double", "float8", ["NaN", "Infinity", "-Infinity", "5e-324", "0.1", "-0"], "to_json(encode(float8send({v}), 'hex'))", "float8"),
    ("note", "text", ["", "Grüße, 世界 🌍", "a'b\"c\\d"], "to_json({v})", "plain"),
    ("code", "char(4)", ["ab", "abcd"], "to_json(convert_from(bpcharsend({v}), 'UTF8'))", "plain"),
    ("raw", "bytea", ["\\x", "\\x00ff10"], "to_json(encode({v}, 'hex'))", "hex"),
    ("price", "numeric(10,2)", ["-99999999.99", "0.05", "100"], "to_json({v}::text)", "text"),
    ("exact", "numeric(38,10)", ["9999999999999999999999999999.9999999999", "-0.0000000001"], "to_json({v}::text)", "text"),
    ("loose", "numeric", ["NaN", "1.50", "1e50"], "to_json({v}::text)", "plain"),
    ("day", "date", ["4713-01-01 BC", "1969-12-31", "5874897-12-31"], "to_json({v} - date '1970-01-01')", "days"),
    ("clock", "time", ["00:00", "23:59:59.999999"], "to_json((extract(epoch from {v}) * 1000000)::int8)", "micros_of_day"),
    ("moment", "timestamp", ["4713-01-01 00:00 BC", "2026-11-24 12:00:00.000001", "9999-12-31 23:59:59"], "to_json((extract(epoch from {v}) * 1000000)::int8)", "micros"),
    ("instant", "timestamptz", ["2026-11-24 12:00:00+02", "0044-03-15 00:00+00 BC"], "to_json((extract(epoch from {v}) * 1000000)::int8)", "micros"),
    ("span", "interval", ["1 mon -1 day 00:00:00.000001", "-178000000 years"], "to_json(interval_send({v})::text)", "interval"),
    ("key", "uuid", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-fffffffffffe"], "to_json({v}::text)", "uuid"),
    ("document", "jsonb", ['{"a": [1, null]}', "null"], "to_json({v}::text)", "plain"),
    ("mood", "mood", ["sad", "it's ok"], "to_json({v}::text)", "plain"),
    ("list", "int4[]", ["{1,NULL,3}", "{}"], "to_json({v})", "nested"),
    ("words", "text[]", ["{a,\"b,c\",NULL}"], "to_json({v})", "nested"),
    ("pair", "pair", ["(1,x)", "(,)"], "to_json({v})", "nested"),
    ("pairs", "pair[]", ["{\"(1,x)\",NULL}"], "to_json({v})", "nested"),
    ("span_of", "int4range", ["[1,5)", "(,)", "empty"],
     "json_build_object('lower', lower({v}), 'upper', upper({v}), 'lower_inclusive', lower_inc({v}), 'upper_inclusive', upper_inc({v}), 'empty', isempty({v}))", "nested"),
    ("address", "inet", ["1.2.3.4", "10.0.0.0/8", "::1"], "to_json(inet_out({v})::text)", "plain"),
    ("bits", "varbit", ["101", ""], "to_json({v}::text)", "plain"),
]
TYPES = "CREATE TYPE mood AS ENUM ('sad', 'it''s ok'); CREATE TYPE pair AS (n int4, t text);"
NATIVE_IN_RDS = {"flag": "plain", "small": "plain", "medium": "plain", "large": "text", "real": "float4", "double": "float8", "note": "plain", "code": "plain", "raw": "hex"}


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def make_kinds(cluster):
    statements = [TYPES, "CREATE TABLE kinds (id int4, %s);" % ", ".join(f"{name} {kind}" for name, kind, *_ in KINDS)]
    for row in range(max(len(values) for _, _, values, *_ in KINDS) + 1):
        cells = [literal(values[row]) if row < len(values) else "NULL" for _, _, values, *_ in KINDS]
        statements.append(f"INSERT INTO kinds VALUES ({row}, {', '.join(cells)});")
    cluster.sql("".join(statements))


def expected(cluster, typed):
    wanted = {}
    settings = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY';"
    for name, _, _, form, presented in KINDS:
        if not typed and name not in NATIVE_IN_RDS:
            form = "to_json(format('%s', {v}))"
        value = f"CASE WHEN {name} IS DISTINCT FROM NULL THEN {form.format(v=name)} END"
        wanted[name] = json.loads(cluster.sql(f"{settings} SELECT json_agg({value} ORDER BY id) FROM kinds").splitlines()[-1])
    return wanted


def read(reader, files, forms):
    """Rows of a table as another program reads them: column -> values, by id."""
    environment = {**os.environ, "PYTHONPATH": ":".join(str(p) for p in [*CACHE.glob("arrow/*"), *CACHE.glob("duckdb/*")])}
    request = json.dumps({"files": [str(f) for f in files], "forms": forms})
    command = [sys.executable, str(READER), reader]
    if reader == "hyparquet":
        command = ["node", str(READER.parent / "javascript_reader" / "reader.mjs"), str(JAVASCRIPT / "node_modules")]
    result = subprocess.run(command, input=request, capture_output=True, text=True, env=environment, timeout=300)
    if result.returncode != 0:
        return {"failed": result.stderr[-2000:]}
    return json.loads(result.stdout)


def need_readers():
    if not list(CACHE.glob("arrow/*/pyarrow")) or not list(CACHE.glob("duckdb/*/duckdb")):
        raise Skip("pyarrow and DuckDB are not in the cache: run scripts/setup")


def files_of(folder):
    return sorted(pathlib.Path(folder).rglob("*.parquet"))


def every_type(world, major):
    need_readers()
    cluster = Cluster.create(world, major, checksums=True)
    make_kinds(cluster)
    coffer = Coffer(world).init()
    point = coffer.backup(cluster, "stream")["id"]
    for layout in ("typed", "rds"):
        out = world.directory() / f"out-{major}-{layout}"
        report = coffer.must("export", point, "--to", out, "--layout", layout, "--name", "kinds")
        equal(f"{layout}: one table", report["tables"], 1)
        wanted = expected(cluster, layout == "typed")
        forms = {name: presented for name, _, _, _, presented in KINDS}
        if layout == "rds":
            forms = {name: NATIVE_IN_RDS.get(name, "plain") for name in forms}
        for reader in ("pyarrow", "duckdb", *(["hyparquet"] if (JAVASCRIPT / "pins").exists() else [])):
            found = read(reader, files_of(out / "kinds" / "postgres"), forms)
            for name in wanted:
                if reader == "hyparquet" and layout == "typed" and name in ("price", "exact"):
                    found[name], wanted[name] = [[v and float(v) for v in values] for values in (found[name], wanted[name])]
                equal(f"{major} {layout} {reader}: {name}", found.get(name, found.get("failed")), wanted[name])
        verified = coffer.must("export", "verify", out)
        check(f"{layout}: the export verifies", verified["clean"] and verified["rows"] == report["rows"], str(verified))
    cluster.destroy()


@scenario("exports of every type are read alike by SQL, pyarrow, DuckDB and hyparquet")
def types_15(world):
    every_type(world, 15)


@scenario("exports of 17 and 18 are read alike by SQL, pyarrow, DuckDB and hyparquet")
def types_17_18(world):
    for major in (17, 18):
        binaries(major)
        every_type(world, major)


RICH = r"""
CREATE TYPE mood AS ENUM ('sad', 'it''s ok'); CREATE TYPE pair AS (n int4, m mood); CREATE DOMAIN positive AS int4 CHECK (value > 0);
CREATE TABLE customers (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood mood, pairs pair[], home inet, balance money, big numeric, doc jsonb, tag "char",
  upper_name text GENERATED ALWAYS AS (upper(name)) STORED, gone int4, CHECK (length(name) > 0));
ALTER TABLE customers DROP COLUMN gone;
INSERT INTO customers (name, mood, pairs, home, balance, big, doc, tag)
  SELECT 'customer ' || i, (ARRAY['sad', 'it''s ok'])[1 + i % 2]::mood, ARRAY[ROW(i, 'sad')::pair, NULL], ('10.0.0.' || i % 250)::inet, i::numeric::money, i / 3.0, jsonb_build_object('i', i), 'x'
  FROM generate_series(1, 3000) i;
CREATE TABLE orders (id serial PRIMARY KEY, customer int8 NOT NULL REFERENCES customers, quantity positive, placed timestamptz, during tstzrange, waits interval, total numeric(12,2), payload bytea);
INSERT INTO orders (customer, quantity, placed, during, waits, total, payload)
  SELECT 1 + i % 3000, 1 + i % 5, '2026-01-01'::timestamptz + i * '1 min'::interval, tstzrange('2026-01-01'::timestamptz, CASE WHEN i % 7 = 0 THEN NULL ELSE 'infinity'::timestamptz END),
         make_interval(months => i % 12, days => i % 40, secs => i), i * 1.37, decode(md5(i::text), 'hex') FROM generate_series(1, 20000) i;
CREATE INDEX ON orders (customer); CREATE VIEW big_orders AS SELECT * FROM orders WHERE total > 1000;
CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(total) AS total FROM orders GROUP BY 1;
CREATE SCHEMA "Odd Schema"; CREATE TABLE "Odd Schema"."a/b ""c"" ü" ("x y" int4, "Ü" text); INSERT INTO "Odd Schema"."a/b ""c"" ü" VALUES (1, E'tab\tand\nline');
CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); CREATE TABLE events_2 PARTITION OF events DEFAULT;
INSERT INTO events SELECT '2026-01-15'::date + i % 40, 'event ' || i FROM generate_series(1, 500) i;
CREATE TABLE parent (a int4); CREATE TABLE child (b int4) INHERITS (parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a trigger fired while importing'; END $$;
CREATE TRIGGER touched BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE nans (v numeric(10,2), t timestamp, a int4[]); INSERT INTO nans VALUES ('NaN', '294276-12-31', '{{1,2},{3,4}}'), (1.5, 'infinity', '{}'), (NULL, NULL, NULL);
SELECT setval('orders_id_seq', 54321);
"""


def contents(cluster, database):
    """A digest of each table's rows. Not every server has XML, so the names are asked for first."""
    names = cluster.sql("SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                        " WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1", database).splitlines()
    return {name: cluster.sql(f"SELECT md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), '')), count(*) FROM ONLY {name} t", database).strip() for name in names}


def schema_of(cluster, database):
    dump = harness.run([*harness.as_database_user(), harness.binaries(cluster.major) + "/pg_dump", "--schema-only", "--no-owner", "--no-privileges",
                        cluster.conninfo.replace("dbname=postgres", "dbname=" + database)])
    return [line for line in dump.splitlines() if line and not line.startswith(("--", "\\", "SET "))]


def comes_back(world, major):
    cluster = Cluster.create(world, major, checksums=True)
    cluster.sql("CREATE DATABASE rich")
    cluster.sql(RICH, "rich")
    coffer = Coffer(world).init()
    point = coffer.backup(cluster, "stream")["id"]
    out = world.directory() / f"back-{major}"
    report = coffer.must("export", point, "--to", out, "--only", "rich")
    equal(f"{major}: all tables", report["tables"], 7)
    check(f"{major}: what did not fit is told", len(report["notes"]) == 3, str(report["notes"]))
    cluster.sql("CREATE DATABASE again TEMPLATE template0")
    target = cluster.conninfo.replace("dbname=postgres", "dbname=again")
    imported = coffer.must("import", out, "--conninfo", target)
    equal(f"{major}: all rows", imported["rows"], report["rows"])
    equal(f"{major}: every table has the rows it had", contents(cluster, "again"), contents(cluster, "rich"))
    equal(f"{major}: the schema is the same", schema_of(cluster, "again"), schema_of(cluster, "rich"))
    equal(f"{major}: sequences go on where they were", cluster.sql("SELECT nextval('orders_id_seq')", "again").strip(), "54322")
    code, _, said = coffer.call("import", out, "--conninfo", target)
    check(f"{major}: a database that is not empty is refused", code != 0 and "not empty" in said, said[-500:])
    cluster.destroy()


@scenario("a typed export is loaded into an empty database, which is then the same")
def back_15(world):
    comes_back(world, 15)


@scenario("typed exports of 17 and 18 come back")
def back_17_18(world):
    for major in (17, 18):
        binaries(major)
        comes_back(world, major)


def wait_for_file(folder, process, seconds=60):
    """True when a Parquet file (or the beginning of one) lies below `folder` while the process still runs."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if any(pathlib.Path(folder).rglob("*.parquet")):
            return process.poll() is None
        time.sleep(0.01)
    return False


@scenario("an export that is killed, stopped or fed a damaged point leaves nothing that looks whole, and works the next time")
def interrupted(world):
    cluster = Cluster.create(world, 15, checksums=True)
    cluster.sql("".join(f"CREATE TABLE t{i} AS SELECT n, md5(n::text) AS t, n / 7.0 AS x FROM generate_series(1, 40000) n;" for i in range(12)))
    coffer = Coffer(world).init()
    point = coffer.backup(cluster, "stream")["id"]
    out = world.directory() / "interrupted"
    arguments = ["export", point, "--to", out, "--layout", "rds", "--name", "nightly"]

    process = coffer.start(*arguments)
    met = wait_for_file(out, process)
    harness.kill_group(process)
    check("the kill met the export in its middle", met)
    check("a killed export has no manifest", not list(pathlib.Path(out).rglob("coffer_manifest*")) and not list(pathlib.Path(out).rglob("export_info*")))
    code, _, said = coffer.call("export", "verify", out, "--name", "nightly")
    check("and does not verify", code != 0, said[-500:])

    process = coffer.start(*arguments[:-1], "stopped")
    met = wait_for_file(out / "stopped", process)
    process.send_signal(signal.SIGTERM)
    check("a stop met the export in its middle", met)
    equal("it ends as one that was stopped", process.wait(60), 130)
    equal("and leaves nothing", [p for p in (out / "stopped").rglob("*") if p.is_file()], [])

    report = coffer.must(*arguments)
    equal("the next run has all rows", report["rows"], 12 * 40000)
    verified = coffer.must("export", "verify", out)
    check("and verifies", verified["clean"], str(verified))

    packs = sorted((p for p in pathlib.Path(coffer.vault, "packs").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    with open(packs[-1], "r+b") as pack:
        pack.seek(packs[-1].stat().st_size // 2)
        old = pack.read(4096)
        pack.seek(packs[-1].stat().st_size // 2)
        pack.write(bytes(b ^ 0xFF for b in old))
    code, _, said = coffer.call("export", point, "--to", out, "--name", "damaged")
    check("a damaged point fails the export, and says what is damaged", code == 9 and "pack" in said, f"{code} {said[-500:]}")
    check("and leaves nothing", not (out / "damaged").exists())
    cluster.destroy()
