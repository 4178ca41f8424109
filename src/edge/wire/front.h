// The front: from a Request to a Response. Operation found, signature checked, input decoded and validated, gate asked,
// answer encoded. Also the pages without signature: /healthz, /readyz, /metrics.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "edge/wire/http.h"
#include "services/api/access_record.h"
#include "services/gate/gate.h"
#include "services/iam/authority.h"

namespace coffer::wire {

class Front {
 public:
  struct Options {
    std::vector<std::string> regions;      // of this installation; the first is the default
    std::string version;                   // for coffer_build_info
    std::function<Status()> ready;         // what /readyz asks; null: always ready
    std::function<std::string()> metrics;  // more lines for /metrics; may be null
    /// Told of every request that is answered with a 5xx: "error" for failures of ours, whose callers learn no more
    /// than the request's id, "warning" for the others. May be null.
    std::function<void(std::string_view level, std::string_view text)> log = nullptr;
    std::vector<std::string> s3_domains = {};  // hosts whose sub-domains are buckets
    /// The CORSConfiguration of a bucket; null value: it has none. May be null.
    std::function<Result<api::Value>(const Context&, std::string_view bucket)> s3_cors = nullptr;
    /// Whether a bucket has an access log; then `s3_access` is told of its answered requests. May be null, both.
    std::function<bool(std::string_view bucket)> s3_access_wanted = nullptr;
    std::function<void(api::AccessRecord)> s3_access = nullptr;
  };
  /// All borrowed things outlive the front.
  Front(gate::Gate& gate, iam::Authority& authority, Clock& clock, Entropy& entropy, Options options);
  ~Front();
  /// Safe from many threads. What is thrown below is answered as the service's internal failure.
  Response handle(const Context& context, Request& request);
  /// Nothing when the answer might have to wait for somebody, or takes long: then nothing was done for it either.
  std::optional<Response> handle_briefly(const Context& context, Request& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::wire
