"""PostgreSQL 17 and 18: what WAL summaries name is all that is read; a hole in them is noticed and said."""
import glob
import os
import time

from harness import Cluster, Coffer, check, equal, scenario


def summarized(cluster):
    """Waits until the server has summaries up to now."""
    cluster.sql("CHECKPOINT")
    target = cluster.sql("SELECT pg_current_wal_lsn()")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if cluster.sql(f"SELECT coalesce(max(end_lsn) >= '{target}', false) FROM pg_available_wal_summaries()") == "t":
            return
        cluster.sql("SELECT pg_switch_wal(); CHECKPOINT")
        time.sleep(0.1)


def restored_copy(world, coffer, cluster, point):
    target = world.directory() / "copy"
    coffer.must("restore", point, "--to", target)
    copy = Cluster.restored(world, cluster.major, target)
    copy.start()
    return copy


def incremental(world, major):
    cluster = Cluster.create(world, major, checksums=True, settings={"summarize_wal": "on", "autovacuum": "off"})
    cluster.pgbench_init(12)
    coffer = Coffer(world).init()
    first = coffer.backup(cluster, "local")
    size = first["size_bytes"]
    check("the first backup reads everything and says why", first["read_bytes"] >= size * 0.9 and first["full_read_because"], str(first))

    cluster.sql("UPDATE pgbench_accounts SET abalance = 7 WHERE aid % 20000 = 1")
    cluster.sql("CREATE TABLE fresh AS SELECT generate_series(1, 1000) AS id")
    summarized(cluster)
    second = coffer.backup(cluster, "local")
    check("the second reads what changed", second["used_wal_summaries"] and second["read_bytes"] < size * 0.2,
          f"{second['read_bytes']} of {size} bytes read; summaries used: {second['used_wal_summaries']}; {second['full_read_because']}")
    check("and stores little", second["stored_bytes"] < size * 0.02, f"{second['stored_bytes']} of {size}")
    copy = restored_copy(world, coffer, cluster, second["id"])
    for table in ("pgbench_accounts", "fresh", "pgbench_tellers"):
        equal(f"{table} of the copy is the original's", copy.digest(table), cluster.digest(table))
    checked = copy.amcheck()
    check("pg_amcheck finds nothing", checked[0] == 0, checked[1][-1000:])
    copy.destroy()

    # Relations that shrink, are rewritten, dropped and made again.
    cluster.sql("TRUNCATE fresh; INSERT INTO fresh SELECT generate_series(5, 50)")
    cluster.sql("DELETE FROM pgbench_accounts WHERE aid > 600000")
    cluster.sql("VACUUM (TRUNCATE) pgbench_accounts")
    cluster.sql("CREATE DATABASE copied TEMPLATE template0")
    summarized(cluster)
    third = coffer.backup(cluster, "local")
    check("summaries vouch again", third["used_wal_summaries"], third["full_read_because"])
    copy = restored_copy(world, coffer, cluster, third["id"])
    for table in ("pgbench_accounts", "fresh"):
        equal(f"{table} after truncation is the original's", copy.digest(table), cluster.digest(table))
    checked = copy.amcheck()
    check("pg_amcheck finds nothing after truncation", checked[0] == 0, checked[1][-1000:])
    copy.destroy()

    # A hole: somebody removed a summary that is needed.
    cluster.sql("UPDATE pgbench_accounts SET abalance = 8 WHERE aid % 20000 = 2")
    summarized(cluster)
    cluster.sql("UPDATE pgbench_accounts SET abalance = 9 WHERE aid % 20000 = 3")
    summarized(cluster)
    for path in glob.glob(f"{cluster.data}/pg_wal/summaries/*.summary"):
        os.unlink(path)
    fourth = coffer.backup(cluster, "local")
    check("a hole in the summaries leads to a full read, which is said",
          not fourth["used_wal_summaries"] and fourth["read_bytes"] > size * 0.5 and fourth["full_read_because"], str(fourth)[:1500])
    copy = restored_copy(world, coffer, cluster, fourth["id"])
    equal("and to the right bytes", copy.digest("pgbench_accounts"), cluster.digest("pgbench_accounts"))
    copy.destroy()

    cluster.sql("ALTER SYSTEM SET summarize_wal = off")
    cluster.sql("SELECT pg_reload_conf()")
    time.sleep(0.2)
    fifth = coffer.backup(cluster, "local")
    check("so do summaries that are switched off", not fifth["used_wal_summaries"] and "summarize_wal" in fifth["full_read_because"],
          fifth["full_read_because"])


for m in (17, 18):
    scenario(f"summaries {m}")(lambda world, m=m: incremental(world, m))
