// Keys and who may use them; roles of services and what they may do.
#include <algorithm>
#include <map>

#include "edge/cli/account_findings.h"
#include "edge/wire/http.h"

namespace coffer::cli {

using nlohmann::json;

namespace {

/// The account of a principal: "123456789012", "arn:aws:iam::123456789012:root"; "*" for everybody.
std::string account_of(const std::string& principal) {
  if (principal == "*" || principal.size() == 12) return principal;
  constexpr std::string_view kArn = "arn:aws:iam::";
  return principal.starts_with(kArn) ? principal.substr(kArn.size(), 12) : std::string();
}

bool is_whole_account(const std::string& principal) {
  return principal == "*" || principal.size() == 12 || principal.ends_with(":root");
}

/// Who may do what with a key, as far as it can do harm.
struct KeyUses {
  std::set<std::string> borrowers;       // other accounts that may decrypt
  std::set<std::string> whole_accounts;  // those of them in which every administrator may
  std::set<std::string> people;          // users who may delete the key
};

KeyUses uses_of(const json& policy, const std::string& owner) {
  KeyUses uses;
  for (const json& statement : allowing_statements(policy)) {
    const json& principal = member_of(statement, "Principal");
    std::vector<std::string> names = texts_of(principal);
    if (principal.is_object()) names = texts_of(member_of(principal, "AWS"));
    for (const std::string& name : names) {
      const std::string account = account_of(name);
      const bool may_use = allows_action(statement, "kms:Decrypt") || allows_action(statement, "kms:CreateGrant");
      if (account != owner && !account.empty() && may_use) {
        uses.borrowers.insert(account == "*" ? "everybody" : account);
        if (is_whole_account(name)) uses.whole_accounts.insert(account == "*" ? "everybody" : account);
      }
      if (name.find(":user/") != std::string::npos && allows_action(statement, "kms:ScheduleKeyDeletion"))
        uses.people.insert(name);
    }
  }
  return uses;
}

void examine_key(ExaminedAccount& account, const std::string& id, Findings& findings) {
  const auto described = account.api->call("kms", "TrentService.DescribeKey", {{"KeyId", id}});
  if (!described.ok()) return findings.could_not("key", "looking at the key " + id, described.error());
  const json& metadata = member_of(*described, "KeyMetadata");
  if (text_of(metadata, "KeyManager") != "CUSTOMER") return;
  const std::string key = "key " + text_of(metadata, "Arn");
  if (text_of(metadata, "KeyState") == "PendingDeletion") {
    findings.bad("key.pending_deletion", key + " is going to be deleted",
                 "everything that is encrypted under it becomes unreadable with it",
                 "aws kms cancel-key-deletion --key-id " + id + ", unless nothing is encrypted under it any more");
  }
  const auto got = account.api->call("kms", "TrentService.GetKeyPolicy", {{"KeyId", id}});
  if (!got.ok()) return findings.could_not("key", "reading the policy of the " + key, got.error());
  const KeyUses uses = uses_of(json::parse(text_of(*got, "Policy"), nullptr, false), account.id);
  if (!uses.borrowers.empty()) {
    findings.bad("key.single_owner",
                 key + " is lent to " + listed(uses.borrowers) + "; account " + account.id + " alone owns it",
                 "when account " + account.id +
                     " is lost or closed, or the key is deleted there, every copy under it is unreadable in both "
                     "accounts: the second copy is no independent one",
                 "give the copies in the other account a key of that account: a backup vault there with a key of its "
                 "own, ReplicaKmsKeyID of the replication rule");
  }
  if (!uses.whole_accounts.empty()) {
    findings.warn("key.whole_account",
                  key + " may be used by all that the account " + listed(uses.whole_accounts) + " allows to",
                  "every administrator there, and whoever takes over one, can decrypt the copies",
                  "name the roles that need the key in its policy instead of the account's root");
  }
  if (!uses.people.empty()) {
    findings.warn("key.deleted_by_one", key + " can be deleted by " + listed(uses.people) + " alone",
                  "one person, or one stolen access key, can make every backup unreadable",
                  "take kms:ScheduleKeyDeletion out of the statement, or deny it to all but a role that two people "
                  "must assume");
  }
}

json parse_document(std::string_view encoded) {
  const auto text = wire::percent_decode(encoded);
  return json::parse(text.value_or(""), nullptr, false);
}

/// Service principals that a role's trust policy names.
std::set<std::string> services_of(const json& trust) {
  std::set<std::string> services;
  for (const json& statement : allowing_statements(trust)) {
    for (const std::string& name : texts_of(member_of(member_of(statement, "Principal"), "Service")))
      services.insert(name);
  }
  return services;
}

bool is_every_bucket(const std::string& resource) {
  return resource == "*" || resource == "arn:aws:s3:::*" || resource == "arn:aws:s3:::*/*";
}

/// Of what a policy gives, that which no backup needs.
struct Excess {
  bool all_of_s3 = false;
  std::set<std::string> account_level;

