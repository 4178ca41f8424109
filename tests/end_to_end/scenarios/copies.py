"""Copies into a vault that somebody else keeps: the source is gone, the copy restores; kill -9 of a copy; retention apart; an escrow
quorum and a recovery kit when every other key is gone; histories that were put back."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time

from harness import Cluster, Coffer, as_database_user, check, equal, kill_group, run, scenario, tree_digest


def without_vault(world, *arguments):
    """Exit code and document of a command that knows no vault."""
    done = subprocess.run([*as_database_user(), str(world.program), *arguments, "--json"], capture_output=True, text=True, cwd="/",
                          stdin=subprocess.DEVNULL, env=world.environment, timeout=600)
    document = None
    with contextlib.suppress(ValueError):
        document = json.loads(done.stdout)
    return done.returncode, document


class Pair:
    """A cluster, its vault, and the receiver's mirror with a key of its own."""

    def __init__(self, world, scale=2):
        self.world = world
        self.cluster = Cluster.create(world, 15, checksums=True, settings={"autovacuum": "off"})
        self.cluster.pgbench_init(scale)
        self.source = Coffer(world).init()
        place = world.directory()
        self.receiver = Coffer(world, vault=str(place / "mirror"), key=str(place / "own.key"))
        without_vault(world, "keys", "generate", self.receiver.key)

    def backup(self):
        return self.source.backup(self.cluster, "local")["point"]

    def copy_arguments(self, *what):
        return ["copy", *what, "--to", self.receiver.vault, "--to-key", f"own=file:{self.receiver.key}"]

    def copy(self, *what):
        return self.source.must(*self.copy_arguments(*what))

    def restored_balances(self, coffer, *arguments):
        target = self.world.directory() / "restored"
        coffer.must(*(arguments or ("restore", "latest")), "--to", str(target))
        copy = Cluster(self.world, 15, target, self.world.directory())
        copy.start()
        try:
            return copy.balances()
        finally:
            copy.stop()


@scenario("a copy restores when the source is gone")
def source_gone(world):
    pair = Pair(world)
    first = pair.backup()
    moved = pair.copy("latest")["points"][0]
    check("everything travelled once", moved["copied_bytes"] > 0 and moved["verified"])
    again = pair.copy("latest")["points"][0]
    equal("a second copy moves nothing", (again["was_there"], again["copied_bytes"]), (True, 0))
    pair.cluster.sql("UPDATE pgbench_accounts SET abalance = aid WHERE aid % 100 = 0")
    wanted = pair.cluster.balances()
    second = pair.backup()
    more = pair.copy("--all")["points"]
    moved = sum(p["copied_bytes"] for p in more)
    check("after a change of 1 % of the rows the new bytes travel and no more", moved <= second["stored_bytes"] * 1.3,
          f"{moved} bytes for {second['stored_bytes']} new")
    shutil.rmtree(pair.source.vault)
    os.remove(pair.source.key)
    equal("the copy restores alone, by PostgreSQL's own account", pair.restored_balances(pair.receiver), wanted)
    equal("both points are there", [p["id"] for p in pair.receiver.points()], [first["id"], second["id"]])
    pair.receiver.must("prove", "latest")
    equal("the mirror verifies", pair.receiver.verify_clean(), None)


@scenario("kill -9 of a copy")
def copy_kills(world):
    pair = Pair(world, scale=3)
    pair.backup()
    began = time.monotonic()
    size = pair.copy("latest")["points"][0]["copied_bytes"]
    takes = time.monotonic() - began
    problems, killed, moved_again = [], 0, 0
    for n in range(100 if world.long else 12):
        shutil.rmtree(pair.receiver.vault)
        process = pair.source.start(*pair.copy_arguments("latest"))
        time.sleep(world.random.uniform(0, takes * 1.1))
        killed += process.poll() is None
        kill_group(process)
        there = sum(p.stat().st_size for p in pathlib.Path(pair.receiver.vault).glob("packs/*/*")) if os.path.isdir(pair.receiver.vault) else 0
        if os.path.exists(pair.receiver.vault + "/format"):
            code, document, said = pair.receiver.call("points")
            for point in document["points"] if code == 0 else []:
                code, document, said = pair.receiver.call("verify", point["id"])
                if code != 0 or document["findings"]:
                    problems.append(f"round {n}: a visible point that is not whole: {said[-300:]}")
        code, document, said = pair.source.call(*pair.copy_arguments("latest"))
        if code != 0:
            problems.append(f"round {n}: the next copy ended with {code}: {said[-500:]}")
        elif there + document["points"][0]["copied_bytes"] > size * 1.02:
            moved_again += 1
    check(f"after kill -9 at {killed} moments what is visible is whole, and the next copy ends", not problems, "\n".join(problems[:3]))
    equal("what had arrived did not travel again", moved_again, 0)


