// An S3 server of somebody else's (Versity Gateway), started once a test program on a free port. scripts/setup-clients
// --servers builds it; without it the tests that want one are skipped.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>

#include "base/testing.h"
#include "engine/store/s3_url.h"

namespace coffer::store {

class ForeignS3 {
 public:
  /// Null when it is not installed.
  static ForeignS3* running();
  static std::string why_not();
  ~ForeignS3();

  /// A prefix that nobody has used.
  std::string fresh_url();
  [[nodiscard]] EnvironmentVariables environment() const;

 private:
  explicit ForeignS3(const std::string& program);
  bool answers() const;

  TemporaryDirectory directory_;
  pid_t process_ = -1;
  int port_ = 0;
  std::atomic<int> prefixes_{0};
};

}  // namespace coffer::store
