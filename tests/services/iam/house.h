// A house with accounts, in which tests make calls as the gate would: find the caller, ask what must be allowed, run.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/entropy.h"
#include "services/api/fault.h"
#include "services/iam/principals.h"
#include "services/iam/service.h"
#include "services/organizations/service.h"

namespace coffer::iam {

using api::Value;

inline const std::string kAccount = "111111111111", kOther = "222222222222";

template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().name + ": " + result.error().message);
  return std::move(result).value();
}

/// The error's name, or its message when it has none; "" for a success.
template <class T>
std::string error_of(const Result<T>& result) {
  if (result.ok()) return "";
  return result.error().name.empty() ? std::string(error_code_name(result.code())) : result.error().name;
}

inline Value object(std::initializer_list<api::Members::value_type> members) { return Value::object(members); }
inline Value texts(std::initializer_list<std::string> texts) { return api::text_list(std::vector<std::string>(texts)); }
inline Value tags(std::initializer_list<std::pair<const char*, const char*>> all) {
  api::List list;
  for (const auto& [key, value] : all) list.push_back(object({{"Key", key}, {"Value", value}}));
  return list;
}
/// `allow("s3:Get*", "*")`: a policy document.
inline std::string statement(std::string_view effect, std::string_view action, std::string_view resource = "*") {
  return R"({"Version":"2012-10-17","Statement":[{"Effect":")" + std::string(effect) + R"(","Action":")" +
         std::string(action) + R"(","Resource":")" + std::string(resource) + R"("}]})";
}
inline std::string allow(std::string_view action, std::string_view resource = "*") {
  return statement("Allow", action, resource);
}
inline std::string deny(std::string_view action, std::string_view resource = "*") {
  return statement("Deny", action, resource);
}
/// A trust policy: `principal` is JSON, `rest` further members of the statement.
inline std::string trust(const std::string& principal, const std::string& action = R"("sts:AssumeRole")",
                         const std::string& rest = "") {
  return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":)" + principal + R"(,"Action":)" +
         action + rest + "}]}";
}
inline std::string aws(const std::string& principal) { return R"({"AWS":")" + principal + R"("})"; }
inline std::string service(const std::string& principal) { return R"({"Service":")" + principal + R"("})"; }

/// What a client keeps to sign with.
struct Keys {
  std::string id, secret, token;
};
inline Keys keys_of(const Value& output) {
  const Value* c = output.find("Credentials");
  if (!c) c = output.find("AccessKey");
  return {std::string(c->text("AccessKeyId")), std::string(c->text("SecretAccessKey")),
          std::string(c->text("SessionToken"))};
}

class House : public testing::Test {
 protected:
  House() : House(":memory:") {}
  explicit House(const std::string& where) : database_(coffer::iam::must(catalog::Database::open(where))) {
    std::vector<catalog::Migration> all;
    for (auto some : {catalog::migrations(), migrations(), organizations::migrations()})
      all.insert(all.end(), some.begin(), some.end());
    coffer::iam::must(database_->migrate(Context(), all));
    Bytes root(64);
    for (size_t i = 0; i < root.size(); ++i) root[i] = static_cast<std::byte>(i * 7 + 1);
    root_ = Secret(root);
    reopen();
    for (const std::string& account : {kAccount, kOther}) {
      change([&](catalog::Transaction& t) -> Status {
        COFFER_TRY(RootCredentials made,
                   create_account(t, account, "account " + account, root_.view(), clock_, entropy_));
        roots_[account] = {made.access_key_id, made.secret_access_key, ""};
        return ok_status();
      });
    }
  }

  /// As after a restart of the daemon.
  void reopen() {
    authority_.reset();
    actions_.clear();
    authority_ = open_authority(*database_, clock_, entropy_, root_.clone());
    for (api::ServiceTable table : {iam_actions(*authority_, root_.view(), clock_, entropy_),
                                    sts_actions(*authority_, root_.view(), clock_, entropy_), organizations_table()}) {
      for (api::Action& action : table.actions) actions_[table.signing_name + ":" + action.operation] = action;
    }
  }

  api::ServiceTable organizations_table() {
    return organizations::actions(
        [this](catalog::Transaction& t, std::string_view account, std::string_view name, std::string_view role_name,
               std::string_view management) {
          return create_member_account(t, account, name, role_name, management, root_.view(), clock_, entropy_);
        },
        clock_, entropy_);
  }

  void change(const std::function<Status(catalog::Transaction&)>& work) {
    coffer::iam::must(catalog::in_transaction(*database_, Context(), work));
  }
  std::unique_ptr<catalog::Transaction> read() {
    return coffer::iam::must(database_->begin(Context(), catalog::Database::Mode::kRead));
  }

