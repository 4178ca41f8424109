// The operations of STS.
#include "services/iam/service.h"
#include "services/iam/sts.h"

namespace coffer::iam {
namespace {

using api::AccessRequest;

Result<std::vector<AccessRequest>> anybody(const Request&) { return std::vector<AccessRequest>{}; }

Result<std::vector<AccessRequest>> on_everything(const Request& r) {
  AccessRequest request;
  request.action = "sts:" + r.operation.call.operation;
  return std::vector{std::move(request)};
}

struct Row {
  std::string_view operation;
  sts::AccessOf access;
  Run run;
};

constexpr Row kRows[] = {
    {"AssumeRole", sts::access_to_assume_role, sts::assume_role},
    {"DecodeAuthorizationMessage", on_everything, sts::decode_authorization_message},
    {"GetAccessKeyInfo", on_everything, sts::get_access_key_info},
    {"GetCallerIdentity", anybody, sts::get_caller_identity},
    {"GetFederationToken", sts::access_to_get_federation_token, sts::get_federation_token},
    {"GetSessionToken", sts::access_to_get_session_token, sts::get_session_token},
};

}  // namespace

api::ServiceTable sts_actions(Authority& authority, ByteView sealing_root, Clock& clock, Entropy& entropy) {
  const auto setting = std::make_shared<const Setting>(Setting{authority, sealing_root, clock, entropy});
  api::ServiceTable table{"sts", {}};
  for (const Row& row : kRows) {
    api::Action action;
    action.operation = row.operation;
    action.access = [setting, access = row.access](const api::Operation& o) { return access(Request{*setting, o}); };
    action.run = [setting, run = row.run](const api::Operation& o) { return run(Request{*setting, o}); };
    if (row.operation == "GetCallerIdentity") action.brief = [](const api::Value&) { return true; };
    table.actions.push_back(std::move(action));
  }
  return table;
}

std::string encode_authorization_message(ByteView sealing_root, std::string_view json, Entropy& entropy) {
  return seal_message(sealing_root, json, entropy);
}

}  // namespace coffer::iam
