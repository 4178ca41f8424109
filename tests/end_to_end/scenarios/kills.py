"""Kill -9 at random moments of backup, forget and collect. After each: whole points only, a vault that verifies, and a next
run that works and stores little again."""
import os
import time

from harness import Cluster, Coffer, Failure, check, kill_group, scenario


class Killer:
    def __init__(self, world):
        self.world = world
        self.cluster = Cluster.create(world, 15, checksums=True, settings={"autovacuum": "off"})
        self.cluster.pgbench_init(1)
        self.coffer = Coffer(world).init()
        self.backup = self.coffer.backup_arguments(self.cluster, "local")
        self.problems, self.killed, self.finished = [], 0, 0

    def measure(self, *arguments):
        began = time.monotonic()
        document = self.coffer.must(*arguments)
        return time.monotonic() - began, document

    def problem(self, text):
        self.problems.append(text)

    def kill(self, arguments, takes):
        process = self.coffer.start(*arguments)
        time.sleep(self.world.random.uniform(0, takes * 1.1))
        if process.poll() is None:
            self.killed += 1
        else:
            self.finished += 1
        kill_group(process)

    def change(self, n):
        self.cluster.sql(f"UPDATE pgbench_accounts SET abalance = {n} WHERE aid % 50 = {n % 50}")

    def look(self, n, what, deep):
        """Whatever is visible must be whole."""
        code, document, said = self.coffer.call("points")
        if code != 0:
            return self.problem(f"{what} {n}: points ended with {code}: {said[-500:]}")
        points = [p["id"] for p in document["points"]]
        if deep:
            code, document, said = self.coffer.call("verify", "--all")
        else:
            code, document, said = self.coffer.call("verify", points[-1]) if points else (0, {"findings": []}, "")
        if code != 0 or document["findings"]:
            self.problem(f"{what} {n}: verify ended with {code}: {said[-500:]}")
        return points

    def next_backup(self, n, what):
        code, document, said = self.coffer.call(*self.backup)
        if code != 0:
            self.problem(f"{what} {n}: the next backup ended with {code}: {said[-500:]}")
        elif document["point"]["stored_bytes"] > document["point"]["size_bytes"] * 0.2:
            self.problem(f"{what} {n}: the next backup stored {document['point']['stored_bytes']} of {document['point']['size_bytes']} bytes")


def kills(world, backups, forgets, collects):
    killer = Killer(world)
    coffer = killer.coffer
    coffer.must(*killer.backup)
    killer.change(1)
    takes, _ = killer.measure(*killer.backup)

    def trim():
        """Few points and no garbage, so that each round costs the same."""
        coffer.must("forget", "--yes", "--keep-last", "2")
        coffer.must("collect", "--grace", "0s")

    for n in range(backups):
        killer.change(n)
        killer.kill(killer.backup, takes)
        killer.look(n, "backup", deep=n % 3 == 0)
        killer.next_backup(n, "backup")
        if n % 10 == 9:
            trim()
    check(f"kill -9 at {backups} moments of backup: whole points, a clean vault, a small next backup", not killer.problems,
          f"{len(killer.problems)} problems, first:\n" + "\n".join(killer.problems[:3]))
    check("most were hit while they ran", killer.killed > backups * 0.5, f"{killer.killed} killed, {killer.finished} had ended")

    killer.problems.clear()
    for n in range(forgets):
        while len(points := [p["id"] for p in coffer.points()]) < 3:
            coffer.must(*killer.backup)
        if n == 0:
            forget_takes, _ = killer.measure("forget", "--yes", points[0])
            coffer.must(*killer.backup)
            points = [p["id"] for p in coffer.points()]
        killer.kill(["forget", "--yes", points[0]], forget_takes)
        after = killer.look(n, "forget", deep=n % 3 == 0)
        if after not in (points, points[1:]):
            killer.problem(f"forget {n}: {points} became {after}")
    killer.next_backup(forgets, "forget")
    check(f"kill -9 at {forgets} moments of forget: the point is there or not, the rest untouched", not killer.problems,
          f"{len(killer.problems)} problems, first:\n" + "\n".join(killer.problems[:3]))

    killer.problems.clear()
    collect_takes, _ = killer.measure("collect", "--grace", "0s")
    for n in range(collects):
        killer.change(n)
        coffer.must(*killer.backup)
        coffer.must("forget", "--yes", "--keep-last", "1")
        kept = [p["id"] for p in coffer.points()]
        killer.kill(["collect", "--grace", "0s"], collect_takes)
        if killer.look(n, "collect", deep=True) != kept:
            killer.problem(f"collect {n}: the points changed")
        if n % 5 == 4:
            killer.next_backup(n, "collect")
    try:
        coffer.must("collect", "--grace", "0s")
    except Failure as failure:
        killer.problem(str(failure))
    killer.look(collects, "collect", deep=True)
    check(f"kill -9 at {collects} moments of collect: every live point whole", not killer.problems,
          f"{len(killer.problems)} problems, first:\n" + "\n".join(killer.problems[:3]))


@scenario("kills")
def all_kills(world):
    count = int(os.environ.get("COFFER_KILLS", "10000" if world.long else "200"))
    kills(world, count * 3 // 5, count // 5, count // 5)
