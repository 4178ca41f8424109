#include "engine/vault/external_sorter.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

namespace coffer::vault {
namespace {

constexpr size_t kRecordSizeMax = 1 << 20;
constexpr size_t kMemoryMin = 64 << 10;
constexpr size_t kMemoryMax = size_t{1} << 30;  // slots address the arena with 32 bits
constexpr size_t kRunBufferMin = 16 << 10;
constexpr size_t kRunBufferMax = 1 << 20;
constexpr size_t kFanInMin = 4;

// Records fill the arena from its front, their slots from its end; both are counted against one budget.
struct Slot {
  uint64_t prefix;  // the first 8 bytes, big-endian: decides most comparisons without touching the record
  uint32_t offset;
  uint32_t size;
};

uint64_t prefix_of(ByteView record) {
  uint64_t prefix = 0;
  const size_t n = std::min<size_t>(record.size(), 8);
  for (size_t i = 0; i < n; ++i) prefix |= static_cast<uint64_t>(record[i]) << (56 - 8 * i);
  return prefix;
}

int compare(ByteView a, ByteView b) {
  const size_t n = std::min(a.size(), b.size());
  const int order = n == 0 ? 0 : std::memcmp(a.data(), b.data(), n);
  if (order != 0) return order;
  return a.size() == b.size() ? 0 : (a.size() < b.size() ? -1 : 1);
}

struct Run {
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
};

/// Appends runs of (u32 length, bytes) records to one unnamed file.
class RunWriter {
 public:
  RunWriter(File& file, uint64_t at, size_t buffer_size) : file_(file), start_(at), at_(at), buffer_size_(buffer_size) {
    buffer_.reserve(buffer_size);
  }
  Status add(ByteView record) {
    if (!buffer_.empty() && buffer_.size() + 4 + record.size() > buffer_size_) COFFER_CHECK_OK(flush());
    ByteWriter w(buffer_);
    w.u32(static_cast<uint32_t>(record.size()));
    w.bytes(record);
    return ok_status();
  }
  Result<Run> finish() {
    COFFER_CHECK_OK(flush());
    return Run{start_, at_ - start_};
  }

 private:
  Status flush() {
    COFFER_CHECK_OK(file_.write_at(at_, buffer_));
    at_ += buffer_.size();
    buffer_.clear();
    return ok_status();
  }
  File& file_;
  uint64_t start_, at_;
  size_t buffer_size_;
  Bytes buffer_;
};

class RunReader {
 public:
  RunReader(File& file, Run run, size_t buffer_size)
      : file_(file), at_(run.offset), end_(run.offset + run.size_bytes), buffer_size_(buffer_size) {}

  /// False at the end of the run.
  Result<bool> advance() {
    COFFER_TRY(const bool any, need(4));
    if (!any) return false;
    const uint32_t size = ByteReader(ByteView(buffer_).subspan(head_, 4)).u32();
    if (size > kRecordSizeMax) return spoiled();
    COFFER_TRY(const bool whole, need(4 + size));
    if (!whole) return spoiled();
    record_ = ByteView(buffer_).subspan(head_ + 4, size);
    prefix_ = prefix_of(record_);
    head_ += 4 + size;
    return true;
  }
  [[nodiscard]] ByteView record() const { return record_; }
  [[nodiscard]] uint64_t prefix() const { return prefix_; }

 private:
  static Error spoiled() {
    return Error{ErrorCode::kUnavailable, "a temporary file of a sort gives other bytes than were written",
                 "check the disk that holds the scratch directory"};
  }
  // Makes `size` bytes available from head_; false when the run ends right here.
  Result<bool> need(size_t size) {
    if (buffer_.size() - head_ >= size) return true;
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
    const size_t had = buffer_.size();
    const auto want = static_cast<size_t>(std::min<uint64_t>(std::max(buffer_size_, size) - had, end_ - at_));
    buffer_.resize(had + want);
    COFFER_TRY(const size_t got, file_.read_at(at_, MutableByteView(buffer_).subspan(had)));
    if (got != want) return spoiled();
    at_ += got;
    if (buffer_.empty()) return false;
    if (buffer_.size() < size) return spoiled();
    return true;
  }

