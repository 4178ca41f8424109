// Under what a record is found again: the columns and terms beside its JSON. They are always derived from the JSON by
// filing_of(), so that verify() can tell whether a record was filed under something else.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace coffer::audit {

struct Resource {
  std::string arn, account, type;
  friend bool operator==(const Resource&, const Resource&) = default;
};

struct Filing {
  std::string account;  // "" for calls of nobody on nothing
  WallTime time;
  std::string event_id, event_name, event_source;
  std::string user_name;  // what LookupEvents shows as Username
  std::string access_key_id;
  bool read_only = false;
  std::vector<Resource> resources;
  friend bool operator==(const Filing&, const Filing&) = default;
};

/// kCorruption for what is not a record.
Result<Filing> filing_of(std::string_view record_json);

/// "AWS::KMS::Key" of an ARN, "" when the type is not known.
std::string resource_type(std::string_view arn);
/// "111122223333" of an ARN.
std::string_view account_of_arn(std::string_view arn);
/// What a resource is looked up by: its ARN, the name in it, its type. Sorted, each once.
std::vector<std::string> terms_of(const std::vector<Resource>& resources);
std::string name_term(std::string_view name);
std::string type_term(std::string_view type);

}  // namespace coffer::audit
