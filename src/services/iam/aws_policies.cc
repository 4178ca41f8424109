#include "services/iam/aws_policies.h"

#include <map>
#include <mutex>

#include "engine/crypto/digest.h"

namespace coffer::iam {
namespace {

constexpr WallTime kCreated{1'767'225'600'000'000};  // 2026-01-01

// The documents name the actions of this product; an action that it does not have grants nothing.
constexpr AwsPolicy kPolicies[] = {
    {"AdministratorAccess", "/", "Provides full access to all services and resources.",
     R"({
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
})"},
    {"PowerUserAccess", "/", "Full access, except to the management of users, groups and the organization.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
    {"Effect": "Allow",
     "Action": ["iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles",
                "organizations:DescribeOrganization"],
     "Resource": "*"}
  ]
})"},
    {"ReadOnlyAccess", "/", "Read-only access to all services and resources.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["backup:Describe*", "backup:Get*", "backup:List*", "cloudtrail:Describe*", "cloudtrail:Get*",
                "cloudtrail:LookupEvents", "events:Describe*", "events:List*", "events:TestEventPattern",
                "iam:Get*", "iam:List*", "iam:Simulate*", "kms:Describe*", "kms:Get*", "kms:List*",
                "lambda:Get*", "lambda:List*", "logs:Describe*", "logs:FilterLogEvents", "logs:Get*", "logs:List*",
                "organizations:Describe*", "organizations:List*", "rds:Describe*", "rds:List*",
                "s3:Get*", "s3:List*", "sts:GetAccessKeyInfo", "sts:GetCallerIdentity"],
     "Resource": "*"}
  ]
})"},
    {"SecurityAudit", "/", "Reads settings, not contents: what a security audit needs.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["backup:Describe*", "backup:GetBackupVaultAccessPolicy", "backup:GetBackupVaultNotifications",
                "backup:List*", "cloudtrail:Describe*", "cloudtrail:LookupEvents", "events:Describe*", "events:List*",
                "iam:Get*", "iam:List*", "iam:Simulate*", "kms:Describe*", "kms:Get*", "kms:List*",
                "lambda:GetPolicy", "lambda:List*", "logs:Describe*", "organizations:Describe*",
                "organizations:List*", "rds:Describe*", "rds:List*", "s3:GetBucket*", "s3:GetEncryptionConfiguration",
                "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListAllMyBuckets"],
     "Resource": "*"}
  ]
})"},
    {"IAMFullAccess", "/", "Full access to IAM.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["iam:*", "organizations:DescribeAccount", "organizations:DescribeOrganization",
                "organizations:DescribeOrganizationalUnit", "organizations:DescribePolicy",
                "organizations:ListChildren", "organizations:ListParents", "organizations:ListPoliciesForTarget",
                "organizations:ListRoots", "organizations:ListPolicies", "organizations:ListTargetsForPolicy"],
     "Resource": "*"}
  ]
})"},
    {"IAMReadOnlyAccess", "/", "Read-only access to IAM.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["iam:Get*", "iam:List*", "iam:Simulate*"], "Resource": "*"}
  ]
})"},
    {"AWSKeyManagementServicePowerUser", "/", "Makes KMS keys and aliases and reads about them.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["kms:CreateAlias", "kms:CreateKey", "kms:DeleteAlias", "kms:Describe*", "kms:GenerateRandom",
                "kms:Get*", "kms:List*", "kms:TagResource", "kms:UntagResource", "iam:ListGroups", "iam:ListRoles",
                "iam:ListUsers"],
     "Resource": "*"}
  ]
})"},
    {"AWSBackupFullAccess", "/", "Full access to backups, and what goes with it in other services.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["backup:*", "backup-storage:*"], "Resource": "*"},
    {"Effect": "Allow",
     "Action": ["rds:Describe*", "rds:ListTagsForResource", "rds:CreateDBSnapshot", "rds:DeleteDBSnapshot",
                "s3:GetBucketLocation", "s3:ListAllMyBuckets", "tag:GetResources", "kms:DescribeKey", "kms:ListAliases",
                "kms:ListKeys", "events:DescribeRule", "events:ListTargetsByRule", "iam:GetRole", "iam:ListRoles",
                "organizations:DescribeOrganization", "organizations:ListAccounts", "organizations:ListRoots"],
     "Resource": "*"},
    {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
     "Condition": {"Bool": {"kms:GrantIsForAWSResource": true}}},
    {"Effect": "Allow", "Action": "iam:PassRole",
     "Resource": ["arn:aws:iam::*:role/*AwsBackup*", "arn:aws:iam::*:role/*AWSBackup*"],
     "Condition": {"StringLike": {"iam:PassedToService": "backup.amazonaws.com"}}},
    {"Effect": "Allow", "Action": "iam:CreateServiceLinkedRole", "Resource": "*",
     "Condition": {"StringEquals": {"iam:AWSServiceName": ["backup.amazonaws.com", "reports.backup.amazonaws.com",
                                                           "restore-testing.backup.amazonaws.com"]}}}
  ]
})"},
    {"AWSBackupOperatorAccess", "/", "Takes and restores backups; changes neither plans nor vaults.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["backup:Get*", "backup:List*", "backup:Describe*", "backup:StartBackupJob", "backup:StartCopyJob",
                "backup:StartRestoreJob", "backup:StopBackupJob", "backup:CreateBackupSelection",
                "backup:DeleteBackupSelection", "rds:Describe*", "kms:DescribeKey", "kms:ListAliases", "kms:ListKeys",
                "iam:GetRole", "iam:ListRoles", "organizations:DescribeOrganization", "tag:GetResources"],
     "Resource": "*"},
    {"Effect": "Allow", "Action": "iam:PassRole",
     "Resource": ["arn:aws:iam::*:role/*AwsBackup*", "arn:aws:iam::*:role/*AWSBackup*"],
     "Condition": {"StringLike": {"iam:PassedToService": "backup.amazonaws.com"}}}
  ]
})"},
    {"AWSBackupServiceRolePolicyForBackup", "/service-role/",
     "Lets AWS Backup take backups of all resource types on your behalf.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["rds:AddTagsToResource", "rds:CopyDBSnapshot", "rds:CreateDBSnapshot", "rds:DeleteDBSnapshot",
                "rds:DescribeDBInstances", "rds:DescribeDBInstanceAutomatedBackups", "rds:DescribeDBSnapshots",
                "rds:ListTagsForResource", "rds:ModifyDBInstance", "rds:ModifyDBSnapshotAttribute"],
     "Resource": "*"},
    {"Effect": "Allow", "Action": ["backup:DescribeBackupVault", "backup:CopyIntoBackupVault", "backup:TagResource"],
     "Resource": "*"},
    {"Effect": "Allow",
     "Action": ["s3:GetBucketLocation", "s3:GetBucketTagging", "s3:GetBucketVersioning", "s3:GetBucketAcl",
                "s3:GetObject", "s3:GetObjectAcl", "s3:GetObjectTagging", "s3:GetObjectVersion",
                "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging", "s3:ListBucket", "s3:ListBucketVersions",
                "s3:ListAllMyBuckets", "s3:GetInventoryConfiguration", "s3:PutInventoryConfiguration",
                "s3:GetBucketNotification", "s3:PutBucketNotification"],
     "Resource": "*"},
    {"Effect": "Allow", "Action": ["kms:DescribeKey", "tag:GetResources"], "Resource": "*"},
    {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
     "Resource": "*",
     "Condition": {"StringLike": {"kms:ViaService": ["rds.*.amazonaws.com", "backup.*.amazonaws.com",
                                                     "s3.*.amazonaws.com"]}}},
    {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
     "Condition": {"Bool": {"kms:GrantIsForAWSResource": true}}}
  ]
})"},
    {"AWSBackupServiceRolePolicyForRestores", "/service-role/",
     "Lets AWS Backup restore all resource types on your behalf.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["rds:AddTagsToResource", "rds:CreateDBInstance", "rds:DeleteDBInstance", "rds:DescribeDBInstances",
                "rds:DescribeDBSnapshots", "rds:ListTagsForResource", "rds:RestoreDBInstanceFromDBSnapshot",
                "rds:RestoreDBInstanceToPointInTime"],
     "Resource": "*"},
    {"Effect": "Allow",
     "Action": ["s3:CreateBucket", "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:GetObject",
                "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions", "s3:PutBucketVersioning",
                "s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging", "s3:DeleteObject"],
     "Resource": "*"},
    {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"},
    {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
     "Resource": "*",
     "Condition": {"StringLike": {"kms:ViaService": ["rds.*.amazonaws.com", "backup.*.amazonaws.com",
                                                     "s3.*.amazonaws.com"]}}},
    {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
     "Condition": {"Bool": {"kms:GrantIsForAWSResource": true}}}
  ]
})"},
    {"AWSBackupServiceLinkedRolePolicyForBackup", "/aws-service-role/",
     "What AWS Backup does by its service-linked role.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["backup:*", "rds:Describe*", "rds:ListTagsForResource", "rds:AddTagsToResource", "rds:CopyDBSnapshot",
                "rds:CreateDBSnapshot", "rds:DeleteDBSnapshot", "rds:ModifyDBInstance",
                "rds:DeleteDBInstanceAutomatedBackup", "tag:GetResources", "organizations:Describe*",
                "organizations:List*", "events:*", "kms:DescribeKey"],
     "Resource": "*"},
    {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
     "Condition": {"Bool": {"kms:GrantIsForAWSResource": true}}}
  ]
})"},
    {"AWSOrganizationsServiceTrustPolicy", "/aws-service-role/",
     "What AWS Organizations does by its service-linked role.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "iam:DeleteRole",
     "Resource": "arn:aws:iam::*:role/aws-service-role/organizations.amazonaws.com/*"},
    {"Effect": "Allow", "Action": "iam:CreateServiceLinkedRole", "Resource": "*"}
  ]
})"},
    {"AmazonRDSServiceRolePolicy", "/aws-service-role/", "What Amazon RDS does by its service-linked role.",
     R"({
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow",
     "Action": ["rds:CrossRegionCommunication", "logs:CreateLogGroup", "logs:CreateLogStream",
                "logs:DescribeLogStreams", "logs:PutLogEvents"],
     "Resource": "*"}
  ]
})"},
    {"AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy", "/aws-service-role/",
     "Lets AWS KMS keep multi-Region keys in step.",
     R"({
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "kms:SynchronizeMultiRegionKey", "Resource": "*"}]
})"},
};

