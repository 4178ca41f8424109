// One call as the handlers see it, and the seat that the caller's account has in its organization.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "services/organizations/names.h"
#include "services/organizations/rows.h"
#include "services/organizations/service.h"

namespace coffer::organizations {

/// What the service is given once.
struct Installation {
  MakeAccount make_account;
  FindAccount find_account;  // null: every account id may exist
  Clock& clock;
  Entropy& entropy;
};

/// Where the caller stands. Without an organization only `account` of the call is known.
struct Seat {
  std::optional<rows::Organization> organization;
  std::optional<rows::Account> account;
  bool delegated = false;  // a delegated administrator of some service
  [[nodiscard]] bool is_management() const { return organization && organization->management == account->id; }
};
Result<Seat> seat_of(catalog::Transaction& transaction, std::string_view account);

/// Whose calls an operation answers. A resource policy of the organization may let other members do what kReader and
/// kPolicyAdmin name.
enum class Who {
  kAnyone,       // also without an organization
  kMember,       // any account of an organization
  kReader,       // management account, delegated administrators
  kManagement,   // management account alone
  kPolicyAdmin,  // management account; others through the resource policy only
};
/// May a resource policy of the organization let other members in?
inline bool can_be_delegated(Who who) { return who == Who::kReader || who == Who::kPolicyAdmin; }
/// kMember and above need an organization. The resource policy itself is evaluated by the gate, before this.
Status check_seat(catalog::Transaction& transaction, const Seat& seat, Who who);

struct Request {
  const api::Operation& operation;
  const Installation& installation;
  const Seat& seat;
  WallTime now;

  [[nodiscard]] catalog::Transaction& transaction() const { return operation.transaction; }
  [[nodiscard]] const api::Value& input() const { return operation.input; }
  [[nodiscard]] const std::string& caller() const { return operation.call.caller.account; }
  /// Only behind a Who that needs one.
  [[nodiscard]] const rows::Organization& organization() const { return *seat.organization; }
  [[nodiscard]] std::string arn(std::string_view kind, std::string_view id) const {
    return arn_of(organization().management, kind, organization().id, id);
  }
};
using Handler = Result<api::Value> (*)(const Request&);

/// The tags of a Tags member, checked: no reserved prefix, no key twice, at most 50.
Result<rows::Tags> read_tags(const api::Value& input);
Status store_tags(const Request&, std::string_view resource, const rows::Tags& tags);

/// A root, unit or account of the caller's organization.
struct Target {
  std::string id, name;
  std::string_view kind;  // "ROOT", "ORGANIZATIONAL_UNIT", "ACCOUNT"
};
Result<std::optional<Target>> find_target(const Request&, std::string_view id);
/// A root or unit of the organization, as the parent of something; depth 0 is the root.
struct Parent {
  std::string id;
  int64_t depth = 0;
};
Result<std::optional<Parent>> find_parent(const Request&, std::string_view id);
/// A member of the caller's organization, or AccountNotFoundException.
Result<rows::Account> find_member(const Request&, std::string_view id);
std::string target_arn(const Request&, const Target& target);

/// The contact of an account, made up for one that has none: its name in this installation (else its id), and an
/// address in a domain that no mail reaches.
Result<rows::Contact> contact_of(const Request&, std::string_view account);

}  // namespace coffer::organizations
