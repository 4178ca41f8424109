#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_set>

#include "engine/jobs/point_reader.h"
#include "engine/jobs/restore.h"
#include "engine/jobs/vault_access.h"
#include "engine/jobs/verify_content.h"
#include "engine/vault/lease.h"
#include "engine/vault/pack.h"
#include "engine/vault/tombstone.h"

namespace coffer::jobs {

using namespace vault;

namespace {

// The key of the object that an error is about: "... in packs/12/12ab...: authentication failed".
std::string object_in(const std::string& message, const std::string& otherwise) {
  for (std::string_view prefix :
       {"packs/", "index/", "points/", "log/", "keysets/", "tombstones/", "leases/", "drills/"}) {
    const size_t at = message.find(prefix);
    if (at == std::string::npos) continue;
    const size_t end = message.find_first_of(": ,", at);
    return message.substr(at, end == std::string::npos ? end : end - at);
  }
  return otherwise;
}

// Damage, by object; thread-safe.
class Findings {
 public:
  /// True when the error is damage; any other kind means that the check itself could not go on.
  bool take(const Error& error, const std::string& object, const std::string& point_id) {
    if (error.code != ErrorCode::kCorruption && error.code != ErrorCode::kNotFound &&
        error.code != ErrorCode::kUnauthenticated && error.code != ErrorCode::kFailedPrecondition)
      return false;
    std::lock_guard lock(mutex_);
    Found& found = by_object_[object];
    if (found.problem.empty()) found.problem = error.message;
    if (!point_id.empty()) found.points.insert(point_id);
    return true;
  }
  [[nodiscard]] std::vector<VerifyFinding> list() const {
    std::vector<VerifyFinding> out;
    for (const auto& [object, found] : by_object_)
      out.push_back({object, found.problem, {found.points.begin(), found.points.end()}});
    return out;
  }

 private:
  struct Found {
    std::string problem;
    std::set<std::string> points;
  };
  std::mutex mutex_;
  std::map<std::string, Found> by_object_;
};

// What was found good already, so that what points share is read once. Damage is never remembered here: each point that
// needs a damaged object must find it by itself. Thread-safe.
class SeenBlocks {
 public:
  bool block_known(const ChunkId& block) {
    std::lock_guard lock(mutex_);
    return blocks_.contains(block);
  }
  void block_good(const ChunkId& block) {
    std::lock_guard lock(mutex_);
    blocks_.insert(block);
  }
  // Groups are told apart by 128 bits of SHA-256 over their encoding. Beyond the bound nothing is skipped any more.
  using GroupKey = std::array<uint64_t, 2>;
  static GroupKey group_key(const PageGroup& group) {
    const crypto::Digest256 digest = crypto::sha256(encode_map_block({group}));
    return {load_le<uint64_t>(digest.data()), load_le<uint64_t>(digest.data() + 8)};
  }
  bool group_known(const GroupKey& key) {
    std::lock_guard lock(mutex_);
    return groups_.contains(key);
  }
  void group_good(const GroupKey& key) {
    constexpr size_t kGroupsMax = 2'000'000;
    std::lock_guard lock(mutex_);
    if (groups_.size() < kGroupsMax) groups_.insert(key);
  }

 private:
  struct KeyHash {
    size_t operator()(const GroupKey& k) const { return k[0]; }
  };
  std::mutex mutex_;
  std::unordered_set<ChunkId, ChunkIdHash> blocks_;
  std::unordered_set<GroupKey, KeyHash> groups_;
};

struct Unit {
  std::shared_ptr<const FileEntry> entry;
  std::shared_ptr<const std::vector<MapBlockRef>> refs;
  uint64_t block = 0;
};

class Verifier {
 public:
  Verifier(const Context& context, const Environment& env, const Vault& vault)
      : context_(context), env_(env), vault_(vault), packs_(vault, PackCache::Need::kMost) {}
  Result<VerifyReport> run(const VerifyOptions& options);
  Result<VerifyReport> run_content(const IndexSet& index, const Manifest& manifest);

 private:
  Status check_objects();
  Status check_logged_objects(CommitLog& log);
  Status check_object(const Context& context, const store::ObjectInfo& object, Bytes& buffer);
  Status check_point(const LogState& state, const std::string& point_id);
  Status check_content(const Manifest& manifest);
  VerifyReport report(MonoTime began);
  Status walk(const Context& context, const Manifest& manifest, Channel<Unit>& units);
  Status work(const Context& context, const std::string& point_id, Channel<Unit>& units);
  Status attest(const std::string& point_id, MonoTime began, uint64_t size_bytes);
  // Turns damage into a finding and success, and passes anything else up.
  Status damage_is_a_finding(Status status, const std::string& otherwise, const std::string& point_id) {
    if (status.ok() || findings_.take(status.error(), object_in(status.error().message, otherwise), point_id))
      return ok_status();
    return status;
  }