  void add(const json& policy) {
    constexpr const char* kAccountLevel[] = {"s3:PutAccountPublicAccessBlock", "s3:CreateJob",
                                             "s3:PutStorageLensConfiguration", "s3:ListAllMyBuckets"};
    for (const json& statement : allowing_statements(policy)) {
      const auto resources = texts_of(member_of(statement, "Resource"));
      if (std::none_of(resources.begin(), resources.end(), is_every_bucket)) continue;
      const bool deletes = allows_action(statement, "s3:DeleteObject") && allows_action(statement, "s3:DeleteBucket");
      if (deletes && allows_action(statement, "s3:PutObject")) all_of_s3 = true;
      for (const char* action : kAccountLevel) {
        const auto named = texts_of(member_of(statement, "Action"));
        if (std::find(named.begin(), named.end(), action) != named.end()) account_level.insert(action);
      }
    }
  }
};

using Policies = std::map<std::string, json>;  // customer managed ones, by ARN

void add_policies(const xml::Element& answer, Policies& policies) {
  const xml::Element* list = answer.child("Policies");
  if (!list) return;
  for (const xml::Element& policy : list->children) {
    const xml::Element* versions = policy.child("PolicyVersionList");
    if (!versions) continue;
    for (const xml::Element& version : versions->children) {
      if (version.text_of("IsDefaultVersion") == "true")
        policies[std::string(policy.text_of("Arn"))] = parse_document(version.text_of("Document"));
    }
  }
}

void examine_role(const xml::Element& role, const Policies& policies, Findings& findings) {
  const std::string path(role.text_of("Path"));
  const auto services = services_of(parse_document(role.text_of("AssumeRolePolicyDocument")));
  if (services.empty() || path.starts_with("/aws-service-role/")) return;
  Excess excess;
  if (const xml::Element* inline_policies = role.child("RolePolicyList")) {
    for (const xml::Element& policy : inline_policies->children)
      excess.add(parse_document(policy.text_of("PolicyDocument")));
  }
  if (const xml::Element* attached = role.child("AttachedManagedPolicies")) {
    for (const xml::Element& policy : attached->children) {
      if (const auto found = policies.find(std::string(policy.text_of("PolicyArn"))); found != policies.end())
        excess.add(found->second);
    }
  }
  const std::string name =
      "role " + std::string(role.text_of("RoleName")) + ", which " + listed(services) + " assumes,";
  if (excess.all_of_s3) {
    findings.bad("role.all_of_s3", name + " may read, write and delete every object of every bucket",
                 "whoever gets hold of it can destroy the exports and their copies, and all else in S3",
                 "allow only what is needed, on the one bucket: an export needs s3:PutObject, s3:GetObject, "
                 "s3:DeleteObject on its objects, s3:ListBucket and s3:GetBucketLocation on the bucket");
  }
  if (!excess.account_level.empty()) {
    findings.bad("role.account_level", name + " has actions on the whole account: " + listed(excess.account_level),
                 "with s3:PutAccountPublicAccessBlock alone every bucket of the account can be opened to the public",
                 "take the statement out: no export, backup or replication needs any of them");
  }
}

}  // namespace

void examine_keys(ExaminedAccount& account, Findings& findings) {
  std::string marker;
  do {
    json input = json::object();
    if (!marker.empty()) input["Marker"] = marker;
    const auto keys = account.api->call("kms", "TrentService.ListKeys", input);
    if (!keys.ok()) return findings.could_not("key", "listing the keys of account " + account.id, keys.error());
    const json& list = member_of(*keys, "Keys");
    for (const json& key : list.is_array() ? list : json::array())
      examine_key(account, text_of(key, "KeyId"), findings);
    marker = text_of(*keys, "NextMarker");
  } while (!marker.empty());
}

void examine_roles(ExaminedAccount& account, Findings& findings) {
  Policies policies;
  std::vector<xml::Element> roles;
  std::string marker;
  do {
    Parameters input{{"Filter.member.1", "Role"}, {"Filter.member.2", "LocalManagedPolicy"}, {"MaxItems", "50"}};
    if (!marker.empty()) input.emplace_back("Marker", marker);
    const auto answer = account.api->query("iam", "GetAccountAuthorizationDetails", input);
    if (!answer.ok()) return findings.could_not("role", "listing the roles of account " + account.id, answer.error());
    add_policies(*answer, policies);
    if (const xml::Element* list = answer->child("RoleDetailList"))
      roles.insert(roles.end(), list->children.begin(), list->children.end());
    marker = answer->text_of("IsTruncated") == "true" ? answer->text_of("Marker") : "";
  } while (!marker.empty());
  for (const xml::Element& role : roles) examine_role(role, policies, findings);
}

}  // namespace coffer::cli
