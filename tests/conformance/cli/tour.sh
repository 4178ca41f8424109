#!/usr/bin/env bash
# The tour with aws-cli. Argument: the aws program. Prints a line a check.
set -uo pipefail
program=$1
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Both versions of aws-cli know --endpoint-url; the older one does not read AWS_ENDPOINT_URL.
aws() { "$program" --endpoint-url "$AWS_ENDPOINT_URL" "$@" 2>&1; }

ok() { printf 'ok      %s\n' "$1"; }
bad() { printf 'FAILED  %s: %s\n' "$1" "$(tr '\n' ' ' <<<"$2" | cut -c1-600)"; failed=1; }
equal() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got $2, wanted $3"; fi; }
# A call that must fail with an error code and words of its message.
refused() {  # promise, code, words, command...
  local promise=$1 code=$2 words=$3 answer
  shift 3
  if answer=$("$@"); then bad "$promise" "it was answered: $answer"; return; fi
  case "$answer" in *"($code)"*"$words"*) ok "$promise" ;; *) bad "$promise" "$answer" ;; esac
}
as() {  # profile, arguments
  local AWS_PROFILE=$1; shift
  export AWS_PROFILE
  aws "$@"
}
text() { aws --output text "$@"; }

main=111111111111 second=222222222222
root=arn:aws:iam::$main:root

equal "the main profile is the root of the main account" "$(text sts get-caller-identity --query Arn)" "$root"
equal "the second profile is the second account" "$(as second --output text sts get-caller-identity --query Account)" "$second"

# users, roles, policies
equal "a user has an ARN" "$(text iam create-user --user-name alice --query User.Arn)" "arn:aws:iam::$main:user/alice"
refused "a name is taken once" EntityAlreadyExists alice aws iam create-user --user-name alice
refused "what is not there is not found" NoSuchEntity nobody aws iam get-user --user-name nobody
read -r key secret < <(text iam create-access-key --user-name alice --query 'AccessKey.[AccessKeyId,SecretAccessKey]')
alice() { env -u AWS_PROFILE AWS_ACCESS_KEY_ID="$key" AWS_SECRET_ACCESS_KEY="$secret" "$program" --endpoint-url "$AWS_ENDPOINT_URL" "$@" 2>&1; }
refused "a user may do nothing at first" AccessDenied "is not authorized to perform: iam:ListUsers" alice iam list-users
refused "nor with a JSON service" AccessDeniedException "is not authorized to perform: kms:ListKeys" alice kms list-keys
cat >"$work/list.json" <<'J'
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["kms:ListKeys", "sts:AssumeRole"], "Resource": "*"}]}
J
policy=$(text iam create-policy --policy-name list-keys --policy-document "file://$work/list.json" --query Policy.Arn)
equal "a policy has an ARN" "$policy" "arn:aws:iam::$main:policy/list-keys"
aws iam attach-user-policy --user-name alice --policy-arn "$policy"
equal "an attached policy allows" "$(alice --output text kms list-keys --query 'length(Keys)')" 0
refused "an attached policy cannot go" DeleteConflict "" aws iam delete-policy --policy-arn "$policy"
printf '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "%s"}, "Action": "sts:AssumeRole"}]}' "$root" >"$work/trust.json"
role=$(text iam create-role --role-name keeper --assume-role-policy-document "file://$work/trust.json" --query Role.Arn)
equal "a role's trust policy comes back as JSON" \
  "$(text iam get-role --role-name keeper --query 'Role.AssumeRolePolicyDocument.Statement[0].Action')" sts:AssumeRole
equal "a role is assumed" "$(alice --output text sts assume-role --role-arn "$role" --role-session-name s1 --query AssumedRoleUser.Arn)" \
  "arn:aws:sts::$main:assumed-role/keeper/s1"
# A profile that assumes the role by itself, as people configure it.
printf '[profile keeper]\nrole_arn = %s\nsource_profile = alice\nrole_session_name = s2\n' "$role" >"$work/config"
printf '[alice]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$key" "$secret" >"$work/credentials"
if "$program" --version 2>&1 | grep -q 'aws-cli/1'; then  # only clients that read AWS_ENDPOINT_URL find STS for a profile
  equal "a profile with role_arn works" "$(AWS_CONFIG_FILE=$work/config AWS_SHARED_CREDENTIALS_FILE=$work/credentials \
    as keeper --output text sts get-caller-identity --query Arn)" "arn:aws:sts::$main:assumed-role/keeper/s2"
fi

# keys
id=$(text kms create-key --description "of the tour" --query KeyMetadata.KeyId)
arn=arn:aws:kms:us-east-1:$main:key/$id
aws kms create-alias --alias-name alias/tour --target-key-id "$id"
equal "an alias names the key" "$(text kms describe-key --key-id alias/tour --query KeyMetadata.Arn)" "$arn"
printf secret >"$work/plain"
text kms encrypt --key-id alias/tour --plaintext "fileb://$work/plain" --encryption-context app=tour,stage=one --query CiphertextBlob |
  base64 -d >"$work/sealed"
