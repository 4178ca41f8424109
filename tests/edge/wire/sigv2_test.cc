// Signature Version 2 of S3. The first vectors are those of S3's guide, the others were made by botocore's signers.
#include "edge/wire/sigv2.h"

#include "base/base64.h"
#include "edge/wire/model.h"
#include "edge/wire/s3_testing.h"

namespace coffer::wire {
namespace {

constexpr char kByBotocore[] =
    "/b/a%20b%2Bc?response-content-type=text%2Fhtml&response-content-disposition=attachment%3B%20filename%3D%22x%22"
    "&versionId=v&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=mq%2F6LU2VSRBaFIJTOfcy1zxCl6I%3D"
    "&x-amz-security-token=a%2Fsession%2Btoken%3D%3D&Expires=1700000060";

std::string percent(std::string_view text) { return percent_encode(text); }

std::optional<SignatureClaim> must_read(const Request& request) { return must(read_v2_claim(request)); }

struct Example {
  std::string_view request, path, time, signature;
};

class GuideExamplesOfV2 : public ::testing::TestWithParam<Example> {};

TEST_P(GuideExamplesOfV2, AreVerified) {
  const auto& [text, path, time, signature] = GetParam();
  Request request = request_of(text);
  if (request.query().find("Signature") == std::string_view::npos)
    request.headers.add("Authorization", "AWS AKIAIOSFODNN7EXAMPLE:" + std::string(signature));
  const std::optional<SignatureClaim> claim = must_read(request);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->access_key_id, "AKIAIOSFODNN7EXAMPLE");
  EXPECT_EQ(claim->signature, signature);
  const ByteView secret = as_bytes(std::string_view(kSecretKey));
  EXPECT_EQ(v2_signature(secret, must(v2_string_to_sign(request, *claim, path))), signature);
  EXPECT_TRUE(succeeds(verify_v2_signature(request, *claim, secret, path, at(time))));
  EXPECT_EQ(verify_v2_signature(request, *claim, as_bytes(std::string_view("other")), path, at(time)).error().name,
            "SignatureDoesNotMatch");
  request.method = "POST";
  EXPECT_EQ(verify_v2_signature(request, *claim, secret, path, at(time)).error().name, "SignatureDoesNotMatch");
}

INSTANTIATE_TEST_SUITE_P(
    SignatureV2, GuideExamplesOfV2,
    ::testing::Values(
        Example{"GET /photos/puppy.jpg HTTP/1.1\nHost:johnsmith.s3.amazonaws.com\n"
                "Date:Tue, 27 Mar 2007 19:36:42 +0000\n",
                "/johnsmith/photos/puppy.jpg", "2007-03-27T19:36:42Z", "bWq2s1WEIj+Ydj0vQ697zp+IXMU="},
        Example{"PUT /photos/puppy.jpg HTTP/1.1\nContent-Type:image/jpeg\nContent-Length:94328\n"
                "Date:Tue, 27 Mar 2007 21:15:45 +0000\n",
                "/johnsmith/photos/puppy.jpg", "2007-03-27T21:15:45Z", "MyyxeRY7whkBe+bq8fHCL/2kKUg="},
        Example{"GET /?prefix=photos&max-keys=50&marker=puppy HTTP/1.1\nUser-Agent:Mozilla/5.0\n"
                "Date:Tue, 27 Mar 2007 19:42:41 +0000\n",
                "/johnsmith/", "2007-03-27T19:42:41Z", "htDYFYduRNen8P9ZfE/s9SuKy0U="},
        Example{"GET /?acl HTTP/1.1\nDate:Tue, 27 Mar 2007 19:44:46 +0000\n", "/johnsmith/", "2007-03-27T19:44:46Z",
                "c2WLPFtWHVgbEmeEG93a4cG37dM="},
        Example{"DELETE /johnsmith/photos/puppy.jpg HTTP/1.1\nDate:Tue, 27 Mar 2007 21:20:27 +0000\n"
                "x-amz-date:Tue, 27 Mar 2007 21:20:26 +0000\n",
                "/johnsmith/photos/puppy.jpg", "2007-03-27T21:20:26Z", "R4dJ53KECjStyBO5iTBJZ4XVOaI="},
        Example{"PUT /db-backup.dat.gz HTTP/1.1\nDate:Tue, 27 Mar 2007 21:06:08 +0000\nx-amz-acl:public-read\n"
                "content-type:application/x-download\nContent-MD5:4gJE4saaMU4BqNR0kLY+lw==\n"
                "X-Amz-Meta-ReviewedBy:joe@johnsmith.net\nX-Amz-Meta-ReviewedBy:jane@johnsmith.net\n"
                "X-Amz-Meta-FileChecksum:0x02661779\nX-Amz-Meta-ChecksumAlgorithm:crc32\nContent-Encoding:gzip\n",
                "/static.johnsmith.net/db-backup.dat.gz", "2007-03-27T21:06:08Z", "ilyl83RwaSoYIEdixDQcA4OnAnc="},
        Example{"GET / HTTP/1.1\nDate:Wed, 28 Mar 2007 01:29:59 +0000\n", "/", "2007-03-28T01:29:59Z",
                "qGdzdERIC03wnaRNKh6OqZehG9s="},
        Example{"GET /dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re HTTP/1.1\nDate:Wed, 28 Mar 2007 01:49:49 +0000\n",
                "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", "2007-03-28T01:49:49Z", "DNEZGsoieTZ92F3bUfSPQcbGmlM="},
        Example{"GET /photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&"
                "Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620 HTTP/1.1\n",
                "/johnsmith/photos/puppy.jpg", "2007-03-29T03:40:20Z", "NpgCjnDzrM+WFzoENXmpNDUsSn8="}));

TEST(SignatureV2, CoversEveryParameterThatSelectsAnOperation) {
  Request request = request_of("GET /b HTTP/1.1\nDate:Wed, 28 Mar 2007 01:29:59 GMT\nAuthorization:AWS A:s\n");
  const std::optional<SignatureClaim> claim = must_read(request);
  ASSERT_TRUE(claim);
  size_t count = 0;
  for (const OperationModel& operation : find_service("s3")->operations) {
    const size_t mark = operation.uri.find('?');
    if (mark == std::string_view::npos) continue;
    const std::string_view query = operation.uri.substr(mark + 1);
    const std::string_view name = query.substr(0, query.find_first_of("=&"));
    if (name == "list-type" || name == "x-id") continue;  // another form of the same listing; a name for logs
    request.target = "/b?" + std::string(name);
    const std::string text = must(v2_string_to_sign(request, *claim, "/b"));
    EXPECT_TRUE(text.ends_with("/b?" + std::string(name))) << operation.name << ": " << text;
    ++count;
  }
  EXPECT_GT(count, 50U);
}

TEST(SignatureV2, IsReadOnlyWhereItStandsAlone) {
  const auto name_with = [](const std::string& query, std::vector<std::string> authorizations = {}) {
    Request request;
    request.method = "GET";
    request.target = "/b/k" + query;
    request.headers.add("Date", "Tue, 14 Nov 2023 22:13:20 GMT");
    for (std::string& text : authorizations) request.headers.add("Authorization", std::move(text));
    const auto claim = read_v2_claim(request);
    return !claim.ok() ? claim.error().name : claim->has_value() ? std::string("Version 2") : std::string("none");
  };
  const std::string query = "?AWSAccessKeyId=A&Expires=1&Signature=s", v4 = "AWS4-HMAC-SHA256 Credential=x";
  EXPECT_EQ(name_with(query), "Version 2");
  EXPECT_EQ(name_with("", {"AWS A:s"}), "Version 2");
  EXPECT_EQ(name_with(""), "none");
  EXPECT_EQ(name_with("", {v4}), "none");
  EXPECT_EQ(name_with("", {"Basic YTpi"}), "none");
  EXPECT_EQ(name_with("?X-Amz-Signature=s&X-Amz-Algorithm=a"), "none");
  EXPECT_EQ(name_with("?Signature=s", {v4}), "none");
  EXPECT_EQ(name_with(query + "&SignatureVersion=2"), "none");
  EXPECT_EQ(name_with("?a=%zz&AWSAccessKeyId=A"), "none");
  EXPECT_EQ(name_with(query, {"AWS A:s"}), "InvalidRequest");
  EXPECT_EQ(name_with(query, {v4}), "InvalidRequest");
  EXPECT_EQ(name_with(query + "&X-Amz-Algorithm=a"), "InvalidRequest");
  EXPECT_EQ(name_with("?X-Amz-Algorithm=a", {"AWS A:s"}), "InvalidRequest");
  EXPECT_EQ(name_with("", {"AWS A:s", "AWS A:s"}), "InvalidRequest");
  EXPECT_EQ(name_with("", {"AWS A:s", v4}), "InvalidRequest");
  for (const char* text : {"AWS", "AWS ", "AWS A", "AWS A:", "AWS :s", "AWS A/B:s", "AWS A B:s"})
    EXPECT_EQ(name_with("", {text}), "InvalidArgument") << text;
  for (const char* text :
       {"?AWSAccessKeyId=A", "?Signature=s", "?AWSAccessKeyId=A&Signature=s", "?Expires=1&Signature=s",
        "?AWSAccessKeyId=A&Expires=1", "?AWSAccessKeyId=&Expires=1&Signature=s",
        "?AWSAccessKeyId=A&Expires=&Signature=s",
        "?AWSAccessKeyId=A&Expires=1&Signature=", "?AWSAccessKeyId=A&Expires=1&Signature=s&Signature=s",
        "?AWSAccessKeyId=A&Expires=1&Expires=9&Signature=s", "?AWSAccessKeyId=A&AWSAccessKeyId=A&Expires=1&Signature=s",
        "?AWSAccessKeyId=A&Expires=-1&Signature=s", "?AWSAccessKeyId=A&Expires=soon&Signature=s",
        "?AWSAccessKeyId=A&Expires=1.5&Signature=s", "?AWSAccessKeyId=A&Expires=253402300800&Signature=s",
        "?AWSAccessKeyId=A&Expires=9223372036854775808&Signature=s",
        "?AWSAccessKeyId=A&Expires=99999999999999999999999&Signature=s"})
    EXPECT_EQ(name_with(text), "AccessDenied") << text;
  EXPECT_EQ(name_with("?AWSAccessKeyId=A%00&Expires=1&Signature=s"), "InvalidAccessKeyId");
  EXPECT_EQ(name_with(query + "&content-type=a%0ab"), "InvalidArgument");
  EXPECT_EQ(name_with(query + "&x-amz-acl:private%0ax-amz-b=c"), "InvalidArgument");
}

class S3V2Test : public S3Test {
 protected:
  /// The parameters of a signature over `text`.
  static std::string signed_query(const std::string& text, int64_t until) {
    return "AWSAccessKeyId=" + std::string(kAccessKey) + "&Expires=" + std::to_string(until) +
           "&Signature=" + percent(v2_signature(as_bytes(std::string_view(kSecretKey)), text));
  }
  static std::string signed_header(const std::string& text) {
    return "AWS " + std::string(kAccessKey) + ":" + v2_signature(as_bytes(std::string_view(kSecretKey)), text);
  }
  static constexpr int64_t kUntil = 1'700'000'060;
  static constexpr char kNow[] = "Tue, 14 Nov 2023 22:13:20 GMT";
};

TEST_F(S3V2Test, AUrlOfBotocoreWorksUntilItExpires) {
  const Response response = handle(request("GET", kByBotocore));
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(last().operation, "GetObject");
  EXPECT_FALSE(last().is_anonymous);
  EXPECT_EQ(last().input.text("Key"), "a b+c");
  EXPECT_EQ(last().input.text("VersionId"), "v");
  EXPECT_EQ(last().input.text("ResponseContentType"), "text/html");
  EXPECT_EQ(last().call.signature->auth_type, "REST-QUERY-STRING");
  EXPECT_EQ(last().call.signature->version, "AWS");
  EXPECT_EQ(last().call.signature->content_sha256, "UNSIGNED-PAYLOAD");
  EXPECT_FALSE(last().call.signature->time.has_value());
  EXPECT_EQ(last().call.region, "us-east-1");
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(handle(request("GET", kByBotocore)).status, 200);
  clock_.advance(std::chrono::seconds(1));
  const Response late = handle(request("GET", kByBotocore));
  EXPECT_EQ(code(late), "403 AccessDenied");
  EXPECT_EQ(element(late, "Message"), "Request has expired");
  EXPECT_TRUE(element(late, "Expires").starts_with("2023-11-14T22:14:20"));
}

TEST_F(S3V2Test, AUrlThatNamesItsBucketInTheHostCarriesHeadersInItsQuery) {
  Request put = request(
      "PUT",
      "/k?partNumber=2&uploadId=u%2F1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=CSvvcPAA4ksXzr09Nwb9wqUKoT0%3D"
      "&content-type=text%2Fplain&x-amz-acl=private&x-amz-meta-b=%20two%20&content-md5=CY9rzUYh03PK3k6DJie09g%3D%3D"
      "&x-amz-security-token=a%2Fsession%2Btoken%3D%3D&Expires=1700000060",
      "test");
  put.headers.set("Host", "b.s3.example.internal");
  const Response response = handle(std::move(put));
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(last().operation, "UploadPart");
  EXPECT_EQ(last().body, "test");
  EXPECT_EQ(last().input.text("UploadId"), "u/1");
  EXPECT_EQ(last().input.text("ContentMD5"), "CY9rzUYh03PK3k6DJie09g==");
}

TEST_F(S3V2Test, AHeaderOfBotocoreWorksForFifteenMinutes) {
  const auto put = [&] {
    Request made = request("PUT", "/b/k", "test");
    made.headers.set("x-amz-meta-a", "1");
    made.headers.set("Content-Type", "text/plain");
    made.headers.set("Content-MD5", "CY9rzUYh03PK3k6DJie09g==");
    made.headers.set("x-amz-security-token", "a/session+token==");
    made.headers.set("Date", kNow);
    made.headers.set("Authorization", "AWS AKIAIOSFODNN7EXAMPLE:hV4dGi7H2XkvumsrWPq6YROUUuI=");
    return made;
  };
  ASSERT_EQ(handle(put()).status, 200);
  EXPECT_EQ(last().call.signature->auth_type, "REST-HEADER");
  EXPECT_EQ(last().call.signature->version, "AWS");
  EXPECT_EQ(last().body, "test");
  Request more = put();
  more.headers.set("x-amz-acl", "public-read");
  EXPECT_EQ(code(handle(std::move(more))), "403 SignatureDoesNotMatch");
  clock_.advance(std::chrono::minutes(16));
  const Response late = handle(put());
  EXPECT_EQ(code(late), "403 RequestTimeTooSkewed");
  EXPECT_EQ(element(late, "RequestTime"), kNow);
  Request undated = request("GET", "/b/k");
  undated.headers.set("Authorization", "AWS A:s");
  EXPECT_EQ(code(handle(std::move(undated))), "403 AccessDenied");
}

TEST_F(S3V2Test, WhatWasSignedForOneRequestIsGoodForNoOther) {
  const std::string query = signed_query("GET\n\n\n1700000060\n/b/k", kUntil);
  ASSERT_EQ(handle(request("GET", "/b/k?" + query)).status, 200);
  EXPECT_EQ(handle(request("GET", "/b/k?x-id=GetObject&" + query)).status, 200);
  seen_.clear();
  for (const char* target : {"/b/l?", "/b?", "/b/k?acl&", "/b/k?%61cl&", "/b/k?versionId=v&", "/b/k?x-amz-acl=private&",
                             "/b/k?attributes&", "/b/k?response-content-type=a&", "/b/k?content-md5=a&", "/b/%6b?"})
    EXPECT_EQ(code(handle(request("GET", target + query))), "403 SignatureDoesNotMatch") << target;
  for (const char* method : {"PUT", "DELETE", "HEAD"})
    EXPECT_EQ(handle(request(method, "/b/k?" + query)).status, 403) << method;
  std::string other = query;
  other.replace(other.find("1700000060"), 10, "1800000060");
  EXPECT_EQ(code(handle(request("GET", "/b/k?" + other))), "403 SignatureDoesNotMatch");
  Request typed = request("GET", "/b/k?" + query);
  typed.headers.set("Content-Type", "text/plain");
  EXPECT_EQ(code(handle(std::move(typed))), "403 SignatureDoesNotMatch");
  EXPECT_TRUE(seen_.empty());
}

TEST_F(S3V2Test, AWrongSignatureIsExplainedAndAnUnknownKeyNamed) {
  const Response wrong = handle(request("GET", std::string(kByBotocore).replace(3, 1, "z")));
  EXPECT_EQ(code(wrong), "403 SignatureDoesNotMatch");
  EXPECT_EQ(element(wrong, "AWSAccessKeyId"), kAccessKey);
  EXPECT_EQ(element(wrong, "SignatureProvided"), "mq/6LU2VSRBaFIJTOfcy1zxCl6I=");
  EXPECT_TRUE(element(wrong, "StringToSign")
                  .starts_with("GET\n\n\n1700000060\nx-amz-security-token:a/session+token==\n/b/z%20b%2Bc?response-"));
  const Response unknown = handle(request("GET", "/b/k?AWSAccessKeyId=AKIAOTHER&Expires=1700000060&Signature=s"));
  EXPECT_EQ(code(unknown), "403 InvalidAccessKeyId");
  EXPECT_EQ(element(unknown, "AWSAccessKeyId"), "AKIAOTHER");
  EXPECT_EQ(code(handle(request("GET", "/b/k?AWSAccessKeyId=A&Signature=s"))), "403 AccessDenied");
  EXPECT_EQ(code(handle(request("GET", "/b/k?AWSAccessKeyId=A&Expires=1&Signature=s&X-Amz-Algorithm=a"))),
            "400 InvalidRequest");
}

TEST_F(S3V2Test, AUrlCutAnywhereIsNotTheSignersAnyMore) {
  const std::string whole = kByBotocore;
  for (size_t size = whole.find('?') + 1; size < whole.size(); ++size) {
    const Response response = handle(request("GET", whole.substr(0, size)));
    EXPECT_LT(response.status, 500) << size;
    EXPECT_TRUE(response.status != 200 || last().is_anonymous) << size;
  }
  for (size_t i = whole.find("Signature=") + 10; whole[i] != '&'; ++i) {
    std::string flipped = whole;
    flipped[i] = flipped[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(handle(request("GET", flipped)).status, 403) << i;
  }
}

TEST_F(S3V2Test, AFormIsGoodForWhatItsPolicySays) {
  using Fields = std::vector<std::pair<std::string, std::string>>;
  const auto fields_of = [](std::string conditions, std::string_view secret = kSecretKey) {
    conditions = R"({"expiration":"2030-01-01T00:00:00Z","conditions":[{"bucket":"b"},["starts-with","$key","up/"])" +
                 conditions + "]}";
    const std::string policy = base64_encode(as_bytes(conditions));
    return Fields{{"key", "up/k"},
                  {"AWSAccessKeyId", kAccessKey},
                  {"x-amz-security-token", "token"},
                  {"policy", policy},
                  {"signature", v2_signature(as_bytes(secret), policy)}};
  };
  const auto post = [&](const Fields& fields) {
    std::string body;
    for (const auto& [name, value] : fields)
      body += "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    body += "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nthe file\r\n--x--\r\n";
    Request made = request("POST", "/b", body);
    made.headers.set("Content-Type", "multipart/form-data; boundary=x");
    return handle(std::move(made));
  };
  const std::string token = R"(,{"x-amz-security-token":"token"})";
  const Response response = post(fields_of(token));
  ASSERT_EQ(response.status, 204) << response.body;
  EXPECT_FALSE(last().is_anonymous);
  EXPECT_EQ(last().body, "the file");
  EXPECT_EQ(last().call.signature->auth_type, "POST");
  EXPECT_EQ(last().call.signature->version, "AWS");
  EXPECT_EQ(last().call.caller.access_key_id, kAccessKey);
  EXPECT_EQ(last().call.region, "us-east-1");
  seen_.clear();
  EXPECT_EQ(code(post(fields_of(""))), "403 AccessDenied");
  EXPECT_EQ(code(post(fields_of(token, "other"))), "403 SignatureDoesNotMatch");
  Fields fields = fields_of(token);
  fields[3].second = base64_encode(as_bytes(std::string_view(R"({"expiration":"2030-01-01T00:00:00Z"})")));
  EXPECT_EQ(code(post(fields)), "403 SignatureDoesNotMatch");
  fields = fields_of(token);
  fields[1].second = "AKIAOTHER";
  EXPECT_EQ(code(post(fields)), "403 InvalidAccessKeyId");
  fields = fields_of(token);
  fields.emplace_back("x-amz-signature", "s");
  EXPECT_EQ(code(post(fields)), "400 InvalidRequest");
  for (size_t missing : {size_t{1}, size_t{3}, size_t{4}}) {
    fields = fields_of(token);
    fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(missing));
    EXPECT_EQ(code(post(fields)), "400 InvalidArgument") << missing;
  }
  EXPECT_TRUE(seen_.empty());
}

TEST_F(S3V2Test, OtherServicesDoNotTakeIt) {
  Request kms = request("POST", "/", "{}");
  kms.headers.set("X-Amz-Target", "TrentService.ListKeys");
  kms.headers.set("Date", kNow);
  kms.headers.set("Authorization", signed_header(std::string("POST\n\n\n") + kNow + "\n/"));
  const Response response = handle(std::move(kms));
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("Please use AWS4-HMAC-SHA256"), std::string::npos) << response.body;
}

