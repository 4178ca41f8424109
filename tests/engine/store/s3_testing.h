// A fake S3 server with a store opened on it, impatient enough for tests.
#pragma once
#include "base/testing.h"
#include "engine/store/fake_s3.h"
#include "engine/store/s3_object_store.h"

namespace coffer::store {

inline S3Options impatient() {
  S3Options options;
  options.backoff = {std::chrono::milliseconds(1), std::chrono::milliseconds(5)};
  options.give_up_after = std::chrono::seconds(3);
  options.attempt_deadline = std::chrono::milliseconds(2000);
  return options;
}

/// For what never succeeds: it need not be tried for long.
inline S3Options hopeless() {
  S3Options options = impatient();
  options.give_up_after = std::chrono::milliseconds(100);
  return options;
}

class S3World {
 public:
  explicit S3World(FakeS3::Options options = {}, S3Options store_options = impatient())
      : server_(std::move(options)), store_options_(store_options) {}

  FakeS3& server() { return server_; }
  ObjectStore& store() { return *store_; }
  /// Another store on the same place, as another process has it.
  std::unique_ptr<ObjectStore> open() { return open(store_options_); }
  std::unique_ptr<ObjectStore> open(const S3Options& options) {
    return must(open_s3(clock_, entropy_, files_, FakeS3::environment(), server_.url(), options));
  }

 private:
  SystemClock clock_;
  SystemEntropy entropy_;
  PosixFileSystem files_;
  FakeS3 server_;
  S3Options store_options_;
  std::unique_ptr<ObjectStore> store_ = open();
};

}  // namespace coffer::store
