// Two accounts with users and roles, and KMS behind the gate: every call is authorised by the real IAM and recorded in
// a real audit log. Model validation is edge/wire's, so inputs here are already as the model wants them.
#pragma once
#include "engine/crypto/asymmetric.h"
#include "services/audit/audit_log.h"
#include "services/gate/gate.h"
#include "services/iam/house.h"
#include "services/kms/service.h"

namespace coffer::kms {

using api::Value;
using iam::allow;
using iam::error_of;
using iam::Keys;
using iam::kOther;
using iam::must;
using iam::object;
using iam::texts;

inline const std::string kHome = iam::kAccount;
constexpr const char* kFar = "eu-west-1";  // the other Region of the installation

inline std::string root_arn(const std::string& account) { return "arn:aws:iam::" + account + ":root"; }

/// One statement of a key policy; `rest` holds further members.
inline std::string key_statement(const std::string& principal, const std::string& action = "kms:*",
                                 const std::string& rest = "", const std::string& effect = "Allow") {
  return R"({"Effect":")" + effect + R"(","Principal":{"AWS":")" + principal + R"("},"Action":")" + action +
         R"(","Resource":"*")" + rest + "}";
}
inline std::string key_policy(std::initializer_list<std::string> statements) {
  std::string all;
  for (const std::string& one : statements) all += (all.empty() ? "" : ",") + one;
  return R"({"Version":"2012-10-17","Statement":[)" + all + "]}";
}
/// The default policy: the account, through its IAM policies.
inline std::string account_statement(const std::string& account = kHome) { return key_statement(root_arn(account)); }

using Pairs = std::initializer_list<std::pair<const char*, const char*>>;
inline Value map_of(Pairs pairs) {
  Value value = Value::object();
  for (const auto& [key, text] : pairs) value.set(key, text);
  return value;
}
inline Value tag_list(Pairs pairs) {
  api::List list;
  for (const auto& [key, text] : pairs) list.push_back(object({{"TagKey", key}, {"TagValue", text}}));
  return list;
}

/// How a call comes in besides who makes it.
struct Way {
  std::string region = "us-east-1", via_service = "";
};

class World : public iam::House {
 protected:
  World() : World(":memory:") {}
  explicit World(const std::string& where) : House(where) {
    std::vector<catalog::Migration> all;
    for (auto some :
         {catalog::migrations(), iam::migrations(), organizations::migrations(), migrations(), audit::migrations()})
      all.insert(all.end(), some.begin(), some.end());
    must(database_->migrate(Context(), all));
    open_kms();
  }
  ~World() override { close_kms(); }

  void open_kms() {
    audit_ = must(audit::open_audit_log(*database_, clock_, entropy_, Secret(Bytes(32, std::byte{5}))));
    kms_ = open_service(*database_, *authority_, root_.clone(), clock_, entropy_, Options{{"us-east-1", kFar}});
    gate_ = std::make_unique<gate::Gate>(*database_, *authority_, *audit_, clock_);
    gate_->add(kms_->actions());
  }
  void close_kms() {
    gate_.reset();
    kms_.reset();
    audit_.reset();
  }

  Result<Value> kms(const Keys& keys, const std::string& operation, Value input, const Way& way) {
    COFFER_TRY(iam::Credential credential, find(keys));
    if (input.is_null()) input = Value::object();
    api::Call call = call_of(*credential.identity, "kms", operation);
    call.region = way.region;
    call.via_service = way.via_service;
    return gate_->run(call, credential.identity.get(), input);
  }
  Result<Value> kms(const Keys& keys, const std::string& operation, Value input = {}) {
    return kms(keys, operation, std::move(input), Way{});
  }
  /// As the root of kHome.
  Result<Value> kms(const std::string& operation, Value input = {}) { return kms(root(), operation, std::move(input)); }
  Result<Value> far(const std::string& operation, Value input = {}) {
    return kms(root(), operation, std::move(input), Way{.region = kFar});
  }

  /// The id of a new key.
  std::string key(Value input = {}) { return key(root(), std::move(input)); }
  std::string key(const Keys& keys, Value input = {}) {
    return std::string(must(kms(keys, "CreateKey", std::move(input))).find("KeyMetadata")->text("KeyId"));
  }
  std::string key_with_policy(const std::string& policy) {
    return key(object({{"Policy", policy}, {"BypassPolicyLockoutSafetyCheck", true}}));
  }
  static std::string arn(const std::string& id, const std::string& region = "us-east-1",
                         const std::string& account = kHome) {
    return "arn:aws:kms:" + region + ":" + account + ":key/" + id;
  }
  Value describe(const std::string& id, const std::string& region = "us-east-1") {
    return *must(kms(root(), "DescribeKey", object({{"KeyId", id}}), Way{.region = region})).find("KeyMetadata");
  }
  std::string state(const std::string& id, const std::string& region = "us-east-1") {
    return std::string(describe(id, region).text("KeyState"));
  }

