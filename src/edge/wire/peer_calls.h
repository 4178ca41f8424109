// Operations that one installation asks another for: POST /.coffer/peer/v1/<operation>, signed as peer_signature.h has
// it. The body is the length of the input (4 bytes, big-endian), the input Value as JSON, and the bytes that stream.
// X-Coffer-Input-Sha256 binds the input to the signature; the bytes are checked by what the input says of them. The
// answer's body is the output Value as JSON; of a failure {"Code", "Name", "Message"}.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/entropy.h"
#include "edge/wire/http.h"
#include "edge/wire/http_client.h"
#include "services/gate/gate.h"
#include "services/iam/authority.h"

namespace coffer::wire {

/// The receiving side.
class PeerFront {
 public:
  struct Options {
    std::map<std::string, Bytes> accounts;  // enrolled: account -> Ed25519 public key
    std::function<bool(std::string_view account)> is_ours;
    std::string region;  // the default one
  };
  /// All borrowed things outlive it.
  PeerFront(gate::Gate& gate, Clock& clock, Entropy& entropy, Options options);
  [[nodiscard]] static bool takes(const Request& request);
  /// Safe from many threads.
  Response handle(const Context& context, Request& request);

 private:
  Result<api::Value> answer(const Context& context, Request& request, const std::string& request_id);

  gate::Gate& gate_;
  Clock& clock_;
  Entropy& entropy_;
  Options options_;
  std::shared_ptr<const policy::PrincipalPolicies> policies_;
};

/// The asking side.
struct PeerAddress {
  std::string endpoint;    // "https://b.example:9420"
  std::string to_account;  // an account of that installation
};
/// `seed`: the private key of the caller's account. `call.caller` is the session of the role for which it is asked.
Result<api::Value> call_peer(HttpClient& client, const PeerAddress& address, ByteView seed, const api::Call& call,
                             const api::Value& input, api::RequestBody* body, WallTime now);

}  // namespace coffer::wire
