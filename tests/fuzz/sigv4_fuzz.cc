// Signed requests and aws-chunked bodies: read or refused, never a crash; nothing passes that the key did not sign, and
// what it signed passes.
#include <algorithm>
#include <optional>
#include <string>

#include "base/secret.h"
#include "edge/wire/sigv4.h"
#include "engine/crypto/digest.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::wire;

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kVariants[] = {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                                          "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                                          "STREAMING-UNSIGNED-PAYLOAD-TRAILER"};

/// Method, target and name:value lines, an empty line, the body; lines end in LF.
Request request_of(std::string_view text) {
  const auto take_line = [&text] {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  Request request;
  const std::string_view first = take_line();
  request.method = first.substr(0, first.find(' '));
  request.target = first.substr(std::min(request.method.size() + 1, first.size()));
  for (std::string_view line = take_line(); !line.empty(); line = take_line()) {
    const size_t colon = std::min(line.find(':'), line.size());
    request.headers.add(std::string(line.substr(0, colon)), std::string(line.substr(std::min(colon + 1, line.size()))));
  }
  request.body = text;
  return request;
}

class Pieces final : public BodySource {
 public:
  Pieces(std::string_view text, size_t piece) : text_(text), piece_(piece) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    const size_t size = std::min({out.size(), piece_, text_.size()});
    std::copy_n(as_bytes(text_).begin(), size, out.begin());
    text_.remove_prefix(size);
    return size;
  }

 private:
  std::string_view text_;
  const size_t piece_;
};

/// What came out, and how it ended. Data before a failure depends on the pieces; nobody may keep it.
std::string decode(std::string_view body, const SignatureClaim& claim, size_t piece, size_t out_size) {
  Pieces source(body, piece);
  auto chunked = open_chunked_body(source, claim, as_bytes(kSecret), body.size() / 2);
  std::string data;
  Bytes out(out_size);
  for (;;) {
    auto size = chunked->read(Context(), out);
    if (!size.ok()) return size.error().name;
    if (*size == 0) break;
    data += as_text(ByteView(out).first(*size));
  }
  for (const auto& [name, value] : chunked->trailers().fields()) data.append(name).append(":").append(value);
  return data + ".";
}

void sign_and_verify(Request& request) {
  for (const char* name : {"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"})
    if (request.headers.has(name)) return;
  if (request.query().find("X-Amz") != std::string_view::npos ||
      request.query().find("AWSAccess") != std::string_view::npos ||
      request.query().find('%') != std::string_view::npos)
    return;
  request.headers.set("host", "h");
  SignatureClaim claim;
  const std::string hash = to_hex(crypto::sha256(as_bytes(request.body)));
  if (!canonical_request(request, claim, hash).ok()) return;
  for (const auto& [name, value] : request.headers.fields())
    if (name.find_first_of(" \t,=;\r") != std::string::npos || name.find('\0') != std::string::npos) return;
  const Secret secret = Secret::copy_of(as_bytes(kSecret));
  const WallTime now{1440938160'000000};
  sign_request(request, {.access_key_id = "AKIA", .secret_access_key = secret, .session_token = {}}, "r", "s", now,
               hash);
  auto read = read_signature_claim(request);
  require(read.ok() && read->has_value());
  require(verify_signature(request, **read, secret.view(), hash, now).ok());
  require(!verify_signature(request, **read, as_bytes("other"), hash, now).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Request request = request_of({reinterpret_cast<const char*>(data), size});
  SignatureClaim claim;
  auto read = read_signature_claim(request);
  if (read.ok() && read->has_value()) {
    claim = **read;
    require(claim.signature.size() == 64 && claim.date.size() == 8 && !claim.signed_headers.empty());
    (void)verify_signature(request, claim, as_bytes(kSecret), "UNSIGNED-PAYLOAD", claim.time);
    require(!verify_signature(request, claim, as_bytes("another secret"), "UNSIGNED-PAYLOAD", claim.time).ok());
  }
  for (std::string_view variant : kVariants) {
    claim.payload_hash = variant;
    require(decode(request.body, claim, SIZE_MAX, 4096) == decode(request.body, claim, 1 + size % 11, 1 + size % 17));
  }
  sign_and_verify(request);
  return 0;
}