  Result<Credential> find(const Keys& keys) {
    return authority_->find_credential(Context(), keys.id, keys.token, clock_.wall());
  }
  std::shared_ptr<const Identity> identity(const Keys& keys) { return must(find(keys)).identity; }

  api::Call call_of(const Identity& identity, const std::string& service, const std::string& operation) {
    api::Call call;
    call.caller = identity.caller;
    call.service = service;
    call.operation = operation;
    call.region = "us-east-1";
    call.request_id = "00000000-0000-4000-8000-000000000000";
    call.source_ip = "192.0.2.1";
    call.secure_transport = true;
    call.time = clock_.wall();
    return call;
  }

  /// A call as the gate makes it.
  Result<Value> call(const Keys& keys, const std::string& service, const std::string& operation, Value input = {}) {
    COFFER_TRY(Credential credential, find(keys));
    if (input.is_null()) input = Value::object();
    const api::Call call = call_of(*credential.identity, service, operation);
    const api::Action& action = actions_.at(service + ":" + operation);
    COFFER_TRY(auto transaction, database_->begin(Context(), action.changes ? catalog::Database::Mode::kWrite
                                                                            : catalog::Database::Mode::kRead));
    const api::Operation o{call, input, *transaction};
    COFFER_TRY(auto requests, action.access(o));
    COFFER_CHECK_OK(authority_->authorize(*transaction, call, *credential.identity, requests));
    COFFER_TRY(Value output, action.run(o));
    if (action.changes) COFFER_CHECK_OK(transaction->commit());
    return output;
  }
  Result<Value> iam(const Keys& keys, const std::string& operation, Value input = {}) {
    return call(keys, "iam", operation, std::move(input));
  }
  Result<Value> sts(const Keys& keys, const std::string& operation, Value input = {}) {
    return call(keys, "sts", operation, std::move(input));
  }
  /// As the root of kAccount.
  Result<Value> iam(const std::string& operation, Value input = {}) { return iam(root(), operation, std::move(input)); }
  [[nodiscard]] const Keys& root(const std::string& account = kAccount) const { return roots_.at(account); }

  /// May whoever holds `keys` do `action` on `resource` of the account `owner` (empty: his own)?
  bool may(const Keys& keys, const std::string& action, const std::string& resource = "*",
           const std::string& owner = "") {
    return asked(keys, action, resource, owner).ok();
  }
  Status asked(const Keys& keys, const std::string& action, const std::string& resource = "*",
               const std::string& owner = "") {
    COFFER_TRY(Credential credential, find(keys));
    auto transaction = read();
    api::AccessRequest request;
    request.action = action;
    request.resource = resource;
    request.resource_account = owner;
    return authority_->authorize(*transaction, call_of(*credential.identity, "test", "Test"), *credential.identity,
                                 {request});
  }

  /// A user of kAccount with a key and, when given, an inline policy.
  Keys user(const std::string& name, const std::string& policy = "") {
    must(iam("CreateUser", object({{"UserName", name}})));
    if (!policy.empty())
      coffer::iam::must(
          iam("PutUserPolicy", object({{"UserName", name}, {"PolicyName", "p"}, {"PolicyDocument", policy}})));
    return keys_of(must(iam("CreateAccessKey", object({{"UserName", name}}))));
  }
  std::string role(const std::string& name, const std::string& trust_policy, const std::string& policy = "",
                   const std::string& account = kAccount) {
    const Value made = coffer::iam::must(
        iam(root(account), "CreateRole", object({{"RoleName", name}, {"AssumeRolePolicyDocument", trust_policy}})));
    if (!policy.empty())
      must(iam(root(account), "PutRolePolicy",
               object({{"RoleName", name}, {"PolicyName", "p"}, {"PolicyDocument", policy}})));
    return std::string(made.find("Role")->text("Arn"));
  }
  std::string managed(const std::string& name, const std::string& document) {
    const Value made = must(iam("CreatePolicy", object({{"PolicyName", name}, {"PolicyDocument", document}})));
    return std::string(made.find("Policy")->text("Arn"));
  }
  Result<Value> assume(const Keys& keys, const std::string& role_arn, Value more = {}) {
    if (more.is_null()) more = Value::object();
    more.set("RoleArn", role_arn);
    if (!more.has("RoleSessionName")) more.set("RoleSessionName", "session");
    return sts(keys, "AssumeRole", std::move(more));
  }

  ManualClock clock_{WallTime{1'800'000'000'000'000}};
  SystemEntropy entropy_;
  Secret root_;
  std::unique_ptr<catalog::Database> database_;
  std::unique_ptr<Authority> authority_;
  std::map<std::string, api::Action> actions_;
  std::map<std::string, Keys> roots_;
};

}  // namespace coffer::iam
