#include "services/events/arns.h"

#include "services/policy/text.h"

namespace coffer::events {

std::optional<Arn> parse_arn(std::string_view text) {
  auto arn = api::parse_arn(text);
  if (!arn || arn->partition != "aws" || arn->service.empty()) return std::nullopt;
  return arn;
}

std::optional<BusName> parse_bus_arn(std::string_view text) {
  constexpr std::string_view kPrefix = "event-bus/";
  const auto arn = parse_arn(text);
  if (!arn || arn->service != "events" || !arn->resource.starts_with(kPrefix) || !policy::is_account_id(arn->account) ||
      arn->region.empty() || arn->resource.size() == kPrefix.size())
    return std::nullopt;
  return BusName{arn->account, arn->region, arn->resource.substr(kPrefix.size())};
}

std::optional<RuleName> parse_rule_arn(std::string_view text) {
  constexpr std::string_view kPrefix = "rule/";
  const auto arn = parse_arn(text);
  if (!arn || arn->service != "events" || !arn->resource.starts_with(kPrefix)) return std::nullopt;
  const std::string rest = arn->resource.substr(kPrefix.size());
  const size_t slash = rest.rfind('/');
  RuleName rule;
  rule.bus = {arn->account, arn->region, slash == std::string::npos ? std::string(kDefaultBus) : rest.substr(0, slash)};
  rule.name = slash == std::string::npos ? rest : rest.substr(slash + 1);
  return rule;
}

std::optional<TargetKind> parse_target(std::string_view text) {
  auto arn = parse_arn(text);
  if (!arn) return std::nullopt;
  TargetKind target;
  target.arn = *arn;
  const std::string_view resource = arn->resource;
  const bool owned = policy::is_account_id(arn->account) && !arn->region.empty();
  const auto behind = [&](std::string_view prefix) -> std::optional<std::string> {
    if (!resource.starts_with(prefix) || resource.size() == prefix.size()) return std::nullopt;
    return std::string(resource.substr(prefix.size()));
  };
  if (arn->service == "lambda" && owned && behind("function:")) {
    target.kind = TargetKind::Kind::kFunction;
    return target;
  }
  if (arn->service == "events" && owned && behind("event-bus/")) {
    target.kind = TargetKind::Kind::kBus;
    target.name = *behind("event-bus/");
    return target;
  }
  if (arn->service == "logs" && owned && behind("log-group:")) {
    target.kind = TargetKind::Kind::kLogGroup;
    target.name = *behind("log-group:");
    if (target.name.ends_with(":*")) target.name.resize(target.name.size() - 2);
    return target;
  }
  if (arn->service == "events" && owned && behind("api-destination/")) {
    target.kind = TargetKind::Kind::kDestination;
    const std::string rest = *behind("api-destination/");
    const size_t slash = rest.find('/');
    if (slash == std::string::npos) return std::nullopt;
    target.name = rest.substr(0, slash);
    target.id = rest.substr(slash + 1);
    return target;
  }
  if (arn->service == "scheduler" && arn->region.empty() && arn->account.empty() && behind("aws-sdk:")) {
    const std::string rest = *behind("aws-sdk:");
    const size_t colon = rest.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == rest.size()) return std::nullopt;
    target.kind = TargetKind::Kind::kCommand;
    target.service = policy::lower_case(rest.substr(0, colon));
    target.name = rest.substr(colon + 1);
    if (target.name[0] >= 'a' && target.name[0] <= 'z') target.name[0] = static_cast<char>(target.name[0] - 'a' + 'A');
    return target;
  }
  return std::nullopt;
}

}  // namespace coffer::events
