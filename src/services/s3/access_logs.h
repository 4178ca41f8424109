// Server access logs: a line for each request to a bucket that asks for it, delivered as objects of another bucket.
// Best effort, as at AWS: lines that wait in memory when the daemon dies are lost.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "services/s3/operations.h"
#include "services/s3/service.h"

namespace coffer::s3 {

/// A request that was answered, as its line tells it. What is empty appears as "-".
struct AccessRecord {
  WallTime time;
  std::string bucket, key;
  std::string remote_ip, requester, request_id;
  std::string operation;  // "REST.GET.OBJECT"
  std::string method, target;
  int status = 0;
  std::string error_code;
  uint64_t bytes_sent = 0;
  int64_t total_ms = 0;
  std::string referer, user_agent, version_id, host;
  std::string signature_version, auth_type;  // "SigV4", "AuthHeader"
  bool tls = false;
};
/// The line, with its end, in the fields and the order that S3 documents.
std::string access_line(std::string_view bucket_owner, const AccessRecord& record);

/// Safe from many threads.
class AccessLogs {
 public:
  explicit AccessLogs(const Setting& setting) : setting_(setting) {}
  /// Costs next to nothing for a bucket that asks for no log. Which ones do is looked up by deliver().
  void note(AccessRecord record);
  /// Delivers what has waited for kWait or is a batch. What the target refuses is dropped, and said by the answer.
  Status deliver(const Context& context, WallTime now, const api::Transfer& transfer);

  static constexpr std::chrono::seconds kWait{60};
  static constexpr size_t kBatch = 5000, kWaitingMax = 100'000;

 private:
  Status look_up(const Context& context);
  Status deliver_one(const Context& context, WallTime now, const std::string& bucket, std::vector<AccessRecord> records,
                     const api::Transfer& transfer);

  const Setting& setting_;
  std::mutex mutex_;
  std::set<std::string, std::less<>> logged_;
  std::map<std::string, std::vector<AccessRecord>> waiting_;
  size_t count_ = 0;
};

}  // namespace coffer::s3
