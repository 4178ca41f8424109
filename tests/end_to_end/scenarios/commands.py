"""The life of a vault by the tool alone: keys, points, verify, prove, why, forget, collect, doctor, recover."""
import os
import pathlib
import shutil

from harness import Cluster, Coffer, binaries, check, equal, scenario, tool


@scenario("life of a vault")
def life(world):
    cluster = Cluster.create(world, 15, checksums=True)
    cluster.pgbench_init(3)
    coffer = Coffer(world).init()
    for key in (coffer.key, coffer.second_key):
        equal("a key file is for its owner alone", oct(os.stat(key).st_mode & 0o777), "0o600")
    first = coffer.backup(cluster, "local")["id"]
    cluster.sql("CREATE INDEX extra ON pgbench_accounts (abalance); UPDATE pgbench_accounts SET abalance = 1 WHERE aid < 100")
    second = coffer.backup(cluster, "stream")["id"]
    equal("both points are shown, oldest first", [p["id"] for p in coffer.points()], [first, second])
    equal("complete, not yet checked", {p["state"] for p in coffer.points()}, {"COMPLETED"})

    coffer.must("verify", first)
    problem = coffer.verify_clean()
    check("verify finds nothing", problem is None, problem or "")
    equal("both are verified", {p["state"] for p in coffer.points()}, {"VERIFIED"})
    proof = coffer.must("prove", second)
    check("prove tells rows, durations and the server", proof["success"] and "300033 rows" in proof["summary"], str(proof)[:1500])
    equal("the second is proven", {p["id"]: p["state"] for p in coffer.points()}, {first: "VERIFIED", second: "PROVEN"})

    why = coffer.must("why", second)
    check("why: in words and bytes", why["sentences"] and 0 < why["unique_stored_bytes"] < why["restores_to_bytes"] and why["last_proven_of_cluster"], str(why)[:1500])
    code, document, said = coffer.call("doctor", "--conninfo", cluster.conninfo)
    lines = {line["id"]: line["level"] for line in document["lines"]} if document else {}
    check("doctor looks at machine, vault and source", {"vault.slots", "vault.log", "machine.sandbox", "source.connection"} <= set(lines), said[-1500:])
    equal("two slots are good", lines.get("vault.slots"), "good")

    code, document, said = coffer.call("forget", "--yes", second)
    check("the last proven point is not forgotten by id alone", code != 0 and second in [p["id"] for p in coffer.points()], said[-500:])
    dry = coffer.must("forget", "--keep-last", "1", "--dry-run")
    equal("a dry run explains each point", len(dry["lines"]), 2)
    equal("and changes nothing", len(coffer.points()), 2)
    coffer.must("forget", "--yes", "--keep-last", "1")
    equal("the policy keeps the newest", [p["id"] for p in coffer.points()], [second])
    coffer.must("collect", "--grace", "0s")
    coffer.must("collect", "--grace", "0s")
    problem = coffer.verify_clean()
    check("after collecting, verify finds nothing", problem is None, problem or "")

    third = coffer.backup(cluster, "local")
    check("a backup after that stores little", third["stored_bytes"] < third["size_bytes"] * 0.1, f"{third['stored_bytes']} of {third['size_bytes']}")

    # The machine is lost: the vault, one key (the second) and no configuration.
    cluster.destroy()
    copied = world.directory() / "elsewhere"
    shutil.copytree(coffer.vault, copied)
    if os.geteuid() == 0:
        for path in [copied, *copied.rglob("*")]:
            shutil.chown(path, "postgres", "postgres")
    second_hand = Coffer(world, vault=copied, key=coffer.second_key)
    target = world.directory() / "recovered"
    second_hand.must("recover", "--to", target)
    copy = Cluster.restored(world, 15, target)
    copy.start()
    equal("the second key alone recovers the cluster", copy.sql("SELECT count(*), sum(abalance) FROM pgbench_accounts"), "300000|99")
    copy.destroy()


