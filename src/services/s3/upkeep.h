// What S3 does by itself about the bytes in its store: the sweep removes pieces that a crash left behind, the scrub
// reads what there should be and tells what is broken. Both do a bounded piece of work when they are called, and go on
// from where they were, also after a restart.
#pragma once
#include <chrono>
#include <memory>

#include "services/s3/operations.h"

namespace coffer::s3 {

/// Looks once a day at every piece of the store that is older than ObjectData::kAbandonedAfter. One that no row knows
/// is noted, and removed when no row knows it after `kGrace` either.
class Sweep {
 public:
  static constexpr std::chrono::hours kRound{24}, kGrace{1};
  /// `setting` outlives it.
  explicit Sweep(const Setting& setting) : setting_(setting) {}
  Status run_due(const Context& context, WallTime now);

 private:
  Status note_unknown(const Context& context, WallTime now, uint8_t folder);
  Status remove_noted(const Context& context, WallTime now);
  const Setting& setting_;
};

/// Reads every version of every object once in `kRound`, at an even pace. What SSE-S3 sealed is opened; of what KMS or
/// a customer has the key of, the blocks are read and their sizes and headers compared. A damaged object gets a row in
/// s3_damaged, which goes when it is found whole, and an event "Object Damaged".
class Scrub {
 public:
  static constexpr std::chrono::hours kRound{30 * 24};
  /// `setting` outlives it.
  explicit Scrub(const Setting& setting) : setting_(setting) {}
  /// kCorruption, once for each object, names what was newly found to be damaged; the scrub goes on all the same.
  Status run_due(const Context& context, WallTime now);

 private:
  struct Progress;
  Status look_at(const Context& context, WallTime now, int64_t sequence, uint64_t& size_bytes,
                 std::string& newly_damaged);
  Status check(const Context& context, const rows::Bucket& bucket, const rows::Version& version);
  Result<bool> note(const Context& context, WallTime now, int64_t sequence, const Error& error);
  const Setting& setting_;
};

extern const catalog::Migration kUpkeepMigration;

}  // namespace coffer::s3
