#include "edge/wire/protocol.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "edge/wire/codec.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

using api::Value;

const ServiceModel& service(std::string_view id) { return *find_service(id); }

Request json_request(std::string_view target, std::string body) {
  Request request;
  request.method = "POST";
  request.target = "/";
  request.headers.add("X-Amz-Target", std::string(target));
  request.body = std::move(body);
  return request;
}

Request form(std::string body) {
  Request request;
  request.method = "POST";
  request.target = "/";
  request.body = std::move(body);
  return request;
}

Request call(std::string method, std::string target, std::string body = "") {
  Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  return request;
}

Result<Value> decoded(std::string_view id, const Request& request) {
  COFFER_TRY(const Route route, find_route(service(id), request));
  return decode_input(route, request);
}

std::string decode_error(std::string_view id, const Request& request) {
  Result<Value> value = decoded(id, request);
  return value.ok() ? "" : value.error().name;
}

Response encoded(std::string_view id, std::string_view operation, const Value& output) {
  return encode_output(Route{&service(id), find_operation(service(id), operation), {}}, output, "an-id");
}

std::string_view routed(std::string_view id, const Request& request) {
  Result<Route> route = find_route(service(id), request);
  return route.ok() ? route->operation->name : std::string_view();
}

// ---- json

TEST(JsonProtocol, ReadsAnInput) {
  const Value input =
      *decoded("kms", json_request("TrentService.Encrypt",
                                   "{\"KeyId\":\"alias/a\",\"Plaintext\":\"AAEC\",\"DryRun\":false,"
                                   "\"EncryptionContext\":{\"b\":\"\\u00e4\",\"a\":\"1\"},\"Unknown\":[{}]}"));
  EXPECT_EQ(input, Value::object({{"KeyId", "alias/a"},
                                  {"Plaintext", Bytes{std::byte{0}, std::byte{1}, std::byte{2}}},
                                  {"EncryptionContext", api::Members{{"b", "ä"}, {"a", "1"}}},
                                  {"DryRun", false}}));
}

TEST(JsonProtocol, NothingAndNullAreAbsentMembers) {
  EXPECT_EQ(*decoded("kms", json_request("TrentService.ListKeys", "")), Value::object());
  EXPECT_EQ(*decoded("kms", json_request("TrentService.ListKeys", "{\"Limit\":null}")), Value::object());
}

