#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>

#include "services/audit/audit_log.h"
#include "services/audit/canonical_json.h"
#include "services/audit/filing.h"

namespace coffer::audit {
namespace {

using api::Value;

Record alice_creates_a_key() {
  Record r;
  r.time = WallTime{1'795'522'800'123'456};
  r.caller.kind = api::Caller::Kind::kUser;
  r.caller.account = r.account = "111122223333";
  r.caller.arn = r.caller.principal_arn = "arn:aws:iam::111122223333:user/team/alice";
  r.caller.user_id = r.caller.principal_id = "AIDAEXAMPLE";
  r.caller.user_name = "alice";
  r.caller.access_key_id = "AKIAEXAMPLE";
  r.event_id = "0bd8a7ba-26ff-4a65-a39a-f4e2a5ba4ee1";
  r.service = "kms";
  r.operation = "CreateKey";
  r.region = "eu-central-1";
  r.source_ip = "192.0.2.7";
  r.user_agent = "aws-cli/2";
  r.request_id = "6c1d8e4e-5a6b-4c7d-8e9f-000000000000";
  r.read_only = false;
  r.request_parameters = R"({"description":"for backups"})";
  r.response_elements = R"({"keyMetadata":{"keyId":"1234"}})";
  r.resources = {"arn:aws:kms:eu-central-1:111122223333:key/1234"};
  return r;
}

// The bytes of a released format: what was hashed once has to be made the same way for ever.
TEST(RecordJson, IsCloudTrailsInCanonicalForm) {
  EXPECT_EQ(record_json(alice_creates_a_key()),
            R"({"awsRegion":"eu-central-1","eventCategory":"Management",)"
            R"("eventID":"0bd8a7ba-26ff-4a65-a39a-f4e2a5ba4ee1","eventName":"CreateKey",)"
            R"("eventSource":"kms.amazonaws.com","eventTime":"2026-11-24T12:20:00Z","eventType":"AwsApiCall",)"
            R"("eventVersion":"1.08","managementEvent":true,"readOnly":false,"recipientAccountId":"111122223333",)"
            R"("requestID":"6c1d8e4e-5a6b-4c7d-8e9f-000000000000","requestParameters":{"description":"for backups"},)"
            R"("resources":[{"ARN":"arn:aws:kms:eu-central-1:111122223333:key/1234","accountId":"111122223333",)"
            R"("type":"AWS::KMS::Key"}],"responseElements":{"keyMetadata":{"keyId":"1234"}},)"
            R"("sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","userIdentity":{"accessKeyId":"AKIAEXAMPLE",)"
            R"("accountId":"111122223333","arn":"arn:aws:iam::111122223333:user/team/alice",)"
            R"("principalId":"AIDAEXAMPLE","type":"IAMUser","userName":"alice"}})");
}

TEST(RecordJson, ShowsARoleSessionWithItsIssuer) {
  Record r = alice_creates_a_key();
  r.caller.kind = api::Caller::Kind::kRoleSession;
  r.caller.arn = "arn:aws:sts::111122223333:assumed-role/Operator/night";
  r.caller.principal_arn = "arn:aws:iam::111122223333:role/ops/Operator";
  r.caller.principal_id = "AROAEXAMPLE";
  r.caller.user_id = "AROAEXAMPLE:night";
  r.caller.user_name.clear();
  r.caller.token_issued = WallTime{1'795'522'000'000'000};
  r.caller.source_identity = "alice";
  r.error_code = "AccessDeniedException";
  r.error_message = "no";
  r.via_service = "backup.amazonaws.com";

  const auto json = boost::json::parse(record_json(r)).as_object();
  const auto& identity = json.at("userIdentity").as_object();
  const auto& session = identity.at("sessionContext").as_object();
  const auto& issuer = session.at("sessionIssuer").as_object();

  EXPECT_EQ(identity.at("type").as_string(), "AssumedRole");
  EXPECT_EQ(identity.at("invokedBy").as_string(), "backup.amazonaws.com");
  EXPECT_EQ(json.at("sourceIPAddress").as_string(), "backup.amazonaws.com");
  EXPECT_EQ(session.at("sourceIdentity").as_string(), "alice");
  EXPECT_EQ(session.at("attributes").as_object().at("creationDate").as_string(), "2026-11-24T12:06:40Z");
  EXPECT_EQ(issuer.at("userName").as_string(), "Operator");
  EXPECT_EQ(issuer.at("arn").as_string(), "arn:aws:iam::111122223333:role/ops/Operator");
  EXPECT_EQ(json.at("errorCode").as_string(), "AccessDeniedException");
  EXPECT_EQ(filing_of(record_json(r)).value().user_name, "night");
}

TEST(RecordJson, OfNobodyAndOfTheRootAndOfAService) {
  Record r = alice_creates_a_key();
  r.caller = {};
  EXPECT_NE(record_json(r).find(R"("userIdentity":{"accountId":"ANONYMOUS_PRINCIPAL","type":"AWSAccount"})"),
            std::string::npos);
  r.caller.kind = api::Caller::Kind::kRoot;
  r.caller.account = r.caller.user_id = "111122223333";
  r.caller.arn = "arn:aws:iam::111122223333:root";
  EXPECT_EQ(filing_of(record_json(r)).value().user_name, "root");
  r.caller = {};
  r.caller.kind = api::Caller::Kind::kService;
  r.caller.arn = "backup.amazonaws.com";
  EXPECT_NE(record_json(r).find(R"("userIdentity":{"invokedBy":"backup.amazonaws.com","type":"AWSService"})"),
            std::string::npos);
}

TEST(LoggableJson, SortsNamesAsCloudTrailWritesThemAndLeavesBlobsOut) {
  const Value input = Value::object({{"KeyId", "k"},
                                     {"Description", "a\"b\\c\n\x01"},
                                     {"CiphertextBlob", to_bytes("secret bytes")},
                                     {"Limit", 5},
                                     {"Big", int64_t{9'007'199'254'740'993}},
                                     {"Ratio", 0.5},
                                     {"DryRun", true},
                                     {"Until", WallTime{0}},
                                     {"Names", api::List{"x", Value(to_bytes("y")), 7}}});
  EXPECT_EQ(loggable_json(input),
            R"({"big":9007199254740993,"description":"a\"b\\c\n\u0001","dryRun":true,"keyId":"k","limit":5,)"
            R"("names":["x",7],"ratio":0.5,"until":"1970-01-01T00:00:00Z"})");
  EXPECT_EQ(loggable_json(Value::object()), "null");
  EXPECT_EQ(loggable_json(Value()), "null");
}

TEST(LoggableJson, NoSecretIsEverWritten) {
  for (const char* name : {"SecretAccessKey", "SessionToken", "Plaintext", "Password", "NewPassword", "OldPassword",
                           "PrivateKeyPlaintext", "EncryptedKeyMaterial", "MasterUserPassword", "SecretString",
                           "WebIdentityToken", "SAMLAssertion", "AuthenticationCode1", "TokenCode", "ImportToken"}) {
    const Value input =
        Value::object({{"Outer", api::List{Value::object({{name, "hunter2"}, {"UserName", "u"}})}}, {name, "hunter2"}});
    const std::string json = loggable_json(input);
    EXPECT_EQ(json.find("hunter2"), std::string::npos) << json;
    EXPECT_NE(json.find("HIDDEN_DUE_TO_SECURITY_REASONS"), std::string::npos) << json;
    EXPECT_NE(json.find("\"userName\":\"u\""), std::string::npos) << json;
  }
  const std::string whole = loggable_json(
      Value::object({{"Password", Value::object({{"Inner", "hunter2"}})}, {"Plaintext", api::List{"hunter2"}}}));
  EXPECT_EQ(whole.find("hunter2"), std::string::npos) << whole;
}

// "App" and "app" are two things to an encryption context.
TEST(LoggableJson, KeysOfMapsStayAsTheyAre) {
  const Value input = Value::object({{"EncryptionContext", Value::object({{"App", "1"}, {"app", "2"}})}});
  EXPECT_EQ(loggable_json(input), R"({"encryptionContext":{"App":"1","app":"2"}})");
}

TEST(LoggableJson, WhatIsTooLargeIsOmittedWithItsSize) {
  const Value input = Value::object({{"PolicyDocument", std::string(200'000, 'x')}});
  EXPECT_EQ(loggable_json(input), R"({"omitted":true,"originalSize":200021})");
}

TEST(LoggableJson, ADeepValueEndsInNull) {
  Value value = "end";
  for (int i = 0; i < 500; ++i) value = Value(api::List{std::move(value)});
  const std::string json = loggable_json(Value::object({{"Deep", std::move(value)}}));
  EXPECT_LT(json.size(), 1000u);
  Record r = alice_creates_a_key();
  r.request_parameters = json;
  EXPECT_NE(record_json(r).find("\"requestParameters\":{\"deep\":"), std::string::npos);
  EXPECT_TRUE(filing_of(record_json(r)).ok());
}

TEST(CanonicalJson, EveryStringComesBack) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (size_t i = random() % 12; i > 0; --i) {
      static constexpr std::string_view kPieces[] = {
          "a", "\"", "\\", "\n", "\x1f", "\x7f", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x94\x92", "/", "\t", "u0000"};
      text += kPieces[random() % std::size(kPieces)];
    }
    std::string json;
    append_json_string(text, json);
    JsonCursor cursor(json);
    EXPECT_EQ(cursor.string(), text);
    EXPECT_TRUE(cursor.done());
    EXPECT_EQ(std::string(boost::json::parse(json).as_string()), text);
  }
}

TEST(CanonicalJson, ForeignBytesBecomeValidText) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t i = random() % 10; i > 0; --i) text += static_cast<char>(random());
    std::string json;
    append_json_string(text, json);
    boost::system::error_code failed;
    const auto parsed = boost::json::parse(json, failed);  // refuses what is not UTF-8
    EXPECT_FALSE(failed) << json;
    for (size_t size : {0, 1, 2, 3, 5, 100}) EXPECT_LE(clean_text(text, size).size(), size);
    EXPECT_EQ(clean_text(clean_text(text)), clean_text(text));
  }
}

TEST(Filing, SaysWhatTheRecordSays) {
  const Filing filing = filing_of(record_json(alice_creates_a_key())).value();
  EXPECT_EQ(filing.account, "111122223333");
  EXPECT_EQ(filing.time, WallTime{1'795'522'800'000'000});  // records know seconds
  EXPECT_EQ(filing.event_id, "0bd8a7ba-26ff-4a65-a39a-f4e2a5ba4ee1");
  EXPECT_EQ(filing.event_name, "CreateKey");
  EXPECT_EQ(filing.event_source, "kms.amazonaws.com");
  EXPECT_EQ(filing.user_name, "alice");
  EXPECT_EQ(filing.access_key_id, "AKIAEXAMPLE");
  EXPECT_FALSE(filing.read_only);
  ASSERT_EQ(filing.resources.size(), 1u);
  EXPECT_EQ(filing.resources[0],
            (Resource{"arn:aws:kms:eu-central-1:111122223333:key/1234", "111122223333", "AWS::KMS::Key"}));
  EXPECT_EQ(terms_of(filing),
            (std::vector<std::string>{"e:CreateKey", "i:0bd8a7ba-26ff-4a65-a39a-f4e2a5ba4ee1", "k:AKIAEXAMPLE",
                                      "n:1234", "n:arn:aws:kms:eu-central-1:111122223333:key/1234",
                                      "s:kms.amazonaws.com", "t:AWS::KMS::Key", "u:alice", "w:"}));
}

TEST(Filing, IdsOfTheLogTellTheirSecond) {
  EXPECT_EQ(second_of_id("019ab5d4-3c80-7000-8000-000000000000"), WallTime{0x019ab5d43c80 / 1000 * 1'000'000});
  for (const char* other : {"", "0bd8a7ba-26ff-4a65-a39a-f4e2a5ba4ee1", "019ab5d4-3c80-7000-8000-00000000000",
                            "019AB5D4-3C80-7000-8000-000000000000", "019ab5d4x3c80-7000-8000-000000000000"})
    EXPECT_FALSE(second_of_id(other)) << other;
}

// A member inside the parameters must not pass for the record's own.
TEST(Filing, IsNotFooledByWhatTheCallerWrote) {
  Record r = alice_creates_a_key();
  r.request_parameters = loggable_json(Value::object(
      {{"RecipientAccountId", "999999999999"}, {"Description", "\",\"recipientAccountId\":\"999999999999"}}));
  r.user_agent = "\"},\"recipientAccountId\":\"999999999999\",{\"";
  EXPECT_EQ(filing_of(record_json(r)).value().account, "111122223333");
}

TEST(Filing, TypesOfResources) {
  EXPECT_EQ(resource_type("arn:aws:iam::111122223333:role/a/b"), "AWS::IAM::Role");
  EXPECT_EQ(resource_type("arn:aws:s3:::bucket"), "AWS::S3::Bucket");
  EXPECT_EQ(resource_type("arn:aws:s3:::bucket/key"), "AWS::S3::Object");
  EXPECT_EQ(resource_type("arn:aws:rds:eu-central-1:111122223333:db:main"), "AWS::RDS::DBInstance");
  EXPECT_EQ(resource_type("arn:aws:kms"), "");
  EXPECT_EQ(resource_type("nonsense"), "");
  EXPECT_EQ(account_of_arn("arn:aws:iam::111122223333:role/a"), "111122223333");
}

TEST(Filing, RefusesARecordCutAnywhere) {
  const std::string json = record_json(alice_creates_a_key());
  for (size_t size = 0; size < json.size(); ++size) EXPECT_FALSE(filing_of(json.substr(0, size)).ok()) << size;
  EXPECT_FALSE(filing_of(json + " ").ok());
}

TEST(Filing, SurvivesEveryFlippedByte) {
  const std::string json = record_json(alice_creates_a_key());
  for (size_t at = 0; at < json.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = json;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      (void)filing_of(flipped).ok();
    }
  }
  (void)filing_of(std::string(100'000, '[')).ok();
  (void)filing_of("{\"a\":" + std::string(100'000, '{')).ok();
}

}  // namespace
}  // namespace coffer::audit
