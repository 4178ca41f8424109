// The audit log: one record for every API call, allowed or denied, and for every use of a key. Records are canonical
// JSON in CloudTrail's field names, hash-chained; a checkpoint (size, chain hash, Merkle root, time, previous
// checkpoint) is signed with Ed25519 every hour and on a clean stop. reference: docs/audit.md.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/entropy.h"
#include "base/secret.h"
#include "services/api/call.h"
#include "services/api/value.h"
#include "services/catalog/database.h"

namespace coffer::audit {

struct Record {
  WallTime time;
  api::Caller caller;
  std::string account;  // whose log shows it: the caller's; a second record goes to the resource's owner when another's
  std::string event_id;  // a UUID, given by the log when empty
  std::string service, operation, region, source_ip, user_agent, request_id, via_service;
  bool read_only = true;
  std::string error_code, error_message;  // empty: it succeeded
  std::string request_parameters;         // canonical JSON without secrets and blobs; "null" when there are none
  std::string response_elements;          // of changing calls
  std::vector<std::string> resources;     // ARNs
};

/// Safe from many threads.
class AuditLog {
 public:
  virtual ~AuditLog() = default;
  /// In the transaction of the effect: the record exists exactly when the effect does.
  virtual Status append(catalog::Transaction& transaction, const Record& record) = 0;
  /// For calls that change nothing: written together with others within 100 ms. Waits only when the queue is full
  /// (backpressure: a call that cannot be recorded does not go unrecorded).
  virtual Status enqueue(Record record) = 0;
  /// The queue is so full that the next who comes might have to wait.
  [[nodiscard]] virtual bool is_crowded() const { return false; }
  /// All that was enqueued is durable.
  virtual Status flush(const Context& context) = 0;
  /// Signs a checkpoint when the last is older than an hour, or `force`.
  virtual Status checkpoint(const Context& context, bool force) = 0;
};

/// `signing_key`: 32-byte Ed25519 seed. Starts the group-commit thread, which ends with the object.
Result<std::unique_ptr<AuditLog>> open_audit_log(catalog::Database& database, Clock& clock, Entropy& entropy,
                                                 Secret signing_key);

/// A value as canonical JSON for a record: members sorted by name and with a small first letter, blobs left out,
/// secrets (SecretAccessKey, SessionToken, Plaintext, ...) replaced by "HIDDEN_DUE_TO_SECURITY_REASONS"; "null" for
/// nothing; beyond 100 KiB a note that it was omitted.
std::string loggable_json(const api::Value& value);
/// A record as its canonical JSON, in CloudTrail's field names.
std::string record_json(const Record& record);

struct VerifyReport {
  uint64_t records = 0, checkpoints = 0, unsigned_tail = 0;
  std::vector<std::string> problems;  // each names the record or checkpoint; empty: the log is whole
};
/// Offline: reads the catalog only. `public_key`: 32 bytes, Ed25519.
Result<VerifyReport> verify(catalog::Database& database, const Context& context, ByteView public_key);

struct LookupFilter {
  std::string key,
      value;  // EventId, EventName, ReadOnly, Username, ResourceType, ResourceName, EventSource, AccessKeyId
};
struct LookupPage {
  std::vector<std::string> events;  // the records' JSON, newest first
  std::optional<int64_t> next;      // sequence to go on from
};
Result<LookupPage> lookup(catalog::Transaction& transaction, std::string_view account,
                          const std::optional<LookupFilter>& filter, std::optional<WallTime> from,
                          std::optional<WallTime> until, std::optional<int64_t> next, int64_t limit);

std::span<const catalog::Migration> migrations();

}  // namespace coffer::audit
