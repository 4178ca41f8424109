"""A daily plan, the event of its completed job, a function that starts an export: made with aws-cli, names and values as the users of that
system have them. The plan's hour comes by a clock that runs hours ahead; a second rule comes by the machine's own."""
import json
import os
import pathlib
import shutil
import subprocess
import time
import zipfile

from daemon import Daemon
from harness import CLEAN_ENVIRONMENT, Cluster, Failure, Load, Skip, check, equal, scenario
from scenarios.peers import Installation

ACCOUNT, REGION = "111111111111", "us-east-2"
VAULT, BUCKET, FUNCTION = "pdq-backup-vault", "rds-cross-account-snapshots-backup", "copyBackupSnapshot"
DATABASE = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:orders"
FAKE_CLOCKS = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1")

# As that system's function does it: the identifier is made when the module is loaded, nothing is checked.
SOURCE = '''import json
import boto3
import time
from datetime import datetime

now = datetime.now()
dt_string = now.strftime("%d-%m-%Y-%H-%M-%S")
CMK_ARN = "{key}"


def lambda_handler(event, context):
    client = boto3.client("rds")
    snapshot_arn = event["resources"][0]
    response = client.start_export_task(
        ExportTaskIdentifier="backup" + dt_string,
        SourceArn=snapshot_arn,
        S3BucketName="{bucket}",
        IamRoleArn="{role}",
        KmsKeyId=CMK_ARN,
    )
    return {{"statusCode": 200, "body": response["Status"]}}
'''


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service):
    return document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


