"""A backup system as people put it together, with the weaknesses that such systems have: `coffer doctor` must name each of them."""
import json
import os
import subprocess

from backup_tour_parts import MAIN, SECOND, allow, document, role_for, zipped
from checks import ENDPOINT, REGION, check, client, end, equal

BUCKET, COPIES = "rds-cross-account-snapshots-backup", "copies-of-snapshots"
FUNCTION = """
import datetime
now = datetime.datetime.now().strftime("%d-%m-%Y-%H-%M-%S")


def lambda_handler(event, context):
    return {"statusCode": 200, "body": "backup" + now}
"""
WANTED = ["key.single_owner", "key.whole_account", "key.deleted_by_one", "role.all_of_s3", "role.account_level", "rule.no_resource_type",
          "rule.no_failure", "function.timeout", "function.no_dead_letter", "function.import_time", "bucket.same_key",
          "bucket.lifecycle_at_source_only", "bucket.no_lock", "vault.no_lock", "plan.no_copy", "plan.short_retention"]


def doctor(*more):
    done = subprocess.run([os.environ["COFFER_PROGRAM"], "doctor", "--data", os.environ["COFFER_DATA"], "--endpoint", ENDPOINT,
                           "--region", REGION, *more], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def make_key():
    iam, kms = client("iam"), client("kms")
    person = iam.create_user(UserName="name")["User"]["Arn"]
    use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    policy = document(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{MAIN}:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": person}, "Action": ["kms:Create*", "kms:ScheduleKeyDeletion"], "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{SECOND}:root"}, "Action": use, "Resource": "*"})
    return kms.create_key(Policy=policy)["KeyMetadata"]["Arn"]


def make_buckets(key):
    s3, other = client("s3"), client("s3", "second")
    for api, bucket in ((s3, BUCKET), (other, COPIES)):
        api.create_bucket(Bucket=bucket)
        api.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}]})
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [
        {"ID": "week", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 7}}]})
    role = role_for("s3.amazonaws.com", "replication", allow(["s3:GetReplicationConfiguration", "s3:ListBucket"], f"arn:aws:s3:::{BUCKET}"))
    s3.put_bucket_replication(Bucket=BUCKET, ReplicationConfiguration={"Role": role, "Rules": [{
        "ID": "all", "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""}, "DeleteMarkerReplication": {"Status": "Disabled"},
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "Destination": {"Bucket": f"arn:aws:s3:::{COPIES}", "Account": SECOND, "AccessControlTranslation": {"Owner": "Destination"},
                        "EncryptionConfiguration": {"ReplicaKmsKeyID": key}}}]})


def make_export():
    role_for("export.rds.amazonaws.com", "s3-write",
             allow(["s3:ListAllMyBuckets", "s3:PutAccountPublicAccessBlock", "s3:CreateJob"]),
             allow("s3:*", ["arn:aws:s3:::*/*", f"arn:aws:s3:::{BUCKET}"]))
    functions, events = client("lambda"), client("events")
    role = role_for("lambda.amazonaws.com", "copyBackupSnapshot-role")
    arn = functions.create_function(FunctionName="copyBackupSnapshot", Runtime="python3.11", Role=role, Timeout=3,
                                    Handler="lambda_function.lambda_handler",
                                    Code={"ZipFile": zipped(lambda_function=FUNCTION)})["FunctionArn"]
    events.put_rule(Name="on-backup", EventPattern=json.dumps({
        "source": ["aws.backup"], "detail-type": ["Backup Job State Change"],
        "detail": {"backupVaultName": ["pdq-backup-vault"], "state": ["COMPLETED"]}}))
    events.put_targets(Rule="on-backup", Targets=[{"Id": "1", "Arn": arn}])


def make_plan():
    backup = client("backup")
    backup.create_backup_vault(BackupVaultName="pdq-backup-vault")
    backup.create_backup_plan(BackupPlan={"BackupPlanName": "daily", "Rules": [
        {"RuleName": "daily-backup", "TargetBackupVaultName": "pdq-backup-vault", "ScheduleExpression": "cron(0 5 ? * * *)",
         "Lifecycle": {"DeleteAfterDays": 7}}]})


def lines_of(text):
    return {line["id"]: line for line in json.loads(text)["lines"]}


_, before, complaint = doctor("--json")
lines = lines_of(before)
check("accounts without anything have nothing wrong", "account" in lines and lines["account"]["level"] == "good", before + complaint)
make_buckets(make_key())
make_export()
make_plan()
code, after, complaint = doctor("--json")
lines = lines_of(after)
for wanted in WANTED:
    line = lines.get(wanted, {})
    check(f"doctor finds {wanted}", line.get("level") in ("warning", "bad") and line["why"] and line["next"], sorted(lines))
equal("and its exit code says so", code, 3)
check("a person reads why and what to do next", "why:" in doctor()[1] and "next:" in doctor()[1])

functions = client("lambda")
functions.update_function_configuration(FunctionName="copyBackupSnapshot", Timeout=60)
functions.update_function_code(FunctionName="copyBackupSnapshot", ZipFile=zipped(lambda_function="def lambda_handler(e, c):\n    return 1\n"))
client("backup").put_backup_vault_lock_configuration(BackupVaultName="pdq-backup-vault", MinRetentionDays=7)
lines = lines_of(doctor("--json")[1])
for mended in ("function.timeout", "function.import_time", "vault.no_lock"):
    check(f"what was mended is found no more: {mended}", mended not in lines)
end()
