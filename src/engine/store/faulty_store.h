// FaultyStore: an ObjectStore that fails on purpose, for sweeps ("fail call N for N = 1, 2, 3 ...") and hostile
// storage.
#pragma once
#include <atomic>
#include <functional>
#include <optional>

#include "engine/store/object_store.h"

namespace coffer::store {

enum class Operation { kPut, kGet, kHead, kView, kList, kRemove };

struct Fault {
  enum class Kind {
    kError,       // the call fails, nothing happened
    kErrorAfter,  // a put or remove happened, and the call fails all the same
    kTornPut,     // half the bytes were stored under the key and the call fails (a backend without atomic put)
    kLostPut,     // the call succeeds, nothing was stored
    kFlipBit,     // get and view return one flipped bit
    kCrash,       // throws SimulatedCrash before the call
    kCrashAfter,  // throws SimulatedCrash after the call happened
  };
  Kind kind = Kind::kError;
  ErrorCode code = ErrorCode::kUnavailable;
};

/// Stands for kill -9: unwinds to the test, which then looks at what is left in the store. The dead do nothing more: a
/// later call through the same FaultyStore (a destructor's, another thread's) fails and leaves the inner store alone.
struct SimulatedCrash {};

/// Wraps `inner` (borrowed). `decide` is asked before each call with its number (from 1), operation and key (the prefix
/// of a listing), from as many threads as call the store. A fault that does not fit the operation changes nothing; an
/// "after" fault of a call that fails by itself gives way to that failure.
class FaultyStore final : public ObjectStore {
 public:
  using Decide = std::function<std::optional<Fault>(uint64_t call, Operation operation, std::string_view key)>;
  FaultyStore(ObjectStore& inner, Decide decide) : inner_(inner), decide_(std::move(decide)) {}
  [[nodiscard]] uint64_t calls() const { return calls_; }

  Capabilities capabilities() const override { return inner_.capabilities(); }
  std::string describe() const override { return inner_.describe(); }
  Result<ObjectInfo> put(const Context&, std::string_view key, ByteView body) override;
  Result<Bytes> get(const Context&, std::string_view key, uint64_t offset, uint64_t length) override;
  Result<ObjectInfo> head(const Context&, std::string_view key) override;
  Result<std::unique_ptr<ObjectView>> view(const Context&, std::string_view key) override;
  Status list(const Context&, std::string_view prefix, const Visitor& visit) override;
  Status remove(const Context&, std::string_view key) override;

 private:
  struct Numbered {
    uint64_t call = 0;
    std::optional<Fault> fault;
  };
  Numbered next(Operation operation, std::string_view key);
  [[noreturn]] void crash();
  template <class Call>
  auto with_fault(const std::optional<Fault>& fault, uint64_t call, std::string_view key, Call operation)
      -> decltype(operation());
  ObjectStore& inner_;
  Decide decide_;
  std::atomic<uint64_t> calls_{0};
  std::atomic<bool> crashed_{false};
};

}  // namespace coffer::store