  const Context& context_;
  const Environment& env_;
  const Vault& vault_;
  PackCache packs_;
  const IndexSet* index_ = nullptr;
  Findings findings_;
  SeenBlocks seen_;
  bool many_points_ = false;
  std::atomic<uint64_t> objects_{0}, object_bytes_{0}, pages_{0};
  VerifyReport report_;
};

Status Verifier::check_object(const Context& context, const store::ObjectInfo& object, Bytes& buffer) {
  const std::string& key = object.key;
  ++objects_;
  object_bytes_ += object.size_bytes;
  env_.progress.advance(object.size_bytes);
  auto sealed = [&](crypto::ObjectKind kind) -> Status {
    COFFER_TRY(auto opened, vault_.open_sealed_view(context, key, kind));
    for (uint64_t at = 0; at < opened.reader->plain_size(); at += buffer.size()) {
      const size_t n = std::min<uint64_t>(buffer.size(), opened.reader->plain_size() - at);
      if (auto s = opened.reader->read_plain(at, MutableByteView(buffer).first(n)); !s.ok())
        return std::move(s).error().in(key);
    }
    if (kind != crypto::ObjectKind::kPack) return ok_status();
    auto table = read_pack_table(*opened.reader);
    if (!table.ok()) return std::move(table).error().in(key);
    return ok_status();
  };
  if (key.starts_with("packs/")) return sealed(crypto::ObjectKind::kPack);
  if (key.starts_with("index/")) return sealed(crypto::ObjectKind::kIndex);
  if (key.starts_with("log/entries/")) return sealed(crypto::ObjectKind::kLogEntry);
  if (key.starts_with("leases/")) return sealed(crypto::ObjectKind::kLease);
  if (key.starts_with("drills/")) return sealed(crypto::ObjectKind::kAttestation);
  if (key.starts_with("tombstones/")) return sealed(crypto::ObjectKind::kTombstone);
  if (key.starts_with("points/"))
    return sealed(key.ends_with("/manifest") ? crypto::ObjectKind::kManifest : crypto::ObjectKind::kAttestation);
  if (key.starts_with("keysets/")) {
    COFFER_TRY(Bytes bytes, vault_.store().get_all(context, key));
    auto keyset = crypto::parse_keyset(bytes);
    if (!keyset.ok()) return std::move(keyset).error().in(key);
    COFFER_TRY(const EpochKeys* keys, vault_.epoch_of(keyset->key_id));
    if (auto s = crypto::check_keyset(bytes, keys->root.view()); !s.ok()) return std::move(s).error().in(key);
    return ok_status();
  }
  if (key == "format") {
    COFFER_TRY(Bytes bytes, vault_.store().get_all(context, key));
    auto format = parse_format(bytes);
    if (!format.ok()) return std::move(format).error().in(key);
    return ok_status();
  }
  if (key.starts_with("witness/")) return ok_status();  // what the holder of this mirror saw of its source, signed
  if (key.starts_with("log/")) return ok_status();      // bundles and tiles are checked by whoever loads the log
  env_.progress.note("an object that is no part of a vault: " + key);
  return ok_status();
}

Status Verifier::check_objects() {
  std::vector<store::ObjectInfo> objects;
  uint64_t total = 0;
  COFFER_CHECK_OK(vault_.store().list(context_, "", [&](const store::ObjectInfo& o) {
    objects.push_back(o);
    total += o.size_bytes;
    return true;
  }));
  env_.progress.step("objects", total);
  std::atomic<size_t> next{0};
  TaskGroup group(context_);
  for (int i = 0; i < tasks_for(env_, vault_); ++i)
    group.spawn([&]() -> Status {
      Bytes buffer(1 << 20);
      for (size_t n; (n = next++) < objects.size();) {
        COFFER_CHECK_OK(group.context().check());
        auto s = check_object(group.context(), objects[n], buffer);
        // A lease or a collected object may go while we look; only what the log and the points need is missed.
        if (!s.ok() && s.code() == ErrorCode::kNotFound && !vault_.store().head(group.context(), objects[n].key).ok() &&
            !objects[n].key.starts_with("packs/"))
          continue;
        COFFER_CHECK_OK(damage_is_a_finding(std::move(s), objects[n].key, ""));
      }
      return ok_status();
    });
  return group.wait();
}

// What the log says must be there, beside the points: a listing cannot tell what was taken away.
Status Verifier::check_logged_objects(CommitLog& log) {
  for (const LogState::Tombstone& t : std::vector(log.state().open_tombstones)) {
    auto packs = read_tombstone(context_, vault_, t);
    if (packs.ok()) continue;
    COFFER_CHECK_OK(log.refresh(context_));  // another program may have collected it meanwhile
    const auto& open = log.state().open_tombstones;
    if (std::none_of(open.begin(), open.end(), [&](const auto& o) { return o.id == t.id; })) continue;
    COFFER_CHECK_OK(damage_is_a_finding(std::move(packs).error(), tombstone_key(t.id), ""));
  }
  const auto& entries = log.entries();
  auto change = std::find_if(entries.rbegin(), entries.rend(),
                             [](const LogEntry& e) { return e.type == LogEntryType::kKeysetChanged; });
  if (change == entries.rend()) return ok_status();
  auto keyset = vault_.store().head(context_, change->subject);
  if (keyset.ok()) return ok_status();
  Error error = std::move(keyset).error();
  if (error.code == ErrorCode::kNotFound)
    error.message = "the log says that the keys were changed to it, and it is gone";
  return damage_is_a_finding(std::move(error), change->subject, "");
}

Status Verifier::walk(const Context& context, const Manifest& manifest, Channel<Unit>& units) {
  PointReader reader(vault_, *index_, packs_);
  FileListReader list(reader.chunks(), manifest.list);
  uint64_t files = 0, size_bytes = 0;
  Status status = list.visit(context, [&](FileEntry&& entry) -> Status {
    if (entry.is_directory) return ok_status();
    ++files;
    size_bytes += entry.size_bytes;
    auto refs = reader.blocks_of(context, entry);
    if (!refs.ok())
      return damage_is_a_finding(std::move(refs).error(), "points/" + manifest.id + "/manifest", manifest.id);
    auto shared_entry = std::make_shared<const FileEntry>(std::move(entry));
    auto shared_refs = std::make_shared<const std::vector<MapBlockRef>>(std::move(*refs));
    for (uint64_t b = 0; b < shared_refs->size(); ++b)
      if (!units.push(context, Unit{shared_entry, shared_refs, b})) return context.check();
    return ok_status();
  });
  units.close();
  COFFER_CHECK_OK(damage_is_a_finding(status, "points/" + manifest.id + "/manifest", manifest.id));
  report_.files += files;
  report_.size_bytes += size_bytes;
  if (status.ok() && (files != manifest.files || size_bytes != manifest.size_bytes))
    return damage_is_a_finding(
        Error{ErrorCode::kCorruption, "the file list and the manifest count different files or bytes", {}},
        "points/" + manifest.id + "/manifest", manifest.id);
  return ok_status();
}

Status Verifier::work(const Context& context, const std::string& point_id, Channel<Unit>& units) {
  PointReader reader(vault_, *index_, packs_);
  Bytes buffer(kGroupSize);
  while (auto unit = units.pop(context)) {
    const uint64_t block_size =
        std::min<uint64_t>(kMapBlockSpan, unit->entry->size_bytes - unit->block * kMapBlockSpan);
    const ChunkId& block_id = (*unit->refs)[unit->block].id;
    const bool has_id = unit->entry->map_kind != MapKind::kInline;
    if (has_id && seen_.block_known(block_id)) {
      env_.progress.advance(block_size);
      continue;
    }
    auto block = reader.block(context, *unit->entry, *unit->refs, unit->block);
    if (!block.ok()) {
      COFFER_CHECK_OK(damage_is_a_finding(std::move(block).error(), "points/" + point_id + "/manifest", point_id));
      continue;
    }
    bool good = true;
    for (const PageGroup& group : *block) {
      // One point meets no group twice often enough to pay for telling them apart.
      const auto key = many_points_ ? SeenBlocks::group_key(group) : SeenBlocks::GroupKey{};
      if (!many_points_ || !seen_.group_known(key)) {
        pages_ += group.page_count();
        auto s = reader.read_group(context, group, MutableByteView(buffer).first(group.size_bytes));
        if (s.ok() && many_points_) seen_.group_good(key);
        good = good && s.ok();
        if (!s.ok())
          COFFER_CHECK_OK(damage_is_a_finding(std::move(s).error().in(unit->entry->path),
                                              "points/" + point_id + "/manifest", point_id));
      }
      env_.progress.advance(group.size_bytes);
    }
    if (good && has_id) seen_.block_good(block_id);
  }
  return context.check();
}

Status Verifier::attest(const std::string& point_id, MonoTime began, uint64_t size_bytes) {
  Attestation a;
  a.point_id = point_id;
  a.kind = ProofKind::kVerified;
  a.time = env_.clock.wall();
  a.duration_ms = (env_.clock.mono() - began).count() / 1'000'000;
  a.size_bytes = size_bytes;
  for (const VerifyFinding& f : findings_.list())
    if (std::find(f.points.begin(), f.points.end(), point_id) != f.points.end())
      a.findings.push_back(f.object + ": " + f.problem);
  a.success = a.findings.empty();
  a.summary = a.success ? "every page has its fingerprint" : std::to_string(a.findings.size()) + " damaged objects";
  if (a.findings.size() > 100) a.findings.resize(100);
  return write_attestation(context_, vault_, a);
}

Status Verifier::check_content(const Manifest& manifest) {
  ++report_.points;
  env_.progress.step("point " + manifest.id, manifest.size_bytes);
  Channel<Unit> units(256);
  TaskGroup group(context_);
  group.spawn([&] { return walk(group.context(), manifest, units); });
  for (int i = 0; i < tasks_for(env_, vault_); ++i)
    group.spawn([&] { return work(group.context(), manifest.id, units); });
  return group.wait();
}

Status Verifier::check_point(const LogState& state, const std::string& point_id) {
  const MonoTime began = env_.clock.mono();
  auto manifest = read_manifest(context_, vault_, state, point_id);
  if (!manifest.ok()) {
    ++report_.points;
    return damage_is_a_finding(std::move(manifest).error(), manifest_key(point_id), point_id);
  }
  COFFER_CHECK_OK(check_content(*manifest));
  // A point whose manifest is missing a pack in the store is damaged even where no page of it is needed any more.
  for (const WrittenPack& pack : manifest->packs) {
    auto info = vault_.store().head(context_, pack_key(pack.id));
    if (info.ok() && info->size_bytes == pack.sealed_size_bytes) continue;
    if (!info.ok() && info.code() == ErrorCode::kNotFound)
      continue;  // collected once nothing needed it; pages that do need it said so
    COFFER_CHECK_OK(damage_is_a_finding(
        info.ok() ? Status(Error{ErrorCode::kCorruption, "has another size than the manifest says", {}})
                  : Status(info.error()),
        pack_key(pack.id), point_id));
  }
  return attest(point_id, began, manifest->size_bytes);
}

Result<VerifyReport> Verifier::run(const VerifyOptions& options) {
  const MonoTime began = env_.clock.mono();
  COFFER_TRY(auto log, CommitLog::load(context_, vault_));
  COFFER_TRY(auto lease, Lease::acquire(context_, vault_, *log, "verify"));
  COFFER_CHECK_OK(log->refresh(context_));
  std::vector<std::string> ids = options.point_ids;
  if (ids.empty()) {
    COFFER_CHECK_OK(check_objects());
    COFFER_CHECK_OK(check_logged_objects(*log));
    for (const auto& live : log->state().live) ids.push_back(live.id);
  }
  many_points_ = ids.size() > 1;
  COFFER_TRY(const auto index, open_index(context_, env_, vault_, log->state()));
  index_ = index.get();
  for (const std::string& id : ids) COFFER_CHECK_OK(check_point(log->state(), id));
  if (auto s = lease->release(context_); !s.ok())
    env_.progress.note("the lease was not released and will expire: " + s.error().message);
  return report(began);
}

Result<VerifyReport> Verifier::run_content(const IndexSet& index, const Manifest& manifest) {
  const MonoTime began = env_.clock.mono();
  index_ = &index;
  COFFER_CHECK_OK(check_content(manifest));
  return report(began);
}

VerifyReport Verifier::report(MonoTime began) {
  report_.objects = objects_;
  report_.object_bytes = object_bytes_;
  report_.pages = pages_;
  report_.findings = findings_.list();
  report_.duration_ms = (env_.clock.mono() - began).count() / 1'000'000;
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> run_verify(const Context& context, const Environment& env, const Vault& vault,
                                const VerifyOptions& options) {
  return Verifier(context, env, vault).run(options);
}

Result<VerifyReport> verify_content(const Context& context, const Environment& env, const Vault& vault,
                                    const IndexSet& index, const Manifest& manifest) {
  return Verifier(context, env, vault).run_content(index, manifest);
}

}  // namespace coffer::jobs
