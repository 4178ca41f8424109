// Rows as the API's structures.
#pragma once
#include "services/api/value.h"
#include "services/organizations/policy_rows.h"
#include "services/organizations/request.h"

namespace coffer::organizations {

api::Value organization_shape(const rows::Organization&);
/// The account's path needs its parents: kept here for all accounts of a list.
class Paths {
 public:
  explicit Paths(const Request& request) : request_(request) {}
  /// "o-x/r-y/ou-z/" of a root or unit.
  Result<std::string> of(std::string_view parent);

 private:
  const Request& request_;
  std::vector<std::pair<std::string, std::string>> known_;
};
Result<api::Value> account_shape(const Request&, const rows::Account&, Paths&);
Result<api::Value> unit_shape(const Request&, const rows::Unit&);
Result<api::Value> root_shape(const Request&);
api::Value policy_summary(const Request&, const rows::Policy&);
api::Value policy_shape(const Request&, const rows::Policy&);
api::Value handshake_shape(const rows::Handshake&, WallTime now);
api::Value create_request_shape(const rows::CreateRequest&);
/// As told by the clock: a pending one past its time is EXPIRED.
std::string_view handshake_state(const rows::Handshake&, WallTime now);
std::string handshake_arn(const rows::Handshake&);
/// Status and, as its successor calls it, State.
std::string_view account_status(const rows::Account&);
std::string_view account_state(const rows::Account&);

}  // namespace coffer::organizations
