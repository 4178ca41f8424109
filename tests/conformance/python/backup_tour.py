"""The tour with boto3 of what a scheduled backup is made of: logs, events, functions, plans and databases."""
import json
import time

from backup_tour_parts import MAIN, allow, document, role_for, user_with, zipped
from checks import REGION, check, client, end, equal, eventually, refused

FUNCTION = """
import json
import os
calls = 0


def handler(event, context):
    global calls
    calls += 1
    print("called with", json.dumps(event, sort_keys=True))
    if event.get("fail"):
        raise ValueError("told to fail")
    return {"calls": calls, "name": context.function_name, "region": os.environ["AWS_REGION"], "event": event}
"""


def now_ms():
    return int(time.time() * 1000)


def messages(answer):
    return [event["message"] for event in answer["events"]]


def found_in(logs, group, pattern):
    """Messages of a group that may not have been made yet."""
    try:
        return messages(logs.filter_log_events(logGroupName=group, filterPattern=pattern))
    except logs.exceptions.ResourceNotFoundException:
        return []


def logs():
    logs = client("logs")
    group = dict(logGroupName="/tour/one")
    logs.create_log_group(**group, tags={"team": "db"})
    refused("a group's name is taken once", "ResourceAlreadyExistsException", lambda: logs.create_log_group(**group),
            "The specified log group already exists", status=400)
    for name in ("a", "b"):
        logs.create_log_stream(**group, logStreamName=name)
    now = now_ms()
    lines = [{"timestamp": now - 3000 + 1000 * n, "message": f"line {n} " + ("ERROR" if n == 2 else "fine")} for n in range(4)]
    answer = logs.put_log_events(**group, logStreamName="a", logEvents=lines)
    check("a sequence token is still given", answer["nextSequenceToken"])
    logs.put_log_events(**group, logStreamName="b", logEvents=[{"timestamp": now - 1500, "message": json.dumps({"level": "ERROR", "code": 7})}],
                        sequenceToken=answer["nextSequenceToken"])
    page = logs.get_log_events(**group, logStreamName="a", startFromHead=True, limit=3)
    equal("events are read from the head", len(page["events"]), 3)
    page = logs.get_log_events(**group, logStreamName="a", nextToken=page["nextForwardToken"])
    equal("and go on", messages(page), ["line 3 fine"])
    last = logs.get_log_events(**group, logStreamName="a", nextToken=page["nextForwardToken"])
    equal("at the end the token comes back", (last["events"], last["nextForwardToken"]), ([], page["nextForwardToken"]))
    pages = logs.get_paginator("filter_log_events").paginate(**group, PaginationConfig={"PageSize": 2})
    equal("a group's streams are one sequence", [m[:6] for p in pages for m in messages(p)],
          ["line 0", "line 1", '{"leve', "line 2", "line 3"])
    for pattern, count in (("ERROR", 2), ("ERROR -level", 1), ('{ $.level = "ERROR" && $.code > 5 }', 1), ("[word, number > 1, ...]", 2),
                           ('"no such text"', 0)):
        equal(f"the pattern {pattern} finds {count}", len(logs.filter_log_events(**group, filterPattern=pattern)["events"]), count)
    refused("a broken pattern is refused", "InvalidParameterException",
            lambda: logs.filter_log_events(**group, filterPattern="{ $.x"), status=400)
    refused("events must be in order", "InvalidParameterException",
            lambda: logs.put_log_events(**group, logStreamName="a", logEvents=[{"timestamp": now, "message": "b"},
                                                                              {"timestamp": now - 1, "message": "a"}]), "chronological")
    answer = logs.put_log_events(**group, logStreamName="a", logEvents=[{"timestamp": now - 15 * 86_400_000, "message": "old"}])
    equal("what is too old is said", answer["rejectedLogEventsInfo"]["tooOldLogEventEndIndex"], 1)
    refused("a stream that is not there", "ResourceNotFoundException",
            lambda: logs.get_log_events(**group, logStreamName="none"), "The specified log stream does not exist.", status=400)
    logs.put_retention_policy(**group, retentionInDays=14)
    described = logs.describe_log_groups(logGroupNamePrefix="/tour")["logGroups"][0]
    equal("a group tells its retention and ARN", (described["retentionInDays"], described["arn"]),
          (14, f"arn:aws:logs:{REGION}:{MAIN}:log-group:/tour/one:*"))
    refused("days that AWS does not know", "InvalidParameterException", lambda: logs.put_retention_policy(**group, retentionInDays=8))
    streams = logs.describe_log_streams(**group, orderBy="LastEventTime", descending=True)["logStreams"]
    equal("streams go by their last event", [s["logStreamName"] for s in streams], ["a", "b"])
    logs.tag_log_group(**group, tags={"more": "1"})
    equal("tags are there", logs.list_tags_log_group(**group)["tags"], {"team": "db", "more": "1"})
    writer = user_with("writer", allow("logs:PutLogEvents", f"arn:aws:logs:{REGION}:{MAIN}:log-group:/tour/one:*"))
    limited = client("logs", credentials=writer)
    check("a user writes where a policy allows", limited.put_log_events(**group, logStreamName="b",
                                                                       logEvents=[{"timestamp": now, "message": "x"}]))
    refused("and reads nothing", "AccessDeniedException", lambda: limited.filter_log_events(**group), "logs:FilterLogEvents", status=400)
    logs.delete_log_stream(**group, logStreamName="b")
    equal("a stream's events go with it", len(logs.filter_log_events(**group)["events"]), 4)


