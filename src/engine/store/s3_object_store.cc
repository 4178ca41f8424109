#include "engine/store/s3_object_store.h"

#include <algorithm>
#include <charconv>

#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "engine/crypto/digest.h"
#include "engine/store/s3_list.h"
#include "engine/store/store_checks.h"

namespace coffer::store {
namespace {

constexpr std::string_view kTokenHeader = "x-amz-meta-coffer-put";
constexpr std::string_view kDigestHeader = "x-amz-meta-coffer-sha256";
constexpr std::string_view kChecksumHeader = "x-amz-checksum-sha256";
// Reading so little back costs no more than asking for its digest, and proves more.
constexpr size_t kReadBackSize = 64 << 10;
// An object that arrives damaged this often is damaged where it lies.
constexpr int kDamagedMost = 3;
// A store that shows what was just stored only after a while is asked this often.
constexpr int kLooksMost = 6;
constexpr std::string_view kPageSize = "1000";

class DownloadedView final : public ObjectView {
 public:
  explicit DownloadedView(Bytes bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] ByteView bytes() const override { return bytes_; }

 private:
  Bytes bytes_;
};

bool parse_number(std::string_view text, uint64_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

/// "bytes 0-9/100", with the three numbers; false for anything else.
struct ContentRange {
  uint64_t first = 0, last = 0, size = 0;
  static bool parse(std::string_view text, ContentRange& range) {
    if (!text.starts_with("bytes ")) return false;
    text.remove_prefix(6);
    const size_t dash = text.find('-'), slash = text.find('/');
    return dash != text.npos && slash != text.npos && dash < slash && parse_number(text.substr(0, dash), range.first) &&
           parse_number(text.substr(dash + 1, slash - dash - 1), range.last) &&
           parse_number(text.substr(slash + 1), range.size);
  }
};

/// What the store says of an object.
struct Seen {
  uint64_t size_bytes = 0;
  std::string token;     // of the put() that made it
  std::string checksum;  // SHA-256 in base64, of the whole object, computed by the store; empty: it has none
};

/// What put() sends, and recognises again.
struct Sent {
  std::string_view key;
  ByteView body;
  std::string token, digest_hex, digest_base64;
};

Error damaged(std::string_view key, int number) {
  return {number + 1 < kDamagedMost ? ErrorCode::kUnavailable : ErrorCode::kCorruption,
          "the object " + std::string(key) + " arrived with other bytes than were stored",
          {}};
}

Error holds_other_bytes() {
  return {ErrorCode::kCorruption, "the store holds other bytes than were sent",
          "this store cannot be trusted with a vault, or something on the way changes data"};
}

class S3ObjectStore final : public ObjectStore {
 public:
  S3ObjectStore(Clock& clock, Entropy& entropy, FileSystem& files, const EnvironmentVariables& environment,
                std::map<std::string, std::string> profile, S3Location location, const S3Options& options)
      : client_(clock, entropy, files, environment, std::move(profile), std::move(location), options) {}

  // What If-None-Match is worth here is found out by probe_conditional_create() when a vault is made.
  [[nodiscard]] Capabilities capabilities() const override {
    return {.conditional_create = true, .reads_back = true, .distant = true};
  }
  [[nodiscard]] std::string describe() const override { return client_.location().describe(); }

  Result<ObjectInfo> put(const Context& context, std::string_view key, ByteView body) override;
  Result<Bytes> get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) override;
  Result<ObjectInfo> head(const Context& context, std::string_view key) override;
  Result<std::unique_ptr<ObjectView>> view(const Context& context, std::string_view key) override;
  Result<Bytes> get_all(const Context& context, std::string_view key, uint64_t limit_bytes) override;
  Status list(const Context& context, std::string_view prefix, const Visitor& visit) override;
  Status remove(const Context& context, std::string_view key) override;

 private:
  S3Request put_request(const Sent& sent, std::string_view checksum) const;
  Result<S3Answer> put_once(const Context& context, const Sent& sent, int number);
  Result<ObjectInfo> settle_taken(const Context& context, const Sent& sent, bool may_be_ours);
  Status read_back(const Context& context, const Sent& sent);
  Status compare(const Context& context, const Sent& sent, const Seen& seen);
  Result<Seen> look(const Context& context, std::string_view key, int number);
  Status confirm_absence(const Context& context, std::string_view key, int number);
  Result<Bytes> get_once(const Context& context, std::string_view key, uint64_t offset, uint64_t length, int number);
  struct Whole {
    Bytes bytes;
    std::string token;
  };
  Result<Whole> get_whole_once(const Context& context, std::string_view key, uint64_t limit_bytes, int number);
  Status look_and_compare(const Context& context, const Sent& sent, int number);
  [[nodiscard]] std::string name_of(std::string_view key) const { return client_.location().object_name(key); }
  [[nodiscard]] Error in_store(Error error) const;

  S3Client client_;
  std::atomic<bool> sends_checksum_{true}, sends_md5_{false};  // until the store says otherwise
};

// ---- put

S3Request S3ObjectStore::put_request(const Sent& sent, std::string_view checksum) const {
  S3Request request{.method = "PUT",
                    .object = name_of(sent.key),
                    .query = {},
                    .headers = {{"Content-Type", "application/octet-stream"},
                                {"If-None-Match", "*"},
                                {std::string(kTokenHeader), sent.token},
                                {std::string(kDigestHeader), sent.digest_hex}},
                    .body = sent.body,
                    .payload_sha256_hex = sent.digest_hex};
  if (!checksum.empty()) request.headers.emplace_back(kChecksumHeader, checksum);
  if (sends_md5_)
    request.headers.emplace_back("Content-MD5",
                                 base64_encode(crypto::checksum_of(crypto::ChecksumKind::kMd5, sent.body)));
  return request;
}

// A store may know no checksum headers, or insist on an MD5: what it refuses is tried once the other way.
Result<S3Answer> S3ObjectStore::put_once(const Context& context, const Sent& sent, int number) {
  const bool with_checksum = sends_checksum_;
  auto answer = client_.attempt(context, put_request(sent, with_checksum ? sent.digest_base64 : std::string()), number);
  if (answer.ok() || answer.code() != ErrorCode::kFailedPrecondition) return answer;
  const std::string& why = answer.error().message;
  if (!sends_md5_ && (why.find("MD5") != std::string::npos || why.find("InvalidDigest") != std::string::npos)) {
    sends_md5_ = true;
    return client_.attempt(context, put_request(sent, with_checksum ? sent.digest_base64 : std::string()), number);
  }
  const bool about_headers = why.find("NotImplemented") != std::string::npos ||
                             why.find("InvalidArgument") != std::string::npos ||
                             why.find("InvalidRequest") != std::string::npos ||
                             why.find("hecksum") != std::string::npos || why.find(" 501") != std::string::npos;
  if (!with_checksum || !about_headers) return answer;
  auto plain = client_.attempt(context, put_request(sent, {}), number);
  if (!plain.ok()) return answer;
  sends_checksum_ = false;
  return plain;
}

Result<ObjectInfo> S3ObjectStore::put(const Context& context, std::string_view key, ByteView body) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_put(key, body));
  const crypto::Digest256 digest = crypto::sha256(body);
  const Sent sent{.key = key,
                  .body = body,
                  .token = client_.random_token(),
                  .digest_hex = to_hex(digest),
                  .digest_base64 = base64_encode(digest)};
  bool may_be_ours = false;  // an attempt ended without an answer
  auto stored = client_.repeat(context, [&](int number) -> Result<ObjectInfo> {
    auto answer = put_once(context, sent, number);
    if (!answer.ok()) {
      may_be_ours |= S3Client::goes_away(answer.code());
      return std::move(answer).error();
    }
    if (answer->status == 412) return settle_taken(context, sent, may_be_ours);
    if (answer->status >= 300)
      return Error{ErrorCode::kUnavailable,
                   "storing it was answered with " + std::to_string(answer->status) + " " + answer->code,
                   {}};
    may_be_ours = true;
    COFFER_CHECK_OK(read_back(context, sent));
    return ObjectInfo{.key = std::string(key), .size_bytes = body.size()};
  });
  if (stored.ok() || stored.code() == ErrorCode::kAlreadyExists) return stored;
  return in_store(std::move(stored).error().in("storing " + std::string(key)));
}