@scenario("keys")
def keys(world):
    cluster = Cluster.create(world, 15)
    coffer = Coffer(world).init()
    point = coffer.backup(cluster, "local")["id"]
    before = sorted(str(p) for p in pathlib.Path(coffer.vault).rglob("*"))

    code, _, said = coffer.call("points", key=False)
    check("without a key nothing is shown, and the slots are named", code == 5 and "key" in said, f"exit {code}: {said[-500:]}")
    stranger = Coffer(world).init()
    wrong = Coffer(world, vault=coffer.vault, key=stranger.key)
    code, _, said = wrong.call("points")
    check("a wrong key is refused, and the slots are named", code == 5 and "slot" in said, f"exit {code}: {said[-500:]}")
    code, _, said = Coffer(world, vault=coffer.vault, key=str(world.directory() / "absent.key")).call("points")
    check("a key file that is not there is named", code not in (0, -6, -11) and "absent.key" in said, f"exit {code}: {said[-500:]}")
    code, _, said = Coffer(world, key=coffer.key).call("points")
    check("a vault that is not there is told apart", code == 4, f"exit {code}: {said[-500:]}")
    equal("nothing was touched", sorted(str(p) for p in pathlib.Path(coffer.vault).rglob("*")), before)

    code, _, said = coffer.call("vault", "init", "--key", f"k={stranger.key}", key=False)
    check("a vault is not made over another", code == 6 or code == 1, f"exit {code}: {said[-300:]}")
    equal("and it is still there", [p["id"] for p in coffer.points()], [point])


@scenario("prove")
def prove(world):
    for major in (15, 17, 18) if world.long else (15, 18):
        cluster = Cluster.create(world, major, checksums=major != 15)
        cluster.pgbench_init(2)
        place = world.directory()
        cluster.sql(f"CREATE TABLESPACE space LOCATION '{place}'")
        cluster.sql("CREATE TABLE t TABLESPACE space AS SELECT generate_series(1, 4321) AS id; CREATE INDEX ON t (id)")
        # What a hostile or careless source would have a clone do.
        cluster.sql("ALTER SYSTEM SET archive_command = 'touch /tmp/coffer-e2e-must-not-run'; ALTER SYSTEM SET archive_mode = on;"
                    "ALTER SYSTEM SET shared_preload_libraries = 'no_such_library'")
        coffer = Coffer(world).init()
        point = coffer.backup(cluster, "local")["id"]
        code, proof, said = coffer.call("prove", point, env={f"COFFER_PG_BIN_{major}": binaries(major)})
        check(f"{major}: a point is proven as an ordinary user", code == 0, f"exit {code}: {said[-1500:]}")
        check(f"{major}: its rows were counted", "204343 rows" in str(proof), str(proof)[:1500])
        if os.geteuid() == 0:
            as_root = Coffer(world, vault=coffer.vault, key=coffer.key, root=True)
            code, _, said = as_root.call("prove", point, env={f"COFFER_PG_BIN_{major}": binaries(major)})
            check(f"{major}: and as root", code == 0, f"exit {code}: {said[-1500:]}")
        check("the source's commands did not run", not os.path.exists("/tmp/coffer-e2e-must-not-run"))

        # A point whose heap is broken is found out.
        heap = cluster.data + "/" + cluster.sql("CHECKPOINT; SELECT pg_relation_filepath('pgbench_accounts')").split()[-1]
        cluster.stop()
        with open(heap, "r+b") as f:
            f.seek(5 * 8192 + 24)
            f.write(os.urandom(400))
        pathlib.Path(cluster.data, "postgresql.auto.conf").write_text("")
        cluster.start()
        code, document, said = coffer.call(*coffer.backup_arguments(cluster, "local"))
        if not check(f"{major}: a broken heap is backed up all the same", code in (0, 3), f"exit {code}: {said[-1500:]}"):
            continue
        broken = document["point"]["id"]
        code, proof, said = coffer.call("prove", broken, env={f"COFFER_PG_BIN_{major}": binaries(major)})
        check(f"{major}: a broken heap is found", code in (3, 9) and "pgbench_accounts" in said or code in (3, 9) and os.path.basename(heap) in said,
              f"exit {code}: {said[-1500:]}")
        equal(f"{major}: and the point is marked", {p["id"]: p["state"] for p in coffer.points()}[broken], "DAMAGED")
