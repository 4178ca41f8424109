// Where replicas go: a bucket of this installation, through the gate; a bucket of an enrolled peer, over the network.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "edge/daemon/config.h"
#include "edge/wire/http_client.h"
#include "services/gate/gate.h"
#include "services/s3/service.h"

namespace coffer::daemon {

class NetworkDestinations final : public s3::ReplicaDestinations {
 public:
  /// The private key by which an account of ours signs to peers.
  using PeerSeed = std::function<Secret(std::string_view account)>;
  /// Everything borrowed outlives it.
  NetworkDestinations(gate::Gate& gate, Clock& clock, const Config& config, PeerSeed seed_of);

  Result<api::Value> call(const api::Call& call, const iam::Identity& identity, std::string_view account,
                          const api::Value& input, api::RequestBody* body) override;

 private:
  struct Peer {
    std::string endpoint;
    std::unique_ptr<wire::HttpClient> client;
  };
  gate::Gate& gate_;
  Clock& clock_;
  PeerSeed seed_of_;
  std::map<std::string, Peer, std::less<>> peers_;  // by account
};

}  // namespace coffer::daemon