/// The name was taken when our bytes came: by somebody else, or by an earlier attempt of ours whose answer was lost.
Result<ObjectInfo> S3ObjectStore::settle_taken(const Context& context, const Sent& sent, bool may_be_ours) {
  auto seen = client_.repeat(context, [&](int number) { return look(context, sent.key, number); });
  // Gone again between the two: the next attempt finds the name free.
  if (!seen.ok() && seen.code() == ErrorCode::kNotFound)
    return Error{ErrorCode::kConflict, "the object came and went", {}};
  if (!seen.ok()) return std::move(seen).error();
  const bool ours = seen->token == sent.token;
  if (!ours && (!seen->token.empty() || !may_be_ours)) return object_exists(sent.key);
  Status same = compare(context, sent, *seen);
  // Without tokens the bytes alone can say that it is ours.
  if (!same.ok() && !ours && same.code() == ErrorCode::kCorruption) return object_exists(sent.key);
  COFFER_CHECK_OK(std::move(same));
  return ObjectInfo{.key = std::string(sent.key), .size_bytes = sent.body.size()};
}

/// Success is what the store shows, not what it said (rule R1).
Status S3ObjectStore::read_back(const Context& context, const Sent& sent) {
  int missing = 0;
  return client_.repeat(context, [&](int number) -> Status {
    Status same = look_and_compare(context, sent, number);
    if (same.ok() || same.code() != ErrorCode::kNotFound) return same;
    if (++missing < kLooksMost)
      return Error{ErrorCode::kUnavailable, "the store does not show yet what it says to have stored", {}};
    return Error{ErrorCode::kCorruption, "the store said that it stored the object, and does not have it",
                 "this store cannot be trusted with a vault"};
  });
}

