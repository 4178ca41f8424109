#include "edge/daemon/replica_destinations.h"

#include "edge/wire/peer_calls.h"

namespace coffer::daemon {

NetworkDestinations::NetworkDestinations(gate::Gate& gate, Clock& clock, const Config& config, PeerSeed seed_of)
    : gate_(gate), clock_(clock), seed_of_(std::move(seed_of)) {
  for (const PeerConfig& peer : config.peers) {
    if (!peer.endpoint.empty()) peers_[peer.account] = {peer.endpoint, wire::curl_client(peer.certificate_authority)};
  }
}

Result<api::Value> NetworkDestinations::call(const api::Call& call, const iam::Identity& identity,
                                             std::string_view account, const api::Value& input,
                                             api::RequestBody* body) {
  const auto peer = peers_.find(account);
  if (peer == peers_.end()) return gate_.run(call, &identity, input, body);
  const Secret seed = seed_of_(call.caller.account);
  return wire::call_peer(*peer->second.client, {peer->second.endpoint, peer->first}, seed.view(), call, input, body,
                         clock_.wall());
}

}  // namespace coffer::daemon
