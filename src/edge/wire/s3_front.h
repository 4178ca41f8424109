// S3's way through the front: buckets in the Host, payloads that stream, presigned URLs, forms of browsers, CORS.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edge/wire/front_progress.h"
#include "edge/wire/sigv4.h"
#include "services/gate/gate.h"
#include "services/iam/authority.h"

namespace coffer::wire {

class S3Front {
 public:
  struct Options {
    std::vector<std::string> regions;  // of this installation; the first is the default
    std::vector<std::string> domains;  // hosts whose sub-domains are buckets: "s3.example.internal"
    /// The CORSConfiguration of a bucket; null value: it has none. May be null.
    std::function<Result<api::Value>(const Context&, std::string_view bucket)> cors = nullptr;
  };
  /// All borrowed things outlive it.
  S3Front(gate::Gate& gate, iam::Authority& authority, Options options);
  ~S3Front();

  /// Is an unsigned request S3's by its Host or its form? (Others that nobody else knows are S3's too.)
  [[nodiscard]] bool claims(const Request& request) const;

  /// `at.service` is S3; call, time and transport are filled in.
  Result<Response> answer(const Context& context, Request& request, const std::optional<SignatureClaim>& claim,
                          Progress& at);
  Response refuse(const Progress& at, const Error& error) const;
  /// What a browser has to be told beside any answer.
  void add_cors(const Context& context, const Request& request, const Progress& at, Response& response) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::wire
