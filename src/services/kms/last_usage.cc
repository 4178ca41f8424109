// When a key was last used: the audit log knows, from the day the key was made.
#include <algorithm>

#include "services/audit/audit_log.h"
#include "services/audit/canonical_json.h"
#include "services/audit/filing.h"
#include "services/kms/operations.h"

namespace coffer::kms {
namespace {

using api::Value;

constexpr int64_t kRecordsAtOnce = 200;
constexpr std::string_view kUses[] = {"Decrypt",
                                      "DeriveSharedSecret",
                                      "Encrypt",
                                      "GenerateDataKey",
                                      "GenerateDataKeyPair",
                                      "GenerateDataKeyPairWithoutPlaintext",
                                      "GenerateDataKeyWithoutPlaintext",
                                      "GenerateMac",
                                      "ReEncrypt",
                                      "Sign",
                                      "Verify",
                                      "VerifyMac"};

/// Null for a record of anything but a successful use.
Result<Value> usage_of(const std::string& record) {
  std::string error, request_id;
  audit::JsonCursor cursor(record);
  cursor.object([&](const std::string& name) {
    if (name == "errorCode") error = cursor.string();
    if (name == "requestID") request_id = cursor.string();
  });
  COFFER_TRY(const audit::Filing filing, audit::filing_of(record));
  if (!error.empty() || std::find(std::begin(kUses), std::end(kUses), filing.event_name) == std::end(kUses))
    return Value();
  return Value::object({{"Operation", filing.event_name},
                        {"Timestamp", filing.time},
                        {"CloudTrailEventId", filing.event_id},
                        {"KmsRequestId", request_id}});
}

Result<Value> last_usage(const Request& r, const rows::Key& key) {
  const audit::LookupFilter of_key{"ResourceName", key.arn()};
  std::optional<int64_t> next;
  do {
    COFFER_TRY(const audit::LookupPage page,
               audit::lookup(r.t(), key.account, of_key, std::nullopt, std::nullopt, next, kRecordsAtOnce));
    for (const std::string& record : page.events) {
      COFFER_TRY(Value usage, usage_of(record));
      if (!usage.is_null()) return usage;
    }
    next = page.next;
  } while (next);
  return Value();
}

}  // namespace

Result<Value> get_key_last_usage(const Request& r) {
  COFFER_TRY(const rows::Key key, key_of(r, Naming::kNoAlias));
  COFFER_TRY(Value usage, last_usage(r, key));
  Value output =
      Value::object({{"KeyId", key.arn()}, {"TrackingStartDate", key.created}, {"KeyCreationDate", key.created}});
  if (!usage.is_null()) output.set("KeyLastUsage", std::move(usage));
  return output;
}

}  // namespace coffer::kms
