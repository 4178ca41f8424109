// A small S3 server in this process that checks signatures and digests as a real one does, and fails on demand.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "engine/sigv4/canonical.h"
#include "engine/store/s3_url.h"

namespace coffer::store {

struct FakeFault {
  enum class Kind {
    kCutRequest,     // the connection ends once `at` bytes of the request are here; nothing happened
    kCutAnswer,      // it happened, and the connection ends after `at` bytes of the answer
    kStatus,         // `status` with the S3 error `text`; nothing happened
    kStatusAfter,    // the same, but it happened
    kErrorIn200,     // 200, and the S3 error `text` in its body; nothing happened
    kTruncatedBody,  // half the body, with a Content-Length that fits it
    kFlippedBit,     // one bit of the body is another
    kWrongEtag,
    kLost,       // the answer is a success; nothing happened
    kStaleList,  // the listing lacks its last entry
    kAnswer,     // `text` is the whole answer, head and all
    kStall,      // no answer for as long as the server lives
  };
  Kind kind = Kind::kStatus;
  size_t at = 0;
  int status = 503;
  std::string text = "SlowDown";
  std::string headers = {};  // lines of the answer's head, each with CR and LF
};

class FakeS3 {
 public:
  struct Options {
    bool conditional = true;  // If-None-Match is honoured
    bool checksums = true;    // x-amz-checksum-sha256 is checked, kept and shown
    bool refuses_checksums = false;
    bool metadata = true;  // x-amz-meta-* is kept and shown
    bool ranges = true;
    bool wants_md5 = false;
    size_t page_size = 1000;
    std::string region = "us-east-1";
  };
  struct Seen {
    uint64_t number = 0;  // from 1
    std::string method, target;
  };
  /// Asked once a request, from many threads.
  using Decide = std::function<std::optional<FakeFault>(const Seen&)>;

  explicit FakeS3(Options options);
  FakeS3() : FakeS3(Options()) {}
  ~FakeS3();
  void set_faults(Decide decide);

  [[nodiscard]] std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// "s3://bucket/vault" with endpoint and region.
  [[nodiscard]] std::string url(std::string_view prefix = "vault") const;
  /// The credentials that it knows, and nothing of this machine's.
  static EnvironmentVariables environment();

  [[nodiscard]] uint64_t requests() const { return requests_; }
  [[nodiscard]] uint64_t connections() const { return accepted_; }
  [[nodiscard]] int most_at_once() const { return most_at_once_; }
  [[nodiscard]] size_t objects() const;
  /// The bytes of an object, by its whole name.
  [[nodiscard]] std::optional<std::string> stored(const std::string& name) const;
  void store(const std::string& name, std::string body);

 private:
  struct Object {
    std::string body, checksum;
    sigv4::HeaderFields metadata;
  };
  struct Request {
    std::string method, target, body;
    sigv4::HeaderFields headers;
    [[nodiscard]] std::string header(std::string_view name) const;
  };
  struct Answer {
    int status = 200;
    std::string headers, body;
    uint64_t head_length = 0;  // of HEAD
  };
  void accept_all();
  void serve(int socket);
  std::optional<Request> read_request(int socket, std::string& buffer, const std::function<bool(size_t)>& cut);
  Answer handle(const Request& request);
  Answer handle_object(const Request& request, const std::string& name);
  Answer put(const Request& request, const std::string& name);
  Answer read(const Request& request, const Object& object);
  Answer list(const std::vector<std::pair<std::string, std::string>>& query);
  std::string check_signature(const Request& request) const;
  static Answer error(int status, const std::string& code);

  const Options options_;
  Decide decide_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<uint64_t> requests_{0}, accepted_{0};
  std::atomic<int> at_once_{0}, most_at_once_{0};
  std::atomic<bool> closing_{false};
  mutable std::mutex mutex_;
  std::map<std::string, Object> objects_;
  std::set<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace coffer::store
