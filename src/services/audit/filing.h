// Under what a record is found again: the columns and terms beside its JSON. They are always derived from the JSON by
// filing_of(), so that verify() can tell whether a record was filed under something else.
#pragma once
#include <optional>
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

/// What records are looked up by, one letter for each kind.
enum class TermKind : char {
  kEventId = 'i',  // only where the id does not tell the record's second
  kEventName = 'e',
  kEventSource = 's',
  kUserName = 'u',
  kAccessKey = 'k',
  kResourceName = 'n',  // its ARN, and the name in it
  kResourceType = 't',
  kChange = 'w'  // without a value: what is not read-only
};
std::string term(TermKind kind, std::string_view value);
/// All terms of a record. Sorted, each once.
std::vector<std::string> terms_of(const Filing& filing);
/// The same terms, but for those of the event ids?
bool has_same_terms(const Filing& a, const Filing& b);
/// The second that an id of the log itself (a UUID of version 7) was made in; nothing for other ids.
std::optional<WallTime> second_of_id(std::string_view event_id);

}  // namespace coffer::audit