def events():
    events, logs = client("events"), client("logs")
    pattern = {"source": ["tour"], "detail": {"state": ["COMPLETED"], "size": [{"numeric": [">", 10]}]}}
    logs.create_log_group(logGroupName="/aws/events/tour")
    group = f"arn:aws:logs:{REGION}:{MAIN}:log-group:/aws/events/tour"
    rule = events.put_rule(Name="tour", EventPattern=json.dumps(pattern), Description="for the tour")["RuleArn"]
    equal("a rule has an ARN", rule, f"arn:aws:events:{REGION}:{MAIN}:rule/tour")
    refused("a broken pattern is refused", "InvalidEventPatternException",
            lambda: events.put_rule(Name="broken", EventPattern='{"source": "not a list"}'), status=400)
    for schedule in ("rate(1 minutes)", "cron(0 1 * * * *)", "every day"):
        refused(f"no schedule: {schedule}", "ValidationException",
                lambda text=schedule: events.put_rule(Name="broken", ScheduleExpression=text), status=400)
    events.put_rule(Name="nightly", ScheduleExpression="cron(0 5 ? * * *)")
    equal("a schedule comes back", events.describe_rule(Name="nightly")["ScheduleExpression"], "cron(0 5 ? * * *)")
    equal("rules are listed", [r["Name"] for r in events.list_rules()["Rules"]], ["nightly", "tour"])
    logs.put_resource_policy(policyName="events", policyDocument=document(
        {"Effect": "Allow", "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
         "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": group + ":*"}))
    equal("a target is taken", events.put_targets(Rule="tour", Targets=[{"Id": "log", "Arn": group}])["FailedEntryCount"], 0)
    entries = [{"Source": "tour", "DetailType": "Tour", "Detail": json.dumps({"state": "COMPLETED", "size": size})} for size in (5, 50)]
    sent = events.put_events(Entries=[*entries, {"Source": "tour", "DetailType": "Tour", "Detail": "no JSON"}])
    equal("an entry that is none is told", (sent["FailedEntryCount"], sent["Entries"][2].get("ErrorCode")), (1, "MalformedDetail"))
    found = eventually(lambda: logs.filter_log_events(logGroupName="/aws/events/tour")["events"], 20)
    if check("an event that matches is delivered", len(found) == 1, found):
        event = json.loads(found[0]["message"])
        equal("as it was sent", (event["detail"]["size"], event["detail-type"], event["account"], event["id"]),
              (50, "Tour", MAIN, sent["Entries"][1]["EventId"]))
    example = {"id": "1", "source": "tour", "detail-type": "Tour", "account": MAIN, "time": "2026-01-05T05:00:00Z", "region": REGION,
               "resources": [], "detail": {"state": "COMPLETED", "size": 11}}
    check("a pattern can be tried", events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(example))["Result"])
    refused("a rule with targets stays", "ValidationException", lambda: events.delete_rule(Name="tour"), status=400)
    events.remove_targets(Rule="tour", Ids=["log"])
    events.delete_rule(Name="tour")
    refused("what is gone is not found", "ResourceNotFoundException", lambda: events.describe_rule(Name="tour"), status=400)


