// What a function's configuration may be, and how it is shown.
#include <algorithm>
#include <array>

#include "services/api/fault.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

using api::Value;

constexpr int64_t kTimeoutDefault = 3, kTimeoutMax = 900, kMemoryDefault = 128, kMemoryMax = 10'240, kTmpMin = 512,
                  kTmpMax = 10'240;
constexpr size_t kEnvironmentSizeMax = 4096;

Error constraint(std::string_view value, std::string_view field, std::string_view rule) {
  return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                    "1 validation error detected: Value '" + std::string(value) + "' at '" + std::string(field) +
                        "' failed to satisfy constraint: " + std::string(rule));
}

Status check_number(const Value& input, std::string_view member, std::string_view field, int64_t low, int64_t high) {
  const auto number = input.integer(member);
  if (!number) return ok_status();
  if (*number < low)
    return constraint(std::to_string(*number), field,
                      "Member must have value greater than or equal to " + std::to_string(low));
  if (*number > high)
    return constraint(std::to_string(*number), field,
                      "Member must have value less than or equal to " + std::to_string(high));
  return ok_status();
}

/// What this installation does not have is refused, not forgotten.
Status check_absent(const Value& input) {
  if (input.has("PackageType") && input.text("PackageType") != "Zip")
    return invalid_parameter("Functions of package type Image are not part of this installation.");
  for (const char* member : {"ImageConfig", "CodeSigningConfigArn", "CapacityProviderConfig", "DurableConfig",
                             "TenancyConfig", "PublishTo"}) {
    if (input.has(member)) return invalid_parameter(std::string(member) + " is not part of this installation.");
  }
  if (!input.list("Layers").empty()) return invalid_parameter("Layers are not part of this installation.");
  if (!input.list("FileSystemConfigs").empty())
    return invalid_parameter("File systems are not part of this installation.");
  const Value* network = input.find("VpcConfig");
  if (network && (!network->list("SubnetIds").empty() || !network->list("SecurityGroupIds").empty()))
    return invalid_parameter("Functions of this installation have no VPC: they reach its own endpoint alone.");
  const Value* dead = input.find("DeadLetterConfig");
  if (dead && !dead->text("TargetArn").empty()) {
    return invalid_parameter(
        "The provided dead-letter target is a queue or topic, which this installation does not have: set an OnFailure "
        "destination by PutFunctionEventInvokeConfig.");
  }
  const Value* snap = input.find("SnapStart");
  if (snap && snap->text("ApplyOn") == "PublishedVersions")
    return invalid_parameter("SnapStart is not part of this installation.");
  for (const std::string& one : input.texts("Architectures")) {
    if (one != "x86_64" && one != "arm64")
      return constraint("[" + one + "]", "architectures", "Member must satisfy enum value set: [x86_64, arm64]");
  }
  return ok_status();
}

Status check_variables(const std::map<std::string, std::string>& variables) {
  size_t size = 0;
  std::string reserved;
  for (const auto& [name, value] : variables) {
    const bool plain = is_plain_name(name, 1000) && !(name.front() >= '0' && name.front() <= '9') &&
                       name.find('-') == std::string::npos && name.front() != '_';
    if (is_reserved_variable(name)) {
      reserved += (reserved.empty() ? "" : ", ") + name;
    } else if (!plain || name.size() < 2) {
      return constraint("{" + name + "=...}", "environment.variables",
                        "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "
                        "[a-zA-Z]([a-zA-Z0-9_])+]");
    }
    if (value.find('\0') != std::string::npos) return invalid_parameter("An environment variable holds a NUL.");
    size += name.size() + value.size();
  }
  if (!reserved.empty()) {
    return invalid_parameter(
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        "contains reserved keys that are currently not supported for modification. Reserved keys used in this "
        "request: " +
        reserved);
  }
  if (size > kEnvironmentSizeMax) {
    return invalid_parameter(
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        "exceeded the 4KB limit.");
  }
  return ok_status();
}

/// arn:aws:iam::<account>:role/...
bool is_role_of(std::string_view role, std::string_view account) {
  return role.starts_with("arn:aws:iam::" + std::string(account) + ":role/");
}

Value logging(const Value* wanted, const Value* before, const std::string& name) {
  Value all = before ? *before : Value::object({{"LogFormat", "Text"}, {"LogGroup", "/aws/lambda/" + name}});
  if (!wanted) return all;
  for (const auto& [member, value] : wanted->entries()) all.set(member, value);
  return all;
}

}  // namespace