@scenario("retention of source and mirror apart")
def retention_apart(world):
    pair = Pair(world)
    first = pair.backup()
    pair.copy("latest")
    pair.cluster.sql("UPDATE pgbench_accounts SET abalance = 7")
    wanted = pair.cluster.balances()
    second = pair.backup()
    pair.source.must("forget", first["id"], "--yes")
    pair.source.must("collect", "--grace", "0s")
    pair.source.must("collect", "--grace", "0s")
    pair.copy("--all")
    equal("the mirror keeps what the source forgot", [p["id"] for p in pair.receiver.points()], [first["id"], second["id"]])
    pair.receiver.must("forget", first["id"], "--yes")
    pair.receiver.must("collect", "--grace", "0s")
    pair.receiver.must("collect", "--grace", "0s")
    equal("both verify", (pair.receiver.verify_clean(), pair.source.verify_clean()), (None, None))
    equal("the mirror's own collection loses nothing of the other point", pair.restored_balances(pair.receiver), wanted)


@scenario("escrow and recovery kit")
def escrow_and_kit(world):
    pair = Pair(world)
    pair.backup()
    wanted = pair.cluster.balances()
    place = world.directory()
    made = pair.source.must("escrow", "create", "officers", "--to", str(place / "shares"))
    shares = made["files"]
    kit = pair.source.must("kit", "write", "--to", str(place / "kit.json"))["file"]
    code, document, _ = pair.source.call("escrow", "check", shares[0], shares[3], key=False)
    equal("two of five are too few, and it says so", (code, document["opens"]), (3, False))
    damaged = place / "typo"
    line = pathlib.Path(shares[1]).read_text().splitlines()[-1]
    damaged.write_text(line[:40] + ("q" if line[40] != "q" else "p") + line[41:])
    code, document, _ = pair.source.call("escrow", "check", shares[0], str(damaged), shares[3], key=False)
    check("a share with a typing error is named", code == 3 and "check does not hold" in document["shares"][1]["problem"], document)
    drill = pair.source.must("escrow", "drill", shares[0], shares[2], shares[4], key=False)
    check("a drill opens the vault by shares alone and reads the newest point", drill["success"] and drill["shares"] == [1, 3, 5], drill)
    line = [l for l in pair.source.call("doctor")[1]["lines"] if l["id"] == "vault.escrow"]
    check("doctor knows when that was", line and line[0]["level"] == "good", line)
    # Every other key is gone, and with them what says who may open the vault.
    os.remove(pair.source.key)
    shutil.rmtree(pair.source.vault + "/keysets")
    os.remove(pair.source.vault + "/format")
    code, _, said = Coffer(world, vault=pair.source.vault, key="escrow:" + ",".join(shares[1:4])).call("points")
    check("without its keysets the vault does not open", code != 0)
    rescuer = Coffer(world, vault=pair.source.vault, key="escrow:" + ",".join(shares[1:4]))
    equal("with the kit and three shares it restores", pair.restored_balances(rescuer, "recover", "--kit", kit), wanted)
    equal("the kit says which slot the shares open",
          without_vault(world, "kit", "check", kit, "--key", rescuer.key)[1]["opened_slot"], "officers")
    text = pathlib.Path(kit).read_text().replace('"log_size": ', '"log_size": 1')
    altered = place / "altered.json"
    altered.write_text(text)
    equal("a kit that was altered is refused", without_vault(world, "kit", "check", str(altered))[0], 9)


@scenario("histories that were put back")
def histories(world):
    pair = Pair(world, scale=1)
    place = world.directory()
    witness_key = str(place / "witness.key")
    without_vault(world, "keys", "generate", witness_key)
    witness = ["witness", "--to", pair.receiver.vault, "--witness-key", witness_key]
    states = []
    for n in range(4):
        pair.cluster.sql(f"UPDATE pgbench_tellers SET tbalance = {n}")
        pair.backup()
        pair.copy("latest")
        seen = pair.source.must(*witness, "--to-key", f"file:{pair.receiver.key}")
        check(f"state {n} continues what was seen", seen["new"] and (n == 0 or seen["before"]["size"] < seen["size"]))
        states.append(place / f"state{n}")
        run(["cp", "-a", pair.source.vault, str(states[-1])])
    for n, state in enumerate(states[:-1]):
        code, _, said = Coffer(world, vault=str(state), key=pair.source.key).call(*witness)
        check(f"state {n} put back is found", code == 9 and "shortened" in said, said[-300:])
    # An old state that goes on: as long as the real one, and another.
    fork = Coffer(world, vault=str(states[1]), key=pair.source.key)
    for n in range(4):
        fork.backup(pair.cluster, "local")
    code, _, said = fork.call(*witness)
    check("a fork that is longer is found", code == 9 and "forked" in said, said[-300:])
    before = tree_digest(pair.receiver.vault)
    fork.call(*witness)
    equal("nothing of it is kept", tree_digest(pair.receiver.vault), before)
