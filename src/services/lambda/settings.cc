// What hangs on a function besides its versions: concurrency, asynchronous invocation, tags; and the account's limits.
#include "services/api/fault.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

using api::Value;

constexpr int64_t kUnreservedMin = 100;
constexpr size_t kTagsMax = 50;
constexpr int64_t kMegabyte = 1'048'576;

/// "$LATEST" in the ARN that event configurations show.
std::string config_qualifier(const Target& target) { return target.qualifier == "$LATEST" ? "" : target.qualifier; }

Result<Target> qualified_target(const Request& r) {
  COFFER_TRY(Target target, target_of(r));
  COFFER_CHECK_OK(resolve(r.t(), target, r.setting.entropy));
  target.qualifier = config_qualifier(target);
  return target;
}

Value shown(const rows::Key& key, const rows::EventConfig& config) {
  Value output = Value::object(
      {{"LastModified", config.modified},
       {"FunctionArn", function_arn(key.region, key.account, key.name,
                                    config.qualifier.empty() ? std::string_view("$LATEST") : config.qualifier)}});
  for (const auto& [member, value] : config.configuration.entries()) output.set(member, value);
  if (!output.has("DestinationConfig"))
    output.set("DestinationConfig", Value::object({{"OnSuccess", Value::object()}, {"OnFailure", Value::object()}}));
  return output;
}

Result<Value> put_config(const Request& r, bool merge) {
  COFFER_TRY(const Target target, qualified_target(r));
  rows::EventConfig config;
  config.qualifier = target.qualifier;
  config.configuration = Value::object();
  COFFER_TRY(auto before, rows::find_event_config(r.t(), target.key, target.qualifier));
  if (merge && !before) {
    return not_found("The function " + function_arn(target.key.region, target.key.account, target.key.name) +
                     ":$LATEST doesn't have an EventInvokeConfig");
  }
  bool given = false;
  for (const char* member : {"MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"}) {
    const Value* value = r.input().find(member);
    given |= value != nullptr;
    if (!value && merge) value = before->configuration.find(member);
    if (value) config.configuration.set(member, *value);
  }
  if (!given) return invalid_parameter("You must specify at least one of error handling or destination setting.");
  if (const Value* destinations = r.input().find("DestinationConfig")) {
    for (const char* side : {"OnSuccess", "OnFailure"}) {
      const Value* one = destinations->find(side);
      if (one && !one->text("Destination").empty()) COFFER_CHECK_OK(check_destination(one->text("Destination")));
    }
  }
  config.modified = r.now();
  COFFER_CHECK_OK(rows::put_event_config(r.t(), target.key, config));
  return shown(target.key, config);
}

/// The function of a tag operation's ARN.
Result<rows::Key> tagged(const Request& r) {
  const auto reference = parse_function(r.input().text("Resource"));
  if (!reference || reference->account.empty() || !reference->qualifier.empty())
    return invalid_parameter("Tags belong to functions: their ARN is needed, without a version or alias.");
  const rows::Key key{reference->account, reference->region, reference->name};
  COFFER_CHECK_OK(function_of(r.t(), key));
  return key;
}

}  // namespace

