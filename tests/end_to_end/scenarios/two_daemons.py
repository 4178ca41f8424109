"""Two daemons share one catalog on PostgreSQL, one folder of vaults and the installation's keys. One is killed while it backs up; the other
ends the job, once."""
import shutil
import signal

from harness import Cluster, check, equal, scenario
from scenarios.peers import Installation
from scenarios.seed import ACCOUNT, DATABASE, REGION, VAULT, Aws, make_roles, register, until


def settings_of(catalog, shared):
    return (f'regions = ["{REGION}"]\ncatalog = "{catalog}"\n[s3]\nobjects = "{shared}/objects"\n'
            f'[backup]\nvaults = "{shared}/vaults"\n')


@scenario("two daemons on one catalog")
def two_daemons(world):
    store = Cluster.create(world, 15)
    store.sql("CREATE DATABASE catalog")
    catalog = f"postgresql:///catalog?host={store.socket.replace('/', '%2F')}&user=postgres"
    source = Cluster.create(world, 15, checksums=True)
    source.pgbench_init(40)
    shared = world.directory()
    with Installation(world, "main", ACCOUNT, settings_of(catalog, shared)) as first, \
            Installation(world, "main", ACCOUNT, settings_of(catalog, shared)) as second:
        first.start()
        shutil.copytree(first.data / "keys", second.data / "keys")
        shutil.copy(first.data / "credentials", second.data / "credentials")
        second.start()
        aws, other = Aws(world, first), Aws(world, second)
        register(world, first, source)
        equal("what one was told, the other knows", [i["DBInstanceArn"] for i in other("rds", "describe-db-instances")["DBInstances"]], [DATABASE])
        key = aws("kms", "create-key")["KeyMetadata"]["Arn"]
        role = make_roles(aws, key)["AWSBackupDefaultServiceRole"]
        aws("backup", "create-backup-vault", backup_vault_name=VAULT, encryption_key_arn=key)
        second.end(signal.SIGTERM)  # so that the first takes the first job
        jobs = [aws("backup", "start-backup-job", backup_vault_name=VAULT, resource_arn=DATABASE, iam_role_arn=role,
                    idempotency_token=f"t{n}")["BackupJobId"] for n in range(4)]

        def states():
            return {j["BackupJobId"]: j["State"] for j in other("backup", "list-backup-jobs")["BackupJobs"]}

        second.start()
        other.endpoint = "http://" + second.endpoint
        until("a job runs", lambda: "RUNNING" in states().values(), 30)
        first.end(signal.SIGKILL)
        check("a job was at work when its daemon was killed", "RUNNING" in states().values(), str(states()))
        ended = until("every job ends", lambda: (s := states()) and all(s[j] in ("COMPLETED", "FAILED", "EXPIRED") for j in jobs) and s, 240)
        # The lease of what was at work has to run out first, a minute after it was last renewed.
        equal("each job ended well", [ended[j] for j in jobs], ["COMPLETED"] * 4)
        points = other("backup", "list-recovery-points-by-backup-vault", backup_vault_name=VAULT)["RecoveryPoints"]
        equal("there is one recovery point a job", sorted(p["RecoveryPointArn"].rsplit("job-", 1)[1] for p in points), sorted(j.lower() for j in jobs))
        # What only a daemon that lives on can do: the killed one comes back beside it.
        first.start()
        check("the killed one comes back", len(aws("backup", "list-backup-jobs")["BackupJobs"]) == 4)