TEST(JsonProtocol, WritesAnOutput) {
  const Response response =
      encoded("kms", "DescribeKey",
              Value::object(
                  {{"KeyMetadata", Value::object({{"KeyId", "1\"\n"},
                                                  {"Enabled", true},
                                                  {"CreationDate", WallTime{1'700'000'000'125'999}},
                                                  {"PendingDeletionWindowInDays", 30},
                                                  {"EncryptionAlgorithms", api::text_list({"SYMMETRIC_DEFAULT"})}})}}));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("content-type"), "application/x-amz-json-1.1");
  EXPECT_EQ(response.headers.get("x-amzn-requestid"), "an-id");
  EXPECT_EQ(response.body,
            "{\"KeyMetadata\":{\"KeyId\":\"1\\\"\\n\",\"Enabled\":true,\"CreationDate\":1700000000.125,"
            "\"PendingDeletionWindowInDays\":30,\"EncryptionAlgorithms\":[\"SYMMETRIC_DEFAULT\"]}}");
}

TEST(JsonProtocol, AnswersWithAnEmptyBodyWhereThereIsNoOutput) {
  EXPECT_EQ(encoded("kms", "EnableKey", Value::object()).body, "");
  EXPECT_EQ(encoded("kms", "ListKeys", Value()).body, "{}");
}

TEST(JsonProtocol, RefusesWhatDoesNotFit) {
  const auto error = [](std::string body) {
    return decode_error("kms", json_request("TrentService.Encrypt", std::move(body)));
  };
  for (const char* body :
       {"{", "[]", "1", "nul", "{\"KeyId\":1}", "{\"KeyId\":[\"a\"]}", "{\"Plaintext\":\"AAE\"}",
        "{\"Plaintext\":\"AA E\"}", "{\"Plaintext\":\"AAF=\"}", "{\"EncryptionContext\":[]}", "{\"DryRun\":\"true\"}",
        "{\"EncryptionContext\":{\"a\":1}}", "{\"GrantTokens\":\"a\"}", "{} x", "{\"a\":1,}", "\xEF\xBB\xBF{}",
        "{\"KeyId\":\"\xff\"}", "{\"KeyId\":\"\\ud800\"}", "{\"KeyId\":\"\\u00\"}"})
    EXPECT_EQ(error(body), "SerializationException") << body;
}

TEST(JsonProtocol, ReadsWholeNumbersOnlyWithinTheirType) {
  const auto limit = [](std::string number) {
    return decoded("kms", json_request("TrentService.ListKeys", "{\"Limit\":" + number + "}"));
  };
  EXPECT_EQ(limit("7")->integer("Limit"), 7);
  EXPECT_EQ(limit("-0")->integer("Limit"), 0);
  EXPECT_EQ(limit("2147483647")->integer("Limit"), 2147483647);
  EXPECT_EQ(limit("1e2")->integer("Limit"), 100);
  for (const char* number :
       {"2147483648", "-2147483649", "1.5", "1e400", "99999999999999999999999999", "\"7\"", "true"})
    EXPECT_FALSE(limit(number).ok()) << number;
}

TEST(JsonProtocol, TheLastOfEqualKeysCounts) {
  EXPECT_EQ(
      decoded("kms", json_request("TrentService.DescribeKey", "{\"KeyId\":\"a\",\"KeyId\":\"b\"}"))->text("KeyId"),
      "b");
}

TEST(JsonProtocol, LimitsTheDepth) {
  const auto nested = [](size_t depth) {
    return "{\"KeyId\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(decode_error("kms", json_request("TrentService.DescribeKey", nested(100'000))), "SerializationException");
  EXPECT_EQ(decode_error("kms", json_request("TrentService.DescribeKey", "{\"x\":" + nested(60) + ",\"KeyId\":\"a\"}")),
            "");
  EXPECT_EQ(decode_error("kms", json_request("TrentService.DescribeKey", "{\"x\":" + nested(70) + ",\"KeyId\":\"a\"}")),
            "SerializationException");
}

TEST(JsonProtocol, RefusesEveryTruncation) {
  const std::string whole =
      "{\"KeyId\":\"\\u00e4ä\",\"Plaintext\":\"AAEC\",\"EncryptionContext\":{\"b\":\"x\"},\"GrantTokens\":[\"a\"]}";
  for (size_t size = 1; size < whole.size(); ++size)
    EXPECT_EQ(decode_error("kms", json_request("TrentService.Encrypt", whole.substr(0, size))),
              "SerializationException")
        << size;
  EXPECT_EQ(decode_error("kms", json_request("TrentService.Encrypt", whole)), "");
}

TEST(JsonProtocol, FindsTheOperationByItsTarget) {
  EXPECT_EQ(routed("kms", json_request("TrentService.Encrypt", "")), "Encrypt");
  EXPECT_EQ(
      routed("cloudtrail", json_request("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "")),
      "LookupEvents");
  for (const char* target : {"", "Encrypt", "TrentService", "TrentService.", "TrentService.encrypt",
                             "AWSEvents.Encrypt", "TrentService.Encrypt ", "TrentService.Encrypt.Encrypt"}) {
    Result<Route> route = find_route(service("kms"), json_request(target, ""));
    ASSERT_FALSE(route.ok()) << target;
    EXPECT_EQ(route.error().name, "UnknownOperationException");
  }
  Request get = json_request("TrentService.Encrypt", "");
  get.method = "GET";
  EXPECT_FALSE(find_route(service("kms"), get).ok());
}

TEST(JsonProtocol, ShowsAFailureAsItsModelDoes) {
  const auto answer = [](std::string_view id, const Error& error) {
    return encode_error(find_service(id), nullptr, error, "an-id");
  };
  const Response kms =
      answer("kms", api::fault(ErrorCode::kNotFound, "NotFoundException", "Alias \"x\" is not found."));
  EXPECT_EQ(kms.status, 400);
  EXPECT_EQ(kms.headers.get("x-amzn-errortype"), "NotFoundException");
  EXPECT_EQ(kms.headers.get("content-type"), "application/x-amz-json-1.1");
  EXPECT_EQ(kms.body, "{\"__type\":\"NotFoundException\",\"message\":\"Alias \\\"x\\\" is not found.\"}");
  const Response organizations = answer(
      "organizations",
      api::fault(ErrorCode::kFailedPrecondition, "ConstraintViolationException", "no", "OU_DEPTH_LIMIT_EXCEEDED"));
  EXPECT_EQ(organizations.body,
            "{\"__type\":\"ConstraintViolationException\",\"Message\":\"no\",\"Reason\":\"OU_DEPTH_LIMIT_EXCEEDED\"}");
}

// ---- query

TEST(QueryProtocol, ReadsListsOfStructures) {
  const Value input = *decoded(
      "iam", form("Action=CreateUser&Version=2010-05-08&UserName=a%2Bb+c&Tags.member.1.Key=k&Tags.member.1.Value="
                  "&Tags.member.7.Key=%C3%A4&Tags.member.7.Value=v&Unknown.member.1=x"));
  EXPECT_EQ(input, Value::object({{"UserName", "a+b c"},
                                  {"Tags", api::List{Value::object({{"Key", "k"}, {"Value", ""}}),
                                                     Value::object({{"Key", "ä"}, {"Value", "v"}})}}}));
}

TEST(QueryProtocol, TakesTheItemNamesOfTheModelAndThoseOfOthers) {
  const Value expected = Value::object({{"DBInstanceIdentifier", "i"},
                                        {"DBSnapshotIdentifier", "s"},
                                        {"Tags", api::List{Value::object({{"Key", "k"}, {"Value", "v"}})}}});
  for (const char* item : {"Tag", "member"}) {
    const std::string prefix = std::string("&Tags.") + item + ".1.";
    const Value input = *decoded(
        "rds", form("Action=CreateDBSnapshot&Version=2014-10-31&DBSnapshotIdentifier=s&DBInstanceIdentifier=i" +
                    prefix + "Key=k" + prefix + "Value=v"));
    EXPECT_EQ(input.text("DBSnapshotIdentifier"), "s");
    EXPECT_EQ(input.list("Tags"), expected.list("Tags")) << item;
  }
  const Value filters =
      *decoded("rds", form("Action=DescribeDBSnapshots&Filters.Filter.1.Name=n&Filters.Filter.1.Values.Value.1=a&"
                           "Filters.Filter.1.Values.Value.2=b"));
  EXPECT_EQ(filters.list("Filters")[0].texts("Values"), (std::vector<std::string>{"a", "b"}));
}

TEST(QueryProtocol, AListThatIsNamedWithoutItemsIsEmpty) {
  EXPECT_EQ(decoded("rds", form("Action=CreateDBSnapshot&Tags="))->list("Tags").size(), 0U);
  EXPECT_TRUE(decoded("rds", form("Action=CreateDBSnapshot&Tags="))->has("Tags"));
  EXPECT_FALSE(decoded("rds", form("Action=CreateDBSnapshot"))->has("Tags"));
}

TEST(QueryProtocol, ItemsAreInTheOrderOfTheirNumbers) {
  const Value input = *decoded(
      "iam", form("Action=GetAccountAuthorizationDetails&Filter.member.10=c&Filter.member.2=b&Filter.member.1=a"));
  EXPECT_EQ(input.texts("Filter"), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(QueryProtocol, IgnoresNumbersThatAreNone) {
  const Value input = *decoded(
      "iam", form("Action=GetAccountAuthorizationDetails&Filter.member.0=a&Filter.member.-1=a&Filter.member.01=a&"
                  "Filter.member.99999999999999999999=a&Filter.member.1x=a&Filter.member.=a&Filter.member.2=b"));
  EXPECT_EQ(input.texts("Filter"), (std::vector<std::string>{"b"}));
}

TEST(QueryProtocol, ReadsScalarsOfEachType) {
  EXPECT_EQ(decoded("iam", form("Action=ListUsers&MaxItems=7"))->integer("MaxItems"), 7);
  EXPECT_EQ(decoded("iam", form("Action=UpdateAccountPasswordPolicy&RequireSymbols=true"))->flag("RequireSymbols"),
            true);
  EXPECT_EQ(decode_error("iam", form("Action=ListUsers&MaxItems=seven")), "MalformedInput");
  EXPECT_EQ(decode_error("iam", form("Action=ListUsers&MaxItems=99999999999")), "MalformedInput");
  EXPECT_EQ(decode_error("iam", form("Action=ListUsers&MaxItems=")), "MalformedInput");
  EXPECT_EQ(decode_error("iam", form("Action=UpdateAccountPasswordPolicy&RequireSymbols=yes")), "MalformedInput");
  EXPECT_EQ(decode_error("iam", form("Action=CreateUser&UserName=%ff")), "MalformedInput");
}

TEST(QueryProtocol, TakesParametersFromTheQueryStringToo) {
  EXPECT_EQ(
      decoded("sts", call("GET", "/?Action=AssumeRole&Version=2011-06-15&RoleSessionName=s"))->text("RoleSessionName"),
      "s");
}

TEST(QueryProtocol, FindsTheOperationByItsAction) {
  EXPECT_EQ(routed("iam", form("Action=GetUser&Version=2010-05-08")), "GetUser");
  EXPECT_EQ(routed("iam", form("Action=GetUser")), "GetUser");
  const auto error = [](std::string body) { return find_route(service("iam"), form(std::move(body))).error().name; };
  EXPECT_EQ(error("Version=2010-05-08"), "MissingAction");
  EXPECT_EQ(error("Action=Fly&Version=2010-05-08"), "InvalidAction");
  EXPECT_EQ(error("Action=GetUser&Version=2011-06-15"), "InvalidAction");
  EXPECT_EQ(error("Action=GetUser&x=%2"), "MalformedQueryString");
}

TEST(QueryProtocol, WritesAnOutput) {
  const Value output =
      Value::object({{"User", Value::object({{"Path", "/"},
                                             {"UserName", "a&b"},
                                             {"UserId", "AIDA"},
                                             {"Arn", "arn:aws:iam::1:user/a"},
                                             {"CreateDate", WallTime{1'700'000'000'000'000}},
                                             {"Tags", api::List{Value::object({{"Key", "k"}, {"Value", "<"}})}}})}});
  const Response response = encoded("iam", "GetUser", output);
  EXPECT_EQ(response.headers.get("content-type"), "text/xml");
  EXPECT_EQ(response.body,
            "<GetUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetUserResult><User><Path>/</Path>"
            "<UserName>a&amp;b</UserName><UserId>AIDA</UserId><Arn>arn:aws:iam::1:user/a</Arn>"
            "<CreateDate>2023-11-14T22:13:20Z</CreateDate><Tags><member><Key>k</Key><Value>&lt;</Value></member></"
            "Tags></User>"
            "</GetUserResult><ResponseMetadata><RequestId>an-id</RequestId></ResponseMetadata></GetUserResponse>");
}

TEST(QueryProtocol, WritesNoResultWhereThereIsNoOutput) {
  EXPECT_EQ(encoded("iam", "DeleteUser", Value::object()).body,
            "<DeleteUserResponse "
            "xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ResponseMetadata><RequestId>an-id</RequestId>"
            "</ResponseMetadata></DeleteUserResponse>");
}

TEST(QueryProtocol, EscapesPolicyDocumentsOfIamOnly) {
  const Value role = Value::object({{"RoleName", "r"}, {"PolicyName", "p"}, {"PolicyDocument", "{\"A\": [\"*\"]}"}});
  EXPECT_NE(encoded("iam", "GetRolePolicy", role)
                .body.find("<PolicyDocument>%7B%22A%22%3A%20%5B%22%2A%22%5D%7D</PolicyDocument>"),
            std::string::npos);
}

TEST(QueryProtocol, NamesItemsAsRdsDoes) {
  const std::string body =
      encoded("rds", "DescribeDBSnapshots",
              Value::object({{"DBSnapshots",
                              api::List{Value::object({{"DBSnapshotIdentifier", "s"},
                                                       {"SnapshotCreateTime", WallTime{1'700'000'000'000'000}}})}}}))
          .body;
  EXPECT_NE(body.find("<DBSnapshots><DBSnapshot><DBSnapshotIdentifier>s</DBSnapshotIdentifier>"
                      "<SnapshotCreateTime>2023-11-14T22:13:20.000Z</SnapshotCreateTime></DBSnapshot></DBSnapshots>"),
            std::string::npos)
      << body;
}

TEST(QueryProtocol, ShowsAFailure) {
  const Response response = encode_error(find_service("iam"), nullptr,
                                         api::fault(ErrorCode::kNotFound, "NoSuchEntity", "The user <x>"), "an-id");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body,
            "<ErrorResponse "
            "xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>"
            "<Message>The user &lt;x&gt;</Message></Error><RequestId>an-id</RequestId></ErrorResponse>");
}

// ---- rest-json

TEST(RestJson, FindsOperationsByMethodAndPath) {
  EXPECT_EQ(routed("backup", call("GET", "/backup/plans/")), "ListBackupPlans");
  EXPECT_EQ(routed("backup", call("GET", "/backup/plans")), "ListBackupPlans");
  EXPECT_EQ(routed("backup", call("GET", "/backup/plans/p/")), "GetBackupPlan");
  EXPECT_EQ(routed("backup", call("GET", "/backup/plans/p?versionId=1")), "GetBackupPlan");
  EXPECT_EQ(routed("backup", call("DELETE", "/backup/plans/p")), "DeleteBackupPlan");
  EXPECT_EQ(routed("backup", call("POST", "/backup-vaults/v/mpaApprovalTeam?delete")),
            "DisassociateBackupVaultMpaApprovalTeam");
  EXPECT_EQ(routed("lambda", call("GET", "/2018-10-31/layers?find=LayerVersion&Arn=a")), "GetLayerVersionByArn");
  EXPECT_EQ(routed("lambda", call("GET", "/2018-10-31/layers")), "ListLayers");
  EXPECT_EQ(routed("lambda", call("GET", "/2019-09-30/functions/f/provisioned-concurrency?List=ALL")),
            "ListProvisionedConcurrencyConfigs");
  for (const auto& [method, target] : {std::pair{"GET", "/"},
                                       {"GET", "/nothing"},
                                       {"PATCH", "/backup/plans"},
                                       {"GET", "backup/plans"},
                                       {"GET", "/backup/plans/p/q/r"},
                                       {"GET", "/Backup/plans"},
                                       {"GET", "/backup/plans?x=%"}}) {
    Result<Route> route = find_route(service("backup"), call(method, target));
    ASSERT_FALSE(route.ok()) << target;
    EXPECT_EQ(route.error().name, "UnknownOperationException");
  }
}

TEST(RestJson, ReadsLabelsQueriesAndBody) {
  const Request request =
      call("GET",
           "/backup-vaults/v/recovery-points/?resourceArn=arn%3Aa&maxResults=5&createdBefore=2024-01-02T03%3A04%3A05Z");
  const Value input = *decoded("backup", request);
  EXPECT_EQ(input.text("BackupVaultName"), "v");
  EXPECT_EQ(input.text("ByResourceArn"), "arn:a");
  EXPECT_EQ(input.integer("MaxResults"), 5);
  EXPECT_EQ(input.time("ByCreatedBefore"), WallTime{1'704'164'645'000'000});
  const std::string arn = "arn%3Aaws%3Abackup%3Aus-east-1%3A1%3Arecovery-point%3Aa%2Fb";
  EXPECT_EQ(decoded("backup", call("GET", "/backup-vaults/v/recovery-points/" + arn))->text("RecoveryPointArn"),
            "arn:aws:backup:us-east-1:1:recovery-point:a/b");
  const Value job = *decoded(
      "backup", call("PUT", "/backup-jobs", "{\"BackupVaultName\":\"v\",\"Lifecycle\":{\"DeleteAfterDays\":7}}"));
  EXPECT_EQ(job.find("Lifecycle")->integer("DeleteAfterDays"), 7);
  EXPECT_EQ(decode_error("backup", call("GET", "/backup-vaults/v/recovery-points/?maxResults=x")),
            "SerializationException");
  EXPECT_EQ(decode_error("backup", call("PUT", "/backup-jobs", "{")), "SerializationException");
  EXPECT_EQ(decode_error("backup", call("GET", "/backup-vaults/%ff")), "SerializationException");
}

TEST(RestJson, CarriesAPayloadAsItIs) {
  Request invoke = call("POST", "/2015-03-31/functions/f%3A1/invocations?Qualifier=q", "{\"not\": decoded");
  invoke.headers.add("x-amz-invocation-type", "Event");
  const Value input = *decoded("lambda", invoke);
  EXPECT_EQ(input.text("FunctionName"), "f:1");
  EXPECT_EQ(input.text("InvocationType"), "Event");
  EXPECT_EQ(as_text(input.blob("Payload")), "{\"not\": decoded");
  const Response response =
      encoded("lambda", "Invoke",
              Value::object({{"StatusCode", 202}, {"FunctionError", "a\r\nX-Evil: 1"}, {"Payload", to_bytes("\x01")}}));
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.body, "\x01");
  EXPECT_EQ(response.headers.get("x-amz-function-error"), "a  X-Evil: 1");
}

TEST(RestJson, WritesAnOutputAndAFailure) {
  const Response response =
      encoded("backup", "CreateBackupVault",
              Value::object({{"BackupVaultName", "v"}, {"CreationDate", WallTime{1'700'000'000'000'000}}}));
  EXPECT_EQ(response.headers.get("content-type"), "application/json");
  EXPECT_EQ(response.body, "{\"BackupVaultName\":\"v\",\"CreationDate\":1700000000}");
  const Response failed =
      encode_error(find_service("backup"), nullptr, Error{ErrorCode::kNotFound, "no vault", {}}, "an-id");
  EXPECT_EQ(failed.status, 400);
  EXPECT_EQ(failed.headers.get("x-amzn-errortype"), "ResourceNotFoundException");
  EXPECT_EQ(failed.body, "{\"Code\":\"ResourceNotFoundException\",\"Message\":\"no vault\",\"Type\":\"Sender\"}");
  const Response function =
      encode_error(find_service("lambda"), nullptr, Error{ErrorCode::kNotFound, "no f", {}}, "an-id");
  EXPECT_EQ(function.status, 404);
  EXPECT_EQ(function.body, "{\"Message\":\"no f\",\"Type\":\"User\"}");
}

// ---- rest-xml

TEST(RestXml, FindsOperationsByMethodPathQueryAndHeaders) {
  struct Row {
    const char *method, *target, *operation;
  };
  const Row rows[] = {{"GET", "/", "ListBuckets"},
                      {"GET", "/b", "ListObjects"},
                      {"GET", "/b/", "ListObjects"},
                      {"GET", "/b?list-type=2&prefix=x", "ListObjectsV2"},
                      {"GET", "/b?uploads", "ListMultipartUploads"},
                      {"GET", "/b?versions=", "ListObjectVersions"},
                      {"GET", "/b/k", "GetObject"},
                      {"GET", "/b/a/b/", "GetObject"},
                      {"GET", "/b/k?uploadId=u", "ListParts"},
                      {"GET", "/b/k?acl", "GetObjectAcl"},
                      {"GET", "/b?analytics", "ListBucketAnalyticsConfigurations"},
                      {"GET", "/b?analytics&id=i", "GetBucketAnalyticsConfiguration"},
                      {"GET", "/b?lifecycle", "GetBucketLifecycleConfiguration"},
                      {"HEAD", "/b/k", "HeadObject"},
                      {"HEAD", "/b", "HeadBucket"},
                      {"PUT", "/b", "CreateBucket"},
                      {"PUT", "/b/k", "PutObject"},
                      {"PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"},
                      {"PUT", "/b/k?uploadId=u", "UploadPart"},
                      {"PUT", "/b/k?x-id=PutObject", "PutObject"},
                      {"PUT", "/b/k?tagging", "PutObjectTagging"},
                      {"POST", "/b/k?uploads", "CreateMultipartUpload"},
                      {"POST", "/b/k?uploadId=u", "CompleteMultipartUpload"},
                      {"POST", "/b?delete", "DeleteObjects"},
                      {"DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"},
                      {"DELETE", "/b/k", "DeleteObject"},
                      {"DELETE", "/b?policy", "DeleteBucketPolicy"}};
  for (const Row& row : rows)
    EXPECT_EQ(routed("s3", call(row.method, row.target)), row.operation) << row.method << row.target;
  Request copy = call("PUT", "/b/k");
  copy.headers.add("x-amz-copy-source", "/a/b");
  EXPECT_EQ(routed("s3", copy), "CopyObject");
  copy.target = "/b/k?partNumber=1&uploadId=u";
  EXPECT_EQ(routed("s3", copy), "UploadPartCopy");
  Result<Route> none = find_route(service("s3"), call("PATCH", "/b"));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().name, "MethodNotAllowed");
}

TEST(RestXml, KeepsKeysAsTheyAre) {
  const auto key = [](const char* target) { return std::string(decoded("s3", call("GET", target))->text("Key")); };
  EXPECT_EQ(key("/b/a//b/../c/"), "a//b/../c/");
  EXPECT_EQ(key("/b//a"), "/a");
  EXPECT_EQ(key("/b/a%2Fb%20+c"), "a/b +c");
}

TEST(RestXml, ReadsADocumentWithAndWithoutNamespace) {
  const char* body =
      "<?xml version=\"1.0\"?><Tagging "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet><Tag><Key>a</Key><Value> b </Value></Tag>"
      "<Tag><Value/><Key>c</Key></Tag></TagSet><Other/></Tagging>";
  const Value input = *decoded("s3", call("PUT", "/b?tagging", body));
  const api::List& tags = input.find("Tagging")->list("TagSet");
  ASSERT_EQ(tags.size(), 2U);
  EXPECT_EQ(tags[0], Value::object({{"Key", "a"}, {"Value", " b "}}));
  EXPECT_EQ(tags[1], Value::object({{"Key", "c"}, {"Value", ""}}));
  const Value parts =
      *decoded("s3", call("POST", "/b/k?uploadId=u",
                          "<CompleteMultipartUpload><Part><PartNumber> 1 </PartNumber><ETag>e</ETag></Part><Part>"
                          "<PartNumber>2</PartNumber></Part></CompleteMultipartUpload>"));
  EXPECT_EQ(parts.find("MultipartUpload")->list("Parts").size(), 2U);
  EXPECT_EQ(decode_error("s3", call("PUT", "/b?tagging", "<Tagging>")), "MalformedXML");
  EXPECT_EQ(decode_error("s3", call("POST", "/b/k?uploadId=u", "<C><Part><PartNumber>x</PartNumber></Part></C>")),
            "MalformedXML");
}

TEST(RestXml, ReadsHeaders) {
  Request request = call("PUT", "/b/k", "a stream is left alone");
  request.headers.add("X-Amz-Meta-Name", " v ");
  request.headers.add("x-amz-meta-name", "w");
  request.headers.add("x-amz-object-lock-retain-until-date", "2024-01-02T03:04:05Z");
  request.headers.add("Content-Length", "22");
  const Value input = *decoded("s3", request);
  EXPECT_EQ(input.text_map("Metadata"), (std::map<std::string, std::string>{{"name", "v,w"}}));
  EXPECT_EQ(input.time("ObjectLockRetainUntilDate"), WallTime{1'704'164'645'000'000});
  EXPECT_FALSE(input.has("Body"));
  Request since = call("GET", "/b/k");
  since.headers.add("If-Modified-Since", "Tue, 02 Jan 2024 03:04:05 GMT");
  EXPECT_EQ(decoded("s3", since)->time("IfModifiedSince"), WallTime{1'704'164'645'000'000});
  since.headers.set("If-Modified-Since", "yesterday");
  EXPECT_EQ(decode_error("s3", since), "InvalidArgument");
}

TEST(RestXml, WritesADocument) {
  const Value output = Value::object(
      {{"Name", "b"},
       {"IsTruncated", false},
       {"Contents",
        api::List{Value::object(
            {{"Key", "k&"}, {"LastModified", WallTime{1'700'000'000'000'000}}, {"Size", int64_t{5} << 40}})}}});
  const Response response = encoded("s3", "ListObjectsV2", output);
  EXPECT_EQ(response.headers.get("content-type"), "application/xml");
  EXPECT_EQ(response.headers.get("x-amz-request-id"), "ANID");
  EXPECT_EQ(
      response.body,
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
      "<IsTruncated>false</IsTruncated><Contents><Key>k&amp;</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>"
      "<Size>5497558138880</Size></Contents></ListBucketResult>");
}

TEST(RestXml, WritesHeaders) {
  const Response response = encoded("s3", "HeadObject",
                                    Value::object({{"ETag", "\"e\""},
                                                   {"ContentLength", 5},
                                                   {"LastModified", WallTime{1'700'000'000'999'000}},
                                                   {"Metadata", api::text_map({{"a", "b"}})}}));
  EXPECT_EQ(response.headers.get("etag"), "\"e\"");
  EXPECT_EQ(response.headers.get("last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
  EXPECT_EQ(response.headers.get("x-amz-meta-a"), "b");
  EXPECT_EQ(response.body, "");
}

TEST(RestXml, SpeaksForNobody) {
  const Response response =
      encode_error(nullptr, nullptr, api::fault(ErrorCode::kUnauthenticated, "MissingAuthenticationToken", "a<b"),
                   "1111abcd-3333-4444-5555-666677778888");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>a&lt;b</Message>"
            "<RequestId>1111ABCD33334444</RequestId><HostId>1111abcd-3333-4444-5555-666677778888</HostId></Error>");
}

// ---- which service

TEST(GuessService, GoesByTargetHostVersionAndPath) {
  const auto guess = [](const Request& request) {
    const ServiceModel* found = guess_service(request);
    return found ? found->id : std::string_view("none");
  };
  EXPECT_EQ(guess(json_request("TrentService.Encrypt", "")), "kms");
  EXPECT_EQ(guess(json_request("AWSEvents.PutEvents", "")), "events");
  EXPECT_EQ(guess(json_request("Nobody.Encrypt", "")), "none");
  EXPECT_EQ(guess(form("Action=AssumeRoleWithWebIdentity&Version=2011-06-15")), "sts");
  EXPECT_EQ(guess(form("Action=GetUser&Version=2010-05-08")), "iam");
  EXPECT_EQ(guess(form("Action=GetUser&Version=1999-01-01")), "none");
  EXPECT_EQ(guess(call("GET", "/backup/plans/")), "backup");
  EXPECT_EQ(guess(call("POST", "/2015-03-31/functions/f/invocations")), "lambda");
  EXPECT_EQ(guess(call("GET", "/some-bucket/key")), "none");
  Request hosted = call("POST", "/", "Action=x");
  hosted.headers.add("Host", "sts.us-east-1.amazonaws.com:443");
  EXPECT_EQ(guess(hosted), "sts");
}

// ---- scalars

constexpr Shape made_shape(std::string_view name, ShapeType type, std::span<const Member> members = {}) {
  Shape shape;
  shape.name = name;
  shape.type = type;
  shape.members = members;
  return shape;
}
constexpr Member made_member(std::string_view name, const Shape& shape) {
  Member member;
  member.name = name;
  member.shape = &shape;
  return member;
}
constexpr Shape kDouble = made_shape("Double", ShapeType::kDouble);
constexpr Shape kTime = made_shape("Time", ShapeType::kTimestamp);
constexpr Shape kText = made_shape("Text", ShapeType::kString);
constexpr Member kScalarMembers[] = {made_member("Real", kDouble), made_member("At", kTime),
                                     made_member("Text", kText)};
constexpr Shape kScalars = made_shape("Scalars", ShapeType::kStructure, kScalarMembers);

std::string json_of(const Value& value) {
  std::string out;
  encode_json_body(kScalars, value, out);
  return out;
}

TEST(Scalars, NumbersThatJsonLacksAreWords) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(json_of(Value::object({{"Real", std::nan("")}})), "{\"Real\":\"NaN\"}");
  EXPECT_EQ(json_of(Value::object({{"Real", infinity}})), "{\"Real\":\"Infinity\"}");
  EXPECT_EQ(json_of(Value::object({{"Real", -infinity}})), "{\"Real\":\"-Infinity\"}");
  EXPECT_EQ(json_of(Value::object({{"Real", -0.0}})), "{\"Real\":-0}");
  EXPECT_EQ(json_of(Value::object({{"Real", 0.1}})), "{\"Real\":0.1}");
  EXPECT_EQ(json_of(Value::object({{"Real", 7}})), "{\"Real\":7}");
  EXPECT_TRUE(std::isnan(*decode_json(kScalars, "{\"Real\":\"NaN\"}")->find("Real")->get_if<double>()));
  EXPECT_EQ(*decode_json(kScalars, "{\"Real\":\"-Infinity\"}"), Value::object({{"Real", -infinity}}));
  EXPECT_EQ(*decode_json(kScalars, "{\"Real\":12345678901234567890}"),
            Value::object({{"Real", 12345678901234567890.0}}));
  EXPECT_FALSE(decode_json(kScalars, "{\"Real\":\"1\"}").ok());
  EXPECT_FALSE(decode_json(kScalars, "{\"Real\":1e999}").ok());
  EXPECT_FALSE(scalar_of(kDouble, "inf") || scalar_of(kDouble, "nan") || scalar_of(kDouble, "1e999") ||
               scalar_of(kDouble, ""));
}

TEST(Scalars, TimestampsAreReadInEveryFormat) {
  const WallTime expected{1'704'164'645'500'000};
  for (const char* text : {"1704164645.5", "2024-01-02T03:04:05.5Z", "2024-01-02T04:04:05.500+01:00"})
    EXPECT_EQ(parse_timestamp(text), expected) << text;
  EXPECT_EQ(parse_timestamp("Tue, 02 Jan 2024 03:04:05 GMT"), WallTime{1'704'164'645'000'000});
  for (const char* text : {"", "now", "2024-01-02", "1e300", "nan", "Tue, 32 Jan 2024 03:04:05 GMT",
                           "Tue, 02 Foo 2024 03:04:05 GMT", "2024-01-02T03:04:05", "999999999999999999999999"})
    EXPECT_FALSE(parse_timestamp(text)) << text;
  EXPECT_EQ(*decode_json(kScalars, "{\"At\":1704164645.5}"), Value::object({{"At", expected}}));
  EXPECT_EQ(*decode_json(kScalars, "{\"At\":\"2024-01-02T03:04:05.5Z\"}"), Value::object({{"At", expected}}));
  EXPECT_FALSE(decode_json(kScalars, "{\"At\":1e18}").ok());
  EXPECT_FALSE(decode_json(kScalars, "{\"At\":true}").ok());
}

TEST(Scalars, TimestampsAreWrittenInEveryFormat) {
  const WallTime time{1'704'164'645'500'999};
  EXPECT_EQ(format_timestamp(time, TimestampFormat::kEpoch), "1704164645.500");
  EXPECT_EQ(format_timestamp(time, TimestampFormat::kIso8601), "2024-01-02T03:04:05.500Z");
  EXPECT_EQ(format_timestamp(time, TimestampFormat::kRfc822), "Tue, 02 Jan 2024 03:04:05 GMT");
  EXPECT_EQ(format_timestamp(WallTime{0}, TimestampFormat::kEpoch), "0");
  EXPECT_EQ(format_timestamp(WallTime{0}, TimestampFormat::kIso8601, true), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_timestamp(WallTime{-500'000}, TimestampFormat::kEpoch), "-0.500");
  EXPECT_EQ(format_timestamp(WallTime{-1'500'000}, TimestampFormat::kIso8601), "1969-12-31T23:59:58.500Z");
  EXPECT_EQ(format_timestamp(WallTime{-86'400'000'000}, TimestampFormat::kRfc822), "Wed, 31 Dec 1969 00:00:00 GMT");
}

TEST(Scalars, TextThatIsNoUtf8IsStillAnAnswer) {
  EXPECT_EQ(json_of(Value::object({{"Text", "a\xff\xc3(\x01ä"}})), "{\"Text\":\"a\xEF\xBF\xBD\xEF\xBF\xBD(\\u0001ä\"}");
  std::string xml;
  encode_xml_members(kScalars, Value::object({{"Text", "\xed\xa0\x80\x0b\r\n"}}), {}, xml);
  EXPECT_EQ(xml, "<Text>\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD&#13;\n</Text>");
}

TEST(Scalars, AServiceThatAnswersAgainstItsModelIsABrokenInvariant) {
  EXPECT_THROW(encoded("kms", "DescribeKey", Value::object({{"Nothing", 1}})), std::logic_error);
  EXPECT_THROW(encoded("kms", "DescribeKey", Value::object({{"KeyMetadata", "text"}})), std::logic_error);
  EXPECT_THROW(encoded("iam", "GetUser", Value::object({{"User", api::List()}})), std::logic_error);
}

// ---- anything at all

/// Bytes that look like a request, and are broken in a few places.
std::string broken(std::string text, std::mt19937_64& random) {
  static constexpr std::string_view kPieces[] = {"\"", "{", "}",  "[", "]", "&",          "=",    ".", "<",
                                                 ">",  "%", "\\", "0", "-", "9999999999", "\xff", "",  "null"};
  for (int i = 0; i < 4; ++i) {
    const size_t at = text.empty() ? 0 : random() % text.size();
    const size_t gone = text.empty() ? 0 : random() % 3;
    text.replace(at, gone, kPieces[random() % std::size(kPieces)]);
  }
  return text;
}

TEST(DecodeInput, AnswersAnyBytesWithAValueOrANamedError) {
  std::mt19937_64 random(17);
  const std::vector<std::pair<std::string_view, Request (*)(std::mt19937_64&)>> senders = {
      {"kms",
       [](std::mt19937_64& r) {
         return json_request("TrentService.CreateGrant",
                             broken("{\"KeyId\":\"k\",\"Constraints\":{\"EncryptionContextSubset\":{\"a\":\"b\"}},"
                                    "\"Operations\":[\"Encrypt\"]}",
                                    r));
       }},
      {"iam",
       [](std::mt19937_64& r) {
         return form(
             "Action=SimulateCustomPolicy&" +
             broken("PolicyInputList.member.1=p&ContextEntries.member.1.ContextKeyValues.member.2=v&MaxItems=5", r));
       }},
      {"rds",
       [](std::mt19937_64& r) {
         return form("Action=DescribeDBSnapshots&" +
                     broken("Filters.Filter.1.Values.Value.1=a&MaxRecords=20&IncludeShared=true", r));
       }},
      {"backup",
       [](std::mt19937_64& r) {
         return call("PUT", "/backup/plans/?" + broken("a=b", r),
                     broken("{\"BackupPlan\":{\"BackupPlanName\":\"n\",\"Rules\":[{\"StartWindowMinutes\":60}]}}", r));
       }},
      {"s3",
       [](std::mt19937_64& r) {
         return call("PUT", "/b?lifecycle",
                     broken("<L><Rule><ID>a</ID><Expiration><Days>1</Days></Expiration></Rule></L>", r));
       }},
  };
  size_t good = 0, bad = 0;
  for (int round = 0; round < 4000; ++round) {
    for (const auto& [id, make] : senders) {
      const Request request = make(random);
      Result<Value> value = decoded(id, request);
      value.ok() ? ++good : ++bad;
      if (!value.ok()) {
        EXPECT_FALSE(value.error().name.empty());
        EXPECT_EQ(value.code(), ErrorCode::kInvalidArgument);
      }
    }
  }
  EXPECT_GT(good, 500U);
  EXPECT_GT(bad, 500U);
}

TEST(DecodeInput, ALongQueryIsReadInItsTime) {
  std::string body = "Action=GetAccountAuthorizationDetails";
  for (int i = 60'000; i > 0; --i) body += "&Filter.member." + std::to_string(i) + "=a";
  EXPECT_EQ(decoded("iam", form(body))->list("Filter").size(), 60'000U);
}

}  // namespace
}  // namespace coffer::wire
