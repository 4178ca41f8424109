"""The source goes away, the vault's disk is full: the job fails with what, why and what next; the vault stays good."""
import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

from harness import Cluster, Coffer, Skip, as_database_user, check, equal, run, scenario


def make(world, major):
    cluster = Cluster.create(world, major, checksums=True)
    cluster.pgbench_init(25)
    coffer = Coffer(world).init()
    return cluster, coffer


def interrupted(world, cluster, coffer, source, interrupt, promise, ready):
    """Runs a backup, and `interrupt` once `ready` says that its copy is under way."""
    points = [p["id"] for p in coffer.points()]
    outcome = {}

    def back_up():
        outcome["code"], outcome["document"], outcome["said"] = coffer.call(*coffer.backup_arguments(cluster, source))

    thread = threading.Thread(target=back_up)
    thread.start()
    deadline = time.monotonic() + 60
    under_way = False
    while thread.is_alive() and time.monotonic() < deadline and not under_way:
        under_way = ready()
    if under_way:
        interrupt()
    thread.join()
    if not check(f"{promise}: the backup was met in the middle", under_way and outcome["code"] != 0, f"exit {outcome['code']}"):
        return
    said = outcome["said"]
    check(f"{promise}: it fails and says why", outcome["code"] not in (0, -6, -11) and len(said) > 40, f"exit {outcome['code']}: {said[-600:]}")
    check(f"{promise}: and what next", "next" in said.lower() or "again" in said, said[-600:])
    equal(f"{promise}: no point appeared", [p["id"] for p in coffer.points()], points)
    problem = coffer.verify_clean()
    check(f"{promise}: the vault is good", problem is None, problem or "")


def streaming(cluster):
    def ready():
        code, said = cluster.sql("SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase LIKE 'streaming%' AND backup_streamed > 1000000",
                                 check_exit=False)
        return code == 0 and said.strip() == "1"
    return ready


def copying(coffer):
    """A local backup under way: packs appear."""
    def count():
        return sum(len(files) for _, _, files in os.walk(f"{coffer.vault}/packs"))
    before = count()
    return lambda: count() > before


@contextlib.contextmanager
def held(world):
    """The backup stands still: a small cluster is copied in less time than a server takes to restart."""
    backups = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(f"{world.program}\0backup\0".encode()):
                backups.append(int(folder.name))
    for pid in backups:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in backups:
        os.kill(pid, signal.SIGCONT)


def outages(world, major):
    cluster, coffer = make(world, major)
    cut = lambda: cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")  # noqa: E731
    interrupted(world, cluster, coffer, "stream", cut, "connection cut mid-stream", streaming(cluster))

    def restart():
        cluster.stop("immediate")
        cluster.start()

    interrupted(world, cluster, coffer, "stream", restart, "server restarted under a stream", streaming(cluster))

    def restart_under_it():
        with held(world):
            restart()

    interrupted(world, cluster, coffer, "local", restart_under_it, "server restarted under the local reader", copying(coffer))
    for source in ("stream", "local"):
        taken = coffer.backup(cluster, source)
        check(f"the next backup by {source} works", taken["id"] in [p["id"] for p in coffer.points()])
    equal("no backup is left running on the server",
          cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'coffer%'"), "0")


for m in (15, 18):
    scenario(f"outages {m}")(lambda world, m=m: outages(world, m))


@scenario("no server, no rights")
def unreachable(world):
    cluster = Cluster.create(world, 15)
    coffer = Coffer(world).init()
    cluster.sql("CREATE ROLE nobody_special LOGIN")
    code, _, said = coffer.call("backup", "--conninfo", f"host={cluster.socket} user=nobody_special dbname=postgres")
    check("a role without rights is told what it lacks", code == 5 and "nobody_special" in said + "nobody_special" and "eplication" in said, f"exit {code}: {said[-600:]}")
    cluster.stop()
    code, _, said = coffer.call("backup", "--conninfo", cluster.conninfo)
    check("a server that is down is named", code == 7 and cluster.socket in said, f"exit {code}: {said[-600:]}")
    equal("the vault is still empty", coffer.points(), [])


@scenario("full disk")
def full_disk(world):
    if os.geteuid() != 0:
        raise Skip("mounting a small file system needs root")
    cluster = Cluster.create(world, 15)
    cluster.pgbench_init(5)
    mount = world.directory()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0777", "tmpfs", str(mount)], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("mounting a file system is not allowed here")
    try:
        coffer = Coffer(world, vault=mount / "vault").init()
        code, _, said = coffer.call(*coffer.backup_arguments(cluster, "local"))
        check("a full vault disk ends the backup and is named", code not in (0, -6, -11) and "space" in said, f"exit {code}: {said[-600:]}")
        equal("no point appeared", coffer.points(), [])
        problem = coffer.verify_clean()
        check("the vault is good", problem is None, problem or "")
        run(["mount", "-o", "remount,size=400m", str(mount)])
        taken = coffer.backup(cluster, "local")
        check("with space the next one works", taken["id"] in [p["id"] for p in coffer.points()])
        target = mount / "target"
        run(["mount", "-o", "remount,size=60m", str(mount)])
        code, _, said = coffer.call("restore", taken["id"], "--to", target / "copy")
        check("a restore onto a full disk fails and is named", code not in (0, -6, -11) and "space" in said, f"exit {code}: {said[-600:]}")
        check("and never looks finished", not os.path.exists(target / "copy" / "global" / "pg_control"))
    finally:
        run(["umount", "-l", str(mount)], check_exit=False)


@scenario("damaged pages")
def damaged_pages(world):
    cluster = Cluster.create(world, 15, checksums=True)
    cluster.sql("CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 50000) g; CHECKPOINT")
    path = cluster.sql("SELECT pg_relation_filepath('t')")
    cluster.stop()
    with open(f"{cluster.data}/{path}", "r+b") as f:
        f.seek(17 * 8192 + 4000)
        f.write(b"\xff\x00\xff\x00")
    cluster.start()
    for source in ("local", "stream"):
        coffer = Coffer(world).init()
        code, document, said = coffer.call(*coffer.backup_arguments(cluster, source))
        check(f"{source}: a damaged page does not stop the backup, and is a finding", code == 3 and document and document["point"]["id"], f"exit {code}: {said[-600:]}")
        shown = coffer.points()[0]
        check(f"{source}: the point is marked with file and block", shown["damaged_page_count"] == 1 and path in str(shown) and "17" in str(shown), str(shown)[:800])