bool is_reserved_variable(std::string_view name) {
  static constexpr std::array kReserved{"_HANDLER",
                                        "_X_AMZN_TRACE_ID",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_REGION",
                                        "AWS_EXECUTION_ENV",
                                        "AWS_LAMBDA_FUNCTION_NAME",
                                        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                        "AWS_LAMBDA_FUNCTION_VERSION",
                                        "AWS_LAMBDA_INITIALIZATION_TYPE",
                                        "AWS_LAMBDA_LOG_GROUP_NAME",
                                        "AWS_LAMBDA_LOG_STREAM_NAME",
                                        "AWS_ACCESS_KEY",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_LAMBDA_RUNTIME_API",
                                        "LAMBDA_TASK_ROOT",
                                        "LAMBDA_RUNTIME_DIR"};
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

Result<Value> configured(const Request& r, const Value& before) {
  const Value& input = r.input();
  const bool creating = before.is_null();
  COFFER_TRY(const Target target, target_of(r));
  COFFER_CHECK_OK(check_absent(input));
  COFFER_CHECK_OK(check_number(input, "Timeout", "timeout", 1, kTimeoutMax));
  COFFER_CHECK_OK(check_number(input, "MemorySize", "memorySize", 128, kMemoryMax));
  const Value* storage = input.find("EphemeralStorage");
  if (storage) COFFER_CHECK_OK(check_number(*storage, "Size", "ephemeralStorage.size", kTmpMin, kTmpMax));
  if (creating && !input.has("Runtime"))
    return invalid_parameter("Runtime is mandatory for functions created with deployment packages.");
  if (creating && !input.has("Handler"))
    return invalid_parameter("Handler is mandatory for functions created with deployment packages.");
  if (input.has("Role") && !is_role_of(input.text("Role"), target.key.account))
    return invalid_parameter("Cross-account pass role is not allowed.");
  if (input.has("Runtime")) {
    if (Result<std::string> served = r.setting.executor.interpreter_of(input.text("Runtime")); !served.ok())
      return invalid_parameter(served.error().message);
  }
  if (const Value* environment = input.find("Environment"))
    COFFER_CHECK_OK(check_variables(environment->text_map("Variables")));

  Value all = creating ? Value::object({{"Description", ""},
                                        {"Timeout", kTimeoutDefault},
                                        {"MemorySize", kMemoryDefault},
                                        {"TracingConfig", Value::object({{"Mode", "PassThrough"}})},
                                        {"Architectures", api::text_list({"x86_64"})},
                                        {"EphemeralStorage", Value::object({{"Size", kTmpMin}})}})
                       : before;
  for (const char* member : {"Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "TracingConfig",
                             "Architectures", "EphemeralStorage"}) {
    if (const Value* given = input.find(member)) all.set(member, *given);
  }
  if (const Value* key = input.find("KMSKeyArn"))
    all.set("KMSKeyArn", input.text("KMSKeyArn").empty() ? Value() : *key);
  all.set("LoggingConfig", logging(input.find("LoggingConfig"), before.find("LoggingConfig"), target.key.name));
  return all;
}

Value shown(const rows::Version& version, std::string_view qualifier, const std::string& interpreter) {
  const rows::Key& key = version.key;
  Value all = Value::object({{"FunctionName", key.name},
                             {"FunctionArn", function_arn(key.region, key.account, key.name, qualifier)},
                             {"CodeSize", version.code_size},
                             {"CodeSha256", version.code_sha256},
                             {"Version", version.text()},
                             {"RevisionId", version.revision},
                             {"State", "Active"},
                             {"LastUpdateStatus", "Successful"},
                             {"PackageType", "Zip"},
                             {"SnapStart", Value::object({{"ApplyOn", "None"}, {"OptimizationStatus", "Off"}})}});
  for (const auto& [member, value] : version.configuration.entries()) all.set(member, value);
  std::string modified = format_utc(version.modified, true);  // "...T10:11:12.595123Z"
  modified.resize(modified.find('.') + 4);
  all.set("LastModified", modified + "+0000");
  // What really serves the name, since that need not be what the name says.
  if (!interpreter.empty()) {
    all.set("RuntimeVersionConfig",
            Value::object({{"RuntimeVersionArn", "arn:aws:lambda:" + key.region +
                                                     "::runtime:" + interpreter.substr(0, interpreter.find(' '))}}));
  }
  return all;
}

Result<Value> shown_to_caller(const Request& r, const rows::Version& version, std::string_view qualifier) {
  const Result<std::string> interpreter = r.setting.executor.interpreter_of(version.configuration.text("Runtime"));
  Value all = shown(version, qualifier, interpreter.ok() ? *interpreter : "");
  if (version.environment.empty()) return all;
  auto variables = open_environment(r.setting, r.call(), r.operation.identity, version);
  if (variables.ok()) {
    all.set("Environment", Value::object({{"Variables", api::text_map(*variables)}}));
  } else {
    const Error& error = variables.error();
    const bool denied = error.code == ErrorCode::kPermissionDenied;
    all.set("Environment",
            Value::object({{"Error", Value::object({{"ErrorCode", denied ? "AccessDeniedException" : error.name},
                                                    {"Message", error.message}})}}));
  }
  return all;
}

Status check_revision(const Request& r, std::string_view revision) {
  if (!r.input().has("RevisionId") || r.input().text("RevisionId") == revision) return ok_status();
  return api::fault(ErrorCode::kFailedPrecondition, "PreconditionFailedException",
                    "The Revision Id provided does not match the latest Revision Id. Call the "
                    "GetFunction/GetAlias API to retrieve the latest Revision Id");
}

}  // namespace coffer::lambda
