#include "engine/jobs/copy.h"

#include <algorithm>
#include <optional>

#include "engine/jobs/copy_needs.h"
#include "engine/jobs/copy_packs.h"
#include "engine/jobs/vault_access.h"
#include "engine/jobs/verify_content.h"
#include "engine/vault/chunk_reader.h"
#include "engine/vault/chunk_writer.h"
#include "engine/vault/lease.h"
#include "engine/vault/points.h"
#include "engine/vault/put_checked.h"

namespace coffer::jobs {

using namespace vault;

namespace {

// The collector of a source without a lease may take packs away while they are copied: then their chunks are elsewhere.
constexpr int kAttemptsMax = 4;

bool may_have_moved(const Error& error) {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kConflict;
}

class Copy {
 public:
  Copy(const Context& context, const Environment& env, const Vault& source, const Vault& mirror,
       const CopyOptions& options)
      : context_(context), env_(env), source_(source), mirror_(mirror), options_(options) {}
  Result<CopyReport> run();

 private:
  Status check_same_vault() const;
  Status read_source_point();
  Result<bool> is_there();
  Result<bool> is_there_again();
  Result<bool> is_same_content(const std::string& id) const;
  Status seal_under(const std::string& id);
  void hold_source();
  Status bring_content();
  Status attempt();
  Status reseal(MirrorPacks& packs, const IndexSet& source_index, const ChunkIds& chunks);
  Status verify(const MirrorPacks& packs);
  Status publish_manifest();
  Status commit();
  Status attest();
  Status verify_committed();
  Status repair();
  void release(Lease* lease);

  const Context& context_;
  const Environment& env_;
  const Vault& source_;
  const Vault& mirror_;
  const CopyOptions& options_;
  CopyReport report_;

