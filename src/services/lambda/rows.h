// Lambda's rows. For the files of this folder.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/api/value.h"
#include "services/catalog/database.h"

namespace coffer::lambda::rows {

using catalog::Transaction;

/// Names a function.
struct Key {
  std::string account, region, name;
};

struct Function {
  Key key;
  int64_t next_version = 1;
  std::optional<int64_t> reserved;  // concurrency
};
Result<std::optional<Function>> find_function(Transaction&, const Key&);
Status insert_function(Transaction&, const Function&);
Status update_function(Transaction&, const Function&);
/// With everything that hangs on it.
Status remove_function(Transaction&, const Key&);
Result<int64_t> count_functions(Transaction&, std::string_view account, std::string_view region);
/// The sum over the Region's functions.
Result<int64_t> reserved_concurrency(Transaction&, std::string_view account, std::string_view region);
Result<int64_t> total_code_size(Transaction&, std::string_view account, std::string_view region);

struct Version {
  Key key;
  int64_t number = 0;        // 0: $LATEST
  api::Value configuration;  // the members of FunctionConfiguration that are the user's
  Bytes environment;         // sealed; empty: none
  Bytes environment_key;     // of KMS, when it is sealed under a key of the user
  std::string code;          // key of the stored zip
  std::string code_sha256;   // base64
  int64_t code_size = 0;
  std::string revision;
  WallTime modified;

  [[nodiscard]] std::string text() const { return number == 0 ? "$LATEST" : std::to_string(number); }
};
Result<std::optional<Version>> find_version(Transaction&, const Key&, int64_t number);
/// Numbers behind `after`, ascending.
Result<std::vector<Version>> list_versions(Transaction&, const Key&, int64_t after, int64_t limit);
/// $LATEST of functions by name behind `after`; or all versions, ordered by name and number.
Result<std::vector<Version>> list_latest(Transaction&, std::string_view account, std::string_view region,
                                         std::string_view after, int64_t limit);
Result<std::vector<Version>> list_all(Transaction&, std::string_view account, std::string_view region,
                                      std::string_view after_name, int64_t after_number, int64_t limit);
/// Inserts or replaces.
Status put_version(Transaction&, const Version&);
Status remove_version(Transaction&, const Key&, int64_t number);
Result<bool> code_in_use(Transaction&, std::string_view code);
Result<std::vector<std::string>> codes_of(Transaction&, const Key&);

struct Alias {
  Key key;
  std::string name, description, routing, revision;  // routing: JSON, empty: none
  int64_t number = 0;
};
Result<std::optional<Alias>> find_alias(Transaction&, const Key&, std::string_view name);
Result<std::vector<Alias>> list_aliases(Transaction&, const Key&, std::string_view after, int64_t limit);
Status put_alias(Transaction&, const Alias&);
Status remove_alias(Transaction&, const Key&, std::string_view name);

struct Statement {
  std::string sid, json, revision;
  int64_t number = 0;
};
Result<std::vector<Statement>> statements(Transaction&, const Key&, std::string_view qualifier);
Status insert_statement(Transaction&, const Key&, std::string_view qualifier, const Statement&);
Status remove_statement(Transaction&, const Key&, std::string_view qualifier, std::string_view sid);
/// All of the qualifier get the same: the policy's revision.
Status set_policy_revision(Transaction&, const Key&, std::string_view qualifier, std::string_view revision);

Result<std::map<std::string, std::string>> tags(Transaction&, const Key&);
Status put_tag(Transaction&, const Key&, std::string_view tag, std::string_view value);
Status remove_tag(Transaction&, const Key&, std::string_view tag);

struct EventConfig {
  std::string qualifier;
  api::Value configuration;
  WallTime modified;
};
Result<std::optional<EventConfig>> find_event_config(Transaction&, const Key&, std::string_view qualifier);
Result<std::vector<EventConfig>> list_event_configs(Transaction&, const Key&, std::string_view after, int64_t limit);
Status put_event_config(Transaction&, const Key&, const EventConfig&);
Status remove_event_config(Transaction&, const Key&, std::string_view qualifier);

/// An asynchronous invocation that is not done.
struct Async {
  std::string request_id;
  Key key;
  std::string qualifier;
  Bytes payload;
  std::string client_context;
  WallTime queued;
  int64_t failures = 0, throttles = 0;
  std::string destination, record;  // set: it has ended, and this is still to be told there
};
Result<std::optional<Async>> find_async(Transaction&, std::string_view request_id);
Status insert_async(Transaction&, const Async&);
Status update_async(Transaction&, const Async&);
Status remove_async(Transaction&, std::string_view request_id);

}  // namespace coffer::lambda::rows
