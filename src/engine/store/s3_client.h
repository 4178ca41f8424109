// One request to S3: signed, sent, its answer understood; and the loop that repeats what may be repeated.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/entropy.h"
#include "engine/store/s3_connection.h"
#include "engine/store/s3_credentials.h"
#include "engine/store/s3_pace.h"
#include "engine/store/s3_url.h"

namespace coffer::store {

struct S3Options {
  Backoff backoff;
  std::chrono::milliseconds give_up_after{300'000};    // of one operation, from its first attempt on
  std::chrono::milliseconds attempt_deadline{30'000};  // and what a slow line needs for the bytes
  double requests_at_first = 16, requests_most = 64;
};

struct S3Request {
  std::string_view method;
  std::string object;  // its whole name; empty: the bucket itself
  std::vector<std::pair<std::string, std::string>> query;
  sigv4::HeaderFields headers;
  ByteView body;
  std::string payload_sha256_hex;  // empty: of no body
  uint64_t answer_limit_bytes = 4 << 20;
  uint64_t expected_bytes = 0;  // of the answer: what a slow line is given time for
};

/// A success, or one of the failures that mean something to a caller: 404, 412 and 416.
struct S3Answer {
  int status = 0;
  std::string code;  // S3's name of the failure; empty for a success, and when the answer had no body
  HttpAnswer http;
};

class S3Client {
 public:
  /// All but the strings are borrowed.
  S3Client(Clock& clock, Entropy& entropy, FileSystem& files, const EnvironmentVariables& environment,
           std::map<std::string, std::string> profile, S3Location location, S3Options options);

  /// One attempt, the `number`th (from 0) of an operation. Errors by what may be done about them: kThrottled,
  /// kUnavailable, kDeadlineExceeded and kConflict go away by themselves, others do not. After an Error a request that
  /// writes may or may not have been carried out.
  Result<S3Answer> attempt(const Context& context, const S3Request& request, int number);

  /// Calls `once(number)` until it succeeds, fails in a way that does not go away, or the time for it is over.
  template <class Once>
  auto repeat(const Context& context, Once once) -> decltype(once(0)) {
    pace_.first_attempt();
    const MonoTime begun = clock_.mono();
    for (int number = 0;; ++number) {
      auto result = once(number);
      if (result.ok() || !goes_away(result.code())) return result;
      if (is_over(begun, number)) return result;
      COFFER_CHECK_OK(wait(context, number));
    }
  }
  /// attempt() repeated.
  Result<S3Answer> send(const Context& context, const S3Request& request);

  [[nodiscard]] const S3Location& location() const { return location_; }
  /// 32 hexadecimal digits that nobody else has.
  std::string random_token();

  static bool goes_away(ErrorCode code);

 private:
  Result<S3Answer> understand(const S3Request& request, HttpAnswer http,
                              const std::shared_ptr<const Credentials>& credentials, int number);
  Error explain(const S3Request& request, int status, std::string_view code, std::string_view message);
  bool adopt_region(std::string_view region);
  void learn_time(const HttpAnswer& http);
  [[nodiscard]] bool is_over(MonoTime begun, int number) const;
  Status wait(const Context& context, int number);
  std::string region();

  Clock& clock_;
  Entropy& entropy_;
  const S3Location location_;
  const S3Options options_;
  std::unique_ptr<HttpConnections> connections_;
  CredentialChain credentials_;
  RequestWindow window_;
  RetryBudget pace_;
  std::atomic<bool> reached_{false};            // it answered at least once
  std::atomic<int64_t> clock_error_micros_{0};  // the store's clock minus ours
  std::mutex mutex_;                            // for the entropy and the region
  std::string region_;
};

}  // namespace coffer::store
