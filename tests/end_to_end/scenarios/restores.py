"""What restore refuses, by name; targets of recovery; delta; a restore that dies and is run again."""
import os
import pathlib
import shutil
import time

from harness import (Cluster, Coffer, as_database_user, binaries, check, equal, kill_group, run, scenario, tool, tree_digest)


def said_all(said, *parts):
    return all(part in said for part in parts)


def refused(coffer, promise, *arguments, says, env=None):
    code, _, said = coffer.call("restore", *arguments, env=env)
    check(promise, code not in (0, -11, -6) and said_all(said, *says), f"exit {code}: {said[-800:]}")


@scenario("restore refusals")
def refusals(world):
    cluster = Cluster.create(world, 15)
    space = world.directory()
    cluster.sql(f"CREATE TABLESPACE space LOCATION '{space}'")
    cluster.sql("CREATE TABLE t TABLESPACE space AS SELECT generate_series(1, 1000) AS id")
    cluster.sql("CREATE TABLE u AS SELECT generate_series(1, 500) AS id")
    coffer = Coffer(world).init()
    point = coffer.backup(cluster, "local")["id"]
    place = world.directory()
    elsewhere = ["--tablespace", f"{space}={world.directory()}"]

    full = world.make_directory(place / "full")
    (full / "precious").write_text("mine")
    refused(coffer, "a target that is not empty is refused", point, "--to", full, *elsewhere, says=["not empty"])
    equal("and left alone", tree_digest(full).keys(), {"precious"})
    refused(coffer, "the running cluster itself is refused", point, "--to", cluster.data, *elsewhere, says=["unning"])
    refused(coffer, "also for a delta", point, "--to", cluster.data, "--delta", *elsewhere, says=["unning server"])
    equal("the server still answers", cluster.sql("SELECT count(*) FROM t"), "1000")
    refused(coffer, "a directory that is no cluster is refused for a delta", point, "--to", full, "--delta", *elsewhere, says=["pg_control"])

    other = Cluster.create(world, 15)
    other.stop()
    before = tree_digest(other.data)
    refused(coffer, "another cluster's directory is refused for a delta", point, "--to", other.data, "--delta", *elsewhere, says=["another cluster"])
    check("and left alone", tree_digest(other.data) == before)

    refused(coffer, "a tablespace that would land on the original's is refused", point, "--to", place / "a", says=["PG_15_"])
    refused(coffer, "a mapping of a tablespace that the point lacks is refused", point, "--to", place / "a", "--tablespace", "/no/such=/x", says=["/no/such"])
    refused(coffer, "a tablespace inside the data directory is refused", point, "--to", place / "a", "--tablespace", f"{space}={place}/a/b", says=["inside"])
    refused(coffer, "an LSN before the point is consistent is refused", point, "--to", place / "a", "--until", "lsn:0/28", *elsewhere, says=["consistent"])
    refused(coffer, "an LSN after the stored WAL is refused", point, "--to", place / "a", "--until", "lsn:FF/0", *elsewhere, says=["stored WAL"])
    refused(coffer, "a time after the backup is refused", point, "--to", place / "a", "--until", "2099-01-01T00:00:00Z", *elsewhere, says=["after"])
    refused(coffer, "a time before it is refused", point, "--to", place / "a", "--until", "2001-01-01T00:00:00Z", *elsewhere, says=["before"])
    refused(coffer, "a time without a zone is refused", point, "--to", place / "a", "--until", "2026-11-24 12:00:00", *elsewhere, says=["zone"])
    refused(coffer, "nonsense as a target is refused", point, "--to", place / "a", "--until", "yesterday", *elsewhere, says=["yesterday"])
    refused(coffer, "a point that is not there is refused", "20200101T000000Z-00000000", "--to", place / "a", *elsewhere, says=["20200101T000000Z-00000000"])
    check("no refusal left anything behind", sorted(os.listdir(place)) == ["full"], str(os.listdir(place)))

    target = place / "copy"
    there = world.directory()
    coffer.must("restore", point, "--to", target, "--tablespace", f"{space}={there}")
    copy = Cluster.restored(world, 15, target)
    copy.start()
    equal("the mapped tablespace is used", copy.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'space'"), str(there))
    equal("and its table is whole", copy.sql("SELECT count(*) FROM t"), "1000")
    copy.stop()

    code, _, said = coffer.call("prove", point, "--pg-bin", f"15={place}")
    check("without the major's server a point cannot be proven, and that is a failure", code == 10 and "15" in said, f"exit {code}: {said[-500:]}")
    wrong = [m for m in (17, 18, 16) if tool("postgres", m)]
    if wrong:
        code, _, said = coffer.call("prove", point, "--pg-bin", f"15={binaries(wrong[0])}")
        check("nor with another major's", code == 10 and str(wrong[0]) in said, f"exit {code}: {said[-500:]}")
    states = {p["id"]: p["state"] for p in coffer.points()}
    check("neither speaks against the point", states[point] != "DAMAGED", states[point])


@scenario("recovery targets")
def targets(world):
    marker = world.directory() / "archived"
    cluster = Cluster.create(world, 15, settings={"archive_mode": "on", "archive_command": f"touch {marker}-%f"})
    cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id")
    coffer = Coffer(world).init()
    taken = coffer.backup(cluster, "local")
    point = taken["id"]
    shown = next(p for p in coffer.points() if p["id"] == point)

    def restored(*more, expect="1000"):
        target = world.directory() / "copy"
        coffer.must("restore", point, "--to", target, *more)
        copy = Cluster.restored(world, 15, target)
        copy.start()
        equal(f"restore {' '.join(map(str, more)) or 'to the end'}: the table is whole", copy.sql("SELECT count(*) FROM t"), expect)
        return copy

    for more in ((), ("--until", "latest"), ("--until", "immediate"), ("--until", f"lsn:{shown['stop_lsn']}")):
        copy = restored(*more)
        equal("archiving is off in the copy", copy.sql("SHOW archive_mode"), "off")
        copy.sql("CREATE TABLE more AS SELECT 1; SELECT pg_switch_wal(); CHECKPOINT")
        for path in marker.parent.glob("*"):
            path.unlink()
        copy.sql("SELECT pg_switch_wal()")
        copy.stop()
        equal("and it archives nothing", list(marker.parent.glob("*")), [])
    copy = restored("--keep-archiving")
    equal("unless that was asked for", copy.sql("SHOW archive_mode"), "on")
    copy.destroy()


def damage(data, random, spare):
    """Bytes changed, files cut, longer, gone, added: as a disk or a person would."""
    files = sorted(p for p in pathlib.Path(data).glob("base/*/*") if p.is_file() and p.stat().st_size >= 8192)
    for path in random.sample(files, 12):
        with open(path, "r+b") as f:
            f.seek(random.randrange(path.stat().st_size))
            f.write(bytes([random.randrange(256)]) * 10)
    for path in random.sample(files, 3):
        os.truncate(path, path.stat().st_size // 2)
    for path in random.sample(files, 3):
        with open(path, "ab") as f:
            f.write(b"more" * 3000)
    for path in random.sample(files, 3):
        path.unlink(missing_ok=True)
    pathlib.Path(data, "base", "junk").write_text("junk")
    os.mkdir(f"{data}/base/999999")
    pathlib.Path(data, "base", "999999", "1").write_text("junk")
    os.symlink(spare, f"{data}/base/999999/link")
    with open(f"{data}/postgresql.auto.conf", "a") as f:
        f.write("port = 1\n")
    if os.geteuid() == 0:
        run(["chown", "-R", "-h", "postgres:postgres", data])


@scenario("delta restore")
def delta(world):
    cluster = Cluster.create(world, 15, checksums=True)
    cluster.pgbench_init(5)
    coffer = Coffer(world).init()
    first = coffer.backup(cluster, "local")["id"]
    cluster.sql("UPDATE pgbench_accounts SET abalance = 5 WHERE aid <= 500; CREATE TABLE later AS SELECT 1 AS id")
    second = coffer.backup(cluster, "local")["id"]
    wanted = cluster.digest("pgbench_accounts")

    target = world.directory() / "copy"
    coffer.must("restore", first, "--to", target)
    outside = world.directory() / "outside"
    outside.write_text("not yours")
    damage(target, world.random, outside)
    report = coffer.must("restore", second, "--to", target, "--delta")
    check("a delta keeps what is right", report["kept_bytes"] > report["size_bytes"] * 0.8, f"{report['kept_bytes']} of {report['size_bytes']}")
    check("and writes what is not", 0 < report["written_bytes"] < report["size_bytes"] * 0.3, str(report["written_bytes"]))
    check("and removes what the point lacks", report["files_removed"] >= 3 and not os.path.exists(f"{target}/base/junk"), str(report["files_removed"]))
    equal("following no link", outside.read_text(), "not yours")
    code, said = run(as_database_user() + [tool("pg_verifybackup", 15), "-n", target], check_exit=False)
    check("pg_verifybackup finds nothing", code == 0, said[-1000:])
    copy = Cluster.restored(world, 15, target)
    copy.start()
    equal("the copy is the second point", copy.digest("pgbench_accounts"), wanted)
    copy.sql("UPDATE pgbench_accounts SET abalance = 6; CHECKPOINT")
    copy.stop()
    report = coffer.must("restore", first, "--to", target, "--delta")
    copy.start()
    equal("and goes back to the first", copy.sql("SELECT count(*) FROM pgbench_accounts WHERE abalance = 0"), "500000")
    check("which has no later table", copy.sql("SELECT to_regclass('later') IS NULL") == "t")
    copy.destroy()


@scenario("restore killed and run again")
def killed(world):
    cluster = Cluster.create(world, 15, checksums=True)
    cluster.pgbench_init(10)
    coffer = Coffer(world).init()
    point = coffer.backup(cluster, "local")["id"]
    wanted = cluster.digest("pgbench_accounts")
    began = time.monotonic()
    coffer.must("restore", point, "--to", world.directory() / "copy")
    takes = time.monotonic() - began
    rounds = 60 if world.long else 8
    bad, resumed = [], 0
    for n in range(rounds):
        target = world.directory() / "copy"
        process = coffer.start("restore", point, "--to", target)
        time.sleep(world.random.uniform(0, takes))
        kill_group(process)
        if not os.path.exists(target / "global" / "pg_control"):
            report = coffer.must("restore", point, "--to", target)
            resumed += report["kept_bytes"] > 0
        code, said = run(as_database_user() + [tool("pg_verifybackup", 15), "-n", target], check_exit=False)
        if code != 0:
            bad.append(said[-500:])
        leftovers = [name for name in os.listdir(target.parent) if name != "copy"]
        if leftovers:
            bad.append(f"left behind: {leftovers}")
        if n == rounds - 1:
            copy = Cluster.restored(world, 15, target)
            copy.start()
            equal("a restore that was killed and run again is whole", copy.digest("pgbench_accounts"), wanted)
            copy.stop()
        shutil.rmtree(target, ignore_errors=True)
    check(f"{rounds} restores killed at random moments were completed by the next run", not bad, "\n".join(bad[:3]))
    check("and went on from what was there", resumed > 0 or rounds < 8, f"{resumed} of {rounds} kept bytes")
