// Server access logs: a line for each request to a bucket that asks for it, delivered as objects of another bucket.
// Best effort, as at AWS: lines that wait in memory when the daemon dies are lost.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "services/api/access_record.h"
#include "services/s3/operations.h"
#include "services/s3/service.h"

namespace coffer::s3 {

using api::AccessRecord;

/// The line, with its end, in the fields and the order that S3 documents.
std::string access_line(std::string_view bucket_owner, const AccessRecord& record);

/// Safe from many threads.
class AccessLogs {
 public:
  explicit AccessLogs(const Setting& setting) : setting_(setting) {}
  /// Does the bucket ask for a log? As deliver() last saw it.
  [[nodiscard]] bool wants(std::string_view bucket);
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
