// Functions: create, show, list, update, delete.
#include "base/base64.h"
#include "services/api/fault.h"
#include "services/api/page_marker.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

using api::Value;

constexpr int64_t kPageMax = 50;
constexpr int64_t kShownCodeMax = 512 << 10;  // bytes of a zip that GetFunction shows

std::map<std::string, std::string> variables_of(const Value& input) {
  const Value* environment = input.find("Environment");
  return environment ? environment->text_map("Variables") : std::map<std::string, std::string>();
}

Secret key_of_markers(const Request& r) { return api::page_marker_key(r.setting.root, "lambda list markers v1"); }
std::string scope_of(const Request& r) {
  return api::page_scope(r.call().operation, r.account() + "/" + r.call().region, r.input(), {"Marker", "MaxItems"});
}

/// The latest version of the function that the input names, without a qualifier.
Result<rows::Version> latest_of(const Request& r, const Target& target) {
  if (!target.qualifier.empty() && target.qualifier != "$LATEST")
    return invalid_parameter("Only $LATEST can be updated.");
  COFFER_TRY(auto version, rows::find_version(r.t(), target.key, 0));
  if (!version) return no_function(target.key);
  COFFER_CHECK_OK(check_revision(r, version->revision));
  return std::move(*version);
}

/// The published copy of $LATEST; the newest one when nothing has changed since.
Result<rows::Version> publish(const Request& r, rows::Version version, const std::optional<std::string>& description) {
  COFFER_TRY(rows::Function function, function_of(r.t(), version.key));
  if (function.next_version > 1) {
    COFFER_TRY(auto last, rows::find_version(r.t(), version.key, function.next_version - 1));
    Value same = version.configuration;
    if (last) same.set("Description", last->configuration.text("Description"));
    if (last && last->code_sha256 == version.code_sha256 && last->configuration == same &&
        last->modified == version.modified)
      return std::move(*last);
  }
  version.number = function.next_version++;
  version.revision = random_uuid(r.setting.entropy);
  if (description) version.configuration.set("Description", *description);
  COFFER_CHECK_OK(rows::update_function(r.t(), function));
  COFFER_CHECK_OK(rows::put_version(r.t(), version));
  return version;
}

/// What Create and Update answer: the version that was published, when one was asked for.
Result<Value> answer(const Request& r, rows::Version version) {
  if (!r.input().flag("Publish")) return shown_to_caller(r, version, "");
  COFFER_TRY(rows::Version published, publish(r, std::move(version), std::nullopt));
  return shown_to_caller(r, published, published.text());
}

}  // namespace

Error invalid_parameter(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidParameterValueException", std::move(message));
}
Error not_found(std::string message) {
  return api::fault(ErrorCode::kNotFound, "ResourceNotFoundException", std::move(message));
}
Error conflict(std::string message) {
  return api::fault(ErrorCode::kConflict, "ResourceConflictException", std::move(message));
}
Error no_function(const rows::Key& key, std::string_view qualifier) {
  return not_found("Function not found: " + function_arn(key.region, key.account, key.name, qualifier));
}

Result<Target> target_of(const Request& r) {
  const auto reference = parse_function(r.input().text("FunctionName"));
  if (!reference) {
    return api::fault(ErrorCode::kInvalidArgument, "ValidationException",
                      "1 validation error detected: Value '" + r.text("FunctionName") +
                          "' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression "
                          "pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?"
                          "(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?");
  }
  Target target{{reference->account.empty() ? r.account() : reference->account,
                 reference->region.empty() ? r.call().region : reference->region, reference->name},
                reference->qualifier};
  if (target.key.region != r.call().region)
    return not_found("Functions from '" + target.key.region + "' are not reachable in this region ('" +
                     r.call().region + "')");
  if (target.key.account.empty()) return invalid_parameter("The function's ARN is needed.");
  if (r.input().has("Qualifier")) {
    const std::string qualifier = r.text("Qualifier");
    if (!target.qualifier.empty() && target.qualifier != qualifier)
      return invalid_parameter("The derived qualifier from the function name does not match the specified qualifier.");
    target.qualifier = qualifier;
  }
  return target;
}

Result<rows::Function> function_of(catalog::Transaction& t, const rows::Key& key) {
  COFFER_TRY(auto function, rows::find_function(t, key));
  if (!function) return no_function(key);
  return std::move(*function);
}

std::string marker_behind(const Request& r, std::string_view after) {
  return api::make_page_marker(key_of_markers(r).view(), scope_of(r), after);
}
Result<std::string> begin_of_page(const Request& r) {
  if (!r.input().has("Marker")) return std::string();
  auto after = api::open_page_marker(key_of_markers(r).view(), scope_of(r), r.input().text("Marker"));
  if (after) return std::move(*after);
  return invalid_parameter("The marker does not belong to this list.");
}
int64_t page_size(const Request& r) { return std::min(r.input().integer("MaxItems").value_or(kPageMax), kPageMax); }