  File& file_;
  uint64_t at_, end_;
  size_t buffer_size_;
  Bytes buffer_;
  size_t head_ = 0;
  ByteView record_;
  uint64_t prefix_ = 0;
};

/// Gives the records of several runs in order.
class Merge {
 public:
  static Result<std::unique_ptr<Merge>> open(File& file, std::span<const Run> runs, size_t buffer_size) {
    auto merge = std::make_unique<Merge>();
    for (const Run& run : runs) {
      auto reader = std::make_unique<RunReader>(file, run, buffer_size);
      COFFER_TRY(const bool any, reader->advance());
      if (any) merge->heap_.push(reader.get());
      merge->readers_.push_back(std::move(reader));
    }
    return merge;
  }
  Result<std::optional<ByteView>> next() {
    // The record given last lies in its reader's buffer, so that reader moves on only now.
    if (last_ != nullptr) {
      COFFER_TRY(const bool more, last_->advance());
      if (more) heap_.push(last_);
      last_ = nullptr;
    }
    if (heap_.empty()) return std::optional<ByteView>{};
    last_ = heap_.top();
    heap_.pop();
    return std::optional<ByteView>(last_->record());
  }

 private:
  struct Later {
    bool operator()(const RunReader* a, const RunReader* b) const {
      if (a->prefix() != b->prefix()) return a->prefix() > b->prefix();
      return compare(a->record(), b->record()) > 0;
    }
  };
  std::vector<std::unique_ptr<RunReader>> readers_;
  std::priority_queue<RunReader*, std::vector<RunReader*>, Later> heap_;
  RunReader* last_ = nullptr;
};

class MergeStream final : public ExternalSorter::Stream {
 public:
  MergeStream(std::unique_ptr<File> file, std::unique_ptr<Merge> merge)
      : file_(std::move(file)), merge_(std::move(merge)) {}
  Result<std::optional<ByteView>> next() override { return merge_->next(); }

 private:
  std::unique_ptr<File> file_;
  std::unique_ptr<Merge> merge_;
};

}  // namespace

struct ExternalSorter::State {
  State(Directory& directory, size_t memory)
      : scratch(directory), memory_bytes(std::clamp(memory, kMemoryMin, kMemoryMax) / sizeof(Slot) * sizeof(Slot)) {}

  Directory& scratch;
  size_t memory_bytes;
  std::unique_ptr<std::byte[]> arena;  // allocated at the first record; untouched pages cost nothing
  size_t used_bytes = 0;
  size_t slot_count = 0;
  uint64_t count = 0;
  bool finished = false;
  std::unique_ptr<File> spill;
  uint64_t spill_end = 0;
  std::vector<Run> runs;

  // The arena comes from operator new, which aligns it for a Slot; its size is a multiple of one.
  [[nodiscard]] std::span<Slot> slots() const {
    auto* end = reinterpret_cast<Slot*>(arena.get() + memory_bytes);
    return {end - slot_count, slot_count};
  }
  [[nodiscard]] ByteView record(const Slot& slot) const { return {arena.get() + slot.offset, slot.size}; }
  [[nodiscard]] size_t write_buffer_size() const { return std::clamp(memory_bytes / 8, kRunBufferMin, kRunBufferMax); }

  void sort() {
    auto all = slots();
    std::sort(all.begin(), all.end(), [this](const Slot& a, const Slot& b) {
      if (a.prefix != b.prefix) return a.prefix < b.prefix;
      return compare(record(a), record(b)) < 0;
    });
  }

  Status open_spill() {
    if (spill) return ok_status();
    auto file = scratch.create_unnamed(0600);
    if (!file.ok()) return std::move(file).error().in("creating a temporary file for sorting in " + scratch.path());
    spill = std::move(file).value();
    spill_end = 0;
    return ok_status();
  }

  Status spill_memory() {
    if (slot_count == 0) return ok_status();
    COFFER_CHECK_OK(open_spill());
    sort();
    RunWriter writer(*spill, spill_end, write_buffer_size());
    for (const Slot& slot : slots()) COFFER_CHECK_OK(writer.add(record(slot)));
    COFFER_TRY(const Run run, writer.finish());
    return take_run(run);
  }

  Status spill_one(ByteView large) {
    COFFER_CHECK_OK(open_spill());
    RunWriter writer(*spill, spill_end, 4 + large.size());
    COFFER_CHECK_OK(writer.add(large));
    COFFER_TRY(const Run run, writer.finish());
    runs.push_back(run);
    spill_end += run.size_bytes;
    return ok_status();
  }

  Status take_run(Run run) {
    runs.push_back(run);
    spill_end += run.size_bytes;
    used_bytes = 0;
    slot_count = 0;
    return ok_status();
  }

