// Requests to S3 through the front: addresses, signatures, bodies, answers, failures.
#include "base/base64.h"
#include "edge/wire/s3_address.h"
#include "edge/wire/s3_testing.h"
#include "engine/crypto/checksum.h"

namespace coffer::wire {
namespace {

using api::Value;

std::string base64_of(crypto::ChecksumKind kind, std::string_view text) {
  return base64_encode(crypto::checksum_of(kind, as_bytes(text)));
}

TEST(S3Address, TheHostNamesTheBucketBelowItsDomains) {
  const std::vector<std::string> domains = {"s3.example.internal", "internal"};
  struct Row {
    const char *host, *bucket;  // null: not S3's
  };
  for (const Row& row : std::initializer_list<Row>{
           {"s3.example.internal", ""},
           {"s3.example.internal:9420", ""},
           {"photos.s3.example.internal", "photos"},
           {"my.dotted.bucket.s3.example.internal:443", "my.dotted.bucket"},
           {"PHOTOS.S3.example.internal", "photos"},
           {"photos.internal", "photos"},
           {"localhost:9420", ""},
           {"photos.localhost:9420", "photos"},
           {"xs3.example.com", nullptr},
           {"127.0.0.1:9420", nullptr},
           {"[::1]:9420", nullptr},
           {"s3.amazonaws.com", ""},
           {"b.s3.amazonaws.com", "b"},
           {"b.c.s3.us-east-1.amazonaws.com", "b.c"},
           {"b.s3-us-west-2.amazonaws.com", "b"},
           {"b.s3.dualstack.us-east-1.amazonaws.com", "b"},
           {"s3-foo.s3.amazonaws.com", "s3-foo"},
           {"kms.us-east-1.amazonaws.com", nullptr},
           {"amazonaws.com", nullptr},
           {"", nullptr},
       }) {
    const std::optional<S3Host> found = s3_host(row.host, domains);
    ASSERT_EQ(found.has_value(), row.bucket != nullptr) << row.host;
    if (!found) continue;
    EXPECT_EQ(found->bucket, row.bucket) << row.host;
  }
}

TEST_F(S3Test, AnObjectIsTheSameByPathAndByHost) {
  struct Row {
    const char *host, *target, *bucket, *key;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"127.0.0.1:9420", "/b.c.d/a%20b//c/", "b.c.d", "a b//c/"},
           {"b.c.d.s3.example.internal", "/a%20b//c/", "b.c.d", "a b//c/"},
           {"b.localhost:9420", "/../x%2Fy", "b", "../x/y"},
           {"b.s3.us-east-1.amazonaws.com", "//k", "b", "/k"},
       }) {
    Request get = request("GET", row.target);
    get.headers.set("Host", row.host);
    ASSERT_EQ(ask(std::move(get)).status, 200) << row.host;
    EXPECT_EQ(last().operation, "GetObject");
    EXPECT_EQ(last().input.text("Bucket"), row.bucket);
    EXPECT_EQ(last().input.text("Key"), row.key);
  }
  Request list = request("GET", "/?list-type=2&prefix=a%2Fb");
  list.headers.set("Host", "b.s3.example.internal");
  ASSERT_EQ(ask(std::move(list)).status, 200);
  EXPECT_EQ(last().operation, "ListObjectsV2");
  EXPECT_EQ(last().input.text("Prefix"), "a/b");
}

TEST_F(S3Test, ABucketMayBeCalledLikeOneOfOurPages) {
  EXPECT_EQ(ask(request("GET", "/metrics?list-type=2")).status, 200);
  EXPECT_EQ(last().input.text("Bucket"), "metrics");
  Request page = request("GET", "/healthz");
  page.headers.set("Host", "b.s3.example.internal");
  EXPECT_EQ(handle(std::move(page)).status, 200);
  EXPECT_EQ(last().input.text("Key"), "healthz");
  EXPECT_EQ(handle(request("GET", "/healthz")).body, "ok\n");
}

