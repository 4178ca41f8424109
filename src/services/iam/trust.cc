#include "services/iam/trust.h"

#include <boost/json.hpp>

#include "services/iam/arns.h"
#include "services/iam/faults.h"
#include "services/iam/quotas.h"

namespace coffer::iam {
namespace {

namespace json = boost::json;
using policy::Document;

void add_strings(json::value& value, std::vector<json::value*>& into) {
  if (value.is_string()) into.push_back(&value);
  if (!value.is_array()) return;
  for (json::value& item : value.get_array()) add_strings(item, into);
}

/// The strings under Principal.AWS and NotPrincipal.AWS, by their place in the text.
std::vector<json::value*> aws_principals(json::value& document) {
  std::vector<json::value*> found;
  if (!document.is_object()) return found;
  json::value* statements = document.get_object().if_contains("Statement");
  if (!statements) return found;
  json::array one;
  const auto look_at = [&](json::value& statement) {
    if (!statement.is_object()) return;
    for (const char* element : {"Principal", "NotPrincipal"}) {
      json::value* principal = statement.get_object().if_contains(element);
      if (!principal || !principal->is_object()) continue;
      if (json::value* names = principal->get_object().if_contains("AWS")) add_strings(*names, found);
    }
  };
  if (statements->is_array()) {
    for (json::value& statement : statements->get_array()) look_at(statement);
  } else {
    look_at(*statements);
  }
  return found;
}

Result<json::value> parse(std::string_view text) {
  boost::system::error_code error;
  json::value document = json::parse(text, error);
  if (error) return malformed_policy("Syntax errors in policy.");
  return document;
}

/// The unique id behind a principal; empty when it stands for itself.
Result<std::string> id_of(catalog::Transaction& t, const std::string& name) {
  const Error unknown = malformed_policy("Invalid principal in policy: \"AWS\":\"" + name + "\"");
  if (name == "*" || is_account_id(name) || (name.ends_with(":root") && !account_of_arn(name).empty()))
    return std::string();
  if (!name.starts_with("arn:")) {
    COFFER_TRY(auto entity, rows::find_by_id(t, name));
    if (!entity || entity->kind == rows::Kind::kGroup) return unknown;
    return std::string();
  }
  const std::string account = account_of_arn(name);
  if (account.empty()) return unknown;
  COFFER_TRY(bool ours, rows::account_exists(t, account));
  if (!ours) return std::string();
  if (const auto session = parse_session_arn(name)) {
    COFFER_TRY(auto role, rows::find(t, rows::Kind::kRole, account, session->name));
    if (!role) return unknown;
    return std::string();  // a session is named, not its role: the ARN itself is compared
  }
  if (name.starts_with("arn:aws:sts::")) return std::string();
  COFFER_TRY(auto entity, entity_of_arn(t, name));
  if (!entity || entity->kind == rows::Kind::kGroup) return unknown;
  return entity->id;
}

}  // namespace

Result<std::string> resolve_trust(catalog::Transaction& t, const std::string& text) {
  if (policy::size_without_whitespace(text) > static_cast<size_t>(quotas::kTrustPolicySize)) {
    return quota_exceeded("ACLSizePerRole", quotas::kTrustPolicySize);
  }
  COFFER_CHECK_OK(Document::parse(text, policy::Kind::kTrust));
  COFFER_TRY(json::value document, parse(text));
  for (json::value* principal : aws_principals(document)) {
    COFFER_TRY(std::string id, id_of(t, std::string(principal->get_string())));
    if (!id.empty()) *principal = id;
  }
  return json::serialize(document);
}

Result<std::shared_ptr<const Document>> trust_document(const rows::Entity& role) {
  return Document::parse(role.trust_resolved, policy::Kind::kTrust);
}

Result<std::string> shown_trust(catalog::Transaction& t, const rows::Entity& role) {
  COFFER_TRY(json::value written, parse(role.trust));
  COFFER_TRY(json::value resolved, parse(role.trust_resolved));
  const auto names = aws_principals(written), ids = aws_principals(resolved);
  if (names.size() != ids.size()) return Error{ErrorCode::kCorruption, "the trust policy of " + role.arn(), {}};
  bool changed = false;
  for (size_t i = 0; i < names.size(); ++i) {
    if (*names[i] == *ids[i]) continue;
    const std::string id(ids[i]->get_string());
    COFFER_TRY(auto entity, rows::find_by_id(t, id));
    const std::string shown = entity ? entity->arn() : id;
    if (shown == std::string_view(names[i]->get_string())) continue;
    *names[i] = shown;
    changed = true;
  }
  return changed ? json::serialize(written) : role.trust;
}

}  // namespace coffer::iam
