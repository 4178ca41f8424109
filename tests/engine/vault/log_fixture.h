// A vault in memory under a clock and random bytes that a test controls, and what tampering with it takes.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/store/faulty_store.h"
#include "engine/store/object_store.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/lease.h"
#include "engine/vault/manifest.h"
#include "engine/vault/vault.h"
#include "support/vault_world.h"

namespace coffer::vault {

using store::Fault;
using store::FaultyStore;
using store::Operation;
using testing_support::must;
using testing_support::Objects;
using testing_support::overwrite;
using testing_support::snapshot;
using testing_support::store_of;

inline const WallTime kNoon{1'795'521'600'000'000};  // 2026-11-24T12:00:00Z

inline std::unique_ptr<crypto::SlotKey> key_of(uint8_t byte) {
  return crypto::key_file_slot(Secret(Bytes(32, std::byte{byte})));
}

template <class T>
::testing::AssertionResult fails_with(const Result<T>& result, ErrorCode code, std::string_view part_of_message = "") {
  if (result.ok()) return ::testing::AssertionFailure() << "it succeeded";
  if (result.code() != code || result.error().message.find(part_of_message) == std::string::npos)
    return ::testing::AssertionFailure() << error_code_name(result.code()) << ": " << result.error().message;
  return ::testing::AssertionSuccess();
}

inline std::vector<std::string> keys_of(store::ObjectStore& store, std::string_view prefix = "") {
  std::vector<std::string> keys;
  must(store.list({}, prefix, [&](const store::ObjectInfo& info) { return keys.push_back(info.key), true; }));
  return keys;
}

/// A lease that a test holds or loses at will.
class FakeLease final : public Lease {
 public:
  explicit FakeLease(std::string id = "0123456789abcdef") : id_(std::move(id)) {}
  [[nodiscard]] const std::string& id() const override { return id_; }
  Status still_held(const LogState& state) const override {
    if (lost || state.fenced_leases.contains(id_)) return Error{ErrorCode::kConflict, "the lease is lost", {}};
    return ok_status();
  }
  Status release(const Context&) override { return ok_status(); }
  bool lost = false;

 private:
  std::string id_;
};

/// A store whose listings do not show some keys yet.
class LaggingStore final : public store::ObjectStore {
 public:
  LaggingStore(store::ObjectStore& inner, std::function<bool(std::string_view key)> hides)
      : inner_(inner), hides_(std::move(hides)) {}
  [[nodiscard]] store::Capabilities capabilities() const override { return inner_.capabilities(); }
  [[nodiscard]] std::string describe() const override { return inner_.describe(); }
  Result<store::ObjectInfo> put(const Context& c, std::string_view key, ByteView body) override {
    return inner_.put(c, key, body);
  }
  Result<Bytes> get(const Context& c, std::string_view key, uint64_t offset, uint64_t length) override {
    return inner_.get(c, key, offset, length);
  }
  Result<store::ObjectInfo> head(const Context& c, std::string_view key) override { return inner_.head(c, key); }
  Result<std::unique_ptr<store::ObjectView>> view(const Context& c, std::string_view key) override {
    return inner_.view(c, key);
  }
  Status list(const Context& c, std::string_view prefix, const Visitor& visit) override {
    return inner_.list(c, prefix, [&](const store::ObjectInfo& info) { return hides_(info.key) || visit(info); });
  }
  Status remove(const Context& c, std::string_view key) override { return inner_.remove(c, key); }

 private:
  store::ObjectStore& inner_;
  std::function<bool(std::string_view)> hides_;
};

class LogFixture : public ::testing::Test {
 protected:
  LogFixture() : store_(store::open_memory()), key_(key_of(1)), other_key_(key_of(2)) {
    vault_ = must(Vault::create({}, *store_, clock_, entropy_, {{"one", key_.get()}, {"two", other_key_.get()}}));
  }
  std::unique_ptr<Vault> open(store::ObjectStore& store) {
    return must(Vault::open({}, store, clock_, entropy_, *key_));
  }
  static Bytes commit_body(const std::string& lease = "a-lease") {
    return encode_commit_body({.manifest_size_bytes = 1000, .manifest_sha256 = {}, .lease_id = lease});
  }
  static uint64_t commit(CommitLog& log, const std::string& id) {
    return must(log.append({}, LogEntryType::kPointCommitted, id, commit_body(), nullptr));
  }
  static std::string entry_key(uint64_t index) {
    Bytes bytes;
    ByteWriter(bytes).u64(index);
    return "log/entries/" + to_hex(bytes);
  }

  ManualClock clock_{kNoon};
  SeededEntropy entropy_{1};
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<crypto::SlotKey> key_, other_key_;
  std::unique_ptr<Vault> vault_;
};

/// Runs `attempt` over a store that does `kind` at call N, for N = 1, 2, ... until an attempt needs fewer calls;
/// `attempt` is given the faulty store and returns after a simulated crash as it likes, `then` looks at what is left
/// (given N).
inline void sweep(Fault::Kind kind, const std::function<store::ObjectStore&()>& fresh,
                  const std::function<void(store::ObjectStore&)>& attempt, const std::function<void(uint64_t)>& then) {
  constexpr uint64_t kCallsMax = 2000;
  for (uint64_t n = 1; n < kCallsMax; ++n) {
    SCOPED_TRACE("fault kind " + std::to_string(static_cast<int>(kind)) + " at call " + std::to_string(n));
    store::ObjectStore& inner = fresh();
    FaultyStore faulty(inner, [&](uint64_t call, Operation, std::string_view) {
      return call == n ? std::optional(Fault{.kind = kind}) : std::nullopt;
    });
    try {
      attempt(faulty);
    } catch (const store::SimulatedCrash&) {
    }
    then(n);
    if (faulty.calls() < n || ::testing::Test::HasFailure()) return;
  }
  FAIL() << "the sweep found no end";
}

inline constexpr Fault::Kind kEveryFault[] = {Fault::Kind::kError,     Fault::Kind::kErrorAfter, Fault::Kind::kTornPut,
                                              Fault::Kind::kLostPut,   Fault::Kind::kFlipBit,    Fault::Kind::kCrash,
                                              Fault::Kind::kCrashAfter};

}  // namespace coffer::vault
