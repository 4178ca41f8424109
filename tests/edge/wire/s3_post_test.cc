// Uploads by a browser's form.
#include "base/base64.h"
#include "edge/wire/s3_form.h"
#include "edge/wire/s3_post_policy.h"
#include "edge/wire/s3_testing.h"
#include "edge/wire/sigv4_keys.h"
#include "engine/crypto/hmac.h"

namespace coffer::wire {
namespace {

using api::Value;
using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr char kBoundary[] = "----WebKitFormBoundary7MA4YWxk";

std::string form_of(const Fields& fields, const std::string& file, const std::string& file_name = "a.txt") {
  std::string body;
  for (const auto& [name, value] : fields)
    body += std::string("--") + kBoundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" +
            value + "\r\n";
  body += std::string("--") + kBoundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + file_name +
          "\"\r\nContent-Type: text/x-of-the-part\r\n\r\n" + file + "\r\n";
  body += std::string("--") + kBoundary + "\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--" +
          kBoundary + "--\r\n";
  return body;
}

class S3PostTest : public S3Test {
 protected:
  Request post(const std::string& body, const std::string& target = "/b") const {
    Request made = request("POST", target, body);
    made.headers.set("Content-Type", std::string("multipart/form-data; boundary=") + kBoundary);
    return made;
  }
  /// Fields with policy and signature as SDKs make them.
  Fields signed_fields(Fields fields, std::string conditions, const std::string& expiration = "2030-01-01T00:00:00Z") {
    const std::string date = "20231114";
    fields.insert(fields.end(), {{"x-amz-algorithm", "AWS4-HMAC-SHA256"},
                                 {"x-amz-credential", std::string(kAccessKey) + "/20231114/us-east-1/s3/aws4_request"},
                                 {"x-amz-date", "20231114T221320Z"}});
    for (size_t i = fields.size() - 3; i < fields.size(); ++i)
      conditions +=
          (conditions.empty() ? "" : ",") + std::string("{\"") + fields[i].first + "\":\"" + fields[i].second + "\"}";
    const std::string policy =
        base64_encode(as_bytes("{\"expiration\":\"" + expiration + "\",\"conditions\":[" + conditions + "]}"));
    const SigningKey key = derive_signing_key(as_bytes(std::string_view(kSecretKey)),
                                              {.date = date, .region = "us-east-1", .service = "s3"});
    fields.emplace_back("policy", policy);
    fields.emplace_back("x-amz-signature", to_hex(key->of(as_bytes(policy))));
    return fields;
  }
};

TEST_F(S3PostTest, ASignedFormBecomesAnObjectWithItsFieldsAsHeaders) {
  const Fields fields = signed_fields({{"key", "up/${filename}"},
                                       {"acl", "private"},
                                       {"Content-Type", "image/png"},
                                       {"x-amz-meta-who", "me"},
                                       {"tagging",
                                        "<Tagging><TagSet><Tag><Key>a b</Key><Value>c&amp;</Value></Tag>"
                                        "</TagSet></Tagging>"},
                                       {"success_action_status", "201"}},
                                      R"({"bucket":"b"},["starts-with","$key","up/"],{"acl":"private"},
       ["starts-with","$Content-Type","image/"],["eq","$x-amz-meta-who","me"],["starts-with","$tagging",""],
       {"success_action_status":"201"},["content-length-range",1,1000])");
  run_ = [](const api::Operation&) -> Result<Value> { return Value::object({{"ETag", "\"e\""}, {"VersionId", "v"}}); };
  const std::string file = "the file\r\n--not the boundary\r\n";
  const Response response = handle(post(form_of(fields, file, "C:\\folder\\p.png")));
  ASSERT_EQ(response.status, 201) << response.body;
  EXPECT_EQ(element(response, "Key"), "up/p.png");
  EXPECT_EQ(element(response, "Location"), "http://127.0.0.1:9420/b/up/p.png");
  EXPECT_EQ(element(response, "ETag"), "&quot;e&quot;");
  EXPECT_EQ(response.headers.get("x-amz-version-id"), "v");
  EXPECT_EQ(last().operation, "PutObject");
  EXPECT_EQ(last().body, file);
  EXPECT_TRUE(last().is_form);
  EXPECT_FALSE(last().is_anonymous);
  EXPECT_EQ(last().call.signature->auth_type, "POST");
  EXPECT_EQ(last().input.text("Key"), "up/p.png");
  EXPECT_EQ(last().input.text("ACL"), "private");
  EXPECT_EQ(last().input.text("ContentType"), "image/png");
  EXPECT_EQ(last().input.text("Tagging"), "a%20b=c%26");
  EXPECT_EQ(last().input.text_map("Metadata"), (std::map<std::string, std::string>{{"who", "me"}}));
}

TEST_F(S3PostTest, AnUnsignedFormIsAnonymousAndAnswered204) {
  const Response response = handle(post(form_of({{"key", "k"}}, "x")));
  EXPECT_EQ(response.status, 204) << response.body;
  EXPECT_TRUE(last().is_anonymous);
  Request by_host = post(form_of({{"key", "k/l"}, {"success_action_status", "200"}}, "x"), "/");
  by_host.headers.set("Host", "b.s3.example.internal");
  const Response other = handle(std::move(by_host));
  EXPECT_EQ(other.status, 200) << other.body;
  EXPECT_EQ(other.headers.get("location"), "http://b.s3.example.internal/k/l");
}

TEST_F(S3PostTest, ARedirectTellsWhatWasStored) {
  run_ = [](const api::Operation&) -> Result<Value> { return Value::object({{"ETag", "\"e\""}}); };
  const Response response =
      handle(post(form_of({{"key", "k k"}, {"success_action_redirect", "https://site.example/done?x=1"}}, "x")));
  EXPECT_EQ(response.status, 303);
  EXPECT_EQ(response.headers.get("location"), "https://site.example/done?x=1&bucket=b&key=k%20k&etag=%22e%22");
  EXPECT_EQ(handle(post(form_of({{"key", "k"}, {"success_action_redirect", "javascript:alert(1)"}}, "x"))).status, 204);
}

TEST_F(S3PostTest, WhatThePolicyDoesNotAllowIsNotStored) {
  const std::string bucket = R"({"bucket":"b"},["starts-with","$key",""])";
  struct Row {
    Fields fields;
    std::string conditions, expiration, code, message;
  };
  const std::string later = "2030-01-01T00:00:00Z";
  for (const Row& row : std::initializer_list<Row>{
           {{{"key", "k"}},
            R"({"bucket":"other"},["starts-with","$key",""])",
            later,
            "403 AccessDenied",
            R"(Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "other"])"},
           {{{"key", "k"}},
            R"({"bucket":"b"},["starts-with","$key","up/"])",
            later,
            "403 AccessDenied",
            R"(Invalid according to Policy: Policy Condition failed: ["starts-with", "$key", "up/"])"},
           {{{"key", "k"}, {"acl", "private"}},
            bucket,
            later,
            "403 AccessDenied",
            "Invalid according to Policy: Extra input fields: acl"},
           {{{"key", "k"}},
            bucket,
            "2023-11-14T22:13:20Z",
            "403 AccessDenied",
            "Invalid according to Policy: Policy expired."},
           {{{"key", "k"}},
            bucket + R"(,["content-length-range",0,3])",
            later,
            "400 EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size"},
           {{{"key", "k"}},
            bucket + R"(,["content-length-range",5,9])",
            later,
            "400 EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size"},
           {{{"key", "k"}},
            bucket + R"(,["like","$key","k"])",
            later,
            "400 InvalidPolicyDocument",
            "Invalid Policy: Invalid Condition: like"},
           {{{"key", "k"}}, bucket + ",{", later, "400 InvalidPolicyDocument", "Invalid Policy: Invalid JSON."},
       }) {
    const Response response = handle(post(form_of(signed_fields(row.fields, row.conditions, row.expiration), "four")));
    EXPECT_EQ(code(response), row.code);
    std::string shown = row.message;
    for (size_t at = 0; (at = shown.find('"', at)) != std::string::npos; at += 6) shown.replace(at, 1, "&quot;");
    EXPECT_EQ(element(response, "Message"), shown);
  }
  EXPECT_TRUE(seen_.empty());
  const Fields free = signed_fields({{"key", "k"}, {"x-ignore-me", "1"}}, bucket);
  EXPECT_EQ(handle(post(form_of(free, "four"))).status, 204);
}

TEST_F(S3PostTest, AFormWithAnotherSignatureIsRefused) {
  Fields fields = signed_fields({{"key", "k"}}, R"({"bucket":"b"},["starts-with","$key",""])");
  fields.back().second[0] = fields.back().second[0] == 'a' ? 'b' : 'a';
  EXPECT_EQ(code(handle(post(form_of(fields, "x")))), "403 SignatureDoesNotMatch");
  EXPECT_EQ(code(handle(post(form_of({{"key", "k"}, {"AWSAccessKeyId", "A"}, {"signature", "s"}}, "x")))),
            "400 InvalidArgument");
  EXPECT_EQ(code(handle(post(form_of({{"key", "k"}, {"x-amz-signature", "s"}}, "x")))), "400 InvalidArgument");
  EXPECT_TRUE(seen_.empty());
}

TEST_F(S3PostTest, AFormWithTheOlderSignatureOfItsPolicyIsTaken) {
  const std::string policy =
      base64_encode(as_bytes(R"({"expiration":"2030-01-01T00:00:00Z","conditions":[{"bucket":"b"},{"key":"k"}]})"));
  Fields fields = {{"key", "k"},
                   {"AWSAccessKeyId", kAccessKey},
                   {"policy", policy},
                   {"signature", base64_encode(crypto::hmac_of(
                                     crypto::Hash::kSha1, as_bytes(std::string_view(kSecretKey)), as_bytes(policy)))}};
  EXPECT_EQ(handle(post(form_of(fields, "x"))).status, 204);
  EXPECT_EQ(last().call.signature->auth_type, "POST");
  EXPECT_EQ(last().call.signature->version, "AWS");
  fields.back().second[0] = fields.back().second[0] == 'a' ? 'b' : 'a';
  EXPECT_EQ(code(handle(post(form_of(fields, "x")))), "403 SignatureDoesNotMatch");
}

TEST_F(S3PostTest, AFormCutAnywhereOrOddlyMadeStoresNothing) {
  const std::string whole = form_of({{"key", "k"}, {"acl", "private"}}, "some file");
  const size_t end_of_file = whole.find("some file") + 9 + 4 + std::string(kBoundary).size();
  for (size_t size = 0; size < end_of_file; ++size) {
    const Response response = handle(post(whole.substr(0, size)));
    EXPECT_GE(response.status, 400) << size;
    EXPECT_LT(response.status, 500) << size;
  }
  EXPECT_TRUE(seen_.empty());
  EXPECT_EQ(code(handle(post(form_of({}, "x")))), "400 InvalidArgument");
  EXPECT_EQ(code(handle(post(form_of({{"key", ""}}, "x")))), "400 UserKeyMustBeSpecified");
  EXPECT_EQ(code(handle(post(form_of({{"key", std::string(21 << 10, 'k')}}, "x")))),
            "400 MaxPostPreDataLengthExceededError");
  EXPECT_EQ(code(handle(post(form_of({{"key", "k"}, {"x-amz-meta-a b", "x"}}, "x")))), "400 InvalidArgument");
  Request no_boundary = post(whole);
  no_boundary.headers.set("Content-Type", "multipart/form-data");
  EXPECT_EQ(code(handle(std::move(no_boundary))), "400 MalformedPOSTRequest");
  EXPECT_EQ(code(handle(post(whole, "/b/key"))), "405 MethodNotAllowed");
  EXPECT_TRUE(seen_.empty());
}

TEST(S3Form, AFileComesOutWholeWhateverThePieces) {
  // Beginnings of the delimiter inside, and at the end of the file.
  std::string file(70'000, 'x');
  for (size_t i = 0; i + 40 < file.size(); i += 1'013) file.replace(i, 20, std::string("\r\n--") + kBoundary, 0, 20);
  file += "\r\n\r\n--";
  const std::string body = form_of({{"key", "k"}}, file);
  for (size_t piece : {size_t{1}, size_t{3}, size_t{1'000}, size_t{65'536}, body.size()}) {
    PieceSource source(body, piece);
    S3FormReader reader(source, std::string("multipart/form-data; boundary=\"") + kBoundary + "\"");
    const S3Form form = must(reader.read_fields(Context()));
    EXPECT_EQ(*form.find("key"), "k");
    EXPECT_EQ(form.file_type, "text/x-of-the-part");
    std::string read;
    Bytes out(777);
    for (size_t size; (size = must(reader.read_file(Context(), out))) > 0;) read += as_text(ByteView(out).first(size));
    EXPECT_EQ(read, file) << piece;
  }
}

Value rule(Value origins, Value methods, Value headers = Value()) {
  Value made = Value::object({{"AllowedOrigins", std::move(origins)}, {"AllowedMethods", std::move(methods)}});
  made.set("AllowedHeaders", std::move(headers));
  return made;
}

TEST_F(S3PostTest, BrowsersOfOtherSitesAreToldWhatTheBucketAllows) {
  Value second = rule(Value(api::List{"*"}), Value(api::List{"GET"}));
  second.set("ExposeHeaders", Value(api::List{"ETag", "x-amz-version-id"}));
  cors_["b"] = Value::object(
      {{"CORSRules", Value(api::List{rule(Value(api::List{"https://*.example.com"}), Value(api::List{"PUT", "POST"}),
                                          Value(api::List{"x-amz-*", "Content-Type"})),
                                     second})}});
  const auto preflight = [&](const char* origin, const char* method, const char* headers, const char* target = "/b/k") {
    Request made = request("OPTIONS", target);
    made.headers.set("Origin", origin);
    made.headers.set("Access-Control-Request-Method", method);
    if (*headers) made.headers.set("Access-Control-Request-Headers", headers);
    return handle(std::move(made));
  };
  const Response put = preflight("https://www.example.com", "PUT", "X-Amz-Date, content-type");
  EXPECT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(put.headers.get("access-control-allow-origin"), "https://www.example.com");
  EXPECT_EQ(put.headers.get("access-control-allow-methods"), "PUT, POST");
  EXPECT_EQ(put.headers.get("access-control-allow-headers"), "x-amz-date, content-type");
  EXPECT_EQ(put.headers.get("access-control-allow-credentials"), "true");
  EXPECT_EQ(code(preflight("https://www.example.com", "PUT", "x-other")), "403 AccessForbidden");
  EXPECT_EQ(code(preflight("https://www.example.com.evil", "PUT", "")), "403 AccessForbidden");
  EXPECT_EQ(code(preflight("https://a.example.com", "DELETE", "")), "403 AccessForbidden");
  EXPECT_EQ(code(preflight("https://a.example.com", "PUT", "", "/other/k")), "403 AccessForbidden");
  EXPECT_EQ(code(preflight("https://a.example.com", "", "")), "400 BadRequest");

  Request get = request("GET", "/b/k");
  get.headers.set("Origin", "http://anywhere");
  const Response answer = handle(std::move(get));
  EXPECT_EQ(answer.headers.get("access-control-allow-origin"), "*");
  EXPECT_FALSE(answer.headers.has("access-control-allow-credentials"));
  EXPECT_EQ(answer.headers.get("access-control-expose-headers"), "ETag, x-amz-version-id");
  EXPECT_NE(answer.headers.get("vary").find("Origin"), std::string::npos);
  // Failures too: a page could not read them otherwise.
  run_ = [](const api::Operation&) -> Result<Value> {
    return api::fault(ErrorCode::kNotFound, "NoSuchKey", "The specified key does not exist.");
  };
  Request missing = request("GET", "/b/k");
  missing.headers.set("Origin", "http://anywhere");
  EXPECT_EQ(handle(std::move(missing)).headers.get("access-control-allow-origin"), "*");
  EXPECT_FALSE(handle(request("GET", "/b/k")).headers.has("access-control-allow-origin"));
}

}  // namespace
}  // namespace coffer::wire