TEST_F(S3Test, WhoeverDoesNotSignIsAnonymousAtS3) {
  EXPECT_EQ(handle(request("GET", "/bucket/key")).status, 200);
  EXPECT_TRUE(last().is_anonymous);
  EXPECT_FALSE(last().call.signature.has_value());
  EXPECT_EQ(code(handle(request("GET", "/"))), "403 AccessDenied");
}

TEST_F(S3Test, TheServiceLearnsHowARequestWasSigned) {
  ASSERT_EQ(ask(request("GET", "/b/k")).status, 200);
  EXPECT_EQ(last().call.signature->auth_type, "REST-HEADER");
  EXPECT_EQ(last().call.signature->content_sha256, sha256_hex(""));
  EXPECT_EQ(last().call.signature->time, clock_.wall());
  EXPECT_FALSE(last().is_anonymous);
}

TEST_F(S3Test, APresignedUrlWorksUntilItExpiresAndCarriesHeadersInItsQuery) {
  Request get = request("GET", "/b/k?response-content-type=text%2Fhtml&x-amz-checksum-mode=ENABLED");
  const Secret secret(to_bytes(std::string_view(kSecretKey)));
  get.target = presign(get, {kAccessKey, secret, ""}, "us-east-1", "s3", clock_.wall(), std::chrono::seconds(60));
  ASSERT_EQ(handle(request("GET", get.target)).status, 200);
  EXPECT_EQ(last().call.signature->auth_type, "REST-QUERY-STRING");
  EXPECT_EQ(last().call.signature->content_sha256, "UNSIGNED-PAYLOAD");
  EXPECT_EQ(last().input.text("ResponseContentType"), "text/html");
  EXPECT_EQ(last().input.text("ChecksumMode"), "ENABLED");

  Request put = request("PUT", "/b/k", "presigned");
  put.target = presign(put, {kAccessKey, secret, ""}, "us-east-1", "s3", clock_.wall(), std::chrono::seconds(60));
  ASSERT_EQ(handle(request("PUT", put.target, "presigned")).status, 200);
  EXPECT_EQ(last().body, "presigned");

  Request other = request("PUT", put.target, "presigned");
  other.headers.add("x-amz-acl", "public-read");
  EXPECT_EQ(code(handle(std::move(other))), "403 AccessDenied");
  EXPECT_EQ(code(handle(request("GET", put.target))), "403 SignatureDoesNotMatch");

  clock_.advance(std::chrono::seconds(61));
  const Response late = handle(request("GET", get.target));
  EXPECT_EQ(code(late), "403 AccessDenied");
  EXPECT_EQ(element(late, "Message"), "Request has expired");
  EXPECT_EQ(element(late, "X-Amz-Expires"), "60");
}

TEST_F(S3Test, AWrongSignatureIsExplainedToWhoeverMadeIt) {
  Request get = request("GET", "/b/k");
  sign(get);
  get.target = "/b/other";
  const Response response = handle(std::move(get));
  EXPECT_EQ(code(response), "403 SignatureDoesNotMatch");
  EXPECT_EQ(element(response, "AWSAccessKeyId"), kAccessKey);
  EXPECT_TRUE(element(response, "CanonicalRequest").starts_with("GET\n/b/other\n\nhost:127.0.0.1:9420\n"));
  EXPECT_TRUE(element(response, "StringToSign").starts_with("AWS4-HMAC-SHA256\n20231114T221320Z\n"));
  EXPECT_EQ(element(response, "SignatureProvided").size(), 64U);
  EXPECT_EQ(element(response, "Resource"), "/b/other");
  EXPECT_EQ(element(response, "HostId"), response.headers.get("x-amz-id-2"));
  EXPECT_EQ(element(response, "RequestId"), response.headers.get("x-amz-request-id"));
}

