#!/usr/bin/env bash
# The tour of S3 with aws-cli, `aws s3` and `aws s3api`. Argument: the aws program. Prints a line a check.
set -uo pipefail
program=$1
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Large files go in parts, with few at once.
printf '[default]\ns3 =\n  multipart_threshold = 6MB\n  multipart_chunksize = 5MB\n  max_concurrent_requests = 3\n[profile main]\ns3 =\n  multipart_threshold = 6MB\n  multipart_chunksize = 5MB\n  signature_version = s3v4\n' >"$work/config"
export AWS_CONFIG_FILE=$work/config

aws() { "$program" --endpoint-url "$AWS_ENDPOINT_URL" "$@" 2>&1; }
ok() { printf 'ok      %s\n' "$1"; }
bad() { printf 'FAILED  %s: %s\n' "$1" "$(tr '\n' ' ' <<<"$2" | cut -c1-600)"; failed=1; }
equal() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got $2, wanted $3"; fi; }
holds() { local promise=$1 answer; shift; if answer=$("$@"); then ok "$promise"; else bad "$promise" "$answer"; fi; }
refused() {  # promise, code, words, command...
  local promise=$1 code=$2 words=$3 answer
  shift 3
  if answer=$("$@"); then bad "$promise" "it was answered: $answer"; return; fi
  case "$answer" in *"($code)"*"$words"*) ok "$promise" ;; *) bad "$promise" "$answer" ;; esac
}
as() { local AWS_PROFILE=$1; shift; export AWS_PROFILE; aws "$@"; }
text() { aws --output text "$@"; }
bucket=cli.tour

equal "mb makes a bucket" "$(aws s3 mb s3://$bucket)" "make_bucket: $bucket"
refused "a bucket is made once by others" BucketAlreadyExists "" as second s3api create-bucket --bucket $bucket
head -c 14000000 /dev/urandom >"$work/large"
echo small >"$work/small.txt"
holds "cp sends a small file" aws s3 cp --quiet "$work/small.txt" s3://$bucket/dir/small.txt
holds "cp sends a large one in parts" aws s3 cp --quiet "$work/large" s3://$bucket/large
holds "cp gets it back" aws s3 cp --quiet s3://$bucket/large "$work/back"
holds "as it was" cmp "$work/large" "$work/back"
case "$(text s3api head-object --bucket $bucket --key large --query ETag)" in *-3\") ok "in three parts" ;; *) bad "in three parts" "$(aws s3api head-object --bucket $bucket --key large)" ;; esac
equal "cp writes to a pipe" "$(aws s3 cp s3://$bucket/dir/small.txt -)" small
equal "cp reads from one" "$(echo piped | aws s3 cp - s3://$bucket/piped)" ""
equal "ls shows names and sizes" "$(aws s3 ls s3://$bucket/ | awk '{print $NF}' | sort | tr '\n' ' ')" "dir/ large piped "
mkdir -p "$work/tree/sub" && echo a >"$work/tree/a" && echo b >"$work/tree/sub/b c"
holds "sync sends a tree" aws s3 sync --quiet "$work/tree" s3://$bucket/tree
holds "sync gets it" aws s3 sync --quiet s3://$bucket/tree "$work/again"
holds "the tree is the same" diff -r "$work/tree" "$work/again"
equal "sync finds nothing new" "$(aws s3 sync "$work/tree" s3://$bucket/tree)" ""
holds "mv renames" aws s3 mv --quiet s3://$bucket/piped s3://$bucket/moved
equal "rm removes what a prefix names" "$(aws s3 rm --recursive --quiet s3://$bucket/tree; aws s3 ls s3://$bucket/tree/)" ""
url=$(aws s3 presign s3://$bucket/dir/small.txt)
equal "a presigned URL opens without credentials" "$(curl -s "$url")" small

refused "what is not there is not found" NoSuchKey "" aws s3api get-object --bucket $bucket --key nothing "$work/none"
printf '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::%s/dir/*"}]}' $bucket >"$work/policy.json"
refused "the second account is kept out" AccessDenied "" as second s3api get-object --bucket $bucket --key dir/small.txt "$work/none"
aws s3api put-bucket-policy --bucket $bucket --policy "file://$work/policy.json"
holds "until a policy lets it in" as second s3api get-object --bucket $bucket --key dir/small.txt "$work/theirs"
aws s3api put-bucket-versioning --bucket $bucket --versioning-configuration Status=Enabled
equal "versioning is on" "$(text s3api get-bucket-versioning --bucket $bucket --query Status)" Enabled
first=$(text s3api put-object --bucket $bucket --key v --body "$work/small.txt" --query VersionId)
aws s3 rm --quiet s3://$bucket/v
aws s3api get-object --bucket $bucket --key v --version-id "$first" "$work/v" >/dev/null
holds "a deleted object's version can be read" cmp "$work/small.txt" "$work/v"
equal "a deletion is a marker" "$(text s3api list-object-versions --bucket $bucket --prefix v --query 'length(DeleteMarkers)')" 1
aws s3api put-object-tagging --bucket $bucket --key large --tagging 'TagSet=[{Key=a,Value=b}]' >/dev/null
equal "tags of an object" "$(text s3api get-object-tagging --bucket $bucket --key large --query 'TagSet[0].Value')" b
aws s3api put-bucket-lifecycle-configuration --bucket $bucket --lifecycle-configuration \
  '{"Rules":[{"ID":"week","Status":"Enabled","Filter":{"Prefix":""},"Expiration":{"Days":7}}]}' >/dev/null
equal "a lifecycle of seven days" "$(text s3api get-bucket-lifecycle-configuration --bucket $bucket --query 'Rules[0].Expiration.Days')" 7
key=$(text kms create-key --query KeyMetadata.Arn)
aws s3api put-bucket-encryption --bucket $bucket --server-side-encryption-configuration \
  "{\"Rules\":[{\"ApplyServerSideEncryptionByDefault\":{\"SSEAlgorithm\":\"aws:kms\",\"KMSMasterKeyID\":\"$key\"},\"BucketKeyEnabled\":true}]}"
aws s3 cp --quiet "$work/small.txt" s3://$bucket/sealed
equal "a bucket's key seals what comes" "$(text s3api head-object --bucket $bucket --key sealed --query '[ServerSideEncryption,SSEKMSKeyId]' | tr '\t' ' ')" "aws:kms $key"
equal "and opens it" "$(aws s3 cp s3://$bucket/sealed -)" small
refused "a bucket with objects stays" BucketNotEmpty "" aws s3api delete-bucket --bucket $bucket
holds "rb makes an empty one go" bash -c "'$program' --endpoint-url '$AWS_ENDPOINT_URL' s3 mb s3://cli-tour-gone && '$program' --endpoint-url '$AWS_ENDPOINT_URL' s3 rb s3://cli-tour-gone"
exit $failed