Result<Value> create_function(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  if (target.key.account != r.account() || !target.qualifier.empty())
    return invalid_parameter("A function is created by its own account, without a qualifier.");
  COFFER_TRY(auto existing, rows::find_function(r.t(), target.key));
  if (existing) return conflict("Function already exist: " + target.key.name);
  rows::Version version;
  version.key = target.key;
  COFFER_TRY(version.configuration, configured(r, Value()));
  // The role must be there and trust Lambda now: a function that cannot run helps nobody.
  api::Call call = r.call();
  if (auto role = assume_role(r.setting, r.t(), target.key, r.text("Role"), call); !role.ok()) {
    if (role.code() != ErrorCode::kPermissionDenied) return std::move(role).error();
    return invalid_parameter("The role defined for the function cannot be assumed by Lambda.");
  }
  COFFER_TRY(SealedEnvironment environment,
             seal_environment(r, target.key, r.text("KMSKeyArn"), variables_of(r.input())));
  version.environment = std::move(environment.sealed);
  version.environment_key = std::move(environment.key);
  COFFER_TRY(const StoredCode code, prepared_code(r));
  version.code = code.key;
  version.code_sha256 = code.sha256;
  version.code_size = code.size;
  version.revision = random_uuid(r.setting.entropy);
  version.modified = r.now();
  COFFER_CHECK_OK(rows::insert_function(r.t(), {target.key, 1, {}}));
  COFFER_CHECK_OK(rows::put_version(r.t(), version));
  for (const auto& [tag, value] : r.input().text_map("Tags"))
    COFFER_CHECK_OK(rows::put_tag(r.t(), target.key, tag, value));
  return answer(r, std::move(version));
}

Result<Value> get_function_configuration(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(const rows::Version version, resolve(r.t(), target, r.setting.entropy));
  return shown_to_caller(r, version, target.qualifier);
}

Result<Value> get_function(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(Value configuration, get_function_configuration(r));
  COFFER_TRY(const rows::Function function, function_of(r.t(), target.key));
  COFFER_TRY(const rows::Version version, resolve(r.t(), target, r.setting.entropy));
  Value code = Value::object({{"RepositoryType", "S3"}});
  // An address that holds what it leads to: nothing has to be served, and nobody else can use it afterwards.
  if (version.code_size <= kShownCodeMax) {
    COFFER_TRY(const Bytes zip, load_code(r.setting, r.call().context, version));
    code.set("Location", "data:application/zip;base64," + base64_encode(zip));
  }
  Value output = Value::object({{"Configuration", std::move(configuration)}, {"Code", std::move(code)}});
  COFFER_TRY(const auto tags, rows::tags(r.t(), target.key));
  if (!tags.empty()) output.set("Tags", api::text_map(tags));
  if (function.reserved)
    output.set("Concurrency", Value::object({{"ReservedConcurrentExecutions", *function.reserved}}));
  return output;
}

Result<Value> list_functions(const Request& r) {
  COFFER_TRY(const std::string after, begin_of_page(r));
  const int64_t limit = page_size(r);
  const bool all = r.input().text("FunctionVersion") == "ALL";
  std::vector<rows::Version> found;
  if (all) {
    const size_t slash = after.find('/');
    const int64_t number = slash == std::string::npos ? -1 : std::stoll(after.substr(slash + 1));
    COFFER_TRY(found, rows::list_all(r.t(), r.account(), r.call().region, after.substr(0, slash), number, limit + 1));
  } else {
    COFFER_TRY(found, rows::list_latest(r.t(), r.account(), r.call().region, after, limit + 1));
  }
  Value output = Value::object();
  if (static_cast<int64_t>(found.size()) > limit) {
    found.resize(static_cast<size_t>(limit));
    const rows::Version& last = found.back();
    output.set("NextMarker", marker_behind(r, all ? last.key.name + "/" + std::to_string(last.number) : last.key.name));
  }
  api::List list;
  for (const rows::Version& version : found) {
    COFFER_TRY(Value one, shown_to_caller(r, version, all ? version.text() : ""));
    list.push_back(std::move(one));
  }
  output.set("Functions", std::move(list));
  return output;
}

