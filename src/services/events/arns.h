// Names of buses, rules and what targets may be.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/arn.h"

namespace coffer::events {

inline constexpr std::string_view kPrincipal = "events.amazonaws.com";
inline constexpr std::string_view kDefaultBus = "default";

struct BusName {
  std::string account, region, name;
  [[nodiscard]] std::string arn() const { return "arn:aws:events:" + region + ":" + account + ":event-bus/" + name; }
  [[nodiscard]] bool is_default() const { return name == kDefaultBus; }
  friend auto operator<=>(const BusName&, const BusName&) = default;
};
struct RuleName {
  BusName bus;
  std::string name;
  [[nodiscard]] std::string arn() const {
    return "arn:aws:events:" + bus.region + ":" + bus.account + ":rule/" + (bus.is_default() ? "" : bus.name + "/") +
           name;
  }
};

using api::Arn;
/// Nothing for what is no ARN of this partition with a service.
std::optional<Arn> parse_arn(std::string_view text);
std::optional<BusName> parse_bus_arn(std::string_view text);
std::optional<RuleName> parse_rule_arn(std::string_view text);

/// What a target's ARN means to this installation.
struct TargetKind {
  enum class Kind {
    kFunction,     // arn:aws:lambda:R:A:function:NAME[:QUALIFIER]
    kBus,          // arn:aws:events:R:A:event-bus/NAME
    kLogGroup,     // arn:aws:logs:R:A:log-group:NAME[:*]
    kDestination,  // arn:aws:events:R:A:api-destination/NAME/ID
    kCommand,      // arn:aws:scheduler:::aws-sdk:SERVICE:OPERATION, as EventBridge Scheduler writes universal targets
  };
  Kind kind = Kind::kFunction;
  Arn arn;
  /// kLogGroup, kDestination, kBus: the name; kCommand: the operation by its name in the model ("StartExportTask").
  std::string name;
  std::string id;       // kDestination
  std::string service;  // kCommand: signing name
};
std::optional<TargetKind> parse_target(std::string_view arn);

}  // namespace coffer::events
