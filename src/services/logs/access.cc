// What must be allowed for a call. Resource policies of the account and of the group speak together, as one document.
#include <mutex>
#include <unordered_map>

#include "services/logs/operations.h"
#include "services/policy/document.h"
#include "services/policy/json_tree.h"

namespace coffer::logs {
namespace {

using api::AccessRequest;
using Requests = std::vector<AccessRequest>;
using DocumentPtr = std::shared_ptr<const policy::Document>;

constexpr size_t kPoliciesCachedMax = 1000;

void append_string(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_node(const policy::Node& node, std::string& out) {
  using Type = policy::Node::Type;
  std::string_view separator;
  switch (node.type) {
    case Type::kNull: out += "null"; return;
    case Type::kString: append_string(node.text, out); return;
    case Type::kBool:
    case Type::kNumber: out += node.text; return;
    case Type::kArray:
      out += '[';
      for (const policy::Node& item : node.items) {
        out += separator;
        append_node(item, out);
        separator = ",";
      }
      out += ']';
      return;
    case Type::kObject:
      out += '{';
      for (const policy::Member& member : node.members) {
        out += separator;
        append_string(member.name, out);
        out += ':';
        append_node(member.value, out);
        separator = ",";
      }
      out += '}';
  }
}

/// The statements of a document, without their Sids, which need not differ between documents.
Status append_statements(const std::string& document, std::string& out) {
  COFFER_TRY(policy::Node root, policy::parse_json(document));
  for (policy::Member& member : root.members) {
    if (member.name != "Statement") continue;
    std::vector<policy::Node> statements = std::move(member.value.items);
    if (member.value.type == policy::Node::Type::kObject) statements = {std::move(member.value)};
    for (policy::Node& statement : statements) {
      std::erase_if(statement.members, [](const policy::Member& m) { return m.name == "Sid"; });
      if (!out.empty()) out += ',';
      append_node(statement, out);
    }
  }
  return ok_status();
}

/// The documents as one. Parsed once for the same texts.
Result<DocumentPtr> joined(const std::vector<std::string>& documents) {
  static std::mutex mutex;
  static std::unordered_map<std::string, DocumentPtr> cache;
  std::string key;
  for (const std::string& document : documents) key += document + '\n';
  {
    const std::lock_guard lock(mutex);
    if (const auto found = cache.find(key); found != cache.end()) return found->second;
  }
  std::string statements;
  for (const std::string& document : documents) COFFER_CHECK_OK(append_statements(document, statements));
  COFFER_TRY(auto document, policy::Document::parse(R"({"Version":"2012-10-17","Statement":[)" + statements + "]}",
                                                    policy::Kind::kResource));
  const std::lock_guard lock(mutex);
  if (cache.size() >= kPoliciesCachedMax) cache.clear();
  return cache[key] = std::move(document);
}

Result<DocumentPtr> resource_policy_of(const Request& r, const GroupName& group) {
  COFFER_TRY(const auto policies, rows::resource_policies(r.t(), group.account, group.region));
  std::vector<std::string> documents;
  for (const rows::ResourcePolicy& policy : policies) {
    if (policy.resource_arn.empty() || policy.resource_arn == group.arn()) documents.push_back(policy.document);
  }
  if (documents.empty()) return DocumentPtr();
  return joined(documents);
}

Result<AccessRequest> access_to(const Request& r, const GroupName& group, std::string_view stream,
                                api::ConditionKeys conditions = {}) {
  AccessRequest request;
  request.action = "logs:" + r.call().operation;
  request.resource = group.policy_arn(stream);
  request.resource_account = group.account;
  request.conditions = std::move(conditions);
  COFFER_TRY(request.resource_policy, resource_policy_of(r, group));
  // What does not exist has no tags; whether it exists is told to those who are allowed to know.
  COFFER_TRY(const auto found, rows::find_group(r.t(), group.account, group.region, group.name));
  if (!found) return request;
  COFFER_TRY(const auto tags, rows::tags_of(r.t(), found->id));
  for (const auto& [key, value] : tags)
    request.conditions.emplace_back("aws:ResourceTag/" + key, std::vector<std::string>{value});
  return request;
}

}  // namespace

api::ConditionKeys tag_conditions(const Request& r) {
  api::ConditionKeys conditions;
  std::vector<std::string> keys = r.input().texts("tagKeys");
  if (r.call().operation == "UntagLogGroup") {
    keys = r.input().texts("tags");
  } else {
    for (const auto& [key, value] : r.input().text_map("tags")) {
      conditions.emplace_back("aws:RequestTag/" + key, std::vector<std::string>{value});
      keys.push_back(key);
    }
  }
  if (!keys.empty()) conditions.emplace_back("aws:TagKeys", std::move(keys));
  return conditions;
}

Result<Requests> on_group(const Request& r) {
  COFFER_TRY(const GroupName group, group_name(r));
  COFFER_TRY(AccessRequest request, access_to(r, group, "", tag_conditions(r)));
  return Requests{std::move(request)};
}

Result<Requests> on_stream(const Request& r) {
  COFFER_TRY(const GroupName group, group_name(r));
  COFFER_TRY(AccessRequest request, access_to(r, group, r.input().text("logStreamName")));
  return Requests{std::move(request)};
}

Result<Requests> on_new_group(const Request& r) {
  COFFER_TRY(Requests requests, on_group(r));
  if (r.input().text_map("tags").empty()) return requests;
  AccessRequest tagging = requests.front();
  tagging.action = "logs:TagResource";
  requests.push_back(std::move(tagging));
  return requests;
}

// Policies name a group that is tagged without the ":*" that all others have.
Result<Requests> on_tagged(const Request& r) {
  COFFER_TRY(const GroupName group, group_of_arn(r.input().text("resourceArn")));
  COFFER_TRY(AccessRequest request, access_to(r, group, "", tag_conditions(r)));
  request.resource = group.arn();
  return Requests{std::move(request)};
}

Result<Requests> on_all_groups(const Request& r) {
  AccessRequest request;
  request.action = "logs:" + r.call().operation;
  request.resource = GroupName{r.account(), r.call().region, ""}.policy_arn("");
  return Requests{std::move(request)};
}

Result<Requests> on_nothing(const Request& r) {
  AccessRequest request;
  request.action = "logs:" + r.call().operation;
  return Requests{std::move(request)};
}

}  // namespace coffer::logs