def functions():
    functions, logs = client("lambda"), client("logs")
    role = role_for("lambda.amazonaws.com", "tour-function", allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]))
    code = dict(Runtime="python3.11", Role=role, Handler="tour.handler", Code={"ZipFile": zipped(tour=FUNCTION)})
    made = functions.create_function(FunctionName="tour", Timeout=20, Environment={"Variables": {"KEY": "value"}}, **code)
    equal("a function has an ARN", made["FunctionArn"], f"arn:aws:lambda:{REGION}:{MAIN}:function:tour")
    refused("a function's name is taken once", "ResourceConflictException",
            lambda: functions.create_function(FunctionName="tour", **code), status=409)
    refused("a function that is not there", "ResourceNotFoundException", lambda: functions.get_function(FunctionName="none"), status=404)
    check("it becomes active", eventually(lambda: functions.get_function(FunctionName="tour")["Configuration"]["State"] == "Active", 20))
    answer = functions.invoke(FunctionName="tour", Payload=json.dumps({"a": 1}), LogType="Tail")
    result = json.loads(answer["Payload"].read())
    equal("it answers", (answer["StatusCode"], result.get("name"), result.get("region"), result.get("event")),
          (200, "tour", REGION, {"a": 1}))
    check("with the end of its log", answer.get("LogResult"))
    again = json.loads(functions.invoke(FunctionName="tour", Payload="{}")["Payload"].read())
    equal("the next call finds the process warm", again.get("calls"), 2)
    failed = functions.invoke(FunctionName="tour", Payload='{"fail": true}')
    error = json.loads(failed["Payload"].read())
    equal("what it raises is told", (failed.get("FunctionError"), error.get("errorType"), error.get("errorMessage")),
          ("Unhandled", "ValueError", "told to fail"))
    check("its log is in its group", eventually(lambda: found_in(logs, "/aws/lambda/tour", "REPORT"), 20))
    version = functions.publish_version(FunctionName="tour")["Version"]
    functions.create_alias(FunctionName="tour", Name="live", FunctionVersion=version)
    equal("an alias leads to a version", functions.get_alias(FunctionName="tour", Name="live")["FunctionVersion"], version)
    functions.add_permission(FunctionName="tour", StatementId="rule", Action="lambda:InvokeFunction", Principal="events.amazonaws.com",
                             SourceArn=f"arn:aws:events:{REGION}:{MAIN}:rule/calls")
    equal("a permission is in the policy", json.loads(functions.get_policy(FunctionName="tour")["Policy"])["Statement"][0]["Sid"], "rule")
    events = client("events")
    events.put_rule(Name="calls", EventPattern=json.dumps({"source": ["tour.calls"]}))
    events.put_targets(Rule="calls", Targets=[{"Id": "f", "Arn": made["FunctionArn"], "InputPath": "$.detail"}])
    events.put_events(Entries=[{"Source": "tour.calls", "DetailType": "x", "Detail": '{"from": "a rule"}'}])
    check("a rule calls it", eventually(lambda: found_in(logs, "/aws/lambda/tour", '"from"'), 30))
    events.remove_targets(Rule="calls", Ids=["f"])
    functions.delete_function(FunctionName="tour")
    refused("a function that was deleted", "ResourceNotFoundException", lambda: functions.get_function(FunctionName="tour"), status=404)


