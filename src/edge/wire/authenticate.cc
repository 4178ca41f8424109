#include "edge/wire/authenticate.h"

namespace coffer::wire {

Result<iam::Credential> authenticate(gate::Gate& gate, iam::Authority& authority, const SignatureClaim& claim,
                                     const std::function<Status(ByteView secret_access_key)>& check, Progress& at) {
  at.call.caller.access_key_id = claim.access_key_id;
  COFFER_TRY(iam::Credential credential,
             authority.find_credential(at.call.context, claim.access_key_id, claim.session_token, at.call.time));
  Status verified = check(credential.secret_access_key->view());
  if (!verified.ok()) {
    // The key is known, so its owner should learn of it; for unknown keys there is only the counter.
    at.call.caller.account = credential.identity->caller.account;
    gate.record_refusal(at.call, verified.error());
    return std::move(verified).error();
  }
  at.call.caller = credential.identity->caller;
  at.call.caller.access_key_id = claim.access_key_id;
  at.authenticated = true;
  if (at.brief) {
    authority.note_use_briefly(claim.access_key_id, claim.service, claim.region, at.call.time);
  } else {
    authority.note_use(claim.access_key_id, claim.service, claim.region, at.call.time);
  }
  return credential;
}

}  // namespace coffer::wire
