"""Backups of a busy cluster, by both sources, and their restored copies."""
import os
import time

from harness import (MAJORS, SHORT_MAJORS, Background, Cluster, Coffer, Load, Skip, as_database_user, check, equal, run, scenario,
                     tool)

BIG_PAGES = 160_000  # 1.22 GiB: a second segment


def make_content(world, cluster, big):
    """pgbench tables, two tablespaces, an unlogged table, and on request a relation of two segments."""
    cluster.pgbench_init(8)
    spaces = {}
    for name in ("space_a", "space_b"):
        place = world.directory()
        cluster.sql(f"CREATE TABLESPACE {name} LOCATION '{place}'")
        spaces[name] = str(place)
    cluster.sql("""
        CREATE TABLE in_a TABLESPACE space_a AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 20000) g;
        CREATE INDEX in_b ON in_a (v) TABLESPACE space_b;
        CREATE UNLOGGED TABLE volatile AS SELECT g AS id FROM generate_series(1, 1000) g;
        CREATE TABLE churn (name text PRIMARY KEY, rows int, dropped bool DEFAULT false);
        CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 200) AS v FROM generate_series(1, 500) g;
        CREATE INDEX wide_gin ON in_a USING hash (v);
    """)
    cluster.sql("CREATE DATABASE other TABLESPACE space_a")
    cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 5000) AS id", database="other")
    if big:
        # A row a page: the file grows fast and compresses well.
        cluster.sql(f"""CREATE TABLE big (id int, filler text) WITH (fillfactor = 10);
            ALTER TABLE big ALTER filler SET STORAGE PLAIN;
            INSERT INTO big SELECT g, repeat(chr(97 + g % 26), 900) FROM generate_series(1, {BIG_PAGES}) g;""")
    cluster.sql("CHECKPOINT")
    return spaces


def churn(cluster):
    """A step of work beside the backup: tables come and go, each told in one transaction; so do databases."""
    def step(n):
        cluster.sql(f"""BEGIN; CREATE TABLE churn_{n} AS SELECT generate_series(1, {1000 + n}) AS id;
            INSERT INTO churn VALUES ('churn_{n}', {1000 + n}); COMMIT;""")
        if n >= 2:
            cluster.sql(f"BEGIN; DROP TABLE churn_{n - 2}; UPDATE churn SET dropped = true WHERE name = 'churn_{n - 2}'; COMMIT")
        if n % 5 == 1:
            cluster.sql(f"CREATE DATABASE come_{n}")
        if n % 5 == 4:
            cluster.sql(f"DROP DATABASE come_{n - 3}")
    return step


def check_copy(copy, big, label):
    balances = copy.balances()
    check(f"{label}: balances equal the history", len(set(balances)) == 1, f"accounts, tellers, branches, history: {balances}")
    equal(f"{label}: the table in a tablespace is whole", copy.sql("SELECT count(*), count(DISTINCT v) FROM in_a"), "20000|20000")
    equal(f"{label}: its index in another one finds rows",
          copy.sql("SET enable_seqscan = off; SELECT id FROM in_a WHERE v = md5('777')"), "777")
    equal(f"{label}: the unlogged table is there, and empty", copy.sql("SELECT count(*) FROM volatile"), "0")
    equal(f"{label}: the other database is there", copy.sql("SELECT count(*) FROM t", database="other"), "5000")
    wrong = copy.sql("""SELECT string_agg(name || ' ' || coalesce(to_regclass(name)::text, 'absent'), ', ') FROM churn
                        WHERE dropped <> (to_regclass(name) IS NULL)""")
    equal(f"{label}: tables made and dropped meanwhile are there or not, as their log says", wrong, "")
    for line in copy.sql("SELECT name, rows FROM churn WHERE NOT dropped LIMIT 20").splitlines():
        name, rows = line.split("|")
        if (got := copy.sql(f"SELECT count(*) FROM {name}")) != rows:
            check(f"{label}: {name} has its rows", False, f"{got}, not {rows}")
    for database in copy.sql("SELECT datname FROM pg_database WHERE datname LIKE 'come_%' AND datconnlimit <> -2").split():
        equal(f"{label}: database {database} opens", copy.sql("SELECT count(*) > 300 FROM pg_proc", database=database), "t")
    if big:
        equal(f"{label}: the relation of two segments is whole",
              copy.sql("SELECT count(*), count(DISTINCT id), min(length(filler)) FROM big"), f"{BIG_PAGES}|{BIG_PAGES}|900")
    checked = copy.amcheck()
    if checked is not None:
        check(f"{label}: pg_amcheck finds nothing", checked[0] == 0, checked[1][-1500:])


def verifybackup(cluster, data, label):
    # Manifests of 13 to 16 are of one version, which the client tools of 15 read.
    program = tool("pg_verifybackup", cluster.major) or (tool("pg_verifybackup", 15) if cluster.major < 17 else None)
    if program is None:
        return
    code, said = run(as_database_user() + [program, "-n", data], check_exit=False)
    check(f"{label}: pg_verifybackup finds nothing", code == 0, said[-1500:])


def restore_and_check(world, coffer, cluster, point, spaces, big, label):
    target = world.directory() / "copy"
    arguments = ["restore", point, "--to", target]
    for place in spaces.values():
        arguments += ["--tablespace", f"{place}={world.directory()}"]
    coffer.must(*arguments)
    verifybackup(cluster, target, label)
    copy = Cluster.restored(world, cluster.major, target)
    copy.start()
    check_copy(copy, big, label)
    copy.destroy()


def busy(world, major, source, checksums, wal_segment_mb, big):
    cluster = Cluster.create(world, major, checksums=checksums, wal_segment_mb=wal_segment_mb)
    spaces = make_content(world, cluster, big)
    coffer = Coffer(world).init()
    with Load(cluster), Background(churn(cluster)) as background:
        time.sleep(0.5)
        first = coffer.backup(cluster, source)["id"]
        during_first = background.count
        second = coffer.backup(cluster, source)["id"]
        time.sleep(0.3)
    check("tables came and went meanwhile", during_first > 0 and background.count > during_first, f"{during_first}, {background.count}")
    for name, point in (("first point", first), ("second point", second)):
        restore_and_check(world, coffer, cluster, point, spaces, big, name)
    problem = coffer.verify_clean()
    check("verify finds nothing", problem is None, problem or "")


def register(major, source, checksums, wal_segment_mb, big, long):
    name = f"load {major} {source} checksums {'on' if checksums else 'off'} wal {wal_segment_mb} MB{' 1.2 GiB' if big else ''}"
    scenario(name, long=long)(lambda world: busy(world, major, source, checksums, wal_segment_mb, big))


# Each major by each source, and each of the features by some of them.
SHORT = {
    (15, "local", False, 16, True), (15, "stream", True, 1, False),
    (17, "local", True, 64, False), (17, "stream", False, 16, False),
    (18, "local", False, 1, False), (18, "stream", True, 64, True),
}
for chosen in sorted(SHORT, key=str):
    register(*chosen, long=False)
for m in MAJORS:
    for s in ("local", "stream"):
        for c in (False, True):
            for w in (1, 64):
                if (m, s, c, w, True) not in SHORT:
                    register(m, s, c, w, True, long=True)
