#include "edge/wire/sigv4.h"

#include <random>
#include <span>
#include <thread>

#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_keys.h"
#include "edge/wire/sigv4_testing.h"
#include "edge/wire/sigv4_time.h"
#include "edge/wire/sigv4_vectors.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kSuiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/// Of S3's and botocore's examples.
std::string authorization(std::string_view scope, std::string_view signed_headers, std::string_view signature) {
  return "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" + std::string(scope) +
         "/aws4_request,SignedHeaders=" + std::string(signed_headers) + ",Signature=" + std::string(signature);
}

Status verify(const Request& request, std::string_view secret, std::string_view payload_hash, WallTime now) {
  return verify_signature(request, claim_of(request), as_bytes(secret), payload_hash, now);
}

class OfficialSuite : public ::testing::TestWithParam<SignatureVector> {
 protected:
  static constexpr WallTime kNow{1440938160'000000};  // 2015-08-30T12:36:00Z

  SignatureClaim claim() const {
    SignatureClaim claim;
    claim.access_key_id = "AKIDEXAMPLE";
    claim.date = "20150830", claim.region = "us-east-1", claim.service = "service";
    claim.timestamp = "20150830T123600Z";
    claim.time = kNow;
    for (std::string_view name : split(GetParam().signed_headers, ';')) claim.signed_headers.emplace_back(name);
    claim.signature = GetParam().signature;
    return claim;
  }
  Request request() const { return request_of(GetParam().request); }
};

TEST_P(OfficialSuite, HasTheCanonicalRequestAndStringToSign) {
  const Request sent = request();
  const std::string canonical = must(canonical_request(sent, claim(), sha256_hex(sent.body)));
  if (!GetParam().canonical_sha256.empty()) {
    EXPECT_EQ(sha256_hex(canonical), GetParam().canonical_sha256) << canonical;
  }
  EXPECT_EQ(string_to_sign(claim(), canonical),
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n" + sha256_hex(canonical));
}

TEST_P(OfficialSuite, IsSignedAlike) {
  Request sent = request();
  const Secret secret = Secret::copy_of(as_bytes(kSuiteSecret));
  SigningKeys keys{.access_key_id = "AKIDEXAMPLE", .secret_access_key = secret, .session_token = {}};
  const std::string_view signed_headers = GetParam().signed_headers;
  if (signed_headers.find("security-token") != std::string_view::npos)
    keys.session_token = sent.headers.get("x-amz-security-token");
  else
    std::erase_if(
        const_cast<std::vector<std::pair<std::string, std::string>>&>(sent.headers.fields()),
        [](const auto& field) { return same_name(field.first, "x-amz-security-token"); });  // added after signing
  const auto names = split(signed_headers, ';');

  sign_request(sent, keys, "us-east-1", "service", kNow, sha256_hex(sent.body), names);

  EXPECT_EQ(sent.headers.get("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" +
                std::string(signed_headers) + ", Signature=" + std::string(GetParam().signature));
}

TEST_P(OfficialSuite, IsAccepted) {
  Request sent = request();
  sent.headers.add("Authorization",
                   "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" +
                       std::string(GetParam().signed_headers) + ", Signature=" + std::string(GetParam().signature));
  const Status verdict = verify(sent, kSuiteSecret, sha256_hex(sent.body), kNow);
  // One case adds its session token after signing; a token that is not signed is refused here.
  if (GetParam().name == "post-sts-header-after" && sent.headers.has("x-amz-security-token"))
    EXPECT_EQ(name_of(verdict), "AccessDenied");
  else
    EXPECT_TRUE(succeeds(verdict));
}

INSTANTIATE_TEST_SUITE_P(Cases, OfficialSuite, ::testing::ValuesIn(kSignatureVectors), [](const auto& vector) {
  std::string name(vector.param.name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Sigv4, PresignedCasesOfTheOfficialSuiteAreSignedAlikeAndAccepted) {
  const WallTime now = at("2015-08-30T12:36:00Z");
  for (const PresignedVector& vector : kPresignedVectors) {
    Request request = request_of("GET " + std::string(vector.target) + " HTTP/1.1\nHost:example.amazonaws.com\n" +
                                 std::string(vector.more_headers) + "\n");
    request.target +=
        std::string(request.target.find('?') == std::string::npos ? "?" : "&") +
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request"
        "&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=" +
        percent_encode(vector.signed_headers) + "&X-Amz-Expires=3600&X-Amz-Signature=" + std::string(vector.signature);
    EXPECT_TRUE(succeeds(verify(request, kSuiteSecret, kEmpty, now))) << vector.name;
    if (!vector.more_headers.empty()) continue;  // presign() signs host and what has meaning
    request.target = vector.target;
    const Secret secret = Secret::copy_of(as_bytes(kSuiteSecret));
    const std::string target =
        presign(request, {.access_key_id = "AKIDEXAMPLE", .secret_access_key = secret, .session_token = {}},
                "us-east-1", "service", now, std::chrono::hours(1));
    EXPECT_TRUE(target.ends_with("&X-Amz-Signature=" + std::string(vector.signature))) << target;
  }
}

struct Example {
  std::string_view request, scope, signed_headers, signature;
};

class Examples : public ::testing::TestWithParam<Example> {};

TEST_P(Examples, AreAccepted) {
  Request request = request_of(GetParam().request);
  request.headers.add("Authorization",
                      authorization(GetParam().scope, GetParam().signed_headers, GetParam().signature));
  std::string hash(request.headers.get("x-amz-content-sha256"));
  if (hash.empty()) hash = sha256_hex(request.body);
  const WallTime now = *parse_signing_time(request.headers.get("x-amz-date"));
  EXPECT_TRUE(succeeds(verify(request, kSecret, hash, now)));
  EXPECT_EQ(name_of(verify(request, kSuiteSecret, hash, now)), "SignatureDoesNotMatch");
}

constexpr std::string_view kOfS3 = "20130524/us-east-1/s3";

// From the documentation of S3.
INSTANTIATE_TEST_SUITE_P(
    OfS3, Examples,
    ::testing::Values(
        Example{"GET /test.txt HTTP/1.1\nHost:examplebucket.s3.amazonaws.com\nRange:bytes=0-9\n"
                "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
                "x-amz-date:20130524T000000Z\n\n",
                kOfS3, "host;range;x-amz-content-sha256;x-amz-date",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        Example{
            "PUT /test%24file.text HTTP/1.1\nHost:examplebucket.s3.amazonaws.com\nDate:Fri, 24 May 2013 00:00:00 GMT\n"
            "x-amz-content-sha256:44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n"
            "x-amz-date:20130524T000000Z\nx-amz-storage-class:REDUCED_REDUNDANCY\n\nWelcome to Amazon S3.",
            kOfS3, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        Example{"GET /?lifecycle HTTP/1.1\nHost:examplebucket.s3.amazonaws.com\n"
                "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
                "x-amz-date:20130524T000000Z\n\n",
                kOfS3, "host;x-amz-content-sha256;x-amz-date",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        Example{"GET /?max-keys=2&prefix=J HTTP/1.1\nHost:examplebucket.s3.amazonaws.com\n"
                "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
                "x-amz-date:20130524T000000Z\n\n",
                kOfS3, "host;x-amz-content-sha256;x-amz-date",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}));

// Signed by botocore 1.43.11.
INSTANTIATE_TEST_SUITE_P(
    OfBotocore, Examples,
    ::testing::Values(
        Example{"POST / HTTP/1.1\nHost:kms.us-east-1.amazonaws.com\nContent-Type:application/x-amz-json-1.1\n"
                "X-Amz-Target:TrentService.ListKeys\nX-Amz-Date:20260101T000000Z\n\n{\"Limit\":10}",
                "20260101/us-east-1/kms", "content-type;host;x-amz-date;x-amz-target",
                "1bc834205e452effc148d9e3cbd4b616de843f362f375318460cda0f51dca847"},
        Example{"POST / HTTP/1.1\nHost:sts.us-east-1.amazonaws.com\n"
                "Content-Type:application/x-www-form-urlencoded; charset=utf-8\nX-Amz-Date:20260101T000000Z\n\n"
                "Action=GetCallerIdentity&Version=2011-06-15",
                "20260101/us-east-1/sts", "content-type;host;x-amz-date",
                "9b54c7e85ac940580d100b43295a9567783d32be465c03e62ce2f7482f06deab"},
        Example{"POST / HTTP/1.1\nHost:sts.us-east-1.amazonaws.com\n"
                "Content-Type:application/x-www-form-urlencoded; charset=utf-8\nX-Amz-Date:20260101T000000Z\n"
                "X-Amz-Security-Token:token/with+chars==\n\nAction=GetCallerIdentity&Version=2011-06-15",
                "20260101/us-east-1/sts", "content-type;host;x-amz-date;x-amz-security-token",
                "cc8051ca8a31e713da992563fb2139d8dcc5a326ee0bd8a66918b51288135ca8"},
        Example{"GET /backup-vaults/a%20b/recovery-points/arn%3Aaws%3Aec2%3A%3A1?maxResults=10&nextToken=a%2Bb%3D%3D "
                "HTTP/1.1\n"
                "Host:backup.us-east-1.amazonaws.com\nX-Amz-Date:20260101T000000Z\n\n",
                "20260101/us-east-1/backup", "host;x-amz-date",
                "7f7ef3b7149c400cca1d90d4e804cdcb3cec22f232645b8cc32f25ace12f3dd4"},
        Example{
            "GET /2015-03-31/functions/ HTTP/1.1\nHost:lambda.us-east-1.amazonaws.com\nX-Amz-Date:20260101T000000Z\n"
            "X-Amz-Security-Token:token/with+chars==\n\n",
            "20260101/us-east-1/lambda", "host;x-amz-date;x-amz-security-token",
            "c7ae3d5b22a7fab2b9d492d75698ed61ebad3cdda8f00fed8fef2020fd776b3d"},
        Example{"PUT /bucket/a%20b/../c//d%2Be~%21%27%28%29%2A HTTP/1.1\nHost:s3.us-east-1.amazonaws.com\n"
                "Content-Type:text/plain\nX-Amz-Date:20260101T000000Z\n"
                "X-Amz-Content-SHA256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n\nhello",
                "20260101/us-east-1/s3", "content-type;host;x-amz-content-sha256;x-amz-date",
                "080bc8d32dbf3d8e62898ce500f1a7c6c91c5de259405d273750a26e1a75b730"},
        Example{
            "GET /bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&encoding-type=url HTTP/1.1\n"
            "Host:s3.us-east-1.amazonaws.com\nX-Amz-Date:20260101T000000Z\nX-Amz-Security-Token:token/with+chars==\n"
            "X-Amz-Content-SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\n",
            "20260101/us-east-1/s3", "host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
            "e3f473e61e3759f7c9952a271da4cfe8230e4c8c37dfe6d4a5f14d8a48401fc6"},
        Example{"GET /bucket/key?acl HTTP/1.1\nHost:s3.us-east-1.amazonaws.com\nX-Amz-Date:20260101T000000Z\n"
                "X-Amz-Content-SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\n",
                "20260101/us-east-1/s3", "host;x-amz-content-sha256;x-amz-date",
                "d4ccf01e478fb4bdc7d7ff805727dbd6ad1cfd8211c398446089035de30032b6"}));

struct PresignedExample {
  std::string_view host, target, query, payload_hash, date;
};

TEST(Sigv4, PresignedUrlsOfS3AndBotocoreAreAcceptedUntilTheyExpire) {
  const PresignedExample examples[] = {
      {"examplebucket.s3.amazonaws.com", "/test.txt?",
       "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_"
       "request"
       "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
       "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
       "UNSIGNED-PAYLOAD", "20130524T000000Z"},
      {"backup.us-east-1.amazonaws.com",
       "/backup-vaults/a%20b/recovery-points/arn%3Aaws%3Aec2%3A%3A1?maxResults=10&nextToken=a%2Bb%3D%3D&",
       "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Fbackup%2Faws4_"
       "request"
       "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
       "&X-Amz-Signature=5cd645c260854e19992a2435295df546db8eea2bb0b1a98bb57d256317fe6e15",
       kEmpty, "20260101T000000Z"},
      {"lambda.us-east-1.amazonaws.com", "/2015-03-31/functions/?",
       "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Flambda%2Faws4_"
       "request"
       "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
       "&X-Amz-Security-Token=token%2Fwith%2Bchars%3D%3D"
       "&X-Amz-Signature=acb2078c198981caae3f4fda9c0ed2ffecffea3c79b838c149ed2dafc92dd6ae",
       kEmpty, "20260101T000000Z"},
      {"s3.us-east-1.amazonaws.com", "/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&encoding-type=url&",
       "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Fs3%2Faws4_"
       "request"
       "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
       "&X-Amz-Security-Token=token%2Fwith%2Bchars%3D%3D"
       "&X-Amz-Signature=a39486b44561705c8beae661cc25b3c0fa2633ee6bf0317993132dd1dcf87c5d",
       "UNSIGNED-PAYLOAD", "20260101T000000Z"},
      {"s3.us-east-1.amazonaws.com", "/bucket/key?acl=&",
       "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Fs3%2Faws4_"
       "request"
       "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
       "&X-Amz-Signature=d45805e1e92b0a8419a2de95071d02e1b9f81e6050a96f39670b74b2bbebdcc5",
       "UNSIGNED-PAYLOAD", "20260101T000000Z"},
  };
  for (const PresignedExample& example : examples) {
    Request request;
    request.method = "GET";
    request.target = std::string(example.target) + std::string(example.query);
    request.headers.add("host", std::string(example.host));
    const SignatureClaim claim = claim_of(request);
    ASSERT_TRUE(claim.expires.has_value());
    const WallTime made = *parse_signing_time(example.date);
    for (std::chrono::microseconds good : {std::chrono::microseconds(0), std::chrono::microseconds(*claim.expires),
                                           std::chrono::microseconds(std::chrono::minutes(-15))}) {
      EXPECT_TRUE(succeeds(verify(request, kSecret, example.payload_hash, made + good))) << request.target;
    }
    EXPECT_EQ(name_of(verify(request, kSecret, example.payload_hash, made + *claim.expires + std::chrono::seconds(1))),
              "RequestExpired");
    EXPECT_EQ(name_of(verify(request, kSecret, example.payload_hash, made - std::chrono::seconds(901))),
              "AccessDenied");
    EXPECT_EQ(name_of(verify(request, kSuiteSecret, example.payload_hash, made)), "SignatureDoesNotMatch");

    request.target = example.target;
    request.target.pop_back();
    const Secret secret = Secret::copy_of(as_bytes(kSecret));
    const SigningKeys keys{
        .access_key_id = "AKIAIOSFODNN7EXAMPLE", .secret_access_key = secret, .session_token = claim.session_token};
    const std::string ours = presign(request, keys, claim.region, claim.service, made, *claim.expires);
    EXPECT_TRUE(ours.ends_with("X-Amz-Signature=" + claim.signature)) << ours;
  }
}

TEST(Sigv4, TheDerivedKeyIsThatOfTheDocumentation) {
  const SigningKey key =
      derive_signing_key(as_bytes(kSecret), {.date = "20130524", .region = "us-east-1", .service = "s3"});
  const Bytes expected = must(from_hex("dbb893acc010964918f1fd433add87c70e8b0db6be30c1fbeafefa5ec6ba8378"));
  EXPECT_EQ(key->of(as_bytes("any")), crypto::HmacSha256(expected).of(as_bytes("any")));
}

// --- claims ---

constexpr std::string_view kSignature = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

Request request_with(std::string authorization_value, std::string_view date = "20260101T000000Z") {
  Request request;
  request.method = "GET";
  request.target = "/";
  request.headers.add("Host", "kms.us-east-1.amazonaws.com");
  if (!date.empty()) request.headers.add("X-Amz-Date", std::string(date));
  request.headers.add("Authorization", std::move(authorization_value));
  return request;
}

std::string good_authorization() { return authorization("20260101/us-east-1/kms", "host;x-amz-date", kSignature); }

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("not found: " + std::string(from));
  return text.replace(at, from.size(), to);
}

TEST(SignatureClaim, IsNothingForARequestWithoutSignature) {
  Request request;
  request.method = "GET";
  for (std::string_view target :
       {"/", "/?list-type=2", "/?X-Amz-Date=20260101T000000Z", "/a%20b?x=%41", "/?broken=%4"}) {
    request.target = target;
    auto claim = read_signature_claim(request);
    ASSERT_TRUE(succeeds(claim)) << target;
    EXPECT_FALSE(claim->has_value()) << target;
  }
}

TEST(SignatureClaim, IsReadHoweverItsPartsAreSeparated) {
  for (std::string text :
       {"AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/kms/aws4_request,SignedHeaders=host;x-amz-date,Signature=",
        "AWS4-HMAC-SHA256   SignedHeaders=x-amz-date;host , "
        "Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/kms/aws4_request,\tSignature=",
        "AWS4-HMAC-SHA256 Credential = AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/kms/aws4_request, "
        "SignedHeaders=host;x-amz-date,, Signature="}) {
    const SignatureClaim claim = claim_of(request_with(text + std::string(kSignature)));
    EXPECT_EQ(claim.access_key_id, "AKIAIOSFODNN7EXAMPLE");
    EXPECT_EQ(claim.date + claim.region + claim.service, "20260101us-east-1kms");
    EXPECT_EQ(claim.signed_headers, (std::vector<std::string>{"host", "x-amz-date"}));
    EXPECT_EQ(claim.signature, kSignature);
    EXPECT_EQ(claim.time, at("2026-01-01T00:00:00Z"));
    EXPECT_EQ(claim.place, SignatureClaim::Place::kHeader);
  }
}

TEST(SignatureClaim, IsRefusedWhenItsHeaderIsMalformed) {
  const std::string good = good_authorization();
  const std::pair<std::string_view, std::string_view> changes[] = {
      {"Credential=", "Credentials="},
      {"SignedHeaders=", "Signed="},
      {"Signature=", "Sig="},
      {"Signature=", "Signature=x,Signature="},
      {"Credential=", "Credential=a/b/c/d/e,Credential="},
      {"/aws4_request", "/aws4_requests"},
      {"/aws4_request", ""},
      {"/us-east-1", "/us-east-1/more"},
      {"/us-east-1", "/"},
      {"/20260101", "/20260102"},
      {"/20260101", "/2026010"},
      {"/20260101", "/20261301"},
      {"AKIAIOSFODNN7EXAMPLE", ""},
      {"AKIAIOSFODNN7EXAMPLE", "AKIA EXAMPLE"},
      {"AKIAIOSFODNN7EXAMPLE", "AKIA\nEXAMPLE"},
      {"host;", "host;host;"},
      {"host;", "Host;"},
      {"host;", "host;;"},
      {"host;x-amz-date", ""},
      {"0123", "0123X"},
      {"0123", "01G3"},
      {"89abcdef", "89ABCDEF"},
      {"Credential=", "nothing,Credential="},
  };
  for (const auto& [from, to] : changes) {
    const std::string text = replaced(good, from, to);
    EXPECT_EQ(name_of(read_signature_claim(request_with(text))), "AuthorizationHeaderMalformed") << text;
  }
  EXPECT_EQ(name_of(read_signature_claim(request_with(good))), "ok");
}

TEST(SignatureClaim, IsRefusedOrReadAtEachLengthOfItsHeaderAndNeverTakenForAnother) {
  const std::string good = good_authorization();
  for (size_t length = 0; length < good.size(); ++length) {
    auto claim = read_signature_claim(request_with(good.substr(0, length)));
    EXPECT_FALSE(claim.ok()) << good.substr(0, length);
  }
}

TEST(SignatureClaim, NeedsAReadableDate) {
  for (std::string_view date : {"", "yesterday", "2026-01-01T00:00:00Z", "20260101T000000", "20260132T000000Z",
                                "20260101T250000Z", "20260101T0000-1Z"})
    EXPECT_EQ(name_of(read_signature_claim(request_with(good_authorization(), date))), "AccessDenied") << date;
  for (std::string_view date : {"Thu, 01 Jan 2026 00:00:00 GMT", "20260101T000000Z"}) {
    Request request = request_with(good_authorization(), "");
    request.headers.add("Date", std::string(date));
    EXPECT_EQ(claim_of(request).timestamp, "20260101T000000Z");
  }
  for (std::string_view date :
       {"Thu, 01 Jan 2026 00:00:00 UTC", "Thu, 1 Jan 2026 00:00:00 GMT", "Thu, 01 Foo 2026 00:00:00 GMT"}) {
    Request request = request_with(good_authorization(), "");
    request.headers.add("Date", std::string(date));
    EXPECT_EQ(name_of(read_signature_claim(request)), "AccessDenied") << date;
  }
}

TEST(SignatureClaim, OfOtherMechanismsIsRefusedClearly) {
  EXPECT_EQ(name_of(read_signature_claim(
                request_with(replaced(good_authorization(), "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")))),
            "NotImplemented");
  for (std::string_view text :
       {"AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", "Basic YTpi", "Bearer x", "", "AWS4-HMAC-SHA256X a"})
    EXPECT_EQ(name_of(read_signature_claim(request_with(std::string(text)))), "InvalidRequest") << text;
  Request request;
  request.method = "GET";
  request.target = "/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1&Signature=x";
  EXPECT_EQ(name_of(read_signature_claim(request)), "InvalidRequest");
  request.target = "/?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=a&X-Amz-Signature=b";
  EXPECT_EQ(name_of(read_signature_claim(request)), "NotImplemented");
}

constexpr std::string_view kGoodQuery =
    "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Fs3%2Faws4_"
    "request"
    "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

TEST(SignatureClaim, MustStandInOnePlace) {
  Request request = request_with(good_authorization());
  request.target = kGoodQuery;
  EXPECT_EQ(name_of(read_signature_claim(request)), "InvalidRequest");
  request.target = "/";
  request.headers.add("authorization", good_authorization());
  EXPECT_EQ(name_of(read_signature_claim(request)), "InvalidRequest");
}

TEST(SignatureClaim, IsRefusedWhenItsQueryIsMalformed) {
  const std::pair<std::string_view, std::string_view> changes[] = {
      {"X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""},
      {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"},
      {"X-Amz-Credential=", "X-Amz-Credentials="},
      {"&X-Amz-Date=20260101T000000Z", ""},
      {"20260101T000000Z", "2026-01-01T00:00:00Z"},
      {"20260101T000000Z", "20260102T000000Z"},
      {"&X-Amz-Expires=900", ""},
      {"=900", "="},
      {"=900", "=0"},
      {"=900", "=-1"},
      {"=900", "=604801"},
      {"=900", "=99999999999999999999999"},
      {"=900", "=9x"},
      {"=900", "=+9"},
      {"=host", "="},
      {"=host", "=host%3Bhost"},
      {"&X-Amz-Signature=", "&X-Amz-Signature=0"},
      {"&X-Amz-SignedHeaders=host", ""},
      {"&X-Amz-Date", "&X-Amz-Date=20260101T000000Z&X-Amz-Date"},
      {"%2Faws4_request", ""},
  };
  Request request;
  request.method = "GET";
  for (const auto& [from, to] : changes) {
    request.target = replaced(std::string(kGoodQuery), from, to);
    EXPECT_EQ(name_of(read_signature_claim(request)), "AuthorizationQueryParametersError") << request.target;
  }
  request.target = kGoodQuery;
  EXPECT_EQ(claim_of(request).expires, std::chrono::seconds(900));
  request.target = replaced(std::string(kGoodQuery), "=900", "=604800");
  EXPECT_EQ(claim_of(request).expires, std::chrono::seconds(604800));
}

// --- verification ---

struct Signed {
  Request request;
  std::string hash;
  WallTime now = at("2026-01-01T00:00:00Z");
};

Signed signed_request(std::string_view service = "kms") {
  Signed out;
  out.request = request_of(
      "POST /a/b?x=1&y=2 HTTP/1.1\nHost:kms.us-east-1.amazonaws.com\n"
      "Content-Type:application/x-amz-json-1.1\nX-Amz-Target:TrentService.ListKeys\n\n{\"Limit\":10}");
  out.hash = sha256_hex(out.request.body);
  const Secret secret = Secret::copy_of(as_bytes(kSecret));
  sign_request(out.request,
               {.access_key_id = "AKIAIOSFODNN7EXAMPLE", .secret_access_key = secret, .session_token = "token"},
               "us-east-1", service, out.now, out.hash);
  return out;
}

TEST(VerifySignature, HoldsForFifteenMinutesAroundTheClock) {
  const Signed sent = signed_request();
  for (int seconds : {0, 900, -900})
    EXPECT_TRUE(succeeds(verify(sent.request, kSecret, sent.hash, sent.now + std::chrono::seconds(seconds))));
  for (int seconds : {901, -901})
    EXPECT_EQ(name_of(verify(sent.request, kSecret, sent.hash, sent.now + std::chrono::seconds(seconds))),
              "RequestTimeTooSkewed");
}

TEST(VerifySignature, RefusesAHeaderWithMeaningThatIsNotSigned) {
  for (std::string_view name : {"x-amz-security-token", "X-AMZ-META-A", "X-Amz-Acl"}) {
    Signed sent = signed_request();
    if (name == "x-amz-security-token")
      sent.request.headers.set("Authorization", replaced(std::string(sent.request.headers.get("authorization")),
                                                         "x-amz-security-token;", ""));
    sent.request.headers.add(std::string(name), "x");
    EXPECT_EQ(name_of(verify(sent.request, kSecret, sent.hash, sent.now)), "AccessDenied") << name;
  }
  Signed sent = signed_request();
  sent.request.headers.add("x-amzn-trace-id", "Root=1");  // added on the way, and no x-amz- header
  sent.request.headers.add("User-Agent", "x");
  EXPECT_TRUE(succeeds(verify(sent.request, kSecret, sent.hash, sent.now)));
}

TEST(VerifySignature, RefusesASignatureThatDoesNotCoverTheHost) {
  Signed sent = signed_request();
  sent.request.headers.set("Authorization",
                           replaced(std::string(sent.request.headers.get("authorization")), "host;", ""));
  EXPECT_EQ(name_of(verify(sent.request, kSecret, sent.hash, sent.now)), "AccessDenied");
}

TEST(VerifySignature, RefusesASecondValueOfASignedHeader) {
  Signed sent = signed_request();
  sent.request.headers.add("x-amz-target", "TrentService.Decrypt");
  EXPECT_EQ(name_of(verify(sent.request, kSecret, sent.hash, sent.now)), "SignatureDoesNotMatch");
}

TEST(VerifySignature, RefusesATargetThatIsNone) {
  for (std::string_view target : std::initializer_list<std::string_view>{
           "/a%", "/a%4", "/a%zz", "/a\nb", std::string_view("/a\0b", 4), "/?a=%", "/?%g0=1"}) {
    Signed sent = signed_request();
    sent.request.target = target;
    EXPECT_EQ(name_of(verify(sent.request, kSecret, sent.hash, sent.now)), "InvalidURI") << target;
  }
}

TEST(VerifySignature, KeepsServicesApartInHowTheyReadPaths) {
  for (std::string_view service : {"s3", "kms"}) {
    Request request = request_of("GET /a/../b//c%2fd HTTP/1.1\nHost:h\n\n");
    const Secret secret = Secret::copy_of(as_bytes(kSecret));
    sign_request(request, {.access_key_id = "A", .secret_access_key = secret, .session_token = {}}, "us-east-1",
                 service, at("2026-01-01T00:00:00Z"), kEmpty);
    const SignatureClaim claim = claim_of(request);
    const std::string canonical = must(canonical_request(request, claim, kEmpty));
    EXPECT_EQ(canonical.substr(0, canonical.find('\n', 4)), service == "s3" ? "GET\n/a/../b//c/d" : "GET\n/b/c%252fd");
  }
}

std::string random_text(std::mt19937_64& random, size_t size_max, std::string_view alphabet) {
  std::string out(random() % (size_max + 1), ' ');
  for (char& c : out) c = alphabet[random() % alphabet.size()];
  return out;
}

constexpr std::string_view kUrlCharacters = "abcXYZ019-._~/!$'()*,;:@=+";
constexpr std::string_view kValueCharacters = "abcXYZ 019-._~/!$\"'()*,;:@=+\t%&?";

Request random_request(std::mt19937_64& random) {
  static constexpr std::string_view kMethods[] = {"GET", "PUT", "POST", "DELETE", "HEAD"};
  Request request;
  request.method = kMethods[random() % 5];
  request.target = "/" + random_text(random, 20, kUrlCharacters);
  for (size_t i = random() % 4; i > 0; --i)
    request.target += (request.target.find('?') == std::string::npos ? "?" : "&") +
                      percent_encode(random_text(random, 8, kValueCharacters)) + "=" +
                      percent_encode(random_text(random, 8, kValueCharacters));
  request.headers.add("Host", "h" + random_text(random, 10, "abc.-"));
  for (size_t i = random() % 4; i > 0; --i)
    request.headers.add("X-Amz-Meta-" + random_text(random, 3, "abC"), random_text(random, 20, kValueCharacters));
  if (random() % 2) request.headers.add("Content-Type", random_text(random, 12, kValueCharacters));
  request.body = random_text(random, 50, kValueCharacters);
  return request;
}

TEST(VerifySignature, AcceptsWhatWasSignedAndNothingThatDiffersInAByte) {
  std::mt19937_64 random(20260101);
  const WallTime now = at("2026-01-01T00:00:00Z");
  for (int round = 0; round < 60; ++round) {
    Request request = random_request(random);
    const std::string service = round % 3 == 0 ? "s3" : round % 3 == 1 ? "kms" : "backup";
    const Secret secret = Secret::copy_of(as_bytes(random_text(random, 60, kValueCharacters)));
    const SigningKeys keys{.access_key_id = "AKIA" + random_text(random, 16, "ABC012"),
                           .secret_access_key = secret,
                           .session_token = random_text(random, 5, "abc")};
    const std::string hash = sha256_hex(request.body);
    sign_request(request, keys, "eu-west-1", service, now, hash);
    const SignatureClaim claim = claim_of(request);
    ASSERT_TRUE(succeeds(verify_signature(request, claim, secret.view(), hash, now)))
        << must(canonical_request(request, claim, hash));
    const std::string before = must(canonical_request(request, claim, hash));

    // Each byte of method, target, host and the signature; a change that means the same (a blank more) is none.
    const auto expect_refused = [&](const std::string& what) {
      auto changed = read_signature_claim(request);
      if (!changed.ok() || !changed->has_value()) return;
      const auto canonical = canonical_request(request, **changed, hash);
      if (canonical.ok() && *canonical == before && (*changed)->signature == claim.signature &&
          (*changed)->timestamp == claim.timestamp && (*changed)->region == claim.region &&
          (*changed)->service == claim.service)
        return;
      EXPECT_FALSE(verify_signature(request, **changed, secret.view(), hash, now).ok()) << what;
    };
    const auto flip_each = [&](std::string& text) {
      for (char& c : text) {
        const char old = std::exchange(c, static_cast<char>(c ^ (1 << random() % 7)));
        expect_refused(text);
        c = old;
      }
    };
    flip_each(request.method);
    flip_each(request.target);
    auto& fields = const_cast<std::vector<std::pair<std::string, std::string>>&>(request.headers.fields());
    for (auto& [name, value] : fields) flip_each(value);
    EXPECT_FALSE(verify_signature(request, claim, secret.view(), sha256_hex(request.body + "x"), now).ok());
  }
}

TEST(VerifySignature, OfAPresignedRoundTripHolds) {
  std::mt19937_64 random(7);
  const WallTime now = at("2026-01-01T00:00:00Z");
  const Secret secret = Secret::copy_of(as_bytes(kSecret));
  for (int round = 0; round < 200; ++round) {
    Request request = random_request(random);
    const std::string service = round % 2 ? "s3" : "sts";
    request.target =
        presign(request,
                {.access_key_id = "AKIA", .secret_access_key = secret, .session_token = random_text(random, 5, "a+/=")},
                "us-east-1", service, now, std::chrono::seconds(60));
    EXPECT_TRUE(
        succeeds(verify(request, kSecret, service == "s3" ? "UNSIGNED-PAYLOAD" : sha256_hex(request.body), now)))
        << request.target;
    request.target += "&more=1";
    EXPECT_EQ(name_of(verify(request, kSecret, service == "s3" ? "UNSIGNED-PAYLOAD" : sha256_hex(request.body), now)),
              "SignatureDoesNotMatch");
  }
}

TEST(SigningKeys, AreRememberedWithinTheirBound) {
  SigningKeyCache cache(64);
  const SigningKey first = cache.get(as_bytes("secret"), {.date = "20260101", .region = "r", .service = "s"});
  EXPECT_EQ(cache.get(as_bytes("secret"), {.date = "20260101", .region = "r", .service = "s"}), first);
  for (int i = 0; i < 1000; ++i) {
    cache.get(as_bytes("secret" + std::to_string(i)), {.date = "20260101", .region = "r", .service = "s"});
    ASSERT_LE(cache.size(), 64U);
    ASSERT_EQ(cache.get(as_bytes("secret"), {.date = "20260101", .region = "r", .service = "s"}),
              first);  // in use: it stays
  }
}

TEST(SigningKeys, AreToldApartByEachPartOfTheirScope) {
  SigningKeyCache cache(64);
  const KeyScope scope{.date = "20260101", .region = "ab", .service = "c"};
  const SigningKey key = cache.get(as_bytes("secret"), scope);
  EXPECT_NE(cache.get(as_bytes("secre"), {.date = "t20260101", .region = "ab", .service = "c"}), key);
  EXPECT_NE(cache.get(as_bytes("secret"), {.date = "20260101", .region = "a", .service = "bc"}), key);
  EXPECT_NE(cache.get(as_bytes("secret"), {.date = "20260102", .region = "ab", .service = "c"}), key);
}

TEST(SigningKeys, AreSafeFromManyThreads) {
  SigningKeyCache cache(16);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&cache, &wrong, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string secret = "s" + std::to_string((i * 7 + t) % 40);
        const KeyScope scope{.date = "20260101", .region = "r", .service = "s"};
        if (cache.get(as_bytes(secret), scope)->of(as_bytes("x")) !=
            derive_signing_key(as_bytes(secret), scope)->of(as_bytes("x")))
          ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace coffer::wire
