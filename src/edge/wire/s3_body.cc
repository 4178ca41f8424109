#include "edge/wire/s3_body.h"

#include <algorithm>
#include <charconv>

#include "base/base64.h"
#include "edge/wire/codec.h"
#include "edge/wire/sigv4_canonical.h"
#include "engine/crypto/checksum.h"
#include "engine/crypto/digest.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr std::string_view kUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
constexpr std::string_view kHashHeader = "x-amz-content-sha256";
constexpr std::string_view kChecksumPrefix = "x-amz-checksum-";
constexpr size_t kTrailersMax = 16;

bool is_hash(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

Error invalid_request(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidRequest", std::move(message));
}

/// A comma-separated field's items.
std::vector<std::string_view> items_of(std::string_view text) {
  std::vector<std::string_view> items;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (const std::string_view item = trimmed(text.substr(0, comma)); !item.empty()) items.push_back(item);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return items;
}

void remove_field(Headers& headers, std::string_view name) {
  Headers kept;
  for (const auto& [field, value] : headers.fields()) {
    if (!same_name(field, name)) kept.add(field, value);
  }
  headers = std::move(kept);
}

/// Removes "aws-chunked" from Content-Encoding: it is how the body travels, not what it is. True when it was there.
bool take_aws_chunked(Headers& headers) {
  bool taken = false;
  std::string rest;
  for (const auto& [name, value] : headers.fields()) {
    if (!same_name(name, "content-encoding")) continue;
    for (std::string_view item : items_of(value)) {
      if (same_name(item, "aws-chunked")) {
        taken = true;
      } else {
        rest.append(rest.empty() ? "" : ",").append(item);
      }
    }
  }
  if (taken) remove_field(headers, "content-encoding");
  if (taken && !rest.empty()) headers.add("Content-Encoding", std::move(rest));
  return taken;
}

std::optional<uint64_t> size_of(std::string_view text) {
  uint64_t size = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (text.empty() || failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return size;
}

class TextSource final : public BodySource {
 public:
  explicit TextSource(std::string_view text) : left_(as_bytes(text)) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    const size_t size = std::min(out.size(), left_.size());
    std::copy_n(left_.begin(), size, out.begin());
    left_ = left_.subspan(size);
    return size;
  }

 private:
  ByteView left_;
};

class S3Body final : public api::RequestBody {
 public:
  S3Body(Request& request, const S3BodyOptions& options) : input_(options.input) {
    if (request.stream) {
      raw_ = request.stream.get();
    } else {
      owned_ = std::make_unique<TextSource>(request.body);
      raw_ = owned_.get();
    }
  }

  Status open(Request& request, const S3BodyOptions& options) {
    std::string hash = options.payload_hash;
    const bool encoded = take_aws_chunked(request.headers);
    const bool says_decoded_length = request.headers.has("x-amz-decoded-content-length");
    // Without a signature nothing else says how the body travels.
    if (hash.empty() && encoded && says_decoded_length) hash = kUnsignedTrailer;
    if (cover_of(hash) == PayloadCover::kChunked) return open_chunked(request, options, hash);
    size_ = request.content_length;
    if (!size_ && !request.stream && !options.length_required) size_ = request.body.size();
    if (is_hash(hash)) expected_ = lower_case(hash);
    if (size_ || !options.length_required) return ok_status();
    return api::fault(ErrorCode::kInvalidArgument, "MissingContentLength",
                      "You must provide the Content-Length HTTP header.");
  }

  std::optional<uint64_t> size() const override { return size_; }
  const api::Members& trailing_members() const override { return trailing_; }

  Result<size_t> read(const Context& context, MutableByteView out) override {
    if (failure_) return *failure_;
    if (is_done_ || out.empty()) return size_t{0};
    Result<size_t> size = read_or_fail(context, out);
    if (!size.ok()) failure_ = size.error();
    return size;
  }

 private:
  Status open_chunked(Request& request, const S3BodyOptions& options, const std::string& hash) {
    size_ = size_of(trimmed(request.headers.get("x-amz-decoded-content-length")));
    if (!size_)
      return api::fault(ErrorCode::kInvalidArgument, "MissingContentLength",
                        "You must provide the x-amz-decoded-content-length HTTP header.");
    for (std::string_view name : items_of(request.headers.get("x-amz-trailer"))) {
      if (announced_.size() == kTrailersMax) return invalid_request("The x-amz-trailer header has too many names.");
      announced_.push_back(lower_case(name));
      if (!announced_.back().starts_with(kChecksumPrefix)) return bad_trailer_header();
    }
    for (const std::string& name : announced_) {
      const auto kind = crypto::checksum_kind(upper_case(std::string_view(name).substr(kChecksumPrefix.size())));
      if (!kind) return bad_trailer_header();
      const std::string_view said = trimmed(request.headers.get("x-amz-sdk-checksum-algorithm"));
      if (!said.empty() && upper_case(said) != crypto::name_of(*kind))
        return invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.");
      if (said.empty()) request.headers.set("x-amz-sdk-checksum-algorithm", std::string(crypto::name_of(*kind)));
    }
    SignatureClaim claim = options.claim ? *options.claim : SignatureClaim();
    claim.payload_hash = hash;
    chunked_ = open_chunked_body(*raw_, claim, options.secret_access_key, *size_);
    request.headers.set("Content-Length", std::to_string(*size_));
    return ok_status();
  }

  static Error bad_trailer_header() {
    return invalid_request("The value specified in the x-amz-trailer header is not supported");
  }

  static std::string upper_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return out;
  }

  Result<size_t> read_or_fail(const Context& context, MutableByteView out) {
    Result<size_t> size = (chunked_ ? *chunked_ : *raw_).read(context, out);
    if (!size.ok()) {
      if (size.code() == ErrorCode::kDeadlineExceeded && size.error().name.empty())
        return api::fault(ErrorCode::kInvalidArgument, "RequestTimeout",
                          "Your socket connection to the server was not read from or written to within the timeout "
                          "period. Idle connections will be closed.");
      return size;
    }
    if (expected_) hash_.update(out.first(*size));
    seen_ += *size;
    if (*size > 0) return size;
    is_done_ = true;
    if (size_ && seen_ != *size_)
      return api::fault(ErrorCode::kInvalidArgument, "IncompleteBody",
                        "You did not provide the number of bytes specified by the Content-Length HTTP header");
    if (expected_ && to_hex(hash_.finish()) != *expected_)
      return api::fault(ErrorCode::kInvalidArgument, "XAmzContentSHA256Mismatch",
                        "The provided 'x-amz-content-sha256' header does not match what was computed.");
    if (chunked_) COFFER_CHECK_OK(take_trailers());
    return size_t{0};
  }

  /// What was announced must have come, and nothing else.
  Status take_trailers() {
    const auto malformed = [] {
      return api::fault(ErrorCode::kInvalidArgument, "MalformedTrailerError",
                        "The request contained trailing data that was not well-formed or did not conform to our "
                        "published schema.");
    };
    for (const std::string& name : announced_) {
      if (!chunked_->trailers().has(name)) return malformed();
    }
    for (const auto& [name, value] : chunked_->trailers().fields()) {
      if (std::find(announced_.begin(), announced_.end(), name) == announced_.end()) return malformed();
      trailing_.emplace_back(member_name(name), api::Value(value));
    }
    return ok_status();
  }

  /// "ChecksumCRC32" of "x-amz-checksum-crc32"; inputs whose body is a document have no such members.
  [[nodiscard]] std::string member_name(std::string_view field) const {
    if (input_) {
      for (const Member& member : input_->members) {
        if (member.location == Location::kHeader && same_name(wire_name_of(member), field))
          return std::string(member.name);
      }
    }
    return "Checksum" + upper_case(field.substr(kChecksumPrefix.size()));
  }

  const Shape* input_;
  std::unique_ptr<BodySource> owned_;
  BodySource* raw_ = nullptr;
  std::unique_ptr<ChunkedBody> chunked_;
  std::vector<std::string> announced_;
  std::optional<uint64_t> size_;
  std::optional<std::string> expected_;  // hash in hex
  crypto::Sha256 hash_;
  uint64_t seen_ = 0;
  bool is_done_ = false;
  std::optional<Error> failure_;
  api::Members trailing_;
};

}  // namespace

