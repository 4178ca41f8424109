"""A vault on S3, in a server of somebody else's: everything a vault on a disk does, with the network failing in between."""
import shutil

from daemon import Daemon
from harness import Cluster, Coffer, Skip, check, equal, run, scenario
from s3_server import Proxy, S3Server


@scenario("vault on s3")
def vault_on_s3(world):
    with S3Server(str(world.directory())) as server, Proxy(server.port) as proxy:
        world.environment.update(server.environment)
        cluster = Cluster.create(world, 15, checksums=True)
        cluster.pgbench_init(4)
        coffer = Coffer(world, vault=server.url("prod/vault", proxy.port)).init()
        code, _, said = coffer.call("vault", "init", "--key", f"first={coffer.key}", "--key", f"second={coffer.second_key}", key=False)
        check("a vault is not made over another", code != 0 and "exists" in said, f"exit {code}: {said[-400:]}")

        first = coffer.backup(cluster, "stream")
        sums = cluster.balances()
        proxy.faults = True
        cluster.sql("UPDATE pgbench_accounts SET filler = 'changed' WHERE aid % 50 = 0")
        digest = cluster.digest("pgbench_accounts")
        second = coffer.backup(cluster, "local")
        equal("two points", [p["id"] for p in coffer.points()], [first["id"], second["id"]])
        problem = coffer.verify_clean()
        check("every byte is good", problem is None, problem or "")
        copy = world.directory() / "copy"
        coffer.must("restore", second["id"], "--to", copy)
        restored = Cluster.restored(world, 15, copy)
        restored.start()
        equal("the copy has the sums", restored.balances(), sums)
        equal("the copy has the rows", restored.digest("pgbench_accounts"), digest)
        restored.stop()

        code, document, said = coffer.call("prove", "latest")
        check("the newest point is proven", code == 0, f"exit {code}: {said[-600:]}")
        coffer.must("forget", first["id"], "--yes")
        coffer.must("collect", "--grace", "0s")
        coffer.must("collect", "--grace", "0s")
        equal("one point is left", [p["id"] for p in coffer.points()], [second["id"]])
        problem = coffer.verify_clean()
        check("and it is whole", problem is None, problem or "")
        code, document, said = coffer.call("doctor")
        check("doctor looks at the vault", code in (0, 1) and document is not None, f"exit {code}: {said[-600:]}")
        check("the network failed often", proxy.cuts > 5 and proxy.refusals > 5, f"{proxy.cuts} cuts, {proxy.refusals} refusals")


@scenario("vault on s3, refused")
def refused(world):
    with S3Server(str(world.directory())) as server:
        coffer = Coffer(world, vault=server.url("vault"))
        world.environment["AWS_EC2_METADATA_DISABLED"] = "true"
        code, _, said = coffer.call("vault", "info", key=False)
        check("without credentials it says where it looked", code != 0 and "AWS_ACCESS_KEY_ID" in said, f"exit {code}: {said[-400:]}")
        world.environment.update(server.environment)
        world.environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
        code, _, said = coffer.call("vault", "info", key=False)
        check("wrong keys are told", code != 0 and "SignatureDoesNotMatch" in said, f"exit {code}: {said[-400:]}")
        world.environment.update(server.environment)
        code, _, said = coffer.call("vault", "info", key=False)
        check("no vault there is told", code != 0 and "vault" in said, f"exit {code}: {said[-400:]}")
        coffer.vault = server.url("vault").replace("s3://bucket/", "s3://other-bucket/")
        code, _, said = coffer.call("vault", "info", key=False)
        check("no such bucket is told", code != 0 and "other-bucket" in said, f"exit {code}: {said[-400:]}")
        coffer.vault = "s3://bucket/vault?endpoint=nonsense"
        code, _, said = coffer.call("vault", "info", key=False)
        check("a bad address is told", code == 2 and "endpoint" in said, f"exit {code}: {said[-400:]}")


@scenario("vault on coffer's own s3")
def own(world):
    aws = shutil.which("aws")
    if not aws:
        raise Skip("no aws to make a bucket with: install awscli")
    daemon = Daemon(world).start()
    try:
        access_key, secret_key = daemon.root_keys()
        world.environment.update({"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key,
                                  "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"})
        run([aws, "--endpoint-url", f"http://{daemon.endpoint}", "s3api", "create-bucket", "--bucket", "vaults"], env=world.environment)
        cluster = Cluster.create(world, 15, checksums=True)
        cluster.pgbench_init(2)
        coffer = Coffer(world, vault=f"s3://vaults/prod?endpoint=http://{daemon.endpoint}&region=us-east-1").init()
        first = coffer.backup(cluster, "stream")
        daemon.kill()
        code, _, said = coffer.call("points")
        check("a server that is away is named", code != 0 and daemon.endpoint in said, f"exit {code}: {said[-400:]}")
        daemon.start()
        coffer.vault = f"s3://vaults/prod?endpoint=http://{daemon.endpoint}&region=us-east-1"
        second = coffer.backup(cluster, "local")
        equal("two points", [p["id"] for p in coffer.points()], [first["id"], second["id"]])
        copy = world.directory() / "copy"
        coffer.must("restore", first["id"], "--to", copy)
        restored = Cluster.restored(world, 15, copy)
        restored.start()
        equal("the copy has the rows", restored.digest("pgbench_accounts"), cluster.digest("pgbench_accounts"))
        coffer.must("forget", first["id"], "--yes")
        coffer.must("collect", "--grace", "0s")
        coffer.must("collect", "--grace", "0s")
        problem = coffer.verify_clean()
        check("every byte is good", problem is None, problem or "")
    finally:
        daemon.close()
