#include "services/rds/service_keys.h"

namespace coffer::rds {
namespace {

using api::Value;

/// "arn:aws:kms:REGION:ACCOUNT:key/ID"
std::string region_of(std::string_view arn) {
  for (int colons = 0; colons < 3; ++colons) {
    const size_t colon = arn.find(':');
    if (colon == std::string_view::npos) return {};
    arn.remove_prefix(colon + 1);
  }
  return std::string(arn.substr(0, arn.find(':')));
}

api::Call for_caller(const api::Operation& operation, std::string_view service, std::string_view name) {
  api::Call call = operation.call;
  call.service = "kms";
  call.operation = name;
  call.via_service = std::string(service) + ".amazonaws.com";
  return call;
}

class ServiceKeyClient final : public kms::KeyClient {
 public:
  ServiceKeyClient(api::Invoke invoke, Clock& clock, Entropy& entropy, ServiceIdentity identity)
      : invoke_(std::move(invoke)), clock_(clock), entropy_(entropy), identity_(std::move(identity)) {}

  Result<Bytes> encrypt(std::string_view key_id, ByteView plaintext,
                        const std::vector<std::pair<std::string, std::string>>& context) override {
    Value input = Value::object({{"KeyId", key_id}, {"EncryptionContext", context_value(context)}});
    input.set("Plaintext", to_bytes(plaintext));
    Result<Value> answer = invoke_(call("Encrypt", region_of(key_id)), nullptr, input);
    forget(input);
    if (!answer.ok()) return std::move(answer).error();
    return to_bytes(answer->blob("CiphertextBlob"));
  }

  Result<Secret> decrypt(std::string_view key_id, ByteView ciphertext,
                         const std::vector<std::pair<std::string, std::string>>& context) override {
    const Value input = Value::object(
        {{"KeyId", key_id}, {"CiphertextBlob", to_bytes(ciphertext)}, {"EncryptionContext", context_value(context)}});
    COFFER_TRY(Value answer, invoke_(call("Decrypt", region_of(key_id)), nullptr, input));
    Secret secret = Secret::copy_of(answer.blob("Plaintext"));
    forget(answer);
    return secret;
  }

 private:
  api::Call call(std::string_view operation, std::string_view region) {
    return service_call(identity_, "kms", operation, region, clock_.wall(), entropy_);
  }
  static Value context_value(const std::vector<std::pair<std::string, std::string>>& context) {
    Value value = Value::object();
    for (const auto& [name, text] : context) value.set(name, text);
    return value;
  }
  /// The plain bytes do not stay behind in memory.
  static void forget(Value& value) {
    api::Members* members = value.get_if<api::Members>();
    if (!members) return;
    for (auto& [name, member] : *members) {
      if (Bytes* bytes = name == "Plaintext" ? member.get_if<Bytes>() : nullptr) wipe(*bytes);
    }
  }

  api::Invoke invoke_;
  Clock& clock_;
  Entropy& entropy_;
  ServiceIdentity identity_;
};

}  // namespace

api::Call service_call(const ServiceIdentity& identity, std::string_view service, std::string_view operation,
                       std::string_view region, WallTime now, Entropy& entropy) {
  api::Call call;
  call.caller.kind = api::Caller::Kind::kService;
  call.caller.arn = identity.principal;
  call.service = service;
  call.operation = operation;
  call.region = region;
  call.request_id = random_uuid(entropy);
  call.source_ip = identity.principal;
  call.user_agent = identity.principal;
  call.secure_transport = true;
  call.time = now;
  call.source_account = identity.account;
  call.source_arn = identity.source_arn;
  return call;
}

Result<std::string> find_key(const api::Invoke& invoke, const api::Operation& operation, std::string_view name,
                             std::string_view service, Entropy& entropy) {
  if (name.empty()) {
    const ServiceIdentity itself{std::string(service) + ".amazonaws.com", operation.call.caller.account, {}};
    COFFER_TRY(const Value made, invoke(service_call(itself, "kms", "CreateAwsManagedKey", operation.call.region,
                                                     operation.call.time, entropy),
                                        nullptr, Value::object()));
    return "arn:aws:kms:" + operation.call.region + ":" + operation.call.caller.account + ":key/" +
           std::string(made.text("KeyId"));
  }
  COFFER_TRY(const Value described, invoke(for_caller(operation, service, "DescribeKey"), operation.identity,
                                           Value::object({{"KeyId", name}})));
  const Value* metadata = described.find("KeyMetadata");
  if (!metadata) return Error{ErrorCode::kInternal, "DescribeKey told nothing of the key", {}};
  const std::string arn(metadata->text("Arn"));
  if (metadata->text("KeyState") != "Enabled")
    return Error{ErrorCode::kFailedPrecondition, arn + " is " + std::string(metadata->text("KeyState")), {}};
  if (metadata->text("KeySpec") != "SYMMETRIC_DEFAULT" || metadata->text("KeyUsage") != "ENCRYPT_DECRYPT")
    return Error{ErrorCode::kInvalidArgument, arn + " is no symmetric key for encryption", {}};
  return arn;
}

Status let_service_use_key(const api::Invoke& invoke, const api::Operation& operation, const std::string& key_arn,
                           std::string_view principal) {
  const std::string_view service = principal.substr(0, principal.find('.'));
  {
    COFFER_TRY(const Value described, invoke(for_caller(operation, service, "DescribeKey"), operation.identity,
                                             Value::object({{"KeyId", key_arn}})));
    const Value* metadata = described.find("KeyMetadata");
    if (metadata && metadata->text("KeyManager") == "AWS") return ok_status();
  }
  // The name makes KMS answer with the grant that is there.
  Value input = Value::object({{"KeyId", key_arn},
                               {"GranteePrincipal", principal},
                               {"RetiringPrincipal", principal},
                               {"Name", "coffer-" + std::string(service)}});
  input.set("Operations", api::text_list({"Encrypt", "Decrypt", "DescribeKey"}));
  COFFER_CHECK_OK(invoke(for_caller(operation, service, "CreateGrant"), operation.identity, input));
  return ok_status();
}

std::unique_ptr<kms::KeyClient> service_key_client(api::Invoke invoke, Clock& clock, Entropy& entropy,
                                                   ServiceIdentity identity) {
  return std::make_unique<ServiceKeyClient>(std::move(invoke), clock, entropy, std::move(identity));
}

}  // namespace coffer::rds
