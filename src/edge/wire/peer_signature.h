// Calls between installations. An installation signs as one of its own accounts, with that account's Ed25519 key, for a
// role of the account whose permission it has checked itself; the receiver knows the account's public key because its
// administrator enrolled it, and decides with its own resource policies (design: "Accounts, keys, permission").
//
//   Authorization: COFFER-PEER-ED25519 Account=<12 digits>, SignedHeaders=<names>, Signature=<128 hex digits>
//
// What is signed: the scheme, the time, both accounts and the SHA-256 of the canonical request (as SigV4 for S3 has it,
// with the value of x-amz-content-sha256 as its payload hash), a line each.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "edge/wire/http.h"

namespace coffer::wire {

inline constexpr std::string_view kPeerScheme = "COFFER-PEER-ED25519";

/// Who calls, as a request says before its signature is checked.
struct PeerClaim {
  std::string account;        // of the sender
  std::string to_account;     // x-coffer-to: the receiver's, so that no third installation takes the request
  std::string principal_arn;  // x-coffer-principal: the role's session, "arn:aws:sts::<account>:assumed-role/R/S"
  std::string role_arn;       // x-coffer-role: the role itself
  std::string role_id;        // x-coffer-role-id: its unique id
  std::vector<std::string> signed_headers;  // lower case, sorted
  std::string signature;                    // 128 hex digits
  std::string timestamp;
  WallTime time;
  std::string payload_hash;
};

/// Nothing: the request is not of a peer. "AuthorizationHeaderMalformed" for a broken header, "AccessDenied" when the
/// principal is none of the account's.
Result<std::optional<PeerClaim>> read_peer_claim(const Request& request);
/// "SignatureDoesNotMatch", "RequestTimeTooSkewed", "AccessDenied" when a header with meaning is not signed.
Status verify_peer(const Request& request, const PeerClaim& claim, ByteView public_key, WallTime now);

struct PeerSender {
  std::string account, to_account, principal_arn, role_arn, role_id;
  ByteView seed;  // the account's Ed25519 private key
};
/// Adds X-Amz-Date, X-Amz-Content-Sha256 (unless there) and Authorization. `host` must be set; signs it, Content-Type,
/// x-amz-* and x-coffer-*.
void sign_as_peer(Request& request, const PeerSender& sender, WallTime now);

}  // namespace coffer::wire