Status S3ObjectStore::look_and_compare(const Context& context, const Sent& sent, int number) {
  const auto check_token = [&](const std::string& token) -> Status {
    if (token.empty() || token == sent.token) return ok_status();
    return Error{ErrorCode::kFailedPrecondition, "the store let two creations of one object succeed",
                 "use a store that honours If-None-Match on PutObject"};
  };
  if (sent.body.size() <= kReadBackSize) {
    COFFER_TRY(Whole whole, get_whole_once(context, sent.key, kReadBackSize, number));
    COFFER_CHECK_OK(check_token(whole.token));
    return equal(whole.bytes, sent.body) ? ok_status() : Status(holds_other_bytes());
  }
  COFFER_TRY(Seen seen, look(context, sent.key, number));
  COFFER_CHECK_OK(check_token(seen.token));
  return compare(context, sent, seen);
}

Status S3ObjectStore::compare(const Context& context, const Sent& sent, const Seen& seen) {
  const Error differs = holds_other_bytes();
  if (seen.size_bytes != sent.body.size()) return differs;
  if (!seen.checksum.empty() && sent.body.size() > kReadBackSize)
    return seen.checksum == sent.digest_base64 ? ok_status() : Status(differs);
  auto bytes = get_all(context, sent.key, sent.body.size());
  if (!bytes.ok()) return std::move(bytes).error();
  return equal(*bytes, sent.body) ? ok_status() : Status(differs);
}

// ---- looking

/// kNotFound only when the store says so in so many words.
Result<Seen> S3ObjectStore::look(const Context& context, std::string_view key, int number) {
  const S3Request request{.method = "HEAD",
                          .object = name_of(key),
                          .query = {},
                          .headers = {{"x-amz-checksum-mode", "ENABLED"}},
                          .body = {},
                          .payload_sha256_hex = {}};
  COFFER_TRY(S3Answer answer, client_.attempt(context, request, number));
  if (answer.status == 404) {
    COFFER_CHECK_OK(confirm_absence(context, key, number));
    return no_such_object(key);
  }
  Seen seen;
  if (answer.status >= 300 || !parse_number(answer.http.header("content-length"), seen.size_bytes))
    return Error{ErrorCode::kUnavailable, "looking for " + std::string(key) + " gave no size", {}};
  seen.token = answer.http.header(kTokenHeader);
  seen.checksum = answer.http.header(kChecksumHeader);
  // One of the checksums of parts says nothing about the whole.
  if (seen.checksum.find('-') != std::string::npos || answer.http.header("x-amz-checksum-type") == "COMPOSITE")
    seen.checksum.clear();
  return seen;
}

/// The answer to a HEAD has no body: 404 may be a missing bucket, or a proxy that knows nothing. An answer that names
/// the object as missing is asked for.
Status S3ObjectStore::confirm_absence(const Context& context, std::string_view key, int number) {
  const S3Request request{.method = "GET",
                          .object = name_of(key),
                          .query = {},
                          .headers = {{"Range", "bytes=0-0"}},
                          .body = {},
                          .payload_sha256_hex = {},
                          .answer_limit_bytes = kObjectSizeMax};
  COFFER_TRY(S3Answer answer, client_.attempt(context, request, number));
  if (answer.status == 404 && answer.code == "NoSuchKey") return ok_status();
  return Error{ErrorCode::kUnavailable, "the store contradicts itself on whether " + std::string(key) + " exists", {}};
}