  [[nodiscard]] size_t fan_in() const { return std::max(kFanInMin, memory_bytes / (64 << 10)); }
  [[nodiscard]] size_t run_buffer_size(size_t run_count) const {
    return std::clamp(memory_bytes / std::max<size_t>(run_count, 1), kRunBufferMin, kRunBufferMax);
  }

  /// One pass: groups of fan_in() runs become one run each, in a new file.
  Status merge_pass() {
    auto old_file = std::move(spill);
    auto old_runs = std::exchange(runs, {});
    COFFER_CHECK_OK(open_spill());
    for (size_t at = 0; at < old_runs.size(); at += fan_in()) {
      const auto group = std::span(old_runs).subspan(at, std::min(fan_in(), old_runs.size() - at));
      COFFER_TRY(auto merge, Merge::open(*old_file, group, run_buffer_size(group.size())));
      RunWriter writer(*spill, spill_end, write_buffer_size());
      while (true) {
        COFFER_TRY(const auto record, merge->next());
        if (!record) break;
        COFFER_CHECK_OK(writer.add(*record));
      }
      COFFER_TRY(const Run run, writer.finish());
      runs.push_back(run);
      spill_end += run.size_bytes;
    }
    return ok_status();
  }
};

namespace {

class MemoryStream final : public ExternalSorter::Stream {
 public:
  MemoryStream(std::unique_ptr<std::byte[]> arena, std::span<const Slot> slots)
      : arena_(std::move(arena)), slots_(slots) {}
  Result<std::optional<ByteView>> next() override {
    if (at_ == slots_.size()) return std::optional<ByteView>{};
    const Slot& slot = slots_[at_++];
    return std::optional<ByteView>(ByteView(arena_.get() + slot.offset, slot.size));
  }

 private:
  std::unique_ptr<std::byte[]> arena_;
  std::span<const Slot> slots_;  // into arena_
  size_t at_ = 0;
};

}  // namespace

ExternalSorter::ExternalSorter(Directory& scratch, size_t memory_bytes)
    : state_(std::make_unique<State>(scratch, memory_bytes)) {}
ExternalSorter::~ExternalSorter() = default;
ExternalSorter::ExternalSorter(ExternalSorter&&) noexcept = default;

uint64_t ExternalSorter::count() const { return state_->count; }

Status ExternalSorter::add(ByteView record) {
  State& s = *state_;
  COFFER_ASSERT(!s.finished);
  if (record.size() > kRecordSizeMax) {
    return Error{ErrorCode::kInvalidArgument,
                 "a record of " + std::to_string(record.size()) + " bytes is too large to sort",
                 {}};
  }
  if (record.size() + sizeof(Slot) > s.memory_bytes) {
    COFFER_CHECK_OK(s.spill_one(record));
    ++s.count;
    return ok_status();
  }
  if (!s.arena) s.arena = std::make_unique_for_overwrite<std::byte[]>(s.memory_bytes);
  if (s.used_bytes + record.size() + (s.slot_count + 1) * sizeof(Slot) > s.memory_bytes)
    COFFER_CHECK_OK(s.spill_memory());
  if (!record.empty()) std::memcpy(s.arena.get() + s.used_bytes, record.data(), record.size());
  ++s.slot_count;
  s.slots().front() =
      Slot{prefix_of(record), static_cast<uint32_t>(s.used_bytes), static_cast<uint32_t>(record.size())};
  s.used_bytes += record.size();
  ++s.count;
  return ok_status();
}

Result<std::unique_ptr<ExternalSorter::Stream>> ExternalSorter::finish() {
  State& s = *state_;
  COFFER_ASSERT(!s.finished);
  s.finished = true;
  if (s.runs.empty()) {
    s.sort();
    const auto slots = s.slots();
    return std::unique_ptr<Stream>(std::make_unique<MemoryStream>(std::move(s.arena), slots));
  }
  COFFER_CHECK_OK(s.spill_memory());
  s.arena.reset();  // its memory is now the merge's
  while (s.runs.size() > s.fan_in()) COFFER_CHECK_OK(s.merge_pass());
  COFFER_TRY(auto merge, Merge::open(*s.spill, s.runs, s.run_buffer_size(s.runs.size())));
  return std::unique_ptr<Stream>(std::make_unique<MergeStream>(std::move(s.spill), std::move(merge)));
}

}  // namespace coffer::vault
