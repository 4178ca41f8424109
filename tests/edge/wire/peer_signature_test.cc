#include "edge/wire/peer_signature.h"

#include <gtest/gtest.h>

#include "engine/crypto/ed25519.h"

namespace coffer::wire {
namespace {

constexpr WallTime kNow{1'790'000'000'000'000};

class PeerSignatureTest : public testing::Test {
 protected:
  static Bytes seed(char c) { return Bytes(crypto::kEd25519SeedSize, static_cast<std::byte>(c)); }
  static Request signed_request(ByteView key) {
    Request request;
    request.method = "PUT";
    request.target = "/copies/2026/part%2001?versionId=v1";
    request.headers.add("Host", "b.example:9420");
    request.headers.add("X-Coffer-Operation", "ReplicateObject");
    request.headers.add("Content-Length", "12");
    sign_as_peer(request,
                 {.account = "111111111111",
                  .to_account = "222222222222",
                  .principal_arn = "arn:aws:sts::111111111111:assumed-role/crr/s3-replication",
                  .role_arn = "arn:aws:iam::111111111111:role/service-role/crr",
                  .role_id = "AROAEXAMPLE",
                  .seed = key},
                 kNow);
    return request;
  }
  static Status check(const Request& request, ByteView key, WallTime now = kNow) {
    COFFER_TRY(auto claim, read_peer_claim(request));
    if (!claim) return Error{ErrorCode::kNotFound, "no claim", {}};
    return verify_peer(request, *claim, crypto::ed25519_public_key(key), now);
  }
};

TEST_F(PeerSignatureTest, WhatOneInstallationSignsTheOtherReads) {
  const Request request = signed_request(seed('a'));
  const auto claim = read_peer_claim(request);
  ASSERT_TRUE(claim.ok() && claim->has_value());
  EXPECT_EQ((*claim)->account, "111111111111");
  EXPECT_EQ((*claim)->to_account, "222222222222");
  EXPECT_EQ((*claim)->role_arn, "arn:aws:iam::111111111111:role/service-role/crr");
  EXPECT_TRUE(check(request, seed('a')).ok());
}

TEST_F(PeerSignatureTest, AnotherKeyIsRefused) {
  EXPECT_EQ(check(signed_request(seed('a')), seed('b')).error().name, "SignatureDoesNotMatch");
}

TEST_F(PeerSignatureTest, EveryPartOfTheRequestIsBound) {
  Request other = signed_request(seed('a'));
  other.method = "DELETE";
  EXPECT_FALSE(check(other, seed('a')).ok());
  other = signed_request(seed('a'));
  other.target = "/copies/2026/part%2002?versionId=v1";
  EXPECT_FALSE(check(other, seed('a')).ok());
  other = signed_request(seed('a'));
  other.target = "/copies/2026/part%2001?versionId=v2";
  EXPECT_FALSE(check(other, seed('a')).ok());
  for (const char* name : {"Host", "X-Coffer-To", "X-Coffer-Operation", "X-Amz-Content-Sha256", "X-Amz-Date"}) {
    other = signed_request(seed('a'));
    std::string value(other.headers.get(name));
    value.back() = value.back() == '2' ? '3' : '2';
    other.headers.set(name, value);
    EXPECT_FALSE(check(other, seed('a')).ok()) << name;
  }
}

TEST_F(PeerSignatureTest, HeadersWithMeaningCannotBeAddedUnsigned) {
  for (const char* name : {"x-amz-meta-a", "X-Coffer-Replica"}) {
    Request request = signed_request(seed('a'));
    request.headers.add(name, "1");
    EXPECT_EQ(check(request, seed('a')).error().name, "AccessDenied") << name;
  }
}

TEST_F(PeerSignatureTest, ASignatureIsGoodForAQuarterOfAnHour) {
  const Request request = signed_request(seed('a'));
  EXPECT_TRUE(check(request, seed('a'), kNow + std::chrono::minutes(14)).ok());
  EXPECT_EQ(check(request, seed('a'), kNow + std::chrono::minutes(16)).error().name, "RequestTimeTooSkewed");
  EXPECT_EQ(check(request, seed('a'), kNow - std::chrono::minutes(16)).error().name, "RequestTimeTooSkewed");
}

TEST_F(PeerSignatureTest, NobodySpeaksForAnotherAccountsRoles) {
  for (const auto& [name, value] :
       {std::pair{"X-Coffer-Principal", "arn:aws:sts::333333333333:assumed-role/crr/s3-replication"},
        {"X-Coffer-Role", "arn:aws:iam::333333333333:role/crr"},
        {"X-Coffer-Principal", "arn:aws:iam::111111111111:root"}}) {
    Request request = signed_request(seed('a'));
    request.headers.set(name, value);
    EXPECT_EQ(read_peer_claim(request).error().name, "AccessDenied") << name << value;
  }
}

TEST_F(PeerSignatureTest, BrokenHeadersAreToldApartFromOtherSchemes) {
  Request request = signed_request(seed('a'));
  const std::string whole(request.headers.get("authorization"));
  for (size_t size = kPeerScheme.size(); size < whole.size(); ++size) {
    request.headers.set("Authorization", whole.substr(0, size));
    EXPECT_FALSE(read_peer_claim(request).ok()) << size;
  }
  request.headers.set("Authorization", "AWS4-HMAC-SHA256 Credential=a");
  ASSERT_TRUE(read_peer_claim(request).ok());
  EXPECT_FALSE(read_peer_claim(request)->has_value());
}

}  // namespace
}  // namespace coffer::wire
