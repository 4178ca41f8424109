#include "engine/vault/points.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "base/tasks.h"
#include "engine/vault/drill.h"
#include "engine/vault/json_fields.h"

namespace coffer::vault {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kPointsPrefix = "points/";
constexpr std::string_view kAttestationSchema = "coffer.attestation/1";
constexpr size_t kPackCheckersMax = 4;
constexpr size_t kPacksPerChecker = 8;
constexpr size_t kBeginningSizeMin = 4;
constexpr size_t kNearIdsMax = 3;

Status check_pack_stored(const Context& context, const Vault& vault, const WrittenPack& pack) {
  const std::string key = pack_key(pack.id);
  auto view = vault.store().view(context, key);
  if (!view.ok()) return std::move(view).error().in("object " + key + " of this recovery point");
  const ByteView bytes = (*view)->bytes();
  if (bytes.size() != pack.sealed_size_bytes)
    return Error{ErrorCode::kCorruption,
                 "object " + key + " has " + std::to_string(bytes.size()) + " bytes, " +
                     std::to_string(pack.sealed_size_bytes) + " were written",
                 {}};
  auto digest = sealed_digest(bytes);
  if (!digest.ok()) return std::move(digest).error().in("object " + key);
  if (*digest != pack.digest) return Error{ErrorCode::kCorruption, "object " + key + " is not what was written", {}};
  return ok_status();
}

Status check_packs(const Context& context, const Vault& vault, const std::vector<WrittenPack>& packs) {
  std::atomic<size_t> next{0};
  TaskGroup group(context);
  const size_t checkers = std::min(kPackCheckersMax, (packs.size() + kPacksPerChecker - 1) / kPacksPerChecker);
  for (size_t i = 0; i < checkers; ++i) {
    group.spawn([&]() -> Status {
      for (size_t at = next++; at < packs.size(); at = next++) {
        COFFER_CHECK_OK(group.context().check());
        COFFER_CHECK_OK(check_pack_stored(group.context(), vault, packs[at]));
      }
      return ok_status();
    });
  }
  return group.wait();
}

/// Size and digest of the stored manifest, after comparing it with `plain`: one fetch, so what is compared is what is
/// named.
Result<CommitBody> stored_manifest(const Context& context, const Vault& vault, std::string_view point_id,
                                   ByteView plain) {
  const std::string key = manifest_key(point_id);
  COFFER_TRY(Vault::OpenObject object, vault.open_sealed_view(context, key, crypto::ObjectKind::kManifest));
  Bytes stored(object.reader->plain_size());
  if (auto read = object.reader->read_plain(0, stored); !read.ok()) return std::move(read).error().in(key);
  if (!equal(stored, plain))
    return Error{ErrorCode::kAlreadyExists, "object " + key + " is there already and says something else",
                 "back up again: a new point has a new id"};
  return CommitBody{object.view->bytes().size(), crypto::sha256(object.view->bytes()), {}};
}

/// Puts it, or finds that an earlier attempt to commit the same point did.
Result<CommitBody> publish_manifest(const Context& context, const Vault& vault, std::string_view point_id,
                                    ByteView plain) {
  Status put = vault.put_sealed(context, manifest_key(point_id), crypto::ObjectKind::kManifest, plain);
  auto stored = stored_manifest(context, vault, point_id, plain);
  if (!put.ok() && put.code() != ErrorCode::kAlreadyExists && !stored.ok()) return std::move(put).error();
  return stored;
}

/// The manifest of a live point as plain bytes, and nothing else than what the log names.
Result<Bytes> read_manifest_bytes(const Context& context, const Vault& vault, const LogState::Committed& committed) {
  const std::string key = manifest_key(committed.id);
  COFFER_TRY(Vault::OpenObject object, vault.open_sealed_view(context, key, crypto::ObjectKind::kManifest));
  const ByteView sealed = object.view->bytes();
  if (sealed.size() != committed.manifest_size_bytes || crypto::sha256(sealed) != committed.manifest_sha256)
    return Error{ErrorCode::kCorruption, "object " + key + " is not the manifest that the commit log names",
                 "bring this object back from a copy of the vault"};
  Bytes plain(object.reader->plain_size());
  if (auto read = object.reader->read_plain(0, plain); !read.ok()) return std::move(read).error().in(key);
  return plain;
}

size_t common_beginning(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

Error no_such_point(const LogState& state, std::string_view text) {
  std::string what = "there is no recovery point '" + escape_text(text) + "'";
  if (state.ever_committed.contains(std::string(text)) && state.find(text) == nullptr)
    what = "the recovery point " + std::string(text) + " was forgotten";
  if (state.live.empty()) return {ErrorCode::kNotFound, what + "; the vault has none", "make a backup first"};
  // The likest first: those that begin alike, then the newest.
  std::vector<const LogState::Committed*> near;
  for (auto it = state.live.rbegin(); it != state.live.rend(); ++it) near.push_back(&*it);
  std::stable_sort(near.begin(), near.end(), [&](const auto* a, const auto* b) {
    return common_beginning(a->id, text) > common_beginning(b->id, text);
  });
  std::string ids;
  for (size_t i = 0; i < std::min(kNearIdsMax, near.size()); ++i) ids += (i == 0 ? "" : ", ") + near[i]->id;
  return {ErrorCode::kNotFound, what + "; there is " + ids, "list the recovery points"};
}

}  // namespace

Status commit_point(const Context& context, const Vault& vault, CommitLog& log, const Lease& lease,
                    const Manifest& manifest) {
  if (!is_point_id(manifest.id))
    return Error{ErrorCode::kInvalidArgument, "'" + escape_text(manifest.id) + "' cannot name a recovery point", {}};
  if (manifest.vault_uuid != vault.format().uuid)
    return Error{ErrorCode::kInvalidArgument, "the manifest of " + manifest.id + " is for another vault", {}};
  const std::string doing = "committing the recovery point " + manifest.id;
  const Bytes plain = encode_manifest(manifest);
  auto commit = [&]() -> Status {
    COFFER_CHECK_OK(log.refresh(context));
    if (const LogState::Committed* committed = log.state().find(manifest.id)) {
      // An earlier attempt got through although its answer was lost.
      COFFER_TRY(Bytes stored, read_manifest_bytes(context, vault, *committed));
      if (equal(stored, plain)) return ok_status();
    }
    auto may_commit = [&](const LogState& state) -> Status {
      if (state.ever_committed.contains(manifest.id))
        return Error{ErrorCode::kAlreadyExists, "there is, or was, a recovery point of this id", {}};
      return lease.still_held(state);
    };
    COFFER_CHECK_OK(may_commit(log.state()));
    // The order is the promise: first everything the manifest names, then the manifest, then the entry that makes it
    // count.
    COFFER_CHECK_OK(check_packs(context, vault, manifest.packs));
    COFFER_TRY(CommitBody body, publish_manifest(context, vault, manifest.id, plain));
    body.lease_id = lease.id();
    COFFER_CHECK_OK(
        log.append(context, LogEntryType::kPointCommitted, manifest.id, encode_commit_body(body), may_commit));
    return ok_status();
  };
  Status done = commit();
  if (!done.ok()) return std::move(done).error().in(doing);
  return done;
}

Result<Manifest> read_manifest(const Context& context, const Vault& vault, const LogState& state,
                               std::string_view point_id) {
  const LogState::Committed* committed = state.find(point_id);
  if (committed == nullptr) return no_such_point(state, point_id);
  COFFER_TRY(Bytes plain, read_manifest_bytes(context, vault, *committed));
  const std::string key = manifest_key(point_id);
  auto manifest = decode_manifest(plain);
  if (!manifest.ok()) return std::move(manifest).error().in("object " + key);
  if (manifest->id != point_id || manifest->vault_uuid != vault.format().uuid)
    return Error{
        ErrorCode::kCorruption,
        "object " + key + " is the manifest of " + manifest->id + " in the vault " + escape_text(manifest->vault_uuid),
        {}};
  return manifest;
}

Result<std::string> resolve_point(const LogState& state, std::string_view text) {
  if (text == "latest") {
    if (state.live.empty())
      return Error{ErrorCode::kNotFound, "the vault has no recovery point", "make a backup first"};
    return state.live.back().id;
  }
  if (state.find(text) != nullptr) return std::string(text);
  if (text.size() < kBeginningSizeMin) return no_such_point(state, text);
  std::vector<std::string> matches;
  for (const LogState::Committed& c : state.live)
    if (c.id.starts_with(text)) matches.push_back(c.id);
  if (matches.empty()) return no_such_point(state, text);
  if (matches.size() == 1) return matches.front();
  std::string ids;
  for (size_t i = 0; i < std::min(kNearIdsMax, matches.size()); ++i) ids += (i == 0 ? "" : ", ") + matches[i];
  if (matches.size() > kNearIdsMax) ids += " and " + std::to_string(matches.size() - kNearIdsMax) + " more";
  return Error{ErrorCode::kInvalidArgument,
               "'" + std::string(text) + "' is the beginning of several recovery points: " + ids, "give more of it"};
}

// ---- attestations

namespace {

std::string attestations_prefix(std::string_view point_id) {
  return std::string(kPointsPrefix) + std::string(point_id) + "/attestations/";
}

Bytes encode_attestation(const Attestation& a) {
  ordered_json out;
  out["schema"] = kAttestationSchema;
  out["point_id"] = escape_text(a.point_id);
  out["kind"] = a.kind == ProofKind::kProven ? "proven" : "verified";
  out["success"] = a.success;
  out["time"] = format_utc(a.time, true);
  out["duration_ms"] = a.duration_ms;
  out["size_bytes"] = a.size_bytes;
  out["summary"] = escape_text(a.summary);
  out["findings"] = ordered_json::array();
  for (const std::string& finding : a.findings) out["findings"].push_back(escape_text(finding));
  out["facts"] = ordered_json::object();
  for (const auto& [name, value] : a.facts) out["facts"][escape_text(name)] = escape_text(value);
  return to_bytes(out.dump());
}

Result<Attestation> decode_attestation(ByteView bytes) {
  COFFER_TRY(const json document, parse_document(bytes, kAttestationSchema, "attestation"));
  JsonFields f("attestation");
  Attestation a;
  a.point_id = f.text(document, "point_id");
  const std::string kind = f.text(document, "kind");
  if (kind != "proven" && kind != "verified") f.fail("kind", "is neither 'proven' nor 'verified'");
  a.kind = kind == "proven" ? ProofKind::kProven : ProofKind::kVerified;
  a.success = f.boolean(document, "success");
  a.time = f.time(document, "time");
  a.duration_ms = f.signed_number(document, "duration_ms");
  a.size_bytes = f.number(document, "size_bytes");
  a.summary = f.text(document, "summary");
  for (const json& finding : f.array(document, "findings")) a.findings.push_back(f.text_of(finding, "findings"));
  for (const auto& [name, value] : f.object(document, "facts").items())
    a.facts.insert_or_assign(f.text_of(name, "facts"), f.text_of(value, "facts"));
  COFFER_CHECK_OK(f.status());
  return a;
}

Result<std::vector<std::string>> list_keys(const Context& context, const Vault& vault, const std::string& prefix) {
  std::vector<std::string> keys;
  COFFER_CHECK_OK(vault.store().list(context, prefix,
                                     [&](const store::ObjectInfo& info) { return keys.push_back(info.key), true; }));
  return keys;
}

Result<std::vector<Attestation>> read_all(const Context& context, const Vault& vault, std::string_view point_id,
                                          const std::vector<std::string>& keys) {
  std::vector<Attestation> all;
  for (const std::string& key : keys) {
    COFFER_TRY(Bytes plain, vault.get_sealed(context, key, crypto::ObjectKind::kAttestation));
    auto attestation = decode_attestation(plain);
    if (!attestation.ok()) return std::move(attestation).error().in("object " + key);
    if (attestation->point_id != point_id)
      return Error{ErrorCode::kCorruption, "object " + key + " speaks of another recovery point", {}};
    all.push_back(std::move(*attestation));
  }
  std::stable_sort(all.begin(), all.end(), [](const Attestation& a, const Attestation& b) { return a.time > b.time; });
  return all;
}

const Attestation* newest(const std::vector<Attestation>& newest_first, ProofKind kind, bool only_success) {
  for (const Attestation& a : newest_first)
    if (a.kind == kind && !a.could_not_check() && (a.success || !only_success)) return &a;
  return nullptr;
}

PointState state_of(const std::vector<Attestation>& newest_first) {
  const Attestation* verified = newest(newest_first, ProofKind::kVerified, false);
  const Attestation* proven = newest(newest_first, ProofKind::kProven, false);
  if ((verified != nullptr && !verified->success) || (proven != nullptr && !proven->success))
    return PointState::kDamaged;
  if (proven != nullptr) return PointState::kProven;
  return verified != nullptr ? PointState::kVerified : PointState::kCompleted;
}

}  // namespace

Status write_attestation(const Context& context, const Vault& vault, const Attestation& attestation) {
  if (!is_point_id(attestation.point_id))
    return Error{
        ErrorCode::kInvalidArgument, "'" + escape_text(attestation.point_id) + "' cannot name a recovery point", {}};
  const std::string key = attestations_prefix(attestation.point_id) + new_point_id(attestation.time, vault.entropy());
  return vault.put_sealed(context, key, crypto::ObjectKind::kAttestation, encode_attestation(attestation));
}

Result<std::vector<Attestation>> read_attestations(const Context& context, const Vault& vault,
                                                   std::string_view point_id) {
  if (!is_point_id(point_id))
    return Error{ErrorCode::kInvalidArgument, "'" + escape_text(point_id) + "' cannot name a recovery point", {}};
  COFFER_TRY(std::vector<std::string> keys, list_keys(context, vault, attestations_prefix(point_id)));
  return read_all(context, vault, point_id, keys);
}

constexpr std::string_view kDrillsPrefix = "drills/";

Status write_drill(const Context& context, const Vault& vault, const Attestation& drill) {
  const std::string key = std::string(kDrillsPrefix) + new_point_id(drill.time, vault.entropy());
  return vault.put_sealed(context, key, crypto::ObjectKind::kAttestation, encode_attestation(drill));
}

Result<std::vector<Attestation>> read_drills(const Context& context, const Vault& vault) {
  std::vector<Attestation> drills;
  COFFER_TRY(const auto keys, list_keys(context, vault, std::string(kDrillsPrefix)));
  for (const std::string& key : keys) {
    COFFER_TRY(Bytes plain, vault.get_sealed(context, key, crypto::ObjectKind::kAttestation));
    auto drill = decode_attestation(plain);
    if (!drill.ok()) return std::move(drill).error().in("object " + key);
    drills.push_back(std::move(*drill));
  }
  std::stable_sort(drills.begin(), drills.end(),
                   [](const Attestation& a, const Attestation& b) { return a.time > b.time; });
  return drills;
}

std::string_view point_state_name(PointState state) {
  switch (state) {
    case PointState::kCompleted: return "COMPLETED";
    case PointState::kVerified: return "VERIFIED";
    case PointState::kProven: return "PROVEN";
    case PointState::kDamaged: return "DAMAGED";
  }
  return "UNKNOWN";
}

Result<std::vector<PointSummary>> list_points(
    const Context& context, const Vault& vault, const LogState& state,
    const std::function<void(const std::string& id, const Error&)>& on_damaged) {
  // One listing for all: a listing a point would be slow on remote stores.
  COFFER_TRY(std::vector<std::string> keys, list_keys(context, vault, std::string(kPointsPrefix)));
  std::map<std::string, std::vector<std::string>, std::less<>> attestations;
  for (std::string& key : keys) {
    const std::string id = key.substr(kPointsPrefix.size(), key.find('/', kPointsPrefix.size()) - kPointsPrefix.size());
    if (key.starts_with(attestations_prefix(id))) attestations[id].push_back(std::move(key));
  }
  auto summarize = [&](const std::string& id) -> Result<PointSummary> {
    PointSummary summary;
    COFFER_TRY(summary.manifest, read_manifest(context, vault, state, id));
    summary.manifest.list = {};
    summary.manifest.packs = {};
    COFFER_TRY(std::vector<Attestation> proofs, read_all(context, vault, id, attestations[id]));
    summary.state = state_of(proofs);
    if (const Attestation* proof = newest(proofs, ProofKind::kProven, true)) summary.last_proof = proof->time;
    return summary;
  };
  std::vector<PointSummary> points;
  for (const LogState::Committed& committed : state.live) {
    COFFER_CHECK_OK(context.check());
    auto summary = summarize(committed.id);
    if (summary.ok()) {
      points.push_back(std::move(*summary));
      continue;
    }
    // A missing object of a live point is damage too; a store that is away is not.
    const bool is_damage = summary.code() == ErrorCode::kCorruption || summary.code() == ErrorCode::kNotFound;
    Error error{is_damage ? ErrorCode::kCorruption : summary.code(),
                "recovery point " + committed.id + ": " + summary.error().message, summary.error().next_step};
    if (!is_damage || !on_damaged) return error;
    on_damaged(committed.id, error);
  }
  return points;
}

Status forget_point(const Context& context, CommitLog& log, std::string_view point_id, std::string_view reason) {
  auto is_live = [&](const LogState& state) -> Status {
    if (state.find(point_id) == nullptr) return no_such_point(state, point_id);
    return ok_status();
  };
  COFFER_CHECK_OK(log.append(context, LogEntryType::kPointForgotten, std::string(point_id), as_bytes(reason), is_live));
  return ok_status();
}

}  // namespace coffer::vault
