// Environment variables at rest: sealed under the installation's root, or under a data key of the user's KMS key.
#include "engine/crypto/sealed_object.h"
#include "services/api/fault.h"
#include "services/api/value_json.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

using api::Value;

constexpr std::string_view kPrincipal = "lambda.amazonaws.com";

std::string place_of(const rows::Key& key) {
  return "lambda/environment/" + function_arn(key.region, key.account, key.name);
}

Value context_of(const rows::Key& key) {
  return Value::object({{"aws:lambda:FunctionArn", function_arn(key.region, key.account, key.name)}});
}

/// KMS's failures by the names that Lambda gives them.
Error of_kms(Error error, std::string_view doing) {
  std::string name = "KMSInvalidStateException";
  if (error.code == ErrorCode::kPermissionDenied) name = "KMSAccessDeniedException";
  if (error.name == "NotFoundException") name = "KMSNotFoundException";
  if (error.name == "DisabledException") name = "KMSDisabledException";
  const ErrorCode code =
      error.code == ErrorCode::kPermissionDenied ? ErrorCode::kPermissionDenied : ErrorCode::kFailedPrecondition;
  return api::fault(code, name,
                    "Lambda was unable to " + std::string(doing) +
                        " the environment variables. KMS Exception: " + error.name + " KMS Message: " + error.message);
}

Result<Value> ask_kms(const Setting& setting, const api::Call& call, const iam::Identity* identity, std::string name,
                      const Value& input) {
  api::Call asked = call;
  asked.service = "kms";
  asked.operation = std::move(name);
  asked.via_service = kPrincipal;
  return setting.invoke(asked, identity, input);
}

}  // namespace

Result<SealedEnvironment> seal_environment(const Request& r, const rows::Key& key, const std::string& kms_key,
                                           const std::map<std::string, std::string>& variables) {
  if (variables.empty()) return SealedEnvironment{};
  crypto::SealParameters parameters;
  parameters.object_id = r.setting.entropy.array<16>();
  parameters.kind = crypto::ObjectKind::kCredential;
  parameters.place = place_of(key);
  parameters.segment_log2 = 12;
  const std::string plain = api::to_json(api::text_map(variables));
  if (kms_key.empty())
    return SealedEnvironment{crypto::seal(r.setting.root, parameters, as_bytes(plain), r.setting.entropy), {}};
  auto made = ask_kms(
      r.setting, r.call(), r.operation.identity, "GenerateDataKey",
      Value::object(
          {{"KeyId", kms_key}, {"NumberOfBytes", int64_t{crypto::kRootSize}}, {"EncryptionContext", context_of(key)}}));
  if (!made.ok()) return of_kms(std::move(made).error(), "encrypt");
  const Secret root = Secret::copy_of(made->blob("Plaintext"));
  return SealedEnvironment{crypto::seal(root.view(), parameters, as_bytes(plain), r.setting.entropy),
                           to_bytes(made->blob("CiphertextBlob"))};
}

Result<std::map<std::string, std::string>> open_environment(const Setting& setting, const api::Call& call,
                                                            const iam::Identity* identity,
                                                            const rows::Version& version) {
  if (version.environment.empty()) return std::map<std::string, std::string>();
  Secret root = Secret::copy_of(setting.root);
  if (!version.environment_key.empty()) {
    auto opened = ask_kms(
        setting, call, identity, "Decrypt",
        Value::object({{"CiphertextBlob", version.environment_key}, {"EncryptionContext", context_of(version.key)}}));
    if (!opened.ok()) return of_kms(std::move(opened).error(), "decrypt");
    root = Secret::copy_of(opened->blob("Plaintext"));
  }
  COFFER_TRY(const Bytes plain, crypto::open_sealed(root.view(), crypto::ObjectKind::kCredential, place_of(version.key),
                                                    version.environment));
  COFFER_TRY(const Value variables, api::from_json(as_text(plain)));
  return Value::object({{"all", variables}}).text_map("all");
}

}  // namespace coffer::lambda
