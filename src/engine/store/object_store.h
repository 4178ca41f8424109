// ObjectStore: a flat space of named, immutable byte strings. The narrow waist between the vault and any storage.
//
// Vocabulary. key: '/'-separated, characters [A-Za-z0-9._-/], no empty component, "." or "..", at most 512 bytes (255 a
// component), no component beginning with ".tmp-". No key may be a folder of another ("a" and "a/b"): kInvalidArgument
// where the backend is one of folders, unnoticed on S3.
// put: creates, never replaces. A listing may lag behind put() and remove(), so deletion is never decided from it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/context.h"
#include "base/entropy.h"
#include "base/filesystem.h"
#include "base/result.h"

namespace coffer::store {

inline constexpr uint64_t kObjectSizeMax = uint64_t{64} << 20;

/// What this backend keeps its word on. Probed when it is opened, not guessed from its kind.
struct Capabilities {
  bool conditional_create = false;  // of many put() calls on a free key exactly one wins
  // put() succeeds only after the store showed an object with the size and the digest of what was sent.
  bool reads_back = false;
  // A call takes milliseconds whatever its size: few large ones, and many at once, are what is fast.
  bool distant = false;
};

struct ObjectInfo {
  std::string key;
  uint64_t size_bytes = 0;
};

/// Bytes of a whole object that stay valid as long as this lives; mapped, not copied, where the backend can.
class ObjectView {
 public:
  virtual ~ObjectView() = default;
  [[nodiscard]] virtual ByteView bytes() const = 0;
};

/// Safe to call from many tasks at once. Calls wait for IO, so they take a Context, whose stop token they honour.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  [[nodiscard]] virtual Capabilities capabilities() const = 0;
  /// For messages: "/srv/vault", "memory", "s3://bucket/prefix".
  [[nodiscard]] virtual std::string describe() const = 0;

  /// On success the bytes survive a power cut. kAlreadyExists leaves the old bytes alone.
  /// After any other error the object may or may not exist: head() it before trying again.
  /// `body` is at most kObjectSizeMax bytes.
  virtual Result<ObjectInfo> put(const Context& context, std::string_view key, ByteView body) = 0;
  /// Exactly `length` bytes from `offset`, or an error. A short object is kCorruption, a missing one kNotFound.
  virtual Result<Bytes> get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) = 0;
  virtual Result<ObjectInfo> head(const Context& context, std::string_view key) = 0;
  /// The whole object without a copy where possible. For packs and indexes that are read at many places.
  virtual Result<std::unique_ptr<ObjectView>> view(const Context& context, std::string_view key) = 0;

  /// Keys with `prefix` (ends with '/' or is empty), ascending. The visitor returns false to stop early.
  using Visitor = std::function<bool(const ObjectInfo&)>;
  virtual Status list(const Context& context, std::string_view prefix, const Visitor& visit) = 0;
  /// Removing what is not there is a success.
  virtual Status remove(const Context& context, std::string_view key) = 0;

  /// The whole object, of at most `limit_bytes` (kCorruption beyond).
  virtual Result<Bytes> get_all(const Context& context, std::string_view key, uint64_t limit_bytes);
  Result<Bytes> get_all(const Context& context, std::string_view key) { return get_all(context, key, kObjectSizeMax); }
};

/// In memory; what tests and the simulator use.
std::unique_ptr<ObjectStore> open_memory();
/// A local directory, created (0700) when `create` is set, else it must exist (kNotFound).
/// Publish order: unnamed file, bytes, fsync, link to its key, fsync of the folder. As root, what is made belongs to
/// the directory's owner. `file_system` outlives the store.
Result<std::unique_ptr<ObjectStore>> open_local(FileSystem& file_system, const std::string& root, bool create);

/// kInvalidArgument unless `key` keeps the rules at the top.
Status check_key(std::string_view key);

/// Of `racers` concurrent put() calls on one fresh key exactly one may win: tries it `rounds` times and cleans up.
/// kFailedPrecondition names what happened when the backend does not keep the promise (rule R21).
Status probe_conditional_create(const Context& context, ObjectStore& store, Entropy& entropy, int rounds = 8,
                                int racers = 4);

}  // namespace coffer::store