Result<ObjectInfo> S3ObjectStore::head(const Context& context, std::string_view key) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_key(key));
  auto seen = client_.repeat(context, [&](int number) { return look(context, key, number); });
  if (!seen.ok()) return in_store(std::move(seen).error());
  return ObjectInfo{.key = std::string(key), .size_bytes = seen->size_bytes};
}

// ---- reading

Result<Bytes> S3ObjectStore::get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_key(key));
  // Such ranges have no spelling in HTTP, or are too large for any object.
  if (length == 0 || length > kObjectSizeMax || offset > kObjectSizeMax) {
    COFFER_TRY(ObjectInfo info, head(context, key));
    COFFER_CHECK_OK(check_range(key, info.size_bytes, offset, length));
    if (length == 0) return Bytes();
  }
  auto got = client_.repeat(context, [&](int number) { return get_once(context, key, offset, length, number); });
  if (!got.ok()) return in_store(std::move(got).error());
  return got;
}

Result<Bytes> S3ObjectStore::get_once(const Context& context, std::string_view key, uint64_t offset, uint64_t length,
                                      int number) {
  const uint64_t last = offset + length - 1;
  const S3Request request{.method = "GET",
                          .object = name_of(key),
                          .query = {},
                          .headers = {{"Range", "bytes=" + std::to_string(offset) + "-" + std::to_string(last)}},
                          .body = {},
                          .payload_sha256_hex = {},
                          .answer_limit_bytes = kObjectSizeMax,
                          .expected_bytes = length};
  COFFER_TRY(S3Answer answer, client_.attempt(context, request, number));
  if (answer.status == 404) {
    if (answer.code == "NoSuchKey") return no_such_object(key);
    return Error{ErrorCode::kUnavailable, "a 404 that does not say what is missing", {}};
  }
  if (answer.status == 416) {
    COFFER_TRY(Seen seen, look(context, key, number));
    COFFER_CHECK_OK(check_range(key, seen.size_bytes, offset, length));
    return Error{ErrorCode::kUnavailable, "the store refuses a range that the object " + std::string(key) + " has", {}};
  }
  Bytes bytes = std::move(answer.http.body);
  if (answer.status == 200) {  // a store that knows no ranges
    COFFER_CHECK_OK(check_range(key, bytes.size(), offset, length));
    return to_bytes(ByteView(bytes).subspan(offset, length));
  }
  ContentRange range;
  if (answer.status != 206 || !ContentRange::parse(answer.http.header("content-range"), range) || range.first != offset)
    return Error{ErrorCode::kUnavailable, "the answer does not say which bytes of " + std::string(key) + " it has", {}};
  COFFER_CHECK_OK(check_range(key, range.size, offset, length));
  if (range.last != last || bytes.size() != length)
    return Error{ErrorCode::kUnavailable, "fewer bytes of " + std::string(key) + " came than were asked for", {}};
  return bytes;
}

Result<S3ObjectStore::Whole> S3ObjectStore::get_whole_once(const Context& context, std::string_view key,
                                                           uint64_t limit_bytes, int number) {
  const S3Request request{.method = "GET",
                          .object = name_of(key),
                          .query = {},
                          .headers = {{"x-amz-checksum-mode", "ENABLED"}},
                          .body = {},
                          .payload_sha256_hex = {},
                          .answer_limit_bytes = limit_bytes,
                          .expected_bytes = limit_bytes};
  auto answer = client_.attempt(context, request, number);
  if (!answer.ok() && answer.code() == ErrorCode::kCorruption)
    return Error{ErrorCode::kCorruption,
                 "the object " + std::string(key) + " has more than the " + std::to_string(limit_bytes) +
                     " bytes that it may have",
                 {}};
  if (!answer.ok()) return std::move(answer).error();
  if (answer->status == 404 && answer->code == "NoSuchKey") return no_such_object(key);
  if (answer->status != 200)
    return Error{ErrorCode::kUnavailable,
                 "reading " + std::string(key) + " was answered with " + std::to_string(answer->status),
                 {}};
  const HttpAnswer& http = answer->http;
  uint64_t announced = 0;
  if (!parse_number(http.header("content-length"), announced) || announced != http.body.size())
    return Error{ErrorCode::kUnavailable, "reading " + std::string(key) + " ended early", {}};
  // Of what we stored ourselves the digest travels with it, whatever the store knows of checksums.
  if (const std::string_view digest = http.header(kDigestHeader); digest.size() == 64) {
    if (to_hex(crypto::sha256(http.body)) != digest) return damaged(key, number);
  }
  return Whole{std::move(answer->http.body), std::string(answer->http.header(kTokenHeader))};
}

