#include "engine/vault/witness.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/base64.h"
#include "engine/vault/put_checked.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kSignatureStart = "\xe2\x80\x94 ";  // an em dash
constexpr std::byte kCosignatureType{4};
constexpr size_t kKeyHashSize = 4, kTimeSize = 8;
constexpr size_t kNoteSizeMax = 16 << 10;
constexpr int64_t kMicros = 1'000'000;

Error bad_note(std::string what) {
  return {ErrorCode::kCorruption, "this is no witnessed head: " + std::move(what), {}};
}

std::string body_of(const LogHead& head, std::string_view origin) {
  return std::string(origin) + "\n" + std::to_string(head.size) + "\n" + base64_encode(head.root) + "\n";
}

Bytes signed_message(int64_t seconds, std::string_view body) {
  return to_bytes("cosignature/v1\ntime " + std::to_string(seconds) + "\n" + std::string(body));
}

Bytes key_hash(std::string_view name, ByteView public_key) {
  Bytes text = to_bytes(name);
  text.push_back(std::byte{'\n'});
  text.push_back(kCosignatureType);
  append(text, public_key);
  const crypto::Digest256 digest = crypto::sha256(text);
  return to_bytes(ByteView(digest).first(kKeyHashSize));
}

std::optional<std::string_view> next_line(std::string_view& text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::optional<uint64_t> decimal(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || std::to_string(value) != text) return std::nullopt;
  return value;
}

std::string head_prefix(const VaultFormat& format) { return "witness/" + format.uuid + "/"; }

std::string head_key(const VaultFormat& format, uint64_t size) {
  Bytes digits;
  ByteWriter(digits).u64(size);
  return head_prefix(format) + to_hex(digits);
}

std::string entries(uint64_t size) { return std::to_string(size) + (size == 1 ? " entry" : " entries"); }

/// Every head that is kept, by size.
Result<std::map<uint64_t, LogHead>> kept_heads(const Context& context, const VaultFormat& format,
                                               store::ObjectStore& keep, std::string_view name, ByteView public_key) {
  std::vector<std::string> keys;
  COFFER_CHECK_OK(keep.list(context, head_prefix(format),
                            [&](const store::ObjectInfo& info) { return keys.push_back(info.key), true; }));
  std::map<uint64_t, LogHead> heads;
  for (const std::string& key : keys) {
    COFFER_TRY(const Bytes note, keep.get_all(context, key, kNoteSizeMax));
    auto head = open_note(as_text(note), log_origin(format), name, public_key);
    if (!head.ok())
      return std::move(head).error().in(key).advise("use the key that it was signed with; else somebody altered it");
    if (head_key(format, head->size) != key) return bad_note("it is of another size than its name").in(key);
    heads[head->size] = *head;
  }
  return heads;
}

/// The first head that the log does not agree with, and the greatest before it that it does.
Status check_agrees_with_all(const CommitLog& log, const std::map<uint64_t, LogHead>& heads) {
  crypto::MerkleFrontier tree;
  uint64_t agreed = 0;
  for (const auto& [size, head] : heads) {
    if (size > log.size())
      return Error{ErrorCode::kCorruption,
                   "the history of the source was shortened: " + entries(size) + " were witnessed at " +
                       format_utc(head.time) + ", and it has " + std::to_string(log.size()),
                   "an earlier state was put back, or entries were removed: trust the copies, not the source"};
    while (tree.size() < size) tree.append(crypto::merkle_leaf(encode_log_entry(log.entries()[tree.size()])));
    if (tree.root() != head.root)
      return Error{ErrorCode::kCorruption,
                   "the history of the source was forked: of its entries " + std::to_string(agreed) + " to " +
                       std::to_string(size - 1) + ", some are not those that were witnessed at " +
                       format_utc(head.time),
                   "somebody rewrote it: trust the copies, not the source"};
    agreed = size;
  }
  return ok_status();
}

/// What was copied came out of the source's history, so it must be in it.
Status check_knows_copies(const CommitLog& log, const CommitLog& mirror) {
  std::map<std::string, crypto::Digest256, std::less<>> committed;
  for (const LogEntry& entry : log.entries()) {
    if (entry.type != LogEntryType::kPointCommitted) continue;
    COFFER_TRY(const CommitBody body, decode_commit_body(entry.body));
    committed[entry.subject] = body.manifest_sha256;
  }
  for (const LogEntry& entry : mirror.entries()) {
    if (entry.type != LogEntryType::kPointCommitted) continue;
    COFFER_TRY(const CommitBody body, decode_commit_body(entry.body));
    auto there = committed.find(entry.subject);
    if (there != committed.end() && there->second == body.manifest_sha256) continue;
    // One that was copied again after it was forgotten has a number behind its id, and a manifest of the mirror's own.
    if (there == committed.end()) there = committed.find(entry.subject.substr(0, entry.subject.rfind('-')));
    if (there != committed.end() && there->first != entry.subject) continue;
    return Error{ErrorCode::kCorruption,
                 "the history of the source does not know the point " + entry.subject +
                     ", which was copied from it at " + format_utc(entry.time),
                 "an earlier state was put back, or the history was rewritten: trust the copies, not the source"};
  }
  return ok_status();
}

}  // namespace

