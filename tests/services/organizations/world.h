// An installation with nothing but Organizations, as the gate would call it: access first, then the handler, one
// transaction each. Every principal may do everything by its identity policy, so that only the service says no.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "services/api/fault.h"
#include "services/organizations/service.h"

namespace coffer::organizations {

using api::List;
using api::Value;

template <class T>
T take(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().name + ": " + result.error().message);
  return std::move(result).value();
}
inline void take(Status status) { take<Unit>(std::move(status)); }

constexpr WallTime kStart{1'700'000'000'000'000};
constexpr const char* kMain = "111111111111";
constexpr const char* kOther = "222222222222";
constexpr const char* kThird = "333333333333";

class World {
 public:
  explicit World(const std::string& where = ":memory:") {
    database_ = take(catalog::Database::open(where));
    std::vector<catalog::Migration> all(catalog::migrations().begin(), catalog::migrations().end());
    all.insert(all.end(), migrations().begin(), migrations().end());
    take(database_->migrate(Context(), all));
    table_ = actions(
        [this](catalog::Transaction&, std::string_view account, std::string_view name, std::string_view role,
               std::string_view management) -> Status {
          if (!make_account_fails.empty()) return Error{ErrorCode::kAlreadyExists, make_account_fails, {}};
          made.push_back({std::string(account), std::string(name), std::string(role), std::string(management)});
          installed[std::string(account)] = std::string(name);
          return ok_status();
        },
        clock, entropy,
        [this](catalog::Transaction&, std::string_view id) -> Result<std::optional<std::string>> {
          const auto found = installed.find(std::string(id));
          return found == installed.end() ? std::nullopt : std::optional(found->second);
        });
  }

  const api::Action& action(std::string_view operation) {
    for (const api::Action& a : table_.actions) {
      if (a.operation == operation) return a;
    }
    throw std::runtime_error("no operation " + std::string(operation));
  }
  [[nodiscard]] const std::vector<api::Action>& all_actions() const { return table_.actions; }

  Result<Value> call(std::string_view account, std::string_view operation, Value input = Value::object()) {
    const api::Action& a = action(operation);
    api::Call c;
    c.operation = operation;
    c.service = "organizations";
    c.region = "us-east-1";
    c.time = clock.wall();
    c.caller.kind = api::Caller::Kind::kUser;
    c.caller.account = account;
    c.caller.arn = c.caller.principal_arn = "arn:aws:iam::" + std::string(account) + ":user/u";
    COFFER_TRY(auto transaction, database_->begin(Context(), a.changes ? catalog::Database::Mode::kWrite
                                                                       : catalog::Database::Mode::kRead));
    const api::Operation o{c, input, *transaction};
    COFFER_TRY(asked, a.access(o));
    for (const api::AccessRequest& request : asked) COFFER_CHECK_OK(authorize(c, request));
    COFFER_TRY(Value output, a.run(o));
    if (a.changes) COFFER_CHECK_OK(transaction->commit());
    return output;
  }
  Value ok(std::string_view account, std::string_view operation, Value input = Value::object()) {
    return take(call(account, operation, std::move(input)));
  }
  /// "Name" or "Name/REASON" of the failure; empty when there was none.
  std::string fault(std::string_view account, std::string_view operation, Value input = Value::object()) {
    auto result = call(account, operation, std::move(input));
    if (result.ok()) return "";
    std::string name = result.error().name.empty() ? result.error().message : result.error().name;
    const std::string_view reason = api::reason_of(result.error());
    return reason.empty() ? name : name + "/" + std::string(reason);
  }

  /// All pages of a list.
  std::vector<Value> list(std::string_view account, std::string_view operation, std::string_view member,
                          Value input = Value::object(), int page_size = 0) {
    std::vector<Value> all;
    if (page_size) input.set("MaxResults", page_size);
    for (;;) {
      const Value output = ok(account, operation, input);
      for (const Value& item : output.list(member)) all.push_back(item);
      if (!output.has("NextToken")) return all;
      input.set("NextToken", output.text("NextToken"));
    }
  }
  std::vector<std::string> ids(std::string_view account, std::string_view operation, std::string_view member,
                               Value input = Value::object(), std::string_view id = "Id") {
    std::vector<std::string> all;
    for (const Value& item : list(account, operation, member, std::move(input))) all.emplace_back(item.text(id));
    return all;
  }

  // The organization of kMain.
  std::string organize(std::string_view features = "ALL") {
    return std::string(
        ok(kMain, "CreateOrganization", Value::object({{"FeatureSet", features}})).find("Organization")->text("Id"));
  }
  std::string root(std::string_view management = kMain) {
    return std::string(ok(management, "ListRoots").list("Roots").at(0).text("Id"));
  }
  std::string unit(std::string_view parent, std::string_view name) {
    return std::string(ok(kMain, "CreateOrganizationalUnit", Value::object({{"ParentId", parent}, {"Name", name}}))
                           .find("OrganizationalUnit")
                           ->text("Id"));
  }
  std::string account(std::string_view name) {
    const Value out = ok(kMain, "CreateAccount",
                         Value::object({{"AccountName", name}, {"Email", std::string(name) + "@example.com"}}));
    return std::string(out.find("CreateAccountStatus")->text("AccountId"));
  }
  std::string invite(std::string_view account) {
    const Value out = ok(kMain, "InviteAccountToOrganization",
                         Value::object({{"Target", Value::object({{"Id", account}, {"Type", "ACCOUNT"}})}}));
    return std::string(out.find("Handshake")->text("Id"));
  }
  void join(std::string_view account) {
    ok(account, "AcceptHandshake", Value::object({{"HandshakeId", invite(account)}}));
  }
  void move(std::string_view account, std::string_view to) {
    const std::string from(
        ok(kMain, "ListParents", Value::object({{"ChildId", account}})).list("Parents").at(0).text("Id"));
    ok(kMain, "MoveAccount",
       Value::object({{"AccountId", account}, {"SourceParentId", from}, {"DestinationParentId", to}}));
  }
  void enable(std::string_view type) {
    ok(kMain, "EnablePolicyType", Value::object({{"RootId", root()}, {"PolicyType", type}}));
  }
  std::string policy(std::string_view name, std::string_view content,
                     std::string_view type = "SERVICE_CONTROL_POLICY") {
    const Value out =
        ok(kMain, "CreatePolicy",
           Value::object({{"Name", name}, {"Content", content}, {"Description", "for a test"}, {"Type", type}}));
    return std::string(out.find("Policy")->find("PolicySummary")->text("Id"));
  }
  void attach(std::string_view policy, std::string_view target) {
    ok(kMain, "AttachPolicy", Value::object({{"PolicyId", policy}, {"TargetId", target}}));
  }
  void detach(std::string_view policy, std::string_view target) {
    ok(kMain, "DetachPolicy", Value::object({{"PolicyId", policy}, {"TargetId", target}}));
  }

  std::unique_ptr<catalog::Transaction> read() {
    return take(database_->begin(Context(), catalog::Database::Mode::kRead));
  }
  /// Runs SQL and commits.
  void write(std::string_view sql, std::initializer_list<catalog::Parameter> parameters = {}) {
    auto transaction = take(database_->begin(Context(), catalog::Database::Mode::kWrite));
    take(transaction->run(sql, parameters));
    take(transaction->commit());
  }
  int64_t generation() {
    auto transaction = read();
    return take(catalog::generation(*transaction, kGeneration));
  }

  struct Made {
    std::string account, name, role, management;
  };
  ManualClock clock{kStart};
  SeededEntropy entropy{7};
  std::map<std::string, std::string> installed{{kMain, "main"}, {kOther, "other"}, {kThird, "third"}};
  std::vector<Made> made;
  std::string make_account_fails;
  std::vector<api::AccessRequest> asked;  // by the last call

 private:
  /// As the gate: identity allows everything; a resource policy is asked when one is given.
  static Status authorize(const api::Call& c, const api::AccessRequest& request) {
    policy::PrincipalPolicies policies;
    policies.identity.push_back(
        {"all", "IAM Policy",
         take(policy::Document::parse(
             R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
             policy::Kind::kIdentity))});
    policy::ResourceSide side;
    side.policy = request.resource_policy.get();
    policy::RequestContext context = policy::global_context(c);
    for (const auto& [key, values] : request.conditions) context.set(key, values);
    const policy::Query query{c.caller, request.action, request.resource, request.resource_account, context};
    if (policy::evaluate(query, policies, side).allowed()) return ok_status();
    return api::fault(ErrorCode::kPermissionDenied, "AccessDeniedException", "not allowed by policy");
  }

  std::unique_ptr<catalog::Database> database_;
  api::ServiceTable table_;
};

inline Value tags(std::initializer_list<std::pair<const char*, const char*>> all) {
  Value list = List();
  for (const auto& [key, value] : all) list.push_back(Value::object({{"Key", key}, {"Value", value}}));
  return list;
}

constexpr const char* kAllowS3 =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]})";
constexpr const char* kDenyKms =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*"}]})";

class OrganizationsTest : public ::testing::Test {
 protected:
  World world;
};

}  // namespace coffer::organizations