  Bytes encrypt(const std::string& id, std::string_view text, const Value& context = {}) {
    Value input = object({{"KeyId", id}, {"Plaintext", to_bytes(text)}});
    if (!context.is_null()) input.set("EncryptionContext", context);
    return to_bytes(must(kms("Encrypt", input)).blob("CiphertextBlob"));
  }
  Result<Value> decrypt(const Bytes& blob, const Value& context = {}, const Way& way = {}) {
    Value input = object({{"CiphertextBlob", blob}});
    if (!context.is_null()) input.set("EncryptionContext", context);
    return kms(root(), "Decrypt", input, way);
  }
  /// What was encrypted, or the name of the failure.
  std::string opened(const Bytes& blob, const Value& context = {}, const Way& way = {}) {
    auto result = decrypt(blob, context, way);
    return result.ok() ? to_text(result->blob("Plaintext")) : error_of(result);
  }

  /// A user of kOther with `policy` inline.
  Keys stranger(const std::string& name, const std::string& policy = "") {
    must(iam(root(kOther), "CreateUser", object({{"UserName", name}})));
    if (!policy.empty())
      must(iam(root(kOther), "PutUserPolicy",
               object({{"UserName", name}, {"PolicyName", "p"}, {"PolicyDocument", policy}})));
    return iam::keys_of(must(iam(root(kOther), "CreateAccessKey", object({{"UserName", name}}))));
  }
  static std::string user_arn(const std::string& name, const std::string& account = kHome) {
    return "arn:aws:iam::" + account + ":user/" + name;
  }
  /// May the caller encrypt with the key, named by its ARN?
  std::string using_key(const Keys& keys, const std::string& id, const Value& context = {}, const Way& way = {}) {
    Value input = object({{"KeyId", arn(id)}, {"Plaintext", to_bytes("x")}});
    if (!context.is_null()) input.set("EncryptionContext", context);
    return error_of(kms(keys, "Encrypt", input, way));
  }

  /// Has `material` imported into the key, wrapped as its owner would.
  Result<Value> import(const std::string& id, const Bytes& material, std::optional<WallTime> valid_to = {},
                       const std::string& region = "us-east-1") {
    const Way way{.region = region};
    COFFER_TRY(
        const Value parameters,
        kms(root(), "GetParametersForImport",
            object({{"KeyId", id}, {"WrappingAlgorithm", "RSAES_OAEP_SHA_256"}, {"WrappingKeySpec", "RSA_2048"}}),
            way));
    COFFER_TRY(Bytes wrapped,
               crypto::encrypt_oaep_to(parameters.blob("PublicKey"), crypto::Hash::kSha256, ByteView(material)));
    Value input = object({{"KeyId", id},
                          {"ImportToken", to_bytes(parameters.blob("ImportToken"))},
                          {"EncryptedKeyMaterial", std::move(wrapped)},
                          {"ExpirationModel", valid_to ? "KEY_MATERIAL_EXPIRES" : "KEY_MATERIAL_DOES_NOT_EXPIRE"}});
    if (valid_to) input.set("ValidTo", *valid_to);
    return kms(root(), "ImportKeyMaterial", input, way);
  }

  /// Time passes, and the daemon's loop runs.
  void pass(std::chrono::hours time) {
    clock_.advance(time);
    must(kms_->run_due(Context(), clock_.wall()));
  }
  static std::chrono::hours days(int count) { return std::chrono::hours(24 * count); }

  /// All items of a paged list, asked for `limit` at a time.
  std::vector<Value> list(const std::string& operation, const std::string& member, Value input, int limit) {
    std::vector<Value> all;
    if (input.is_null()) input = Value::object();
    input.set("Limit", limit);
    for (;;) {
      const Value page = must(kms(operation, input));
      EXPECT_LE(page.list(member).size(), static_cast<size_t>(limit));
      for (const Value& item : page.list(member)) all.push_back(item);
      EXPECT_EQ(page.has("NextMarker"), page.flag("Truncated"));
      if (!page.flag("Truncated")) return all;
      input.set("Marker", page.text("NextMarker"));
    }
  }

  std::unique_ptr<audit::AuditLog> audit_;
  std::unique_ptr<Service> kms_;
  std::unique_ptr<gate::Gate> gate_;
};

constexpr const char* kDenied = "permission_denied";  // an AccessDeniedException: the code names itself on the wire

}  // namespace coffer::kms
