#include "services/audit/filing.h"

#include <algorithm>

#include "services/audit/canonical_json.h"

namespace coffer::audit {
namespace {

constexpr size_t kTermSizeMax = 2048;

struct ResourceKind {
  std::string_view service, prefix, type;
};
// The first that matches; a prefix is that of the last part of the ARN.
constexpr ResourceKind kKinds[] = {
    {"kms", "key/", "AWS::KMS::Key"},
    {"kms", "alias/", "AWS::KMS::Alias"},
    {"iam", "user/", "AWS::IAM::User"},
    {"iam", "role/", "AWS::IAM::Role"},
    {"iam", "group/", "AWS::IAM::Group"},
    {"iam", "policy/", "AWS::IAM::Policy"},
    {"iam", "instance-profile/", "AWS::IAM::InstanceProfile"},
    {"iam", "mfa/", "AWS::IAM::MFADevice"},
    {"iam", "oidc-provider/", "AWS::IAM::OIDCProvider"},
    {"iam", "saml-provider/", "AWS::IAM::SAMLProvider"},
    {"sts", "assumed-role/", "AWS::STS::AssumedRole"},
    {"organizations", "account/", "AWS::Organizations::Account"},
    {"organizations", "ou/", "AWS::Organizations::OrganizationalUnit"},
    {"organizations", "policy/", "AWS::Organizations::Policy"},
    {"organizations", "organization/", "AWS::Organizations::Organization"},
    {"rds", "db:", "AWS::RDS::DBInstance"},
    {"rds", "snapshot:", "AWS::RDS::DBSnapshot"},
    {"rds", "cluster:", "AWS::RDS::DBCluster"},
    {"rds", "cluster-snapshot:", "AWS::RDS::DBClusterSnapshot"},
    {"backup", "backup-vault:", "AWS::Backup::BackupVault"},
    {"backup", "backup-plan:", "AWS::Backup::BackupPlan"},
    {"backup", "recovery-point:", "AWS::Backup::RecoveryPoint"},
    {"lambda", "function:", "AWS::Lambda::Function"},
    {"events", "rule/", "AWS::Events::Rule"},
    {"events", "event-bus/", "AWS::Events::EventBus"},
    {"logs", "log-group:", "AWS::Logs::LogGroup"},
};

/// Field `index` of "arn:partition:service:region:account:resource"; the last keeps its colons.
std::string_view arn_field(std::string_view arn, int index) {
  for (int i = 0; i < index; ++i) {
    const size_t colon = arn.find(':');
    if (colon == std::string_view::npos) return {};
    arn.remove_prefix(colon + 1);
  }
  return index == 5 ? arn : arn.substr(0, arn.find(':'));
}

void read_identity(JsonCursor& cursor, Filing& filing) {
  std::string type, user_name, arn, invoked_by;
  cursor.object([&](const std::string& name) {
    if (name == "accessKeyId") filing.access_key_id = cursor.string();
    if (name == "arn") arn = cursor.string();
    if (name == "invokedBy") invoked_by = cursor.string();
    if (name == "type") type = cursor.string();
    if (name == "userName") user_name = cursor.string();
  });
  if (!user_name.empty()) {
    filing.user_name = user_name;
  } else if (type == "Root") {
    filing.user_name = "root";
  } else if (type == "AWSService") {
    filing.user_name = invoked_by;
  } else {
    filing.user_name = arn.substr(arn.rfind('/') + 1);
  }
}

void read_resources(JsonCursor& cursor, Filing& filing) {
  cursor.array([&] {
    Resource resource;
    cursor.object([&](const std::string& name) {
      if (name == "ARN") resource.arn = cursor.string();
      if (name == "accountId") resource.account = cursor.string();
      if (name == "type") resource.type = cursor.string();
    });
    filing.resources.push_back(std::move(resource));
  });
}

}  // namespace

Result<Filing> filing_of(std::string_view record_json) {
  Filing filing;
  std::string time;
  JsonCursor cursor(record_json);
  cursor.object([&](const std::string& name) {
    if (name == "eventID") filing.event_id = cursor.string();
    if (name == "eventName") filing.event_name = cursor.string();
    if (name == "eventSource") filing.event_source = cursor.string();
    if (name == "eventTime") time = cursor.string();
    if (name == "readOnly") filing.read_only = cursor.skip() == "true";
    if (name == "recipientAccountId") filing.account = cursor.string();
    if (name == "resources") read_resources(cursor, filing);
    if (name == "userIdentity") read_identity(cursor, filing);
  });
  const auto parsed = parse_utc(time);
  if (!cursor.done() || !parsed.ok())
    return Error{ErrorCode::kCorruption, "this is not the JSON of an audit record", {}};
  filing.time = *parsed;
  // An escaped NUL is text in JSON, but the catalog takes none.
  for (std::string* text : {&filing.account, &filing.event_id, &filing.event_name, &filing.event_source,
                            &filing.user_name, &filing.access_key_id})
    *text = clean_text(*text);
  return filing;
}

std::string resource_type(std::string_view arn) {
  const std::string_view service = arn_field(arn, 2), resource = arn_field(arn, 5);
  for (const ResourceKind& kind : kKinds) {
    if (service == kind.service && resource.starts_with(kind.prefix)) return std::string(kind.type);
  }
  if (service == "s3" && !resource.empty())
    return resource.find('/') == std::string_view::npos ? "AWS::S3::Bucket" : "AWS::S3::Object";
  return {};
}

std::string_view account_of_arn(std::string_view arn) { return arn_field(arn, 4); }

std::string term(TermKind kind, std::string_view value) {
  return std::string{static_cast<char>(kind), ':'} + clean_text(value, kTermSizeMax);
}

std::vector<std::string> terms_of(const Filing& filing) {
  std::vector<std::string> terms;
  const auto add = [&](TermKind kind, std::string_view value) {
    if (!value.empty()) terms.push_back(term(kind, value));
  };
  if (second_of_id(filing.event_id) != filing.time) add(TermKind::kEventId, filing.event_id);
  add(TermKind::kEventName, filing.event_name);
  add(TermKind::kEventSource, filing.event_source);
  add(TermKind::kUserName, filing.user_name);
  add(TermKind::kAccessKey, filing.access_key_id);
  if (!filing.read_only) terms.push_back(term(TermKind::kChange, ""));
  for (const Resource& resource : filing.resources) {
    add(TermKind::kResourceName, resource.arn);
    const std::string_view part = arn_field(resource.arn, 5);
    add(TermKind::kResourceName, part.substr(part.find_last_of("/:") + 1));
    add(TermKind::kResourceType, resource.type);
  }
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  return terms;
}

bool has_same_terms(const Filing& a, const Filing& b) {
  return a.read_only == b.read_only && a.account == b.account && a.access_key_id == b.access_key_id &&
         a.event_name == b.event_name && a.event_source == b.event_source && a.user_name == b.user_name &&
         a.resources == b.resources;
}

std::optional<WallTime> second_of_id(std::string_view event_id) {
  // "019ab5d4-3c80-7...": the first 48 bits are milliseconds.
  if (event_id.size() != 36 || event_id[8] != '-' || event_id[13] != '-' || event_id[14] != '7') return std::nullopt;
  int64_t millis = 0;
  for (size_t i = 0; i < 13; ++i) {
    if (i == 8) continue;
    const char c = event_id[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    millis = millis << 4 | digit;
  }
  return WallTime{millis / 1000 * 1'000'000};
}

}  // namespace coffer::audit
