#include "edge/wire/peer_signature.h"

#include <algorithm>

#include "edge/wire/signature_rules.h"
#include "edge/wire/sigv4.h"
#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_time.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/ed25519.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";

Error malformed(std::string_view why) {
  return api::fault(ErrorCode::kUnauthenticated, "AuthorizationHeaderMalformed",
                    "The authorization header of the peer is malformed; " + std::string(why));
}

bool is_account(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Whoever carries the request could add or change what is not signed.
bool must_be_signed(std::string_view name) {
  return name == "host" || name.starts_with("x-amz-") || name.starts_with("x-coffer-");
}

/// The message under the signature; nothing for a path that cannot be read.
Result<std::string> message_of(const Request& request, const PeerClaim& claim) {
  SignatureClaim scope;  // S3's rule for paths; the rest of a claim is not asked for
  scope.service = "s3";
  scope.signed_headers = claim.signed_headers;
  COFFER_TRY(const std::string canonical, canonical_request(request, scope, claim.payload_hash));
  std::string message(kPeerScheme);
  message.append("\n").append(claim.timestamp).append("\n").append(claim.account).append("\n");
  message.append(claim.to_account).append("\n").append(to_hex(crypto::sha256(as_bytes(canonical))));
  return message;
}

}  // namespace

Result<std::optional<PeerClaim>> read_peer_claim(const Request& request) {
  std::string_view text = request.headers.get("authorization");
  if (!text.starts_with(kPeerScheme)) return std::optional<PeerClaim>();
  text.remove_prefix(kPeerScheme.size());
  PeerClaim claim;
  std::string_view signed_headers;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view item = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.starts_with("Account=")) claim.account = item.substr(8);
    if (item.starts_with("SignedHeaders=")) signed_headers = item.substr(14);
    if (item.starts_with("Signature=")) claim.signature = item.substr(10);
  }
  if (!is_account(claim.account)) return malformed("Account must have 12 digits.");
  if (signed_headers.empty() || !read_signed_headers(signed_headers, claim.signed_headers))
    return malformed("SignedHeaders must name each header once, in lower case.");
  if (claim.signature.size() != 128) return malformed("Signature must have 128 hexadecimal digits.");
  claim.timestamp = request.headers.get("x-amz-date");
  const auto time = parse_signing_time(claim.timestamp);
  if (!time) return malformed("X-Amz-Date is missing or no time.");
  claim.time = *time;
  claim.payload_hash = request.headers.get("x-amz-content-sha256");
  claim.to_account = request.headers.get("x-coffer-to");
  claim.principal_arn = request.headers.get("x-coffer-principal");
  claim.role_arn = request.headers.get("x-coffer-role");
  claim.role_id = request.headers.get("x-coffer-role-id");
  if (!claim.principal_arn.starts_with("arn:aws:sts::" + claim.account + ":assumed-role/") ||
      !claim.role_arn.starts_with("arn:aws:iam::" + claim.account + ":role/")) {
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                      "An installation speaks for the roles of the account that it signs as, and for nobody else.");
  }
  return std::optional<PeerClaim>(std::move(claim));
}

Status verify_peer(const Request& request, const PeerClaim& claim, ByteView public_key, WallTime now) {
  COFFER_CHECK_OK(check_signing_time(claim.time, now));
  for (const auto& [name, value] : request.headers.fields()) {
    const std::string field = lower_case(name);
    if (must_be_signed(field) && !std::binary_search(claim.signed_headers.begin(), claim.signed_headers.end(), field)) {
      return api::fault(ErrorCode::kPermissionDenied, "AccessDenied",
                        "There were headers present in the request which were not signed");
    }
  }
  const bool host_signed = std::binary_search(claim.signed_headers.begin(), claim.signed_headers.end(), "host");
  COFFER_TRY(const std::string message, message_of(request, claim));
  const Result<Bytes> signature = from_hex(claim.signature);
  if (host_signed && signature.ok() && crypto::ed25519_verify(public_key, as_bytes(message), *signature))
    return ok_status();
  return api::fault(ErrorCode::kUnauthenticated, "SignatureDoesNotMatch",
                    "The signature is not that of the key which is enrolled for account " + claim.account + ".");
}

void sign_as_peer(Request& request, const PeerSender& sender, WallTime now) {
  PeerClaim claim;
  claim.account = sender.account;
  claim.to_account = sender.to_account;
  claim.timestamp = format_signing_time(now);
  request.headers.set("X-Amz-Date", claim.timestamp);
  request.headers.set("X-Coffer-To", sender.to_account);
  request.headers.set("X-Coffer-Principal", sender.principal_arn);
  request.headers.set("X-Coffer-Role", sender.role_arn);
  request.headers.set("X-Coffer-Role-Id", sender.role_id);
  if (!request.headers.has("x-amz-content-sha256")) request.headers.set("X-Amz-Content-Sha256", std::string(kUnsigned));
  claim.payload_hash = request.headers.get("x-amz-content-sha256");
  for (const auto& [name, value] : request.headers.fields()) {
    const std::string field = lower_case(name);
    if (must_be_signed(field) || field == "content-type") claim.signed_headers.push_back(field);
  }
  std::sort(claim.signed_headers.begin(), claim.signed_headers.end());
  claim.signed_headers.erase(std::unique(claim.signed_headers.begin(), claim.signed_headers.end()),
                             claim.signed_headers.end());
  const Result<std::string> message = message_of(request, claim);
  COFFER_ASSERT(message.ok());  // the target is our own
  std::string names;
  for (const std::string& name : claim.signed_headers) names.append(names.empty() ? "" : ";").append(name);
  request.headers.set("Authorization",
                      std::string(kPeerScheme) + " Account=" + sender.account + ", SignedHeaders=" + names +
                          ", Signature=" + to_hex(crypto::ed25519_sign(sender.seed, as_bytes(*message))));
}

}  // namespace coffer::wire