TEST_F(S3V2Test, ABucketCalledLikeAPageIsReachedByAPresignedUrl) {
  EXPECT_EQ(handle(request("GET", "/metrics?" + signed_query("GET\n\n\n1700000060\n/metrics", kUntil) + "&list-type=2"))
                .status,
            200);
  EXPECT_EQ(last().input.text("Bucket"), "metrics");
}

TEST_F(S3V2Test, ThePayloadIsCheckedWhereTheRequestSaysWhatItIs) {
  const auto put = [&](const std::string& body, const std::string& hash) {
    Request made = request("PUT", "/b/k", body);
    made.headers.set("Date", kNow);
    made.headers.set("x-amz-content-sha256", hash);
    made.headers.set("Authorization",
                     signed_header(std::string("PUT\n\n\n") + kNow + "\nx-amz-content-sha256:" + hash + "\n/b/k"));
    return handle(std::move(made));
  };
  EXPECT_EQ(put("test", sha256_hex("test")).status, 200);
  EXPECT_EQ(put("test", "UNSIGNED-PAYLOAD").status, 200);
  EXPECT_EQ(code(put("test", sha256_hex("other"))), "400 XAmzContentSHA256Mismatch");
  EXPECT_EQ(code(put("4\r\ntest\r\n", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")), "400 InvalidRequest");
  EXPECT_EQ(code(put("test", "nonsense")), "400 InvalidArgument");

  const std::string document = "<Tagging><TagSet/></Tagging>", md5 = "CY9rzUYh03PK3k6DJie09g==";
  Request tags = request("PUT",
                         "/b?tagging&" + signed_query("PUT\n" + md5 + "\n\n1700000060\n/b?tagging", kUntil) +
                             "&content-md5=" + percent(md5),
                         document);
  EXPECT_EQ(code(handle(std::move(tags))), "400 BadDigest");
}

}  // namespace
}  // namespace coffer::wire