  std::unique_ptr<CommitLog> source_log_, log_;
  std::unique_ptr<Lease> source_lease_, lease_;  // the first may be missing
  std::optional<LogState::Committed> point_;     // as the source's log names it
  std::string id_;                               // in the mirror
  Bytes sealed_manifest_;                        // for the mirror
  bool repairing_ = false;                       // what is in the mirror is not to be believed unread
};

Status Copy::check_same_vault() const {
  if (source_.format().uuid == mirror_.format().uuid) return ok_status();
  return Error{ErrorCode::kFailedPrecondition,
               mirror_.store().describe() + " is no mirror of the vault " + source_.format().uuid,
               "the copies of each vault need a place of their own"};
}

// The manifest's bytes are taken once, so that what was checked is what is copied.
Status Copy::read_source_point() {
  const LogState::Committed* found = source_log_->state().find(options_.point_id);
  if (found == nullptr) {
    auto manifest = read_manifest(context_, source_, source_log_->state(), options_.point_id);
    return manifest.ok() ? Error{ErrorCode::kNotFound, "no such recovery point", {}} : std::move(manifest).error();
  }
  point_ = *found;
  const std::string key = manifest_key(point_->id);
  COFFER_TRY(sealed_manifest_, source_.store().get(context_, key, 0, point_->manifest_size_bytes));
  if (crypto::sha256(sealed_manifest_) != point_->manifest_sha256)
    return Error{
        ErrorCode::kCorruption, "object " + key + " is not the manifest that the source's commit log names", {}};
  COFFER_TRY(const crypto::SealedHeader header,
             crypto::parse_sealed_header(
                 ByteView(sealed_manifest_).first(std::min(sealed_manifest_.size(), crypto::kSealedHeaderSize))));
  COFFER_TRY(const EpochKeys* keys, mirror_.epoch_of(header.key_id));
  auto plain =
      crypto::open_sealed(keys->root.view(), crypto::ObjectKind::kManifest, mirror_.place(key), sealed_manifest_);
  if (!plain.ok()) return std::move(plain).error().in("object " + key);
  auto manifest = decode_manifest(*plain);
  if (!manifest.ok()) return std::move(manifest).error().in("object " + key);
  if (manifest->id != point_->id || manifest->vault_uuid != mirror_.format().uuid)
    return Error{ErrorCode::kCorruption, "object " + key + " is the manifest of another point", {}};
  report_.manifest = std::move(*manifest);
  return ok_status();
}

/// Of the mirror's log: is it live there, the same point?
Result<bool> Copy::is_there() {
  id_ = point_->id;
  const LogState::Committed* there = log_->state().find(id_);
  if (there == nullptr) {
    if (!log_->state().ever_committed.contains(id_)) return false;
    if (options_.again) return is_there_again();
    return Error{ErrorCode::kFailedPrecondition,
                 "the recovery point was copied to " + mirror_.store().describe() + " before, and was forgotten there",
                 "copy a newer one; or let it come back under a new id"};
  }
  if (there->manifest_sha256 == point_->manifest_sha256 && there->manifest_size_bytes == point_->manifest_size_bytes)
    return true;
  return Error{ErrorCode::kCorruption,
               "the source has another recovery point under this id than the one that was copied to " +
                   mirror_.store().describe(),
               "the source was altered: find out by whom; the copy that is here is not touched"};
}

/// The first of the ids with a number behind that is live, or was never used.
Result<bool> Copy::is_there_again() {
  for (int number = 2;; ++number) {
    id_ = point_->id + "-" + std::to_string(number);
    if (!is_point_id(id_)) return Error{ErrorCode::kFailedPrecondition, "it was forgotten too often", {}};
    if (log_->state().find(id_) != nullptr) {
      COFFER_TRY(const bool same, is_same_content(id_));
      if (!same)
        return Error{ErrorCode::kCorruption, "the mirror's recovery point " + id_ + " is not a copy of this one", {}};
      report_.manifest.id = id_;
      return true;
    }
    if (log_->state().ever_committed.contains(id_)) continue;
    COFFER_CHECK_OK(seal_under(id_));
    return false;
  }
}

Result<bool> Copy::is_same_content(const std::string& id) const {
  COFFER_TRY(Manifest there, read_manifest(context_, mirror_, log_->state(), id));
  Manifest ours = report_.manifest;
  ours.id = there.id;
  return encode_manifest(there) == encode_manifest(ours);
}

Status Copy::seal_under(const std::string& id) {
  report_.manifest.id = id;
  COFFER_TRY(sealed_manifest_,
             mirror_.seal_for(manifest_key(id), crypto::ObjectKind::kManifest, encode_manifest(report_.manifest)));
  return ok_status();
}

void Copy::hold_source() {
  if (!options_.lease_source) return;
  auto lease = Lease::acquire(context_, source_, *source_log_, "copy from here");
  if (lease.ok()) {
    source_lease_ = std::move(*lease);
    return;
  }
  env_.progress.note("the source is copied without a lease in it: " + lease.error().message);
}

Result<CopyReport> Copy::run() {
  const MonoTime began = env_.clock.mono();
  COFFER_CHECK_OK(check_same_vault());
  COFFER_TRY(source_log_, CommitLog::load(context_, source_));
  COFFER_CHECK_OK(read_source_point());
  COFFER_TRY(log_, CommitLog::load(context_, mirror_));
  COFFER_TRY(report_.was_there, is_there());
  if (report_.was_there) {
    COFFER_CHECK_OK(verify_committed());
  } else {
    hold_source();
    COFFER_TRY(lease_, Lease::acquire(context_, mirror_, *log_, "copy"));
    COFFER_CHECK_OK(bring_content());
    COFFER_CHECK_OK(publish_manifest());
    COFFER_CHECK_OK(commit());
    if (report_.verified_all) COFFER_CHECK_OK(attest());
    release(source_lease_.get());
    release(lease_.get());
  }
  report_.duration_ms = (env_.clock.mono() - began).count() / 1'000'000;
  return std::move(report_);
}

Status Copy::bring_content() {
  for (int n = 1;; ++n) {
    Status done = attempt();
    if (done.ok()) return done;
    // What is missing or does not fit may be so because the source gave the point up.
    const bool still_live = !source_log_->refresh(context_).ok() || source_log_->state().find(point_->id) != nullptr;
    if (!still_live)
      return Error{ErrorCode::kNotFound,
                   "the source gave the recovery point up while it was copied: " + done.error().message,
                   "copy sooner than the source's retention ends, or let the copy hold a lease there"};
    if (!may_have_moved(done.error())) return done;
    if (n == kAttemptsMax) {
      // A live point that something is missing of is damaged.
      if (done.code() == ErrorCode::kNotFound) done.error().code = ErrorCode::kCorruption;
      return done;
    }
    env_.progress.note("something moved while it was copied, looking again: " + done.error().message);
  }
}

Status Copy::attempt() {
  env_.progress.step("compare", 0);
  // After the lease: tombstones set before it are seen now, later ones cannot be acted upon while the lease is held.
  COFFER_CHECK_OK(log_->refresh(context_));
  COFFER_TRY(auto packs, MirrorPacks::open(context_, env_, mirror_, log_->state(), report_.manifest));
  if (repairing_) COFFER_CHECK_OK(packs->read_all(context_, env_));
  COFFER_CHECK_OK(source_log_->refresh(context_));
  COFFER_TRY(auto source_index, IndexSet::load(context_, source_));
  if (auto doomed = tombstoned_packs(context_, source_, source_log_->state()); doomed.ok())
    source_index->avoid(std::move(doomed).value());
  COFFER_TRY(const ChunkIds known, known_blocks(context_, mirror_, *packs, log_->state(), report_.manifest));
  COFFER_TRY(const CopyNeeds needs, find_needs(context_, source_, *source_index, *packs, report_.manifest, known));
  COFFER_TRY(const MovedPacks moved, move_packs(context_, env_, source_, mirror_, *packs, needs, report_.manifest));
  report_.packs_copied += moved.packs.size();
  report_.bytes_copied += moved.bytes;
  report_.chunks_new += moved.chunks;
  report_.packs_repaired += moved.repaired;
  COFFER_CHECK_OK(packs->add_arrived(context_, env_, moved.packs));
  COFFER_CHECK_OK(reseal(*packs, *source_index, needs.reseal));
  COFFER_CHECK_OK(check_complete(context_, mirror_, *packs, report_.manifest, known));
  if (options_.verify == CopyOptions::Verify::kAll) COFFER_CHECK_OK(verify(*packs));
  if (auto merged = merge_indexes(context_, mirror_, packs->index(), kIndexesMax); !merged.ok())
    env_.progress.note("indexes were not merged: " + merged.error().message);
  return ok_status();
}

// A pack under a tombstone goes with its name, whatever is put under that name meanwhile. Its chunks are written like a
// backup's, into packs of the mirror's own.
Status Copy::reseal(MirrorPacks& packs, const IndexSet& source_index, const ChunkIds& chunks) {
  if (chunks.empty()) return ok_status();
  WriteSession session(context_, mirror_, packs.index(), env_.budget, {}, packs.doomed());
  PackCache cache(source_);
  ChunkReader reader(source_, source_index, cache);
  {
    ChunkWriter writer(session);
    for (const ChunkId& id : chunks) {
      COFFER_TRY(const ByteView plain, reader.get(context_, id));
      COFFER_TRY(const ChunkId stored, writer.put(context_, plain));
      if (stored != id)
        return Error{ErrorCode::kFailedPrecondition,
                     "a chunk under an older key epoch is in a pack that the mirror is about to remove",
                     "copy again after the mirror's next collection"};
    }
    COFFER_CHECK_OK(writer.close(context_));
  }
  COFFER_CHECK_OK(session.finish(context_));
  report_.chunks_sealed_new += chunks.size();
  report_.chunks_new += chunks.size();
  return ok_status();
}

Status Copy::verify(const MirrorPacks& packs) {
  COFFER_TRY(const VerifyReport read, verify_content(context_, env_, mirror_, packs.index(), report_.manifest));
  report_.verify_ms += read.duration_ms;
  if (read.clean()) {
    report_.verified_all = true;
    return ok_status();
  }
  const VerifyFinding& first = read.findings.front();
  return Error{ErrorCode::kCorruption,
               "what arrived is not the point: " + first.object + ": " + first.problem +
                   (read.findings.size() > 1 ? " (and " + std::to_string(read.findings.size() - 1) + " more)" : ""),
               "verify the point in the source; nothing of it is visible in the mirror"};
}

Status Copy::publish_manifest() {
  const std::string key = manifest_key(id_);
  Status put = put_and_look(context_, mirror_.store(), key, sealed_manifest_);
  if (!put.ok() && put.code() == ErrorCode::kAlreadyExists) {
    COFFER_TRY(Bytes there, mirror_.store().get_all(context_, key));
    // A killed copy on a store without atomic put; it never counted.
    const bool torn = there.size() < sealed_manifest_.size() &&
                      (equal(there, ByteView(sealed_manifest_).first(there.size())) || id_ != point_->id);
    auto plain = mirror_.get_sealed(context_, key, crypto::ObjectKind::kManifest);
    if (id_ != point_->id && plain.ok() && *plain == encode_manifest(report_.manifest)) {
      sealed_manifest_ = std::move(there);  // of a copy that was killed: the same, under another salt
      put = ok_status();
    } else if (torn && !plain.ok()) {
      COFFER_CHECK_OK(mirror_.store().remove(context_, key));
      put = put_and_look(context_, mirror_.store(), key, sealed_manifest_);
    } else {
      return Error{ErrorCode::kCorruption,
                   "the mirror has another manifest under " + key + ", of a copy that did not end",
                   "collect the mirror while no copy runs, which removes it; if it comes back, the source was altered"};
    }
  }
  if (!put.ok()) return put;
  report_.bytes_copied += sealed_manifest_.size();
  return ok_status();
}

Status Copy::commit() {
  const CommitBody body{sealed_manifest_.size(), crypto::sha256(sealed_manifest_), lease_->id()};
  auto may_commit = [&](const LogState& state) -> Status {
    if (state.ever_committed.contains(id_)) return Error{ErrorCode::kAlreadyExists, "it was committed meanwhile", {}};
    return lease_->still_held(state);
  };
  auto appended = log_->append(context_, LogEntryType::kPointCommitted, id_, encode_commit_body(body), may_commit);
  if (appended.ok()) return ok_status();
  // Another copy of the same point was faster, or our own answer was lost.
  if (appended.code() == ErrorCode::kAlreadyExists) {
    report_.manifest.id = point_->id;
    COFFER_TRY(const bool there, is_there());
    if (there) return ok_status();
  }
  return std::move(appended).error();
}

Status Copy::attest() {
  Attestation a;
  a.point_id = id_;
  a.kind = ProofKind::kVerified;
  a.success = true;
  a.time = env_.clock.wall();
  a.duration_ms = report_.verify_ms;
  a.size_bytes = report_.manifest.size_bytes;
  a.summary = "copied; every page has its fingerprint";
  a.facts["copied from"] = source_.store().describe();
  if (!options_.name.empty()) a.facts["name"] = options_.name;
  return write_attestation(context_, mirror_, a);
}

/// A point that is there already: what a copy that died between its commit and its attestation left undone.
Status Copy::verify_committed() {
  if (options_.verify != CopyOptions::Verify::kAll) return ok_status();
  COFFER_TRY(const auto attestations, read_attestations(context_, mirror_, id_));
  for (const Attestation& a : attestations) {
    if (a.could_not_check()) continue;
    report_.verified_all = a.success;
    break;
  }
  if (report_.verified_all) return ok_status();
  COFFER_TRY(VerifyReport read, run_verify(context_, env_, mirror_, {.point_ids = {id_}}));
  if (!read.clean()) {
    COFFER_CHECK_OK(repair());
    COFFER_TRY(read, run_verify(context_, env_, mirror_, {.point_ids = {id_}}));
  }
  report_.verify_ms += read.duration_ms;
  if (!read.clean())
    return Error{ErrorCode::kCorruption,
                 "the copy that is in the mirror is damaged: " + read.findings.front().object + ": " +
                     read.findings.front().problem,
                 "see 'coffer verify' of the mirror"};
  report_.verified_all = true;
  return ok_status();
}

/// Damaged packs of a point that is there are brought again.
Status Copy::repair() {
  repairing_ = true;
  hold_source();
  COFFER_TRY(lease_, Lease::acquire(context_, mirror_, *log_, "copy"));
  COFFER_CHECK_OK(bring_content());
  report_.verified_all = false;
  release(source_lease_.get());
  release(lease_.get());
  return ok_status();
}

void Copy::release(Lease* lease) {
  if (lease == nullptr) return;
  if (auto released = lease->release(context_); !released.ok())
    env_.progress.note("a lease was not released and will expire: " + released.error().message);
}

}  // namespace

Result<CopyReport> run_copy(const Context& context, const Environment& environment, const Vault& source,
                            const Vault& mirror, const CopyOptions& options) {
  auto copied = Copy(context, environment, source, mirror, options).run();
  if (!copied.ok()) return std::move(copied).error().in("copying the recovery point " + options.point_id);
  return copied;
}

}  // namespace coffer::jobs