Result<std::string> payload_hash_of(const SignatureClaim& claim) {
  const std::string& hash = claim.payload_hash;
  if (hash.empty()) {
    if (claim.place == SignatureClaim::Place::kQuery) return std::string(kUnsigned);
    return invalid_request("Missing required header for this request: x-amz-content-sha256");
  }
  if (hash == kUnsigned || is_hash(hash) || hash.starts_with("STREAMING-")) return hash;
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument",
                    std::string(kHashHeader) +
                        " must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
                        "sha256 value.");
}

PayloadCover cover_of(std::string_view payload_hash) {
  if (is_hash(payload_hash)) return PayloadCover::kHash;
  return payload_hash.starts_with("STREAMING-") ? PayloadCover::kChunked : PayloadCover::kNone;
}

Result<std::unique_ptr<api::RequestBody>> open_s3_body(Request& request, const S3BodyOptions& options) {
  auto body = std::make_unique<S3Body>(request, options);
  COFFER_CHECK_OK(body->open(request, options));
  return std::unique_ptr<api::RequestBody>(std::move(body));
}

Result<std::string> read_document(const Context& context, api::RequestBody& body, size_t size_max_bytes) {
  const auto too_large = [] {
    return api::fault(ErrorCode::kInvalidArgument, "MaxMessageLengthExceeded", "Your request was too big.");
  };
  if (body.size().value_or(0) > size_max_bytes) return too_large();
  std::string document;
  Bytes piece(32 << 10);
  for (;;) {
    COFFER_TRY(const size_t size, body.read(context, piece));
    if (size == 0) return document;
    if (document.size() + size > size_max_bytes) return too_large();
    document.append(as_text(ByteView(piece).first(size)));
  }
}