def plans():
    backup = client("backup")
    vault = backup.create_backup_vault(BackupVaultName="tour-vault", BackupVaultTags={"team": "db"})
    equal("a vault has an ARN", vault["BackupVaultArn"], f"arn:aws:backup:{REGION}:{MAIN}:backup-vault:tour-vault")
    refused("a vault's name is taken once", "AlreadyExistsException",
            lambda: backup.create_backup_vault(BackupVaultName="tour-vault"), status=400)
    rule = {"RuleName": "daily-backup", "TargetBackupVaultName": "tour-vault", "ScheduleExpression": "cron(0 5 ? * * *)",
            "StartWindowMinutes": 480, "CompletionWindowMinutes": 10_080, "Lifecycle": {"DeleteAfterDays": 7}}
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "tour", "Rules": [rule]})
    for wrong in ("cron(0 1 * * * *)", "cron(71 8 1 * ? *)", "daily"):
        refused(f"no schedule for a plan: {wrong}", "InvalidParameterValueException",
                lambda text=wrong: backup.create_backup_plan(BackupPlan={"BackupPlanName": "wrong", "Rules": [
                    {**rule, "ScheduleExpression": text}]}), status=400)
    shown = backup.get_backup_plan(BackupPlanId=plan["BackupPlanId"])["BackupPlan"]
    equal("a plan comes back", {k: shown["Rules"][0].get(k) for k in rule}, rule)
    role = role_for("backup.amazonaws.com", "tour-backup")
    selection = backup.create_backup_selection(BackupPlanId=plan["BackupPlanId"], BackupSelection={
        "SelectionName": "databases", "IamRoleArn": role, "Resources": [f"arn:aws:rds:{REGION}:{MAIN}:db:*"]})
    equal("a selection is listed", [s["SelectionName"] for s in backup.list_backup_selections(
        BackupPlanId=plan["BackupPlanId"])["BackupSelectionsList"]], ["databases"])
    refused("a vault that is not there takes no backup", "ResourceNotFoundException", lambda: backup.start_backup_job(
        BackupVaultName="none", ResourceArn=f"arn:aws:rds:{REGION}:{MAIN}:db:none", IamRoleArn=role), status=400)
    backup.put_backup_vault_access_policy(BackupVaultName="tour-vault", Policy=document(
        {"Effect": "Deny", "Principal": "*", "Action": "backup:DeleteRecoveryPoint", "Resource": "*"}))
    check("a vault's policy comes back", "backup:DeleteRecoveryPoint" in
          backup.get_backup_vault_access_policy(BackupVaultName="tour-vault")["Policy"])
    backup.put_backup_vault_lock_configuration(BackupVaultName="tour-vault", MinRetentionDays=7, MaxRetentionDays=100)
    described = backup.describe_backup_vault(BackupVaultName="tour-vault")
    equal("a lock is shown", (described["Locked"], described["MinRetentionDays"]), (True, 7))
    equal("jobs are listed", backup.list_backup_jobs()["BackupJobs"], [])
    reader = user_with("reader", allow("backup:List*"))
    check("a user lists what a policy allows", "BackupVaultList" in client("backup", credentials=reader).list_backup_vaults())
    refused("and makes nothing", "AccessDeniedException",
            lambda: client("backup", credentials=reader).create_backup_vault(BackupVaultName="mine"), "backup:CreateBackupVault", status=403)
    backup.delete_backup_selection(BackupPlanId=plan["BackupPlanId"], SelectionId=selection["SelectionId"])
    backup.delete_backup_plan(BackupPlanId=plan["BackupPlanId"])
    backup.delete_backup_vault_lock_configuration(BackupVaultName="tour-vault")
    backup.delete_backup_vault(BackupVaultName="tour-vault")
    refused("a vault that was deleted", "ResourceNotFoundException",
            lambda: backup.describe_backup_vault(BackupVaultName="tour-vault"), status=400)


def databases():
    rds = client("rds")
    equal("there are no databases yet", rds.describe_db_instances()["DBInstances"], [])
    refused("a database that is not there", "DBInstanceNotFound",
            lambda: rds.describe_db_instances(DBInstanceIdentifier="none"), "none", status=404)
    refused("nor its snapshot", "DBInstanceNotFound",
            lambda: rds.create_db_snapshot(DBSnapshotIdentifier="s", DBInstanceIdentifier="none"), status=404)
    refused("a snapshot that is not there", "DBSnapshotNotFound",
            lambda: rds.describe_db_snapshots(DBSnapshotIdentifier="none"), status=404)
    equal("no export tasks", rds.describe_export_tasks()["ExportTasks"], [])
    refused("an export task that is not there", "ExportTaskNotFound",
            lambda: rds.describe_export_tasks(ExportTaskIdentifier="none"), status=404)


for part in (logs, events, functions, plans, databases):
    part()
end()
