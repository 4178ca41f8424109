// Who calls, and what came with the call besides the operation's input.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/context.h"

namespace coffer::api {

/// An authenticated principal (or the anonymous one). Values are what GetCallerIdentity and aws:userid show.
struct Caller {
  enum class Kind { kAnonymous, kRoot, kUser, kRoleSession, kFederatedUser, kService };
  Kind kind = Kind::kAnonymous;
  std::string account;        // 12 digits; empty for kAnonymous and kService
  std::string arn;            // of the session for kRoleSession and kFederatedUser; the service principal for kService
  std::string principal_arn;  // what aws:PrincipalArn says: the role of a session, else arn
  std::string principal_id;   // unique id of the user or role behind it (AIDA..., AROA...); the account for root
  std::string user_id;        // AIDA...; AROA...:session; <account>:<name> of a federated user; the account for root
  std::string user_name;      // users only
  std::string session_name;   // sessions only
  std::string access_key_id;
  std::string source_identity;
  std::map<std::string, std::string> tags;   // of the user or role, and of the session
  std::vector<std::string> transitive_tags;  // those keys of a session's tags that sessions chained to it inherit
  std::optional<WallTime> token_issued;      // temporary credentials only
  bool service_linked = false;               // organization policies do not bind service-linked roles
};

/// How a request proved who sent it, as condition keys of S3 tell it.
struct Signature {
  std::string auth_type;                     // "REST-HEADER", "REST-QUERY-STRING", "POST"
  std::optional<WallTime> time;              // when it was signed; nothing for Version 2
  std::string content_sha256;                // x-amz-content-sha256 as it was signed
  std::string version = "AWS4-HMAC-SHA256";  // "AWS": Signature Version 2, which names no Region either
};

/// One API call. Made by edge/wire for a request, and by a service that calls another for a user.
struct Call {
  Context context;  // deadline and stop of the request
  Caller caller;
  std::string service;    // signing name: "kms"
  std::string operation;  // "CreateKey"
  std::string region;
  std::string request_id;  // a UUID
  std::string source_ip, user_agent;
  bool secure_transport = false;
  std::optional<Signature> signature;  // of requests to S3 that are signed
  WallTime time;
  /// The service that calls on the caller's behalf ("s3.amazonaws.com"); empty for a direct call. Never from a header.
  std::string via_service;
  /// For calls by a service principal: the resource and account for which it acts (aws:SourceArn, aws:SourceAccount).
  std::string source_arn, source_account;
};

}  // namespace coffer::api
