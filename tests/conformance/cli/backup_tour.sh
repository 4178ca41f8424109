#!/usr/bin/env bash
# The tour of logs, events, functions, plans and databases with aws-cli. Argument: the aws program. Prints a line a check.
set -uo pipefail
program=$1
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

aws() { "$program" --endpoint-url "$AWS_ENDPOINT_URL" "$@" 2>&1; }
ok() { printf 'ok      %s\n' "$1"; }
bad() { printf 'FAILED  %s: %s\n' "$1" "$(tr '\n' ' ' <<<"$2" | cut -c1-600)"; failed=1; }
equal() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got $2, wanted $3"; fi; }
has() { case "$2" in *"$3"*) ok "$1" ;; *) bad "$1" "$2" ;; esac; }
refused() {  # promise, code, words, command...
  local promise=$1 code=$2 words=$3 answer
  shift 3
  if answer=$("$@"); then bad "$promise" "it was answered: $answer"; return; fi
  case "$answer" in *"($code)"*"$words"*) ok "$promise" ;; *) bad "$promise" "$answer" ;; esac
}
text() { aws --output text "$@"; }
# The output of a command, as soon as it has these words.
until_has() {  # words, command...
  local words=$1 answer deadline=$((SECONDS + 30))
  shift
  while answer=$("$@"); [[ $answer != *"$words"* ]] && [ $SECONDS -lt $deadline ]; do sleep 0.3; done
  printf '%s' "$answer"
}
main=111111111111 region=$AWS_DEFAULT_REGION

# logs
aws logs create-log-group --log-group-name /tour/cli >/dev/null
aws logs create-log-stream --log-group-name /tour/cli --log-stream-name s >/dev/null
now=$(date +%s)000
aws logs put-log-events --log-group-name /tour/cli --log-stream-name s \
  --log-events "timestamp=$now,message=hello" "timestamp=$now,message=ERROR there" >/dev/null
equal "events are read" "$(text logs get-log-events --log-group-name /tour/cli --log-stream-name s --query 'events[].message')" $'hello\tERROR there'
equal "events are found" "$(text logs filter-log-events --log-group-name /tour/cli --filter-pattern ERROR --query 'events[].message')" "ERROR there"
refused "a group's name is taken once" ResourceAlreadyExistsException "already exists" aws logs create-log-group --log-group-name /tour/cli
if "$program" --version 2>&1 | grep -q 'aws-cli/2'; then
  has "tail shows them" "$(aws logs tail /tour/cli --format short)" "ERROR there"
  : >"$work/tail"
  timeout 20 "$program" --endpoint-url "$AWS_ENDPOINT_URL" logs tail /tour/cli --follow --format short >"$work/tail" 2>&1 &
  tail=$!
  until_has hello cat "$work/tail" >/dev/null
  aws logs put-log-events --log-group-name /tour/cli --log-stream-name s --log-events "timestamp=$(date +%s)000,message=later" >/dev/null
  has "and follows what comes" "$(until_has later cat "$work/tail")" later
  kill $tail 2>/dev/null
  wait $tail 2>/dev/null
fi

# events
aws logs create-log-group --log-group-name /aws/events/cli >/dev/null
group=arn:aws:logs:$region:$main:log-group:/aws/events/cli
aws logs put-resource-policy --policy-name events --policy-document '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal":
  {"Service": "events.amazonaws.com"}, "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "'"$group"':*"}]}' >/dev/null
equal "a rule has an ARN" "$(text events put-rule --name cli --event-pattern '{"source": ["cli"]}' --query RuleArn)" \
  "arn:aws:events:$region:$main:rule/cli"
equal "its target is taken" "$(text events put-targets --rule cli --targets "Id=1,Arn=$group" --query FailedEntryCount)" 0
equal "an event is taken" "$(text events put-events --entries 'Source=cli,DetailType=t,Detail="{\"n\": 1}"' --query FailedEntryCount)" 0
has "and delivered" "$(until_has '"source"' text logs filter-log-events --log-group-name /aws/events/cli --query 'events[].message')" '"detail-type":"t"'
refused "a schedule that is none" ValidationException ScheduleExpression aws events put-rule --name x --schedule-expression "rate(1 days)"

# functions
printf 'def handler(event, context):\n    print("seen", event)\n    return {"got": event}\n' >"$work/tour.py"
(cd "$work" && python3 -m zipfile -c tour.zip tour.py)
role=$(text iam create-role --role-name cli-function --query Role.Arn --assume-role-policy-document \
  '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}')
equal "a function is made" "$(text lambda create-function --function-name cli --runtime python3.11 --role "$role" --handler tour.handler \
  --timeout 20 --zip-file "fileb://$work/tour.zip" --query FunctionName)" cli
until_has Active text lambda get-function --function-name cli --query Configuration.State >/dev/null
if "$program" --version 2>&1 | grep -q 'aws-cli/2'; then raw=(--cli-binary-format raw-in-base64-out); else raw=(); fi
aws lambda invoke --function-name cli "${raw[@]}" --payload '{"a": 1}' "$work/answer" >/dev/null
equal "and answers" "$(cat "$work/answer" 2>&1)" '{"got": {"a": 1}}'
refused "a function that is not there" ResourceNotFoundException "" aws lambda invoke --function-name none "$work/answer"

# plans
equal "a vault is made" "$(text backup create-backup-vault --backup-vault-name cli-vault --query BackupVaultName)" cli-vault
plan=$(text backup create-backup-plan --query BackupPlanId --backup-plan '{"BackupPlanName": "cli", "Rules": [{"RuleName": "daily",
  "TargetBackupVaultName": "cli-vault", "ScheduleExpression": "cron(0 5 ? * * *)"}]}')
equal "a plan is kept" "$(text backup get-backup-plan --backup-plan-id "$plan" --query 'BackupPlan.Rules[0].ScheduleExpression')" "cron(0 5 ? * * *)"
refused "a schedule that is none" InvalidParameterValueException "" aws backup create-backup-plan --backup-plan '{"BackupPlanName": "cli",
  "Rules": [{"RuleName": "daily", "TargetBackupVaultName": "cli-vault", "ScheduleExpression": "cron(0 5 * * * *)"}]}'
refused "a vault that is not there" ResourceNotFoundException "" aws backup describe-backup-vault --backup-vault-name none

# databases
equal "no databases yet" "$(text rds describe-db-instances --query 'length(DBInstances)')" 0
refused "a snapshot that is not there" DBSnapshotNotFound none aws rds describe-db-snapshots --db-snapshot-identifier none
exit $failed
