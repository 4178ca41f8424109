#!/usr/bin/env bash
# S3 with tools that are not AWS's: rclone and s3cmd, each in so far as it is installed. Prints a line a check.
set -uo pipefail
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ok() { printf 'ok      %s\n' "$1"; }
bad() { printf 'FAILED  %s: %s\n' "$1" "$(tr '\n' ' ' <<<"$2" | cut -c1-600)"; failed=1; }
equal() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got $2, wanted $3"; fi; }
holds() { local promise=$1 answer; shift; if answer=$("$@" 2>&1); then ok "$promise"; else bad "$promise" "$answer"; fi; }

read_key() { sed -n "/^\[main\]/,/^$/s/^$1 = //p" "$AWS_SHARED_CREDENTIALS_FILE"; }
key=$(read_key aws_access_key_id) secret=$(read_key aws_secret_access_key)
host=${AWS_ENDPOINT_URL#*://}
mkdir -p "$work/tree/sub dir" && head -c 13000000 /dev/urandom >"$work/tree/large" && echo small >"$work/tree/sub dir/ü+&.txt" && : >"$work/tree/empty"

with_rclone() {
  export RCLONE_CONFIG=$work/none RCLONE_CONFIG_C_TYPE=s3 RCLONE_CONFIG_C_PROVIDER=Other RCLONE_CONFIG_C_ACCESS_KEY_ID=$key
  export RCLONE_CONFIG_C_SECRET_ACCESS_KEY=$secret RCLONE_CONFIG_C_ENDPOINT=$AWS_ENDPOINT_URL RCLONE_CONFIG_C_REGION=us-east-1
  touch "$work/none"
  r() { rclone --retries 1 --s3-upload-cutoff 6M --s3-chunk-size 5M "$@"; }
  holds "rclone makes a bucket" r mkdir C:tools.rclone
  holds "rclone sends a tree" r copy "$work/tree" C:tools.rclone/tree
  holds "rclone finds it the same" r check "$work/tree" C:tools.rclone/tree
  holds "rclone finds it the same by its bytes" r check --download "$work/tree" C:tools.rclone/tree
  equal "rclone lists it" "$(r lsf -R --files-only C:tools.rclone | sort | tr '\n' ' ')" "tree/empty tree/large tree/sub dir/ü+&.txt "
  equal "rclone prints a file" "$(r cat "C:tools.rclone/tree/sub dir/ü+&.txt")" small
  holds "rclone copies within the server" r copyto C:tools.rclone/tree/large C:tools.rclone/other/large
  holds "rclone moves" r moveto C:tools.rclone/other/large C:tools.rclone/third/large
  holds "rclone keeps times" r sync "$work/tree" C:tools.rclone/tree --checksum
  equal "rclone sends to a stream" "$(echo piped | r rcat C:tools.rclone/piped && r cat C:tools.rclone/piped)" piped
  holds "rclone removes all" r purge C:tools.rclone
}

with_s3cmd() {
  printf '[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\nbucket_location = us-east-1\nmultipart_chunk_size_mb = 5\n' \
    "$key" "$secret" "$host" "$host" >"$work/s3cmd"
  s() { s3cmd -c "$work/s3cmd" --no-progress "$@"; }
  holds "s3cmd makes a bucket" s mb s3://tools-s3cmd
  holds "s3cmd sends a large file in parts" s put "$work/tree/large" s3://tools-s3cmd/large
  holds "s3cmd gets it" s get s3://tools-s3cmd/large "$work/back"
  holds "as it was" cmp "$work/tree/large" "$work/back"
  holds "s3cmd sends a tree" s sync "$work/tree/" s3://tools-s3cmd/tree/
  equal "s3cmd lists it" "$(s ls -r s3://tools-s3cmd/tree/ | wc -l)" 3
  equal "s3cmd tells the size" "$(s info s3://tools-s3cmd/large | sed -n 's/ *File size: *//p')" 13000000
  holds "s3cmd copies" s cp s3://tools-s3cmd/large s3://tools-s3cmd/copy
  printf '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:DeleteBucketPolicy","Resource":"arn:aws:s3:::tools-s3cmd"}]}' >"$work/policy"
  holds "s3cmd sets a policy" s setpolicy "$work/policy" s3://tools-s3cmd
  holds "s3cmd removes several" s rm -r --force s3://tools-s3cmd/
  holds "s3cmd removes the bucket" s rb s3://tools-s3cmd
}

found=""
for tool in rclone s3cmd; do
  command -v "$tool" >/dev/null || continue
  found=$tool
  "with_$tool"
done
[ -n "$found" ] || echo "neither rclone nor s3cmd is installed"
exit $failed