Result<Value> update_function_code(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(rows::Version version, latest_of(r, target));
  const auto architectures = r.input().texts("Architectures");
  if (!architectures.empty()) version.configuration.set("Architectures", api::text_list(architectures));
  const std::string old = version.code;
  COFFER_TRY(const StoredCode code, prepared_code(r));
  version.code_sha256 = code.sha256;
  version.code_size = code.size;
  version.modified = r.now();
  version.revision = random_uuid(r.setting.entropy);
  if (r.input().flag("DryRun")) return shown_to_caller(r, version, "");
  version.code = code.key;
  COFFER_CHECK_OK(rows::put_version(r.t(), version));
  COFFER_CHECK_OK(drop_unused_code(r, {old}));
  r.t().on_commit([&executor = r.setting.executor, arn = function_arn(target.key.region, target.key.account,
                                                                      target.key.name)] { executor.forget(arn); });
  return answer(r, std::move(version));
}

Result<Value> update_function_configuration(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(rows::Version version, latest_of(r, target));
  const std::string key_before(version.configuration.text("KMSKeyArn"));
  COFFER_TRY(version.configuration, configured(r, version.configuration));
  const std::string key(version.configuration.text("KMSKeyArn"));
  if (r.input().has("Environment") || key != key_before) {
    std::map<std::string, std::string> variables = variables_of(r.input());
    if (!r.input().has("Environment")) {
      COFFER_TRY(variables, open_environment(r.setting, r.call(), r.operation.identity, version));
    }
    COFFER_TRY(SealedEnvironment sealed, seal_environment(r, target.key, key, variables));
    version.environment = std::move(sealed.sealed);
    version.environment_key = std::move(sealed.key);
  }
  version.modified = r.now();
  version.revision = random_uuid(r.setting.entropy);
  COFFER_CHECK_OK(rows::put_version(r.t(), version));
  r.t().on_commit([&executor = r.setting.executor, arn = function_arn(target.key.region, target.key.account,
                                                                      target.key.name)] { executor.forget(arn); });
  return shown_to_caller(r, version, "");
}

Result<Value> delete_function(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_CHECK_OK(function_of(r.t(), target.key));
  const std::string arn = function_arn(target.key.region, target.key.account, target.key.name);
  std::vector<std::string> codes;
  if (target.qualifier.empty()) {
    COFFER_TRY(codes, rows::codes_of(r.t(), target.key));
    COFFER_CHECK_OK(rows::remove_function(r.t(), target.key));
  } else {
    if (target.qualifier == "$LATEST")
      return invalid_parameter("$LATEST version cannot be deleted without deleting the function.");
    if (!is_number(target.qualifier)) return invalid_parameter("Deletion of aliases is not currently supported.");
    COFFER_TRY(const rows::Version version, resolve(r.t(), target, r.setting.entropy));
    COFFER_TRY(const auto aliases, rows::list_aliases(r.t(), target.key, "", 10'000));
    for (const rows::Alias& alias : aliases) {
      if (alias.number == version.number || alias.routing.find("\"" + version.text() + "\"") != std::string::npos)
        return conflict("Version " + version.text() + " is used by the alias " + alias.name + ".");
    }
    codes.push_back(version.code);
    COFFER_CHECK_OK(rows::remove_version(r.t(), target.key, version.number));
  }
  COFFER_CHECK_OK(drop_unused_code(r, codes));
  r.t().on_commit([&executor = r.setting.executor, arn] { executor.forget(arn); });
  return Value::object({{"StatusCode", 204}});
}

Result<Value> publish_version(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(rows::Version version, latest_of(r, target));
  if (r.input().has("CodeSha256") && r.input().text("CodeSha256") != version.code_sha256) {
    return invalid_parameter("CodeSHA256 (" + r.text("CodeSha256") +
                             ") is different from current CodeSHA256 in $LATEST (" + version.code_sha256 +
                             "). Please try again with the CodeSHA256 in $LATEST.");
  }
  std::optional<std::string> description;
  if (r.input().has("Description")) description = r.text("Description");
  COFFER_TRY(const rows::Version published, publish(r, std::move(version), description));
  return shown_to_caller(r, published, published.text());
}

Result<Value> list_versions_by_function(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_CHECK_OK(function_of(r.t(), target.key));
  COFFER_TRY(const std::string after, begin_of_page(r));
  const int64_t limit = page_size(r);
  COFFER_TRY(auto found, rows::list_versions(r.t(), target.key, after.empty() ? -1 : std::stoll(after), limit + 1));
  Value output = Value::object();
  if (static_cast<int64_t>(found.size()) > limit) {
    found.resize(static_cast<size_t>(limit));
    output.set("NextMarker", marker_behind(r, std::to_string(found.back().number)));
  }
  api::List list;
  for (const rows::Version& version : found) {
    COFFER_TRY(Value one, shown_to_caller(r, version, version.text()));
    list.push_back(std::move(one));
  }
  output.set("Versions", std::move(list));
  return output;
}

}  // namespace coffer::lambda