class Aws:
    """aws-cli against one daemon."""

    def __init__(self, world, daemon, fake=None):
        self.program = next((p for p in (shutil.which("aws"), str(pathlib.Path(os.environ.get("COFFER_CACHE", "/var/cache/coffer")) /
                                                                 "clients/awscli-1/bin/aws")) if p and os.access(p, os.X_OK)), None)
        if not self.program:
            raise Skip("no aws-cli: run scripts/setup")
        self.endpoint = "http://" + daemon.endpoint
        self.environment = {**CLEAN_ENVIRONMENT, "HOME": str(world.directory()), "AWS_SHARED_CREDENTIALS_FILE": str(daemon.data / "credentials"),
                            "AWS_PROFILE": "main", "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "", **(fake or {})}

    def __call__(self, *words, **options):
        """The answer as JSON. An option's value that is no text is given as JSON."""
        argv = [self.program, "--endpoint-url", self.endpoint, "--output", "json", *words]
        for name, value in options.items():
            argv += ["--" + name.replace("_", "-"), value if isinstance(value, str) else json.dumps(value)]
        done = subprocess.run(argv, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, cwd="/",
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failure(f"aws {' '.join(words)}: {done.stderr.decode(errors='replace').strip()[-600:]}")
        return json.loads(done.stdout or b"{}")


def until(what, probe, seconds):
    """The first answer of `probe` that is not nothing."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.5)
    raise Failure(f"not within {seconds} s: {what}")


def register(world, daemon, cluster, environment=None):
    done = subprocess.run([world.program, "database", "add", "orders", "--conninfo", cluster.conninfo, "--data", daemon.data, "--endpoint",
                           "http://" + daemon.endpoint, "--region", REGION], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, cwd="/", env={**world.environment, **(environment or {})}, timeout=60)
    if done.returncode != 0:
        raise Failure("coffer database add: " + done.stdout.decode(errors="replace")[-1500:])


def make_roles(aws, key):
    """Backup's default role, the export's (the wide one of that system), the function's. Gives the ARN of each."""
    path = f"arn:aws:iam::{ACCOUNT}:role/service-role/"
    roles = {"AWSBackupDefaultServiceRole": ("backup.amazonaws.com", {"Action": ["rds:*", "backup:*", "kms:*", "tag:*"], "Resource": "*"}),
             "s3-write": ("export.rds.amazonaws.com", {"Action": "s3:*", "Resource": [f"arn:aws:s3:::{BUCKET}", "arn:aws:s3:::*/*"]}),
             "copyBackupSnapshot-role-x1": ("lambda.amazonaws.com", {"Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*",
                                            "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"], "Resource": key})}
    for name, (service, statement) in roles.items():
        aws("iam", "create-role", path="/service-role/", role_name=name, assume_role_policy_document=trust(service))
        aws("iam", "put-role-policy", role_name=name, policy_name="work", policy_document=document({"Effect": "Allow", **statement}))
    aws("iam", "put-role-policy", role_name="copyBackupSnapshot-role-x1", policy_name="export", policy_document=document(
        {"Effect": "Allow", "Action": ["rds:StartExportTask", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
         "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": path + "s3-write"}))
    return {name: path + name for name in roles}


def make_system(world, aws, rule, variables=None, timeout=3):
    """All of it; `rule` is the plan's, `variables` and `timeout` (seconds) are the function's. Gives the key's ARN."""
    key = aws("kms", "create-key")["KeyMetadata"]["Arn"]
    roles = make_roles(aws, key)
    aws("s3api", "create-bucket", bucket=BUCKET, create_bucket_configuration={"LocationConstraint": REGION})
    aws("s3api", "put-bucket-encryption", bucket=BUCKET, server_side_encryption_configuration={"Rules": [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}, "BucketKeyEnabled": True}]})
    aws("backup", "create-backup-vault", backup_vault_name=VAULT, encryption_key_arn=key)
    plan = aws("backup", "create-backup-plan", backup_plan={"BackupPlanName": "daily", "Rules": [rule]})["BackupPlanId"]
    aws("backup", "create-backup-selection", backup_plan_id=plan, backup_selection={
        "SelectionName": "orders", "IamRoleArn": roles["AWSBackupDefaultServiceRole"], "Resources": [DATABASE]})
    archive = world.directory() / "function.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("lambda_function.py", SOURCE.format(key=key, bucket=BUCKET, role=roles["s3-write"]))
    aws("lambda", "create-function", function_name=FUNCTION, runtime="python3.8", handler="lambda_function.lambda_handler",
        role=roles["copyBackupSnapshot-role-x1"], zip_file=f"fileb://{archive}", timeout=str(timeout), memory_size="128",
        **({"environment": {"Variables": variables}} if variables else {}))
    rule_arn = aws("events", "put-rule", name="backup-completed", event_pattern=json.dumps({
        "source": ["aws.backup"], "detail-type": ["Backup Job State Change"],
        "detail": {"backupVaultName": [VAULT], "state": ["COMPLETED"]}}))["RuleArn"]
    aws("lambda", "add-permission", function_name=FUNCTION, statement_id="events", action="lambda:InvokeFunction",
        principal="events.amazonaws.com", source_arn=rule_arn)
    equal("the function is the rule's target", aws("events", "put-targets", rule="backup-completed", targets=[
        {"Id": "1", "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"}])["FailedEntryCount"], 0)
    return key