/// The same on every installation and for ever.
std::string id_of(const AwsPolicy& policy) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const crypto::Digest256 digest = crypto::sha256(as_bytes(policy.name));
  std::string id = "ANPA";
  for (size_t i = 0; i < 17; ++i) id += kDigits[static_cast<size_t>(digest[i]) & 31];
  return id;
}

}  // namespace

std::span<const AwsPolicy> aws_policies() { return kPolicies; }

std::string arn_of(const AwsPolicy& policy) {
  return std::string(kAwsPolicyPrefix) + std::string(policy.path.substr(1)) + std::string(policy.name);
}

rows::ManagedPolicy row_of(const AwsPolicy& known) {
  rows::ManagedPolicy row;
  row.name = known.name;
  row.path = known.path;
  row.id = id_of(known);
  row.arn = arn_of(known);
  row.description = known.description;
  row.created = row.updated = kCreated;
  row.aws = true;
  return row;
}

const AwsPolicy* find_aws_policy(std::string_view arn) {
  if (!arn.starts_with(kAwsPolicyPrefix)) return nullptr;
  for (const AwsPolicy& known : kPolicies) {
    if (arn_of(known) == arn) return &known;
  }
  return nullptr;
}

policy::DocumentPtr document_of(const AwsPolicy& known) {
  static std::mutex mutex;
  static std::map<std::string_view, policy::DocumentPtr> documents;
  std::lock_guard lock(mutex);
  policy::DocumentPtr& document = documents[known.name];
  if (!document) document = policy::Document::parse(known.text, policy::Kind::kIdentity).value();
  return document;
}

}  // namespace coffer::iam
