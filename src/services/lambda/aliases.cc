// Aliases: names for a version, or for two with weights; and what a qualifier means.
#include "services/api/fault.h"
#include "services/api/value_json.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

using api::Value;

std::string alias_arn(const rows::Key& key, std::string_view name) {
  return function_arn(key.region, key.account, key.name, name);
}

Value shown(const rows::Alias& alias) {
  Value output = Value::object({{"AliasArn", alias_arn(alias.key, alias.name)},
                                {"Name", alias.name},
                                {"FunctionVersion", alias.number == 0 ? "$LATEST" : std::to_string(alias.number)},
                                {"Description", alias.description},
                                {"RevisionId", alias.revision}});
  if (!alias.routing.empty()) {
    if (auto routing = api::from_json(alias.routing); routing.ok()) output.set("RoutingConfig", *routing);
  }
  return output;
}

Result<Target> function_alone(const Request& r) {
  COFFER_TRY(Target target, target_of(r));
  if (!target.qualifier.empty()) return invalid_parameter("The function's name may not have a qualifier here.");
  COFFER_CHECK_OK(function_of(r.t(), target.key));
  return target;
}

Result<int64_t> number_of(const Request& r, const rows::Key& key, std::string_view text) {
  if (text == "$LATEST") return int64_t{0};
  if (!is_number(text) || text.size() > 18) return invalid_parameter("The version is not a number.");
  const int64_t number = std::stoll(std::string(text));
  COFFER_TRY(auto version, rows::find_version(r.t(), key, number));
  if (!version || number == 0) return no_function(key, text);
  return number;
}

/// -1 for what is no number.
double weight_of(const Value& weight) {
  if (const auto* whole = weight.get_if<int64_t>()) return static_cast<double>(*whole);
  const auto* share = weight.get_if<double>();
  return share ? *share : -1.0;
}

/// Weights of one other version, as JSON; empty: none.
Result<std::string> routing_of(const Request& r, const rows::Key& key, int64_t number, const Value& routing) {
  const api::Members& weights = routing.members("AdditionalVersionWeights");
  if (weights.empty()) return std::string();
  if (weights.size() > 1)
    return invalid_parameter("Number of items in AdditionalVersionWeights cannot be greater than 1.");
  if (number == 0) return invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version");
  COFFER_TRY(const int64_t other, number_of(r, key, weights.front().first));
  if (other == number || other == 0) return invalid_parameter("Invalid function version in AdditionalVersionWeights.");
  const double share = weight_of(weights.front().second);
  if (share < 0.0 || share > 1.0) return invalid_parameter("A weight is between 0.0 and 1.0.");
  return api::to_json(
      Value::object({{"AdditionalVersionWeights", Value::object({{weights.front().first, Value(share)}})}}));
}

/// The other version of a weighted alias when chance says so.
Result<int64_t> number_by_weight(const rows::Alias& alias, Entropy& random) {
  if (alias.routing.empty()) return alias.number;
  COFFER_TRY(const Value routing, api::from_json(alias.routing));
  const api::Members& weights = routing.members("AdditionalVersionWeights");
  if (weights.empty()) return alias.number;
  const auto bytes = random.array<4>();
  const double drawn = static_cast<double>(load_le<uint32_t>(bytes.data())) / 4294967296.0;
  return drawn < weight_of(weights.front().second) ? std::stoll(weights.front().first) : alias.number;
}

Result<rows::Alias> alias_of(const Request& r, const Target& target) {
  COFFER_TRY(auto alias, rows::find_alias(r.t(), target.key, r.text("Name")));
  if (!alias) return not_found("Cannot find alias arn: " + alias_arn(target.key, r.text("Name")));
  return std::move(*alias);
}

}  // namespace

