#include "services/policy/evaluate.h"

namespace coffer::policy {
namespace {

using CallerKind = api::Caller::Kind;

/// User Guide, "Principal key values".
std::string_view principal_type(CallerKind kind) {
  switch (kind) {
    case CallerKind::kAnonymous: return "Anonymous";
    case CallerKind::kRoot: return "Account";
    case CallerKind::kUser: return "User";
    case CallerKind::kRoleSession: return "AssumedRole";
    case CallerKind::kFederatedUser: return "FederatedUser";
    case CallerKind::kService: break;
  }
  return {};
}

/// Sets keys; empty texts leave them absent.
class Setter {
 public:
  explicit Setter(RequestContext& context) : context_(context) {}
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) context_.set(key, std::string(value));
  }
  void flag(std::string_view key, bool value) { context_.set(key, value ? "true" : "false"); }
  void list(std::string_view key, std::string_view value) { context_.set(key, std::vector{std::string(value)}); }

 private:
  RequestContext& context_;
};

void set_principal_keys(const api::Caller& caller, Setter& set) {
  set.text("aws:PrincipalType", principal_type(caller.kind));
  if (caller.kind == CallerKind::kAnonymous) {
    set.text("aws:userid", "anonymous");
    return;
  }
  const bool is_service = caller.kind == CallerKind::kService;
  set.flag("aws:PrincipalIsAWSService", is_service);
  if (is_service) {
    set.text("aws:PrincipalServiceName", caller.arn);
    set.list("aws:PrincipalServiceNamesList", caller.arn);
    return;
  }
  set.text("aws:PrincipalArn", caller.principal_arn);
  set.text("aws:PrincipalAccount", caller.account);
  set.text("aws:userid", caller.user_id);
  if (caller.kind == CallerKind::kUser) set.text("aws:username", caller.user_name);
  set.text("aws:SourceIdentity", caller.source_identity);
  // An empty tag is a tag.
  for (const auto& [key, value] : caller.tags) set.list("aws:PrincipalTag/" + key, value);
  if (caller.token_issued) {
    set.text("aws:TokenIssueTime", format_utc(*caller.token_issued));
    set.flag("aws:MultiFactorAuthPresent", false);
  }
}

}  // namespace

RequestContext global_context(const api::Call& call) {
  RequestContext context;
  Setter set(context);
  set_principal_keys(call.caller, set);
  const bool is_service = call.caller.kind == CallerKind::kService;
  const bool is_via_service = !call.via_service.empty();
  set.text("aws:SourceArn", call.source_arn);
  set.text("aws:SourceAccount", call.source_account);
  set.flag("aws:ViaAWSService", is_via_service);
  if (is_via_service) {
    set.list("aws:CalledVia", call.via_service);
    set.text("aws:CalledViaFirst", call.via_service);
    set.text("aws:CalledViaLast", call.via_service);
  } else if (!is_service) {
    set.text("aws:SourceIp", call.source_ip);
  }
  set.flag("aws:SecureTransport", call.secure_transport);
  set.text("aws:UserAgent", call.user_agent);
  set.text("aws:RequestedRegion", call.region);
  set.text("aws:CurrentTime", format_utc(call.time));
  set.text("aws:EpochTime", std::to_string(call.time.micros / 1'000'000));
  return context;
}

}  // namespace coffer::policy