std::string log_origin(const VaultFormat& format) { return "coffer-vault/" + format.uuid + "/log"; }

std::string cosign_head(const LogHead& head, std::string_view origin, std::string_view name, ByteView seed) {
  const std::string body = body_of(head, origin);
  const int64_t seconds = head.time.micros / kMicros;
  Bytes blob = key_hash(name, crypto::ed25519_public_key(seed));
  ByteWriter(blob).u64(static_cast<uint64_t>(seconds));
  append(blob, crypto::ed25519_sign(seed, signed_message(seconds, body)));
  return body + "\n" + std::string(kSignatureStart) + std::string(name) + " " + base64_encode(blob) + "\n";
}

Result<LogHead> open_note(std::string_view note, std::string_view origin, std::string_view name, ByteView public_key) {
  if (note.size() > kNoteSizeMax) return bad_note("it is far too long");
  const size_t end = note.find("\n\n");
  if (end == std::string_view::npos) return bad_note("it has no signature");
  const std::string_view body = note.substr(0, end + 1);
  std::string_view rest = body, signatures = note.substr(end + 2);
  const auto its_origin = next_line(rest), size = next_line(rest), root = next_line(rest);
  if (its_origin != origin) return bad_note("it is of another log");
  if (!size || !root || !rest.empty()) return bad_note("it does not have three lines");
  const auto number = decimal(*size);
  const auto digest = base64_decode(*root);
  LogHead head;
  if (!number || !digest || digest->size() != head.root.size()) return bad_note("size or root is none");
  head.size = *number;
  std::copy(digest->begin(), digest->end(), head.root.begin());
  const std::string start = std::string(kSignatureStart) + std::string(name) + " ";
  const Bytes hash = key_hash(name, public_key);
  while (const auto line = next_line(signatures)) {
    if (!line->starts_with(start)) continue;
    const auto blob = base64_decode(line->substr(start.size()));
    if (!blob || blob->size() != kKeyHashSize + kTimeSize + sizeof(crypto::Ed25519Signature)) continue;
    ByteReader r(*blob);
    if (!equal(r.bytes(kKeyHashSize), hash)) continue;
    const auto seconds = static_cast<int64_t>(r.u64());
    if (seconds < 0 || seconds > std::numeric_limits<int64_t>::max() / kMicros) continue;
    if (!crypto::ed25519_verify(public_key, signed_message(seconds, body), r.array<sizeof(crypto::Ed25519Signature)>()))
      continue;
    head.time.micros = seconds * kMicros;
    return head;
  }
  return bad_note("no signature of " + std::string(name) + " holds");
}

crypto::Digest256 root_at(const CommitLog& log, uint64_t size) {
  COFFER_ASSERT(size <= log.size());
  crypto::MerkleFrontier tree;
  for (uint64_t i = 0; i < size; ++i) tree.append(crypto::merkle_leaf(encode_log_entry(log.entries()[i])));
  return tree.root();
}

Status check_agrees(const CommitLog& log, const LogHead& head) {
  return check_agrees_with_all(log, {{head.size, head}});
}

Result<WitnessReport> witness(const Context& context, const Vault& source, const CommitLog* mirror,
                              store::ObjectStore& keep, Clock& clock, const WitnessKey& key) {
  const VaultFormat& format = source.format();
  const crypto::Ed25519PublicKey public_key = crypto::ed25519_public_key(key.seed.view());
  COFFER_TRY(const auto heads, kept_heads(context, format, keep, key.name, public_key));
  // After the heads: what was witnessed before is in any later reading of an honest log.
  auto loaded = CommitLog::load(context, source);
  if (!loaded.ok()) return std::move(loaded).error().in("the history of the source");
  const CommitLog& log = **loaded;
  COFFER_CHECK_OK(check_agrees_with_all(log, heads));
  if (mirror != nullptr) COFFER_CHECK_OK(check_knows_copies(log, *mirror));

  WitnessReport report;
  if (!heads.empty()) report.before = heads.rbegin()->second;
  report.head = {log.size(), log.root(), {clock.wall().micros / kMicros * kMicros}};
  if (heads.contains(log.size())) {
    report.head = heads.at(log.size());
    return report;
  }
  const std::string note = cosign_head(report.head, log_origin(format), key.name, key.seed.view());
  const std::string where = head_key(format, log.size());
  Status put = put_and_look(context, keep, where, as_bytes(note));
  report.is_new = put.ok();
  if (put.ok()) return report;
  if (put.code() != ErrorCode::kAlreadyExists) return std::move(put).error();
  // Somebody witnessed the same size at the same time: then it has to be the same history.
  COFFER_TRY(const Bytes there, keep.get_all(context, where, kNoteSizeMax));
  COFFER_TRY(const LogHead other, open_note(as_text(there), log_origin(format), key.name, public_key));
  COFFER_CHECK_OK(check_agrees(log, other));
  report.head = other;
  return report;
}

Result<std::optional<LogHead>> newest_head(const Context& context, const VaultFormat& format, store::ObjectStore& keep,
                                           std::string_view name, ByteView public_key) {
  COFFER_TRY(const auto heads, kept_heads(context, format, keep, name, public_key));
  if (heads.empty()) return std::optional<LogHead>();
  return std::optional<LogHead>(heads.rbegin()->second);
}

}  // namespace coffer::vault