TEST_F(S3Test, AnotherRegionOrHashIsRefusedByItsName) {
  Request far = request("GET", "/b/k");
  sign(far, "", "eu-west-9");
  const Response response = handle(std::move(far));
  EXPECT_EQ(code(response), "400 AuthorizationHeaderMalformed");
  EXPECT_EQ(element(response, "Region"), "us-east-1");
  Request odd = request("GET", "/b/k");
  sign(odd, "nonsense");
  EXPECT_EQ(code(handle(std::move(odd))), "400 InvalidArgument");
  Request late = request("GET", "/b/k");
  sign(late);
  clock_.advance(std::chrono::minutes(16));
  const Response skewed = handle(std::move(late));
  EXPECT_EQ(code(skewed), "403 RequestTimeTooSkewed");
  EXPECT_EQ(element(skewed, "MaxAllowedSkewMilliseconds"), "900000");
}

TEST_F(S3Test, ABodyFlowsToTheOperationAndIsCheckedAgainstItsHash) {
  Request put = request("PUT", "/b/k");
  const std::string data(3'000'000, 'd');
  put.headers.set("Content-Length", std::to_string(data.size()));
  put.content_length = data.size();
  put.stream = std::make_unique<PieceSource>(data, 70'001);
  sign(put, sha256_hex(data));
  ASSERT_EQ(handle(std::move(put)).status, 200);
  EXPECT_EQ(last().body, data);
  EXPECT_EQ(last().input.integer("ContentLength"), 3'000'000);

  Request wrong = request("PUT", "/b/k", "what was sent");
  sign(wrong, sha256_hex("what was signed"));
  EXPECT_EQ(code(handle(std::move(wrong))), "400 XAmzContentSHA256Mismatch");
  EXPECT_EQ(seen_.size(), 1U);  // nothing of it was run

  Request free = request("PUT", "/b/k", "anything");
  sign(free, "UNSIGNED-PAYLOAD");
  EXPECT_EQ(handle(std::move(free)).status, 200);
  EXPECT_EQ(last().body, "anything");

  Request unknown = request("PUT", "/b/k", "anything");
  unknown.content_length.reset();
  sign(unknown);
  EXPECT_EQ(code(handle(std::move(unknown))), "411 MissingContentLength");
}

TEST_F(S3Test, ChunksAndTheirTrailerAreTakenOffInPiecesOfAnySize) {
  const std::string data = "123456789";
  const std::string body = "4\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
  for (size_t piece : {size_t{1}, size_t{2}, size_t{7}, body.size()}) {
    Request put = request("PUT", "/b/k");
    put.headers.set("Content-Encoding", "aws-chunked,gzip");
    put.headers.set("X-Amz-Decoded-Content-Length", "9");
    put.headers.set("X-Amz-Trailer", "x-amz-checksum-crc32");
    put.headers.set("Content-Length", std::to_string(body.size()));
    put.content_length.reset();
    put.stream = std::make_unique<PieceSource>(body, piece);
    sign(put, "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    ASSERT_EQ(handle(std::move(put)).status, 200) << piece;
    EXPECT_EQ(last().body, data);
    EXPECT_EQ(last().input.text("ContentEncoding"), "gzip");
    EXPECT_EQ(last().input.integer("ContentLength"), 9);
    EXPECT_EQ(last().input.text("ChecksumAlgorithm"), "CRC32");
    ASSERT_EQ(last().trailing.size(), 1U);
    EXPECT_EQ(last().trailing[0].first, "ChecksumCRC32");
    EXPECT_EQ(last().trailing[0].second, Value("y/Q5Jg=="));
  }
}

TEST_F(S3Test, WhatAnAnonymousClientSendsInChunksIsTakenOffToo) {
  Request put = request("PUT", "/b/k", "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n");
  put.headers.set("Content-Encoding", "aws-chunked");
  put.headers.set("X-Amz-Decoded-Content-Length", "3");
  put.headers.set("X-Amz-Trailer", "x-amz-checksum-crc32");
  ASSERT_EQ(handle(std::move(put)).status, 200);
  EXPECT_EQ(last().body, "abc");
  EXPECT_FALSE(last().input.has("ContentEncoding"));
}

TEST_F(S3Test, OfABrokenChunkedBodyNothingIsRun) {
  struct Row {
    const char *body, *length, *trailer, *code;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"3\r\nabc\r\n0\r\n\r\n", "4", "", "400 IncompleteBody"},
           {"3\r\nabc\r\n", "3", "", "400 IncompleteBody"},
           {"x\r\nabc\r\n0\r\n\r\n", "3", "", "400 InvalidChunkSizeError"},
           {"3\r\nabc\r\n0\r\n\r\n", "3", "x-amz-checksum-crc32", "400 MalformedTrailerError"},
           {"3\r\nabc\r\n0\r\nx-amz-checksum-sha1:x\r\n\r\n", "3", "x-amz-checksum-crc32", "400 MalformedTrailerError"},
           {"3\r\nabc\r\n0\r\n\r\n", "3", "x-amz-meta-a", "400 InvalidRequest"},
           {"3\r\nabc\r\n0\r\n\r\n", "3", "x-amz-checksum-crc9", "400 InvalidRequest"},
           {"3\r\nabc\r\n0\r\n\r\n", "", "", "411 MissingContentLength"},
       }) {
    Request put = request("PUT", "/b/k", row.body);
    if (*row.length) put.headers.set("X-Amz-Decoded-Content-Length", row.length);
    if (*row.trailer) put.headers.set("X-Amz-Trailer", row.trailer);
    sign(put, "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    EXPECT_EQ(code(handle(std::move(put))), row.code) << row.body;
  }
  EXPECT_TRUE(seen_.empty());
}

TEST_F(S3Test, ADocumentNeedsADigestThatFits) {
  const std::string document = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
  const auto put = [&](std::initializer_list<std::pair<const char*, std::string>> headers) {
    Request made = request("PUT", "/b?tagging", document);
    for (const auto& [name, value] : headers) made.headers.set(name, value);
    return code(ask(std::move(made)));
  };
  const std::string md5 = base64_of(crypto::ChecksumKind::kMd5, document);
  const std::string crc = base64_of(crypto::ChecksumKind::kCrc32, document);
  EXPECT_EQ(put({}), "400 InvalidRequest");
  EXPECT_EQ(put({{"Content-MD5", "AAAA"}}), "400 InvalidDigest");
  EXPECT_EQ(put({{"Content-MD5", base64_of(crypto::ChecksumKind::kMd5, "x")}}), "400 BadDigest");
  EXPECT_EQ(put({{"x-amz-checksum-crc32", "y/Q5Jg=="}}), "400 BadDigest");
  EXPECT_EQ(put({{"x-amz-checksum-crc32", "AA=="}}), "400 InvalidRequest");
  EXPECT_EQ(put({{"x-amz-checksum-crc32", crc}, {"x-amz-checksum-sha1", crc}}), "400 InvalidRequest");
  EXPECT_TRUE(seen_.empty());
  put({{"Content-MD5", md5}});
  put({{"x-amz-checksum-crc32", crc}});
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_EQ(last().input.find("Tagging")->list("TagSet")[0].text("Value"), "b");
  EXPECT_FALSE(last().has_body);
}

TEST_F(S3Test, ADocumentThatIsNoneIsRefusedByItsName) {
  const auto put = [&](const std::string& target, const std::string& document) {
    Request made = request(target.find("uploadId") == std::string::npos ? "PUT" : "POST", target, document);
    made.headers.set("Content-MD5", base64_of(crypto::ChecksumKind::kMd5, document));
    return code(ask(std::move(made)));
  };
  EXPECT_EQ(put("/b?tagging", "<Tagging>"), "400 MalformedXML");
  EXPECT_EQ(put("/b?tagging", "<Tagging/>"), "400 MalformedXML");
  EXPECT_EQ(put("/b?tagging", ""), "400 MissingRequestBodyError");
  EXPECT_EQ(put("/b?versioning", "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>"),
            "400 MalformedXML");
  EXPECT_EQ(put("/b?tagging", std::string((2 << 20) + 1, ' ')), "400 MaxMessageLengthExceeded");
  EXPECT_TRUE(seen_.empty());
  // Who names its own Regions knows which there are.
  ask(request("PUT", "/b",
              "<CreateBucketConfiguration><LocationConstraint>cellar</LocationConstraint>"
              "</CreateBucketConfiguration>"));
  EXPECT_EQ(last().input.find("CreateBucketConfiguration")->text("LocationConstraint"), "cellar");
}

TEST_F(S3Test, TheChecksumBesideAListOfPartsIsTheObjects) {
  Request complete = request("POST", "/b/k?uploadId=u",
                             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>"
                             "</CompleteMultipartUpload>");
  complete.headers.set("x-amz-checksum-crc32", "y/Q5Jg==");
  ASSERT_EQ(ask(std::move(complete)).status, 200);
  EXPECT_EQ(last().input.text("ChecksumCRC32"), "y/Q5Jg==");
  EXPECT_EQ(last().input.find("MultipartUpload")->list("Parts").size(), 1U);
}

TEST_F(S3Test, HeadersThatTheModelDoesNotKnowTheValueOfAreNamed) {
  Request put = request("PUT", "/b/k", "x");
  put.headers.set("x-amz-storage-class", "CELLAR");
  EXPECT_EQ(code(ask(std::move(put))), "400 InvalidStorageClass");
  Request sealed = request("PUT", "/b/k", "x");
  sealed.headers.set("x-amz-server-side-encryption", "rot13");
  const Response response = ask(std::move(sealed));
  EXPECT_EQ(code(response), "400 InvalidArgument");
  EXPECT_EQ(element(response, "ArgumentName"), "x-amz-server-side-encryption");
  EXPECT_EQ(element(response, "ArgumentValue"), "rot13");
  EXPECT_EQ(code(ask(request("GET", "/b/" + std::string(1025, 'k')))), "400 KeyTooLongError");
  EXPECT_EQ(code(ask(request("GET", "/b?website"))), "501 NotImplemented");
  EXPECT_EQ(code(ask(request("PATCH", "/b"))), "405 MethodNotAllowed");
}

TEST_F(S3Test, ABodyStreamsOutWithItsLength) {
  run_ = [](const api::Operation& o) -> Result<Value> {
    o.reply->body = std::make_unique<PieceSource>("part of it", 3);
    o.reply->body_size = 10;
    return Value::object({{"ContentLength", 10}, {"ContentRange", "bytes 5-14/100"}, {"ETag", "\"e\""}});
  };
  Response response = ask(request("GET", "/b/k"));
  EXPECT_EQ(response.status, 206);
  EXPECT_EQ(response.stream_size, 10U);
  EXPECT_EQ(response.headers.get("content-type"), "binary/octet-stream");
  EXPECT_EQ(response.headers.get("content-range"), "bytes 5-14/100");
  ASSERT_TRUE(response.stream);
  Bytes out(100);
  EXPECT_EQ(must(response.stream->read(Context(), out)), 3U);
  EXPECT_EQ(response.headers.get("x-amz-request-id").size(), 16U);
}

TEST_F(S3Test, WhatAFailureSaysMoreIsInItsHeadersAndElements) {
  run_ = [](const api::Operation& o) -> Result<Value> {
    o.reply->error_headers.emplace_back("x-amz-delete-marker", "true");
    o.reply->error_elements.emplace_back("VersionId", "v<1>");
    return api::fault(ErrorCode::kNotFound, "NoSuchKey", "The specified key does not exist.");
  };
  const Response response = ask(request("GET", "/b/a%26b"));
  EXPECT_EQ(code(response), "404 NoSuchKey");
  EXPECT_EQ(response.headers.get("x-amz-delete-marker"), "true");
  EXPECT_EQ(element(response, "Key"), "a&amp;b");
  EXPECT_EQ(element(response, "VersionId"), "v&lt;1&gt;");
  EXPECT_EQ(element(response, "Resource"), "/b/a&amp;b");
}

TEST_F(S3Test, StatusesAreThoseOfS3) {
  struct Row {
    ErrorCode code;
    const char *name, *shown;
  };
  for (const Row& row : std::initializer_list<Row>{
           {ErrorCode::kNotFound, "NoSuchBucket", "404 NoSuchBucket"},
           {ErrorCode::kNotFound, "NoSuchTagSet", "404 NoSuchTagSet"},
           {ErrorCode::kFailedPrecondition, "InvalidRange", "416 InvalidRange"},
           {ErrorCode::kFailedPrecondition, "PermanentRedirect", "301 PermanentRedirect"},
           {ErrorCode::kConflict, "BucketNotEmpty", "409 BucketNotEmpty"},
           {ErrorCode::kFailedPrecondition, "InvalidBucketState", "409 InvalidBucketState"},
           {ErrorCode::kPermissionDenied, "InvalidObjectState", "403 InvalidObjectState"},
           {ErrorCode::kNotFound, "KMS.NotFoundException", "400 KMS.NotFoundException"},
           {ErrorCode::kNotFound, "NotFoundException", "400 KMS.NotFoundException"},
           {ErrorCode::kFailedPrecondition, "DisabledException", "400 KMS.DisabledException"},
           {ErrorCode::kPermissionDenied, "AccessDeniedException", "403 AccessDenied"},
           {ErrorCode::kInvalidArgument, "MalformedPolicyDocument", "400 MalformedPolicy"},
           {ErrorCode::kThrottled, "ThrottlingException", "503 SlowDown"},
           {ErrorCode::kInvalidArgument, "ValidationException", "400 InvalidArgument"},
           {ErrorCode::kUnavailable, "", "503 ServiceUnavailable"},
           {ErrorCode::kInternal, "", "500 InternalError"},
       }) {
    run_ = [&](const api::Operation&) -> Result<Value> { return api::fault(row.code, row.name, "m"); };
    EXPECT_EQ(code(ask(request("GET", "/b/k"))), row.shown);
  }
  run_ = [&](const api::Operation& o) -> Result<Value> {
    o.reply->error_headers.emplace_back("ETag", "\"e\"");
    return api::fault(ErrorCode::kFailedPrecondition, "NotModified", "Not Modified");
  };
  const Response unchanged = ask(request("GET", "/b/k"));
  EXPECT_EQ(unchanged.status, 304);
  EXPECT_EQ(unchanged.body, "");
  EXPECT_EQ(unchanged.headers.get("etag"), "\"e\"");
}

TEST_F(S3Test, OddAnswersAreAsS3GivesThem) {
  run_ = [](const api::Operation&) -> Result<Value> { return Value::object({{"LocationConstraint", "eu-west-1"}}); };
  EXPECT_EQ(ask(request("GET", "/b?location")).body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint "
            "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">eu-west-1</LocationConstraint>");
  run_ = [](const api::Operation&) -> Result<Value> { return Value::object({{"LocationConstraint", "us-east-1"}}); };
  EXPECT_NE(ask(request("GET", "/b?location")).body.find("\"></LocationConstraint>"), std::string::npos);
  run_ = [](const api::Operation&) -> Result<Value> { return Value::object({{"Policy", "{\"a\": 1}"}}); };
  const Response policy = ask(request("GET", "/b?policy"));
  EXPECT_EQ(policy.body, "{\"a\": 1}");
  EXPECT_EQ(policy.headers.get("content-type"), "application/json");
  run_ = nullptr;
  EXPECT_EQ(ask(request("PUT", "/b?policy", "{}")).status, 204);
  EXPECT_EQ(last().input.text("Policy"), "{}");
  EXPECT_EQ(ask(request("DELETE", "/b/k")).status, 204);
}

TEST_F(S3Test, MetadataThatIsNotAsciiIsSentAsMailDoes) {
  run_ = [](const api::Operation&) -> Result<Value> {
    return Value::object({{"ContentType", "text/plain"},
                          {"Metadata", Value(api::Members{{"plain", "a b"}, {"name", "gr\xC3\xBC\xC3\x9F"}})}});
  };
  const Response response = ask(request("HEAD", "/b/k"));
  EXPECT_EQ(response.headers.get("x-amz-meta-plain"), "a b");
  EXPECT_EQ(response.headers.get("x-amz-meta-name"), "=?UTF-8?B?Z3LDvMOf?=");
}

}  // namespace
}  // namespace coffer::wire
