#include "engine/jobs/restore_settings.h"

#include <algorithm>
#include <charconv>

#include "engine/postgres/connection.h"
#include "engine/postgres/lsn.h"

namespace coffer::jobs {

using Kind = RecoveryTarget::Kind;

Result<RecoveryTarget> parse_recovery_target(std::string_view text) {
  auto bad = [&](const std::string& why) {
    return Error{
        ErrorCode::kInvalidArgument, "cannot use '" + std::string(text) + "' as a recovery target: " + why,
        "write latest, immediate, a time with zone (2026-11-24T12:00:00Z), lsn:X/X, xid:N or name:RESTORE_POINT"};
  };
  RecoveryTarget t;
  if (text == "latest") return t;
  if (text == "immediate") {
    t.kind = Kind::kImmediate;
    return t;
  }
  const size_t colon = text.find(':');
  const std::string_view head = text.substr(0, colon == text.npos ? 0 : colon);
  const std::string_view value = colon == text.npos ? std::string_view() : text.substr(colon + 1);
  if (head == "lsn") {
    auto lsn = postgres::parse_lsn(value);
    if (!lsn.ok()) return bad(lsn.error().message);
    t.kind = Kind::kLsn;
    t.value = postgres::format_lsn(*lsn);
    return t;
  }
  if (head == "xid") {
    uint64_t xid = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), xid);
    if (error != std::errc{} || end != value.data() + value.size() || xid < 3)
      return bad("a transaction id is a number from 3");
    t.kind = Kind::kXid;
    t.value = std::string(value);
    return t;
  }
  if (head == "name") {
    if (value.empty() || value.size() > 63) return bad("a restore point's name has 1 to 63 bytes");
    if (std::any_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
      return bad("the name holds a control character");
    t.kind = Kind::kName;
    t.value = std::string(value);
    return t;
  }
  auto time = parse_utc(text);
  if (!time.ok()) return bad(time.error().message);
  t.kind = Kind::kTime;
  t.value = format_utc(*time, true);
  return t;
}

Status check_recovery_target(const vault::Manifest& manifest, const RecoveryTarget& target) {
  auto refuse = [&](const std::string& why) {
    return Error{ErrorCode::kFailedPrecondition, "the recovery target " + target.value + " " + why,
                 "this point alone reaches from " + manifest.stop_lsn +
                     " to the end of the WAL stored in it; use --until immediate or latest, or "
                     "another point"};
  };
  if (target.kind == Kind::kLsn) {
    COFFER_TRY(postgres::Lsn wanted, postgres::parse_lsn(target.value));
    COFFER_TRY(postgres::Lsn stop, postgres::parse_lsn(manifest.stop_lsn));
    if (wanted < stop) return refuse("lies before the point is consistent (" + manifest.stop_lsn + ")");
    const uint64_t segment = std::max<uint64_t>(1, manifest.wal_segment_size_bytes);
    const uint64_t end = (stop.value + segment - 1) / segment * segment;
    if (wanted.value > end) return refuse("lies after the end of the stored WAL (" + postgres::format_lsn({end}) + ")");
  }
  if (target.kind == Kind::kTime) {
    COFFER_TRY(WallTime wanted, parse_utc(target.value));
    if (wanted < manifest.started) return refuse("lies before the backup began (" + format_utc(manifest.started) + ")");
    if (wanted > manifest.finished)
      return refuse("lies after the backup ended (" + format_utc(manifest.finished) + ")");
  }
  return ok_status();
}

std::string recovery_signal(const RestoreOptions& options) {
  if (options.standby) return "standby.signal";
  return options.until.kind == Kind::kLatest ? "" : "recovery.signal";
}

std::string recovery_settings(const vault::Manifest& manifest, const RestoreOptions& options) {
  std::string lines;
  auto set = [&](const std::string& name, const std::string& value) {
    lines += name + " = " + postgres::quote_literal(value) + "\n";
  };
  if (!options.keep_archiving) set("archive_mode", "off");
  if (!recovery_signal(options).empty()) {
    // Whatever targets the source had set must not come back: PostgreSQL refuses two.
    for (const char* name : {"recovery_target", "recovery_target_time", "recovery_target_xid", "recovery_target_lsn",
                             "recovery_target_name"})
      set(name, "");
    if (!options.standby) {
      // All WAL that this point has lies in pg_wal already; false(1) answers "not there" to every question for more.
      set("restore_command", "false");
      set("recovery_target_timeline", "current");
      set("recovery_target_action", "promote");
    }
    switch (options.until.kind) {
      case Kind::kLatest: break;
      case Kind::kImmediate: set("recovery_target", "immediate"); break;
      case Kind::kTime: set("recovery_target_time", options.until.value); break;
      case Kind::kLsn: set("recovery_target_lsn", options.until.value); break;
      case Kind::kXid: set("recovery_target_xid", options.until.value); break;
      case Kind::kName: set("recovery_target_name", options.until.value); break;
    }
    if (options.until.kind == Kind::kTime || options.until.kind == Kind::kLsn || options.until.kind == Kind::kXid)
      set("recovery_target_inclusive", options.until.inclusive ? "on" : "off");
  }
  if (!lines.empty()) lines = "\n# Written by coffer restore of point " + manifest.id + ".\n" + lines;
  return lines;
}

}  // namespace coffer::jobs
