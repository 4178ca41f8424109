"""The trap of incremental backups by LSN: pages that change without a new LSN (no checksums, wal_log_hints off)."""
import pathlib
import struct

from harness import Cluster, Coffer, check, equal, scenario

PAGE = 8192


def pages_of(path):
    data = pathlib.Path(path).read_bytes()
    return [data[at:at + PAGE] for at in range(0, len(data), PAGE)]


def lsn(page):
    return struct.unpack_from("<II", page)


def counts(cluster):
    """The same question through the index alone (believing the visibility map) and through the heap."""
    by_index = cluster.sql("SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM t WHERE id >= 0")
    by_heap = cluster.sql("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM t WHERE id >= 0")
    return by_index, by_heap


def trap(world, major, source):
    cluster = Cluster.create(world, major, checksums=False, settings={"wal_log_hints": "off", "autovacuum": "off", "summarize_wal": "on"}
                             if major >= 17 else {"wal_log_hints": "off", "autovacuum": "off"})
    cluster.sql("CREATE TABLE t (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = off);"
                "INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g")
    cluster.sql("CHECKPOINT")
    heap = cluster.data + "/" + cluster.sql("SELECT pg_relation_filepath('t')")
    coffer = Coffer(world).init()
    coffer.backup(cluster, source)
    before = pages_of(heap)

    cluster.sql("VACUUM t")
    cluster.sql("CHECKPOINT")
    after = pages_of(heap)
    moved = sum(lsn(a) != lsn(b) for a, b in zip(before, after))
    changed = sum(a != b for a, b in zip(before, after))
    check("the trap is set: pages changed and kept their LSN", changed > 100 and changed > moved, f"{changed} of {len(after)} pages changed, {moved} LSNs moved")

    second = coffer.backup(cluster, source)["id"]
    target = world.directory() / "copy"
    coffer.must("restore", second, "--to", target)
    restored = pages_of(f"{target}/{cluster.sql('''SELECT pg_relation_filepath('t')''')}")
    equal("the heap of the second point has the bytes of the original", [n for n, (a, b) in enumerate(zip(after, restored)) if a != b], [])
    copy = Cluster.restored(world, major, target)
    copy.start()
    for server in (cluster, copy):
        server.sql("DELETE FROM t WHERE id % 2 = 0")
    equal("the copy answers like the original", counts(copy), counts(cluster))
    equal("index and heap agree", counts(copy), ("10000", "10000"))


for m, s in ((15, "local"), (15, "stream"), (17, "local")):
    scenario(f"hint bits {m} {s}")(lambda world, m=m, s=s: trap(world, m, s))
for m in (13, 14, 16, 18):
    scenario(f"hint bits {m} local", long=True)(lambda world, m=m: trap(world, m, "local"))
