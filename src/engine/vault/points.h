// Recovery points: committing, reading, what was proven of them.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "engine/vault/commit_log.h"
#include "engine/vault/lease.h"
#include "engine/vault/manifest.h"

namespace coffer::vault {

/// Puts the manifest (sealed, read back), checks that each pack in it is in the store with its length and SHA-256, then
/// appends the commit entry under the lease. On success the point exists and is durable; on failure no point is
/// visible.
Status commit_point(const Context& context, const Vault& vault, CommitLog& log, const Lease& lease,
                    const Manifest& manifest);

/// Of a committed point; its size and SHA-256 are compared with the log's. kNotFound names near ids when the id is not
/// live.
Result<Manifest> read_manifest(const Context& context, const Vault& vault, const LogState& state,
                               std::string_view point_id);

/// `text` may be a whole id, a unique beginning of at least 4 characters, or "latest". kNotFound / kInvalidArgument
/// (ambiguous).
Result<std::string> resolve_point(const LogState& state, std::string_view text);

enum class ProofKind : uint8_t { kVerified, kProven };
/// Sealed beside the point: `points/<id>/attestations/<time>-<random>`.
struct Attestation {
  std::string point_id;
  ProofKind kind = ProofKind::kVerified;
  bool success = false;
  WallTime time;
  int64_t duration_ms = 0;
  uint64_t size_bytes = 0;                   // restored or read
  std::string summary;                       // one line
  std::vector<std::string> findings;         // damage; empty when success
  std::map<std::string, std::string> facts;  // "rows.bank" -> "1000000", "server" -> "15.18"
  /// A check that could not run says nothing about the point, neither good nor bad.
  [[nodiscard]] bool could_not_check() const { return !success && findings.empty(); }
};
Status write_attestation(const Context& context, const Vault& vault, const Attestation& attestation);
/// Newest first.
Result<std::vector<Attestation>> read_attestations(const Context& context, const Vault& vault,
                                                   std::string_view point_id);

/// COMPLETED -> VERIFIED -> PROVEN, or DAMAGED when the newest attestation of either kind failed with findings.
enum class PointState { kCompleted, kVerified, kProven, kDamaged };
std::string_view point_state_name(PointState state);

struct PointSummary {
  Manifest manifest;  // with an empty `list`, `packs`
  PointState state = PointState::kCompleted;
  std::optional<WallTime> last_proof;
};
/// Every live point, oldest first. A manifest that does not open is kCorruption naming it, unless `on_damaged` is given
/// and takes it (then the point is left out).
Result<std::vector<PointSummary>> list_points(
    const Context& context, const Vault& vault, const LogState& state,
    const std::function<void(const std::string& id, const Error&)>& on_damaged);

/// Appends kPointForgotten. kNotFound when it is not live.
Status forget_point(const Context& context, CommitLog& log, std::string_view point_id, std::string_view reason);

}  // namespace coffer::vault
