#include "engine/sigv4/sign.h"

#include "base/testing.h"
#include "engine/crypto/digest.h"

namespace coffer::sigv4 {
namespace {

constexpr std::string_view kAccessKey = "AKIAIOSFODNN7EXAMPLE";
constexpr std::string_view kSecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

WallTime published_time() { return must(parse_utc("2013-05-24T00:00:00Z")); }

std::string value_of(const HeaderFields& fields, std::string_view name) {
  for (const auto& [field, value] : fields)
    if (same_name(field, name)) return value;
  return "(absent)";
}

class PublishedExample : public ::testing::Test {
 protected:
  SigningKeys keys(std::string token = {}) { return {std::string(kAccessKey), secret_, std::move(token)}; }
  Secret secret_ = Secret::copy_of(as_bytes(kSecretKey));
  std::string empty_hash_ = to_hex(crypto::sha256({}));
};

TEST_F(PublishedExample, GetOfARangeHasTheSignatureOfTheManual) {
  const HeaderFields headers = {{"Host", "examplebucket.s3.amazonaws.com"}, {"Range", "bytes=0-9"}};
  const std::string_view also[] = {"range"};

  const HeaderFields added =
      sign({"GET", "/test.txt", headers, empty_hash_}, keys(), "us-east-1", "s3", published_time(), also);

  EXPECT_EQ(value_of(added, "authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(value_of(added, "x-amz-date"), "20130524T000000Z");
  EXPECT_EQ(value_of(added, "x-amz-content-sha256"), empty_hash_);
  EXPECT_EQ(value_of(added, "x-amz-security-token"), "(absent)");
}

TEST_F(PublishedExample, PresignedGetHasTheSignatureOfTheManual) {
  const HeaderFields headers = {{"Host", "examplebucket.s3.amazonaws.com"}};

  const std::string target = presign({"GET", "/test.txt", headers, "UNSIGNED-PAYLOAD"}, keys(), "us-east-1", "s3",
                                     published_time(), std::chrono::seconds(86400));

  EXPECT_TRUE(target.ends_with("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")) << target;
}

TEST_F(PublishedExample, SessionTokenIsAddedAndSigned) {
  const HeaderFields headers = {{"Host", "h"}};

  const HeaderFields added = sign({"GET", "/", headers, empty_hash_}, keys("token"), "r", "s3", published_time());

  EXPECT_EQ(value_of(added, "x-amz-security-token"), "token");
  EXPECT_NE(value_of(added, "authorization").find("x-amz-date;x-amz-security-token"), std::string::npos);
}

TEST_F(PublishedExample, SigningAgainReplacesTheDateOfTheFirstTime) {
  HeaderFields headers = {{"Host", "h"}, {"x-amz-date", "20000101T000000Z"}, {"x-amz-content-sha256", "old"}};

  const HeaderFields again = sign({"GET", "/", headers, empty_hash_}, keys(), "r", "s3", published_time());
  headers = {{"Host", "h"}};
  const HeaderFields once = sign({"GET", "/", headers, empty_hash_}, keys(), "r", "s3", published_time());

  EXPECT_EQ(again, once);
}

TEST(Percent, BrokenEscapesAreRefusedAtEveryLength) {
  for (std::string_view text : {"%", "%2", "%zz", "a%", "a%4", "%%41"}) EXPECT_FALSE(percent_decode(text)) << text;
  EXPECT_EQ(percent_decode("a%2fb+c"), "a/b+c");
  EXPECT_EQ(percent_decode("a+c", true), "a c");
  EXPECT_EQ(percent_encode("a/b c~"), "a%2Fb%20c~");
  EXPECT_EQ(percent_encode("a/b c", true), "a/b%20c");
}

}  // namespace
}  // namespace coffer::sigv4