open() { "$@" --output text kms decrypt --ciphertext-blob "fileb://$work/sealed" --encryption-context app=tour,stage=one --query Plaintext; }
equal "decrypt gives the bytes back" "$(open aws | base64 -d)" secret
refused "another context does not open it" InvalidCiphertextException "" aws kms decrypt --ciphertext-blob "fileb://$work/sealed"
refused "a user without a grant is refused" AccessDeniedException "is not authorized to perform: kms:Decrypt on resource: $arn" open alice
grant=$(text kms create-grant --key-id "$id" --grantee-principal "arn:aws:iam::$main:user/alice" --operations Decrypt \
  --constraints EncryptionContextSubset={app=tour} --query GrantId)
equal "a grant lets the user in" "$(open alice | base64 -d)" secret
aws kms revoke-grant --key-id "$id" --grant-id "$grant"
refused "and no longer when it is revoked" AccessDeniedException "kms:Decrypt" open alice
equal "a data key has 32 bytes" "$(text kms generate-data-key --key-id "$id" --key-spec AES_256 --query Plaintext | base64 -d | wc -c)" 32
signing=$(text kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId)
text kms sign --key-id "$signing" --message "fileb://$work/plain" --signing-algorithm ECDSA_SHA_256 --query Signature | base64 -d >"$work/signature"
equal "a signature holds" "$(text kms verify --key-id "$signing" --message "fileb://$work/plain" --signature "fileb://$work/signature" \
  --signing-algorithm ECDSA_SHA_256 --query SignatureValid)" True
mac_key=$(text kms create-key --key-spec HMAC_256 --key-usage GENERATE_VERIFY_MAC --query KeyMetadata.KeyId)
text kms generate-mac --key-id "$mac_key" --message "fileb://$work/plain" --mac-algorithm HMAC_SHA_256 --query Mac | base64 -d >"$work/mac"
equal "a MAC holds" "$(text kms verify-mac --key-id "$mac_key" --message "fileb://$work/plain" --mac "fileb://$work/mac" \
  --mac-algorithm HMAC_SHA_256 --query MacValid)" True
aws kms enable-key-rotation --key-id "$id"
equal "rotation is on" "$(text kms get-key-rotation-status --key-id "$id" --query KeyRotationEnabled)" True
if "$program" --version 2>&1 | grep -q 'aws-cli/1'; then
  aws kms rotate-key-on-demand --key-id "$id" >/dev/null
  equal "after a rotation the old ciphertext opens" "$(open aws | base64 -d)" secret
fi

# two accounts
open_second() { as second --output text kms decrypt --ciphertext-blob "fileb://$work/sealed" --encryption-context app=tour,stage=one --query Plaintext; }
refused "the second account cannot decrypt" AccessDeniedException "because no resource-based policy allows the kms:Decrypt action" open_second
cat >"$work/key.json" <<J
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"AWS": "$root"}, "Action": "kms:*", "Resource": "*"},
  {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::$second:root"}, "Action": "kms:Decrypt", "Resource": "*"}]}
J
aws kms put-key-policy --key-id "$id" --policy-name default --policy "file://$work/key.json"
equal "its key policy lets the second account in" "$(open_second | base64 -d)" secret
organization=$(text organizations create-organization --feature-set ALL --query Organization.MasterAccountId)
equal "the creator manages the organization" "$organization" "$main"
handshake=$(text organizations invite-account-to-organization --target Id=$second,Type=ACCOUNT --query Handshake.Id)
equal "the second account accepts" "$(as second --output text organizations accept-handshake --handshake-id "$handshake" --query Handshake.State)" ACCEPTED
equal "both accounts belong to it" "$(text organizations list-accounts --query 'sort(Accounts[].Id)' | tr '\t' ' ')" "$main $second"
org_root=$(text organizations list-roots --query 'Roots[0].Id')
[ -n "$(text organizations list-roots --query 'Roots[0].PolicyTypes[].Type')" ] ||
  aws organizations enable-policy-type --root-id "$org_root" --policy-type SERVICE_CONTROL_POLICY >/dev/null
printf '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}]}' >"$work/scp.json"
scp=$(text organizations create-policy --name no-decrypt --description "" --type SERVICE_CONTROL_POLICY --content "file://$work/scp.json" \
  --query Policy.PolicySummary.Id)
aws organizations attach-policy --policy-id "$scp" --target-id $second
refused "a service control policy binds the member" AccessDeniedException "with an explicit deny in a service control policy" open_second
aws organizations detach-policy --policy-id "$scp" --target-id $second
equal "detached, it binds nobody" "$(open_second | base64 -d)" secret

# the audit log
equal "a changing call is in the audit log at once" "$(text cloudtrail lookup-events \
  --lookup-attributes AttributeKey=EventName,AttributeValue=CreateAlias --query 'Events[0].EventSource')" kms.amazonaws.com
denied=""
for _ in 1 2 3 4 5; do
  denied=$(text cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=Decrypt \
    --query 'Events[].CloudTrailEvent' | grep -c explicit) && break
done
if [ "${denied:-0}" -gt 0 ]; then ok "a refused call is there too"; else bad "a refused call is there too" "$denied"; fi
exit $failed
