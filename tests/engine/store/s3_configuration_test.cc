// Where a vault on S3 is, and with whose keys it is opened.
#include "engine/store/s3_credentials.h"
#include "engine/store/s3_list.h"
#include "engine/store/s3_testing.h"

namespace coffer::store {
namespace {

using Map = std::map<std::string, std::string>;

TEST(S3Url, NamesBucketAndPrefix) {
  const S3Location at = must(parse_s3_url("s3://my-bucket/a/b/", {}, {}));
  EXPECT_EQ(at.bucket, "my-bucket");
  EXPECT_EQ(at.prefix, "a/b");
  EXPECT_EQ(at.region, "us-east-1");
  EXPECT_FALSE(at.path_style);
  EXPECT_EQ(at.origin("eu-west-1"), "https://my-bucket.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(at.origin("cn-north-1"), "https://my-bucket.s3.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(at.object_name("packs/x"), "a/b/packs/x");
  EXPECT_EQ(at.describe(), "s3://my-bucket/a/b");
  EXPECT_EQ(must(parse_s3_url("s3://my-bucket", {}, {})).object_name("x"), "x");
}

TEST(S3Url, OptionsWinOverEnvironmentWinsOverProfile) {
  const Map environment = {{"AWS_ENDPOINT_URL", "http://general:1"},
                           {"AWS_ENDPOINT_URL_S3", "http://own:2/"},
                           {"AWS_REGION", "r-env"},
                           {"AWS_CA_BUNDLE", "/ca"}};
  const Map profile = {{"endpoint_url", "http://profile:3"}, {"region", "r-profile"}, {"ca_bundle", "/other"}};
  const S3Location all =
      must(parse_s3_url("s3://bucket?endpoint=https://url:443&region=r-url&path-style=false", environment, profile));
  EXPECT_EQ(all.origin(all.region), "https://bucket.url");
  EXPECT_EQ(all.region, "r-url");
  const S3Location from_environment = must(parse_s3_url("s3://bucket", environment, profile));
  EXPECT_EQ(from_environment.origin("x"), "http://own:2");
  EXPECT_EQ(from_environment.base_path(), "/bucket");
  EXPECT_EQ(from_environment.region, "r-env");
  EXPECT_EQ(from_environment.ca_bundle_file, "/ca");
  const S3Location from_profile = must(parse_s3_url("s3://bucket", {}, profile));
  EXPECT_EQ(from_profile.endpoint, "http://profile:3");
  EXPECT_EQ(from_profile.region, "r-profile");
}

TEST(S3Url, ABucketWithADotIsAddressedByPath) {
  EXPECT_TRUE(must(parse_s3_url("s3://my.bucket/x", {}, {})).path_style);
}

TEST(S3Url, NonsenseIsRefusedWithAReason) {
  for (const char* url :
       {"s3://", "s3:///x", "s3://ab", "s3://a..b", "s3://UPPER case", "http://bucket", "s3://bucket/a b",
        "s3://bucket/a//b", "s3://bucket/../x", "s3://bucket?endpoint=host:1", "s3://bucket?endpoint=ftp://host",
        "s3://bucket?endpoint=http://h/path", "s3://bucket?endpoint=http://user@h", "s3://bucket?path-style=maybe",
        "s3://bucket?colour=red", "s3://bucket?region=a%", "s3://bucket?region=a/b",
        "s3://bucket?endpoint=http://h%0d%0aX:1"})
    EXPECT_TRUE(fails_with(parse_s3_url(url, {}, {}), ErrorCode::kInvalidArgument, "cannot use")) << url;
}

TEST(AwsConfig, SectionsNestingCommentsAndRubbish) {
  const ConfigSections sections = parse_aws_config(
      "stray = 1\n# comment\n[default]\naws_access_key_id = A\r\nREGION=r\ns3 =\n  max_queue = 3\n[profile  two ]\n"
      "region = r2 ; kept\nnonsense\n[open\nx=y\n;z\n[]\n");
  EXPECT_EQ(sections.at("default"), (Map{{"aws_access_key_id", "A"}, {"region", "r"}, {"s3", ""}}));
  EXPECT_EQ(sections.at("two"), (Map{{"region", "r2 ; kept"}}));
  EXPECT_EQ(sections.count("stray"), 0U);
}

TEST(AwsConfig, CredentialsFileWinsAndTheProfileIsChosen) {
  TemporaryDirectory home;
  std::filesystem::create_directories(home.path(".aws"));
  write_text(home.path(".aws/credentials"), "[default]\naws_access_key_id=D\n[work]\naws_access_key_id=W\n");
  write_text(home.path(".aws/config"), "[default]\nregion=r1\n[profile work]\nregion=r2\naws_access_key_id=other\n");
  PosixFileSystem files;
  EXPECT_EQ(must(aws_profile(files, {{"HOME", home.path()}})), (Map{{"aws_access_key_id", "D"}, {"region", "r1"}}));
  EXPECT_EQ(must(aws_profile(files, {{"HOME", home.path()}, {"AWS_PROFILE", "work"}})),
            (Map{{"aws_access_key_id", "W"}, {"region", "r2"}}));
  EXPECT_TRUE(
      fails_with(aws_profile(files, {{"HOME", home.path()}, {"AWS_PROFILE", "none"}}), ErrorCode::kNotFound, "none"));
  EXPECT_EQ(must(aws_profile(files, {})), Map{});
  EXPECT_EQ(must(aws_profile(files, {{"AWS_CONFIG_FILE", home.path(".aws/config")}})), (Map{{"region", "r1"}}));
}

// ---- credentials

class Chain : public ::testing::Test {
 protected:
  CredentialChain chain(Map environment, Map profile = {}) {
    environment.try_emplace("AWS_EC2_METADATA_DISABLED", "true");
    return {*connections_, clock_, files_, std::move(environment), std::move(profile)};
  }
  static std::string document(const std::string& id, const std::string& expires) {
    return R"({"AccessKeyId":")" + id + R"(","SecretAccessKey":"s","Token":"t","Expiration":")" + expires + "\"}";
  }
  static std::string answer(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  /// The fake S3 server as the metadata service: `give` says what a path answers; empty is 404.
  void serve(std::function<std::string(const FakeS3::Seen&)> give) {
    server_.set_faults([give = std::move(give)](const FakeS3::Seen& seen) -> std::optional<FakeFault> {
      const std::string body = give(seen);
      return FakeFault{.kind = FakeFault::Kind::kAnswer,
                       .text = body.empty() ? "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n" : answer(body)};
    });
  }
  static std::string id(Result<std::shared_ptr<const Credentials>> found) {
    return must(std::move(found))->access_key_id;
  }

  FakeS3 server_;
  std::unique_ptr<HttpConnections> connections_ = open_connections();
  ManualClock clock_{must(parse_utc("2026-01-01T00:00:00Z"))};
  PosixFileSystem files_;
};

TEST_F(Chain, EnvironmentThenProfile) {
  const Map profile = {{"aws_access_key_id", "P"}, {"aws_secret_access_key", "p"}};
  auto first =
      chain({{"AWS_ACCESS_KEY_ID", "E"}, {"AWS_SECRET_ACCESS_KEY", "e"}, {"AWS_SESSION_TOKEN", "tok"}}, profile);
  auto found = must(first.get(Context()));
  EXPECT_EQ(found->access_key_id, "E");
  EXPECT_EQ(to_text(found->secret_access_key.view()), "e");
  EXPECT_EQ(found->session_token, "tok");
  auto second = chain({{"AWS_ACCESS_KEY_ID", "half"}}, profile);
  EXPECT_EQ(id(second.get(Context())), "P");
}

TEST_F(Chain, ContainerEndpointIsAskedAgainBeforeTheKeysExpire) {
  std::atomic<int> asked = 0;
  serve([&](const FakeS3::Seen& seen) -> std::string {
    if (seen.target != "/creds") return "";
    const int times = ++asked;
    return document("C" + std::to_string(times), times == 1 ? "2026-01-01T01:00:00Z" : "2026-01-01T02:00:00Z");
  });
  auto found = chain({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.endpoint() + "/creds"},
                      {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret"}});
  EXPECT_EQ(id(found.get(Context())), "C1");
  clock_.advance(std::chrono::minutes(50));
  EXPECT_EQ(id(found.get(Context())), "C1");
  clock_.advance(std::chrono::minutes(6));
  EXPECT_EQ(id(found.get(Context())), "C2");
}

TEST_F(Chain, WhatIsStillValidIsUsedWhileItsSourceIsAway) {
  serve([](const FakeS3::Seen&) { return document("C", "2026-01-01T01:00:00Z"); });
  auto found = chain({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.endpoint() + "/creds"}});
  EXPECT_EQ(id(found.get(Context())), "C");
  serve([](const FakeS3::Seen&) { return ""; });
  clock_.advance(std::chrono::minutes(57));
  EXPECT_EQ(id(found.get(Context())), "C");
  const uint64_t before = server_.requests();
  EXPECT_EQ(id(found.get(Context())), "C");
  EXPECT_EQ(server_.requests(), before) << "it is not asked with every request";
  clock_.advance(std::chrono::minutes(4));
  EXPECT_FALSE(found.get(Context()).ok());
}

TEST_F(Chain, RefusedKeysAreAskedForAgain) {
  std::atomic<int> asked = 0;
  serve([&](const FakeS3::Seen&) { return document("C" + std::to_string(++asked), "2026-01-01T05:00:00Z"); });
  auto found = chain({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.endpoint() + "/creds"}});
  auto first = must(found.get(Context()));
  found.refuse(first);
  EXPECT_EQ(id(found.get(Context())), "C2");
  found.refuse(first);
  EXPECT_EQ(id(found.get(Context())), "C2") << "somebody else's refusal of older ones";
}

// A token in clear only to this machine or its container host.
TEST_F(Chain, ContainerEndpointsElsewhereAreNotAskedInClear) {
  for (const char* url : {"http://example.com/c", "http://127.0.0.1.example.com/", "http://127.0.0.1@evil/",
                          "http://169.254.169.254/", "ftp://localhost/", "http://[::2]/"}) {
    auto found = chain({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}});
    EXPECT_TRUE(fails_with(found.get(Context()), ErrorCode::kInvalidArgument)) << url;
  }
}

TEST_F(Chain, InstanceMetadataByToken) {
  serve([](const FakeS3::Seen& seen) -> std::string {
    if (seen.method == "PUT") return seen.target == "/latest/api/token" ? "TOKEN" : "";
    if (seen.target == "/latest/meta-data/iam/security-credentials/") return "a role";
    if (seen.target == "/latest/meta-data/iam/security-credentials/a%20role")
      return document("I", "2026-01-01T05:00:00Z");
    return "";
  });
  auto found =
      chain({{"AWS_EC2_METADATA_DISABLED", ""}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.endpoint() + "/"}});
  EXPECT_EQ(id(found.get(Context())), "I");
}

TEST_F(Chain, NoInstanceMeansNoCredentials) {
  serve([](const FakeS3::Seen&) { return ""; });
  auto found = chain({{"AWS_EC2_METADATA_DISABLED", ""}, {"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.endpoint()}});
  EXPECT_TRUE(fails_with(found.get(Context()), ErrorCode::kUnauthenticated, "no credentials"));
}

TEST(CredentialsDocument, NonsenseIsRefusedAtEveryLength) {
  const std::string whole =
      R"({"Code":"Success","AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-01T05:00:00Z"})";
  EXPECT_TRUE(succeeds(parse_credentials_document(as_bytes(whole))));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_credentials_document(as_bytes(std::string_view(whole).substr(0, size))).ok()) << size;
  for (const char* text : {"[]", "{}", R"({"AccessKeyId":1,"SecretAccessKey":"s"})", R"({"Code":"Failed"})",
                           R"({"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"})"})
    EXPECT_TRUE(fails_with(parse_credentials_document(as_bytes(text)), ErrorCode::kCorruption)) << text;
}

TEST(ListPage, TruncationAtEveryLengthIsNoListing) {
  const std::string whole =
      "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>"
      "<KeyCount>2</KeyCount><NextContinuationToken>n</NextContinuationToken><Contents><Key>v/a%2Bb</Key><Size>1</Size>"
      "</Contents><Contents><Key>v/c</Key><Size>22</Size></Contents></ListBucketResult>";
  const ListPage page = must(parse_list_page(as_bytes(whole), "v/", ""));
  ASSERT_EQ(page.objects.size(), 2U);
  EXPECT_EQ(page.objects[0].key, "v/a+b");
  EXPECT_EQ(page.objects[1].size_bytes, 22U);
  EXPECT_EQ(page.next, "n");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_TRUE(fails_with(parse_list_page(as_bytes(std::string_view(whole).substr(0, size)), "v/", ""),
                           ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(parse_list_page(as_bytes(whole), "v/", "v/a+b"), ErrorCode::kUnavailable, "order"));
  EXPECT_TRUE(fails_with(parse_list_page(as_bytes(whole), "w/", ""), ErrorCode::kUnavailable));
}

}  // namespace
}  // namespace coffer::store
