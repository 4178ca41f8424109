// aws-chunked: the framing in which SDKs send a body whose hash they do not know yet.
#include <algorithm>
#include <charconv>
#include <utility>

#include "edge/wire/sigv4.h"
#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_keys.h"
#include "engine/crypto/digest.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr size_t kBufferSize = 64 << 10;
constexpr size_t kChunkLineSizeMax = 1024;
constexpr size_t kTrailerSizeMax = 8 << 10;
constexpr size_t kTrailerCountMax = 16;
constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";

struct Variant {
  bool is_signed = false, has_trailer = false;
};

/// Nothing: not a variant that we speak.
std::optional<Variant> variant_of(std::string_view payload_hash) {
  if (payload_hash == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return Variant{.is_signed = true};
  if (payload_hash == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
    return Variant{.is_signed = true, .has_trailer = true};
  if (payload_hash == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return Variant{.has_trailer = true};
  return std::nullopt;
}

Error mismatch() {
  return api::fault(ErrorCode::kUnauthenticated, "SignatureDoesNotMatch",
                    "The request signature we calculated does not match the signature you provided. Check your key and "
                    "signing method.");
}
Error incomplete() {
  return api::fault(
      ErrorCode::kInvalidArgument, "IncompleteBody",
      "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header");
}
Error bad_chunk() {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidChunkSizeError", "Chunk size is not valid.");
}
Error bad_trailer() {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedTrailerError",
                    "The request contained trailing data that was not well-formed or did not conform to our published "
                    "schema.");
}

/// The signature of each chunk covers the one before it, so a chunk can be neither moved nor left out.
class SignatureChain {
 public:
  SignatureChain(const SignatureClaim& claim, ByteView secret)
      : key_(signing_keys().get(secret, {.date = claim.date, .region = claim.region, .service = claim.service})),
        scope_(claim.timestamp + '\n' + claim.date + '/' + claim.region + '/' + claim.service + "/aws4_request\n"),
        previous_(claim.signature) {}

  Status check_chunk(std::string_view data_sha256_hex, std::string_view signature) {
    return check("AWS4-HMAC-SHA256-PAYLOAD\n" + scope_ + previous_ + '\n' + std::string(kEmptySha256) + '\n' +
                     std::string(data_sha256_hex),
                 signature);
  }
  Status check_trailer(std::string_view trailer_sha256_hex, std::string_view signature) {
    return check("AWS4-HMAC-SHA256-TRAILER\n" + scope_ + previous_ + '\n' + std::string(trailer_sha256_hex), signature);
  }

 private:
  Status check(const std::string& string_to_sign, std::string_view signature) {
    std::string expected = to_hex(key_->of(as_bytes(string_to_sign)));
    if (!crypto::equal_constant_time(as_bytes(expected), as_bytes(signature))) return mismatch();
    previous_ = std::move(expected);
    return ok_status();
  }

  SigningKey key_;
  std::string scope_, previous_;
};

class Decoder final : public ChunkedBody {
 public:
  Decoder(BodySource& body, std::optional<Variant> variant, SignatureChain chain, uint64_t decoded_length)
      : body_(body), variant_(variant), chain_(std::move(chain)), left_of_body_(decoded_length), buffer_(kBufferSize) {}

  const Headers& trailers() const override { return trailers_; }

  Result<size_t> read(const Context& context, MutableByteView out) override {
    if (failure_) return *failure_;
    auto size = read_or_fail(context, out);
    if (!size.ok()) failure_ = size.error();
    return size;
  }

 private:
  enum class At { kChunkLine, kData, kTrailer, kEnd };

  Result<size_t> read_or_fail(const Context& context, MutableByteView out) {
    if (!variant_)
      return api::fault(ErrorCode::kInvalidArgument, "NotImplemented",
                        "This kind of streaming payload is not supported.");
    while (at_ != At::kEnd && !out.empty()) {
      if (at_ == At::kChunkLine) COFFER_CHECK_OK(read_chunk_line(context));
      if (at_ == At::kData) return read_data(context, out);
      if (at_ == At::kTrailer) COFFER_CHECK_OK(read_end(context));
    }
    return size_t{0};
  }

  /// <hex length>[;chunk-signature=<hex>] CRLF
  Status read_chunk_line(const Context& context) {
    COFFER_TRY(std::string line, read_line(context, kChunkLineSizeMax, bad_chunk()));
    if (line.empty() || line.back() != '\r') return bad_chunk();
    line.pop_back();
    const size_t size_end = std::min(line.find(';'), line.size());
    const auto [end, error] = std::from_chars(line.data(), line.data() + size_end, left_of_chunk_, 16);
    if (error != std::errc() || end != line.data() + size_end) return bad_chunk();
    if (left_of_chunk_ > left_of_body_) return incomplete();
    if (variant_->is_signed) {
      static constexpr std::string_view kExtension = ";chunk-signature=";
      std::string_view extension = std::string_view(line).substr(size_end);
      if (!extension.starts_with(kExtension)) return mismatch();
      chunk_signature_ = extension.substr(kExtension.size());
      hash_ = crypto::Sha256();
    }
    if (left_of_chunk_ == 0) {
      COFFER_CHECK_OK(finish_chunk());
      at_ = At::kTrailer;
    } else {
      at_ = At::kData;
    }
    return ok_status();
  }

  Result<size_t> read_data(const Context& context, MutableByteView out) {
    out = out.first(static_cast<size_t>(std::min<uint64_t>(out.size(), left_of_chunk_)));
    size_t size = std::min(out.size(), end_ - begin_);
    if (size > 0) {
      std::memcpy(out.data(), buffer_.data() + begin_, size);
      begin_ += size;
    } else {
      // Nothing is buffered: what belongs to this chunk goes straight to the caller.
      COFFER_TRY(size, body_.read(context, out));
      if (size == 0) return incomplete();
    }
    if (variant_->is_signed) hash_.update(out.first(size));
    left_of_chunk_ -= size;
    left_of_body_ -= size;
    if (left_of_chunk_ == 0) {
      COFFER_CHECK_OK(finish_chunk());
      COFFER_TRY(std::string line, read_line(context, 2, bad_chunk()));
      if (line != "\r") return bad_chunk();
      at_ = At::kChunkLine;
    }
    return size;
  }

  Status finish_chunk() {
    if (!variant_->is_signed) return ok_status();
    return chain_.check_chunk(to_hex(hash_.finish()), chunk_signature_);
  }

  /// What stands behind the last chunk: trailer lines if this variant has them, an empty line, nothing more.
  Status read_end(const Context& context) {
    if (left_of_body_ != 0) return incomplete();
    std::vector<std::pair<std::string, std::string>> lines;
    std::string signature;
    size_t size_left = kTrailerSizeMax;
    for (bool blank_seen = false;;) {
      COFFER_TRY(std::string line, read_line(context, size_left, bad_trailer()));
      size_left -= std::min(size_left, line.size() + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.empty()) {
        // Some signers put an empty line between the trailer and its signature.
        const bool signature_is_due = variant_->is_signed && variant_->has_trailer && signature.empty();
        if (!signature_is_due || std::exchange(blank_seen, true)) break;
        continue;
      }
      const size_t colon = line.find(':');
      if (!variant_->has_trailer || colon == 0 || colon == std::string::npos || !signature.empty() ||
          lines.size() == kTrailerCountMax || line.find('\r') != std::string::npos ||
          line.find('\0') != std::string::npos)
        return bad_trailer();
      std::string name = lower_case(trimmed(std::string_view(line).substr(0, colon)));
      std::string value(trimmed(std::string_view(line).substr(colon + 1)));
      if (variant_->is_signed && name == kTrailerSignature)
        signature = std::move(value);
      else
        lines.emplace_back(std::move(name), std::move(value));
    }
    if (variant_->is_signed && variant_->has_trailer) COFFER_CHECK_OK(check_trailer(lines, signature));
    COFFER_CHECK_OK(expect_end(context));
    for (auto& [name, value] : lines) trailers_.add(std::move(name), std::move(value));
    at_ = At::kEnd;
    return ok_status();
  }

  Status check_trailer(std::vector<std::pair<std::string, std::string>> lines, std::string_view signature) {
    std::stable_sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string text;
    for (const auto& [name, value] : lines) text.append(name).append(":").append(value).append("\n");
    return chain_.check_trailer(to_hex(crypto::sha256(as_bytes(text))), signature);
  }

  Status expect_end(const Context& context) {
    if (begin_ == end_) COFFER_CHECK_OK(fill(context));
    if (begin_ != end_) return incomplete();
    return ok_status();
  }

  /// Up to the next LF, which is dropped. `size_max` counts without it.
  Result<std::string> read_line(const Context& context, size_t size_max, const Error& too_long) {
    std::string line;
    for (;;) {
      if (begin_ == end_) {
        COFFER_CHECK_OK(fill(context));
        if (begin_ == end_) return incomplete();
      }
      const std::string_view there = as_text(ByteView(buffer_).subspan(begin_, end_ - begin_));
      const size_t feed = there.find('\n');
      const std::string_view part = there.substr(0, feed);
      if (line.size() + part.size() > size_max) return too_long;
      line += part;
      begin_ += part.size();
      if (feed != std::string_view::npos) {
        ++begin_;
        return line;
      }
    }
  }

  Status fill(const Context& context) {
    begin_ = end_ = 0;
    COFFER_TRY(end_, body_.read(context, buffer_));
    return ok_status();
  }

  BodySource& body_;
  const std::optional<Variant> variant_;
  SignatureChain chain_;
  crypto::Sha256 hash_;
  std::string chunk_signature_;
  uint64_t left_of_body_, left_of_chunk_ = 0;
  At at_ = At::kChunkLine;
  Bytes buffer_;
  size_t begin_ = 0, end_ = 0;  // what of buffer_ is not consumed yet
  Headers trailers_;
  std::optional<Error> failure_;
};

}  // namespace

std::unique_ptr<ChunkedBody> open_chunked_body(BodySource& body, const SignatureClaim& claim,
                                               ByteView secret_access_key, uint64_t decoded_length) {
  return std::make_unique<Decoder>(body, variant_of(claim.payload_hash), SignatureChain(claim, secret_access_key),
                                   decoded_length);
}

}  // namespace coffer::wire