Result<Bytes> S3ObjectStore::get_all(const Context& context, std::string_view key, uint64_t limit_bytes) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_key(key));
  auto got = client_.repeat(
      context, [&](int number) { return get_whole_once(context, key, std::min(limit_bytes, kObjectSizeMax), number); });
  if (!got.ok()) return in_store(std::move(got).error());
  return std::move(got->bytes);
}

Result<std::unique_ptr<ObjectView>> S3ObjectStore::view(const Context& context, std::string_view key) {
  COFFER_TRY(Bytes bytes, get_all(context, key, kObjectSizeMax));
  return std::unique_ptr<ObjectView>(std::make_unique<DownloadedView>(std::move(bytes)));
}

// ---- listing and removing

Status S3ObjectStore::list(const Context& context, std::string_view prefix, const Visitor& visit) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_prefix(prefix));
  const size_t own_size = client_.location().prefix.empty() ? 0 : client_.location().prefix.size() + 1;
  const std::string whole_prefix = name_of(prefix);
  std::string token, last;
  for (;;) {
    auto page = client_.repeat(context, [&](int number) -> Result<ListPage> {
      S3Request request{.method = "GET",
                        .object = {},
                        .query = {{"list-type", "2"},
                                  {"prefix", whole_prefix},
                                  {"max-keys", std::string(kPageSize)},
                                  {"encoding-type", "url"}},
                        .headers = {},
                        .body = {},
                        .payload_sha256_hex = {},
                        .answer_limit_bytes = 8 << 20};
      if (!token.empty()) request.query.emplace_back("continuation-token", token);
      COFFER_TRY(S3Answer answer, client_.attempt(context, request, number));
      if (answer.status != 200)
        return Error{ErrorCode::kUnavailable, "a listing was answered with " + std::to_string(answer.status), {}};
      return parse_list_page(answer.http.body, whole_prefix, last);
    });
    if (!page.ok()) return in_store(std::move(page).error().in("listing"));
    for (ObjectInfo& info : page->objects) {
      COFFER_CHECK_OK(context.check());
      last = info.key;
      info.key.erase(0, own_size);
      if (!check_key(info.key).ok()) continue;  // somebody else's, as the folder marks of consoles
      if (!visit(info)) return ok_status();
    }
    if (page->next.empty()) return ok_status();
    token = page->next;
  }
}

Status S3ObjectStore::remove(const Context& context, std::string_view key) {
  COFFER_CHECK_OK(context.check());
  COFFER_CHECK_OK(check_key(key));
  const S3Request request{
      .method = "DELETE", .object = name_of(key), .query = {}, .headers = {}, .body = {}, .payload_sha256_hex = {}};
  auto answer = client_.send(context, request);
  if (!answer.ok()) return in_store(std::move(answer).error().in("removing " + std::string(key)));
  // 404 with a code is NoSuchKey; without one nothing is known.
  if (answer->status < 300 || answer->code == "NoSuchKey") return ok_status();
  return in_store({ErrorCode::kUnavailable,
                   "removing " + std::string(key) + " was answered with " + std::to_string(answer->status),
                   {}});
}

Error S3ObjectStore::in_store(Error error) const {
  const std::string place = describe();
  if (error.code == ErrorCode::kCancelled || error.message.find(place) != std::string::npos) return error;
  return std::move(error).in(place);
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_s3(Clock& clock, Entropy& entropy, FileSystem& files,
                                             const EnvironmentVariables& environment, const std::string& url,
                                             const S3Options& options) {
  COFFER_TRY(auto profile, aws_profile(files, environment));
  COFFER_TRY(S3Location location, parse_s3_url(url, environment, profile));
  return std::unique_ptr<ObjectStore>(std::make_unique<S3ObjectStore>(
      clock, entropy, files, environment, std::move(profile), std::move(location), options));
}

}  // namespace coffer::store