Result<rows::Version> resolve(catalog::Transaction& t, const Target& target, Entropy& random) {
  int64_t number = 0;
  if (is_number(target.qualifier)) {
    // A number of more digits than any version has is an alias that cannot be.
    number = target.qualifier.size() > 18 ? -1 : std::stoll(target.qualifier);
    if (number == 0) number = -1;
  } else if (!target.qualifier.empty() && target.qualifier != "$LATEST") {
    COFFER_TRY(auto alias, rows::find_alias(t, target.key, target.qualifier));
    if (!alias) return no_function(target.key, target.qualifier);
    COFFER_TRY(number, number_by_weight(*alias, random));
  }
  COFFER_TRY(auto version, rows::find_version(t, target.key, number));
  if (!version) return no_function(target.key, target.qualifier);
  return std::move(*version);
}

Result<Value> create_alias(const Request& r) {
  COFFER_TRY(const Target target, function_alone(r));
  rows::Alias alias{target.key, r.text("Name"), r.text("Description"), "", random_uuid(r.setting.entropy), 0};
  if (!is_plain_name(alias.name, 128) || is_number(alias.name))
    return invalid_parameter("An alias may not be a number.");
  COFFER_TRY(auto existing, rows::find_alias(r.t(), target.key, alias.name));
  if (existing) return conflict("Alias already exists: " + alias_arn(target.key, alias.name));
  COFFER_TRY(alias.number, number_of(r, target.key, r.input().text("FunctionVersion")));
  if (const Value* routing = r.input().find("RoutingConfig")) {
    COFFER_TRY(alias.routing, routing_of(r, target.key, alias.number, *routing));
  }
  COFFER_CHECK_OK(rows::put_alias(r.t(), alias));
  return shown(alias);
}

Result<Value> get_alias(const Request& r) {
  COFFER_TRY(const Target target, function_alone(r));
  COFFER_TRY(const rows::Alias alias, alias_of(r, target));
  return shown(alias);
}

Result<Value> update_alias(const Request& r) {
  COFFER_TRY(const Target target, function_alone(r));
  COFFER_TRY(rows::Alias alias, alias_of(r, target));
  COFFER_CHECK_OK(check_revision(r, alias.revision));
  if (r.input().has("FunctionVersion")) {
    COFFER_TRY(alias.number, number_of(r, target.key, r.input().text("FunctionVersion")));
  }
  if (r.input().has("Description")) alias.description = r.text("Description");
  if (const Value* routing = r.input().find("RoutingConfig")) {
    COFFER_TRY(alias.routing, routing_of(r, target.key, alias.number, *routing));
  }
  alias.revision = random_uuid(r.setting.entropy);
  COFFER_CHECK_OK(rows::put_alias(r.t(), alias));
  return shown(alias);
}

Result<Value> delete_alias(const Request& r) {
  COFFER_TRY(const Target target, function_alone(r));
  COFFER_CHECK_OK(rows::remove_alias(r.t(), target.key, r.text("Name")));
  return Value::object();
}

Result<Value> list_aliases(const Request& r) {
  COFFER_TRY(const Target target, function_alone(r));
  COFFER_TRY(const std::string after, begin_of_page(r));
  const int64_t limit = page_size(r);
  const bool filtered = r.input().has("FunctionVersion");
  // With a filter everything is one page: an account has few aliases of a function.
  COFFER_TRY(auto found, rows::list_aliases(r.t(), target.key, after, filtered ? 10'000 : limit + 1));
  Value output = Value::object();
  if (!filtered && static_cast<int64_t>(found.size()) > limit) {
    found.resize(static_cast<size_t>(limit));
    output.set("NextMarker", marker_behind(r, found.back().name));
  }
  api::List list;
  for (const rows::Alias& alias : found) {
    Value one = shown(alias);
    if (filtered && one.text("FunctionVersion") != r.input().text("FunctionVersion")) continue;
    list.push_back(std::move(one));
  }
  output.set("Aliases", std::move(list));
  return output;
}

}  // namespace coffer::lambda