Status check_document(const Request& request, const api::Members& trailing, std::string_view document, bool required) {
  const std::string_view md5 = trimmed(request.headers.get("content-md5"));
  if (request.headers.has("content-md5")) {
    const std::optional<Bytes> wanted = base64_decode(md5);
    if (!wanted || wanted->size() != 16)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidDigest", "The Content-MD5 you specified was invalid.");
    if (crypto::checksum_of(crypto::ChecksumKind::kMd5, as_bytes(document)) != *wanted)
      return api::fault(ErrorCode::kInvalidArgument, "BadDigest",
                        "The Content-MD5 you specified did not match what we received.");
  }
  std::vector<std::pair<std::string, std::string>> checksums;  // algorithm, value
  for (const auto& [name, value] : request.headers.fields()) {
    const std::string lower = lower_case(name);
    if (!lower.starts_with(kChecksumPrefix)) continue;
    std::string kind = lower.substr(kChecksumPrefix.size());
    if (kind == "type" || kind == "mode" || kind == "algorithm") continue;
    checksums.emplace_back(std::move(kind), std::string(trimmed(value)));
  }
  for (const auto& [name, value] : trailing) {
    if (const auto* text = value.get_if<std::string>(); text && name.starts_with("Checksum"))
      checksums.emplace_back(lower_case(std::string_view(name).substr(8)), *text);
  }
  if (checksums.size() > 1)
    return invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
  if (checksums.empty()) {
    if (!required || request.headers.has("content-md5")) return ok_status();
    return invalid_request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  std::string name = checksums[0].first;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const auto kind = crypto::checksum_kind(name);
  if (!kind) return invalid_request("The algorithm type you specified in x-amz-checksum- header is invalid.");
  const std::optional<Bytes> wanted = base64_decode(checksums[0].second);
  if (!wanted || wanted->size() != crypto::checksum_size(*kind))
    return invalid_request("Value for x-amz-checksum-" + checksums[0].first + " header is invalid.");
  if (crypto::checksum_of(*kind, as_bytes(document)) != *wanted)
    return api::fault(ErrorCode::kInvalidArgument, "BadDigest",
                      "The " + name + " you specified did not match the calculated checksum.");
  return ok_status();
}

}  // namespace coffer::wire