Result<Value> put_function_concurrency(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(rows::Function function, function_of(r.t(), target.key));
  const int64_t wanted = r.input().integer("ReservedConcurrentExecutions").value_or(0);
  COFFER_TRY(const int64_t all, rows::reserved_concurrency(r.t(), target.key.account, target.key.region));
  const int64_t left = r.setting.options.concurrent_executions - (all - function.reserved.value_or(0)) - wanted;
  if (wanted > 0 && left < kUnreservedMin) {
    return invalid_parameter(
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [" +
        std::to_string(kUnreservedMin) + "].");
  }
  function.reserved = wanted;
  COFFER_CHECK_OK(rows::update_function(r.t(), function));
  return Value::object({{"ReservedConcurrentExecutions", wanted}});
}

Result<Value> get_function_concurrency(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(const rows::Function function, function_of(r.t(), target.key));
  Value output = Value::object();
  if (function.reserved) output.set("ReservedConcurrentExecutions", *function.reserved);
  return output;
}

Result<Value> delete_function_concurrency(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_TRY(rows::Function function, function_of(r.t(), target.key));
  function.reserved.reset();
  COFFER_CHECK_OK(rows::update_function(r.t(), function));
  return Value::object();
}

Result<Value> put_event_invoke_config(const Request& r) { return put_config(r, false); }
Result<Value> update_event_invoke_config(const Request& r) { return put_config(r, true); }

Result<Value> get_event_invoke_config(const Request& r) {
  COFFER_TRY(const Target target, qualified_target(r));
  COFFER_TRY(auto config, rows::find_event_config(r.t(), target.key, target.qualifier));
  if (!config) {
    return not_found("The function " +
                     function_arn(target.key.region, target.key.account, target.key.name,
                                  target.qualifier.empty() ? std::string_view("$LATEST") : target.qualifier) +
                     " doesn't have an EventInvokeConfig");
  }
  return shown(target.key, *config);
}

Result<Value> delete_event_invoke_config(const Request& r) {
  COFFER_CHECK_OK(get_event_invoke_config(r));
  COFFER_TRY(const Target target, qualified_target(r));
  COFFER_CHECK_OK(rows::remove_event_config(r.t(), target.key, target.qualifier));
  return Value::object();
}

Result<Value> list_event_invoke_configs(const Request& r) {
  COFFER_TRY(const Target target, target_of(r));
  COFFER_CHECK_OK(function_of(r.t(), target.key));
  // A qualifier may be empty, so what a page begins behind has a mark before it.
  COFFER_TRY(const std::string after, begin_of_page(r));
  const int64_t limit = page_size(r);
  COFFER_TRY(auto found, rows::list_event_configs(r.t(), target.key, after.empty() ? "" : after.substr(1), limit + 1));
  if (after.empty()) {
    COFFER_TRY(auto first, rows::find_event_config(r.t(), target.key, ""));
    if (first) found.insert(found.begin(), std::move(*first));
  }
  Value output = Value::object();
  if (static_cast<int64_t>(found.size()) > limit) {
    found.resize(static_cast<size_t>(limit));
    output.set("NextMarker", marker_behind(r, "+" + found.back().qualifier));
  }
  api::List list;
  for (const rows::EventConfig& config : found) list.push_back(shown(target.key, config));
  output.set("FunctionEventInvokeConfigs", std::move(list));
  return output;
}

Result<Value> tag_resource(const Request& r) {
  COFFER_TRY(const rows::Key key, tagged(r));
  COFFER_TRY(auto tags, rows::tags(r.t(), key));
  for (const auto& [tag, value] : r.input().text_map("Tags")) {
    if (tag.starts_with("aws:")) return invalid_parameter("Tag keys may not begin with aws:.");
    tags[tag] = value;
    COFFER_CHECK_OK(rows::put_tag(r.t(), key, tag, value));
  }
  if (tags.size() > kTagsMax) return invalid_parameter("A function has at most 50 tags.");
  return Value::object();
}

Result<Value> untag_resource(const Request& r) {
  COFFER_TRY(const rows::Key key, tagged(r));
  for (const std::string& tag : r.input().texts("TagKeys")) COFFER_CHECK_OK(rows::remove_tag(r.t(), key, tag));
  return Value::object();
}

Result<Value> list_tags(const Request& r) {
  COFFER_TRY(const rows::Key key, tagged(r));
  COFFER_TRY(const auto tags, rows::tags(r.t(), key));
  return Value::object({{"Tags", api::text_map(tags)}});
}

Result<Value> get_account_settings(const Request& r) {
  const std::string& region = r.call().region;
  COFFER_TRY(const int64_t reserved, rows::reserved_concurrency(r.t(), r.account(), region));
  COFFER_TRY(const int64_t size, rows::total_code_size(r.t(), r.account(), region));
  COFFER_TRY(const int64_t count, rows::count_functions(r.t(), r.account(), region));
  const int64_t all = r.setting.options.concurrent_executions;
  return Value::object({{"AccountLimit", Value::object({{"TotalCodeSize", int64_t{75'000'000'000}},
                                                        {"CodeSizeUnzipped", 250 * kMegabyte},
                                                        {"CodeSizeZipped", 50 * kMegabyte},
                                                        {"ConcurrentExecutions", all},
                                                        {"UnreservedConcurrentExecutions", all - reserved}})},
                        {"AccountUsage", Value::object({{"TotalCodeSize", size}, {"FunctionCount", count}})}});
}

}  // namespace coffer::lambda