def see_it_run(aws, seconds):
    """The plan's job, the function's start, the export: each by the calls its users make."""
    def job():
        # The first of them: where a rule runs every minute there may be another one soon.
        jobs = sorted(aws("backup", "list-backup-jobs")["BackupJobs"], key=lambda j: j["CreationDate"])
        return next((j for j in jobs if j["State"] in ("COMPLETED", "FAILED", "EXPIRED", "ABORTED")), None)

    done = until("the plan's job ends", job, seconds)
    equal("the plan's job is COMPLETED", (done["State"], done.get("StatusMessage")), ("COMPLETED", None))
    check("it was the plan's", "BackupPlanId" in done.get("CreatedBy", {}), str(done))
    point = done["RecoveryPointArn"]
    check("its recovery point has the ARN of a snapshot", point.startswith(f"arn:aws:rds:{REGION}:{ACCOUNT}:snapshot:awsbackup:job-"), point)
    points = aws("backup", "list-recovery-points-by-backup-vault", backup_vault_name=VAULT)["RecoveryPoints"]
    check("the vault has it", (point, "COMPLETED") in [(p["RecoveryPointArn"], p["Status"]) for p in points], str(points))

    def export():
        return next((t for t in aws("rds", "describe-export-tasks")["ExportTasks"] if t["SourceArn"] == point), None)

    # A start that is too slow is tried again after 1 and 2 minutes.
    task = until("the function starts an export of that point", export, 240)
    check("its identifier was made by the function", task["ExportTaskIdentifier"].startswith("backup"), str(task))

    def ended():
        task = export()
        return task if task["Status"] in ("COMPLETE", "FAILED", "CANCELED") else None

    task = until("the export ends", ended, 120)
    equal("the export is COMPLETE", (task["Status"], task.get("FailureCause")), ("COMPLETE", None))
    keys = [o["Key"] for o in aws("s3api", "list-objects-v2", bucket=BUCKET).get("Contents", [])]
    check("Parquet files are in the bucket", any(k.endswith(".parquet") for k in keys), str(keys[:10]))
    check("and the manifests beside them", any("/export_info_" in k for k in keys) and any("/export_tables_info_" in k for k in keys), str(keys))
    streams = aws("logs", "describe-log-streams", log_group_name=f"/aws/lambda/{FUNCTION}")["logStreams"]
    lines = [e["message"] for s in streams
             for e in aws("logs", "get-log-events", log_group_name=f"/aws/lambda/{FUNCTION}", log_stream_name=s["logStreamName"])["events"]]
    check("the function's log tells its start and end", any(m.startswith("START RequestId") for m in lines) and
          any(m.startswith("REPORT RequestId") for m in lines), str(lines))


DAILY = {"RuleName": "daily-backup", "TargetBackupVaultName": VAULT, "ScheduleExpression": "cron(0 5 ? * * *)", "StartWindowMinutes": 480,
         "CompletionWindowMinutes": 10080, "Lifecycle": {"DeleteAfterDays": 7}}


@scenario("seed")
def seed(world):
    """By the machine's own clock: the rule runs at the next full minute."""
    cluster = Cluster.create(world, 15, checksums=True)
    cluster.pgbench_init(2)
    with Daemon(world, arguments=("--region", REGION)) as daemon, Load(cluster, 2):
        daemon.start()
        aws = Aws(world, daemon)
        register(world, daemon, cluster)
        equal("the database is an instance", [i["DBInstanceArn"] for i in aws("rds", "describe-db-instances")["DBInstances"]], [DATABASE])
        make_system(world, aws, {**DAILY, "ScheduleExpression": "cron(* * * * ? *)"})
        see_it_run(aws, 150)


@scenario("seed at five in the morning")
def seed_by_clock(world):
    """As it is written: once a day at 05:00 UTC. Every program here lives 25 seconds before that hour."""
    library = next((p for p in FAKE_CLOCKS if os.path.exists(p)), None)
    if not library:
        raise Skip("no libfaketime: run scripts/setup")
    now = time.time()
    ahead = (5 * 3600 - 25 - now) % 86400
    fake = {"LD_PRELOAD": library, "FAKETIME": f"+{ahead:.0f}", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    cluster = Cluster.create(world, 15, checksums=True)
    cluster.pgbench_init(2)
    with Installation(world, "main", ACCOUNT, f'regions = ["{REGION}"]\n', fake) as daemon, Load(cluster, 2):
        daemon.start()
        aws = Aws(world, daemon, fake)
        register(world, daemon, cluster, fake)
        # A function lives at that hour too. Under such a clock 3 seconds can be too short for it.
        make_system(world, aws, DAILY, fake, timeout=30)
        see_it_run(aws, 90)
