#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "edge/wire/protocol.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

using api::Value;

Status check(std::string_view service, std::string_view operation, const Value& input) {
  const ServiceModel& model = *find_service(service);
  return validate(model, *find_operation(model, operation), input);
}

/// The message of the refusal; empty when there is none.
std::string refusal(std::string_view service, std::string_view operation, const Value& input) {
  Status status = check(service, operation, input);
  return status.ok() ? "" : status.error().message;
}

constexpr std::string_view kOne = "1 validation error detected: ";
Bytes bytes_of(size_t size) { return Bytes(size, std::byte{1}); }

TEST(Validate, AcceptsWhatTheModelAllows) {
  EXPECT_EQ(refusal("kms", "Encrypt", Value::object({{"KeyId", "alias/a"}, {"Plaintext", bytes_of(1)}})), "");
  EXPECT_EQ(refusal("sts", "GetCallerIdentity", Value::object()), "");
  EXPECT_EQ(refusal("iam", "CreateUser", Value::object({{"UserName", "a.b@c"}})), "");
}

TEST(Validate, NamesARequiredMemberThatIsNotThere) {
  EXPECT_EQ(refusal("kms", "DescribeKey", Value::object()),
            std::string(kOne) + "Value null at 'keyId' failed to satisfy constraint: Member must not be null");
}

TEST(Validate, CountsSeveralErrors) {
  EXPECT_EQ(
      refusal("kms", "Encrypt", Value::object()),
      "2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; "
      "Value null at 'plaintext' failed to satisfy constraint: Member must not be null");
}

TEST(Validate, KeepsTheCountOfManyErrorsBounded) {
  api::List tags;
  for (int i = 0; i < 1000; ++i) tags.push_back(Value::object());
  const std::string message = refusal("kms", "TagResource", Value::object({{"KeyId", "k"}, {"Tags", tags}}));
  EXPECT_TRUE(message.starts_with("10 validation errors detected: ")) << message;
  EXPECT_LT(message.size(), 2'000U);
}

TEST(Validate, MeasuresTextInCharacters) {
  std::string name;
  for (int i = 0; i < 2048; ++i) name += "ä";
  EXPECT_EQ(refusal("kms", "DescribeKey", Value::object({{"KeyId", name}})), "");
  const std::string message = refusal("kms", "DescribeKey", Value::object({{"KeyId", name + "x"}}));
  EXPECT_TRUE(message.ends_with(
      "' at 'keyId' failed to satisfy constraint: Member must have length less than or equal to 2048"))
      << message;
  EXPECT_LT(message.size(), 500U);
  EXPECT_EQ(refusal("kms", "DescribeKey", Value::object({{"KeyId", ""}})),
            std::string(kOne) +
                "Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1");
}

TEST(Validate, MeasuresBlobsInBytesAndNeverShowsASecret) {
  const Value input = Value::object({{"KeyId", "k"}, {"Plaintext", bytes_of(4097)}});
  EXPECT_EQ(
      refusal("kms", "Encrypt", input),
      std::string(kOne) +
          "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096");
  EXPECT_EQ(refusal("kms", "Encrypt", Value::object({{"KeyId", "k"}, {"Plaintext", bytes_of(4096)}})), "");
  EXPECT_EQ(refusal("kms", "Decrypt", Value::object({{"CiphertextBlob", Bytes()}})),
            std::string(kOne) +
                "Value java.nio.HeapByteBuffer[pos=0 lim=0 cap=0] at 'ciphertextBlob' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1");
  const std::string password =
      refusal("iam", "CreateLoginProfile", Value::object({{"UserName", "u"}, {"Password", ""}}));
  EXPECT_TRUE(password.starts_with("2 validation errors detected: Value at 'password' failed")) << password;
}

TEST(Validate, KnowsRanges) {
  EXPECT_EQ(refusal("kms", "ListKeys", Value::object({{"Limit", 1000}})), "");
  EXPECT_EQ(
      refusal("kms", "ListKeys", Value::object({{"Limit", 1001}})),
      std::string(kOne) +
          "Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000");
  EXPECT_EQ(refusal("kms", "ListKeys", Value::object({{"Limit", 0}})),
            std::string(kOne) +
                "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1");
}

TEST(Validate, KnowsPatterns) {
  EXPECT_EQ(refusal("kms", "CreateAlias", Value::object({{"AliasName", "alias/a b"}, {"TargetKeyId", "k"}})),
            std::string(kOne) +
                "Value 'alias/a b' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression "
                "pattern: ^[a-zA-Z0-9:/_-]+$");
}

TEST(Validate, RefusesAnEnumValueThatTheModelDoesNotKnow) {
  EXPECT_EQ(
      refusal("kms", "CreateKey", Value::object({{"Origin", "NOWHERE"}})),
      std::string(kOne) +
          "Value 'NOWHERE' at 'origin' failed to satisfy constraint: Member must satisfy enum value set: [AWS_KMS, "
          "EXTERNAL, AWS_CLOUDHSM, EXTERNAL_KEY_STORE]");
}

TEST(Validate, NamesNestedMembersByNumberAndSmallFirstLetter) {
  const Value input = Value::object({{"KeyId", "k"},
                                     {"Tags", api::List{Value::object({{"TagKey", "a"}, {"TagValue", "b"}}),
                                                        Value::object({{"TagKey", ""}, {"TagValue", ""}})}}});
  EXPECT_EQ(
      refusal("kms", "TagResource", input),
      std::string(kOne) +
          "Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length greater than or "
          "equal to 1");
}

TEST(Validate, TellsAllThatTheItemsOfAListMustSatisfy) {
  EXPECT_EQ(
      refusal("kms", "CreateGrant",
              Value::object(
                  {{"KeyId", "k"}, {"GranteePrincipal", "p"}, {"Operations", api::text_list({"Encrypt", "Fly"})}}))
          .substr(0, 153),
      std::string(kOne) +
          "Value '[Encrypt, Fly]' at 'operations' failed to satisfy constraint: Member must satisfy constraint: "
          "[Member must satisfy en");
}

TEST(Validate, TellsAllThatTheEntriesOfAMapMustSatisfy) {
  const Value input = Value::object({{"BackupVaultName", "vault"}, {"BackupVaultTags", api::text_map({{"k", "v"}})}});
  EXPECT_EQ(refusal("backup", "CreateBackupVault", input), "");
  const Value eks = Value::object({{"ClientToken", ""}, {"Name", ""}, {"Tags", api::List()}});
  EXPECT_NE(refusal("scheduler", "CreateScheduleGroup", eks), "");
  const std::string message =
      refusal("lambda", "CreateFunction",
              Value::object({{"FunctionName", "f"},
                             {"Role", "arn:aws:iam::123456789012:role/r"},
                             {"Code", Value::object()},
                             {"Environment", Value::object({{"Variables", api::text_map({{"1bad", "v"}})}})}}));
  EXPECT_TRUE(message.starts_with(std::string(kOne) +
                                  "Value at 'environment.variables' failed to satisfy constraint: Map keys "
                                  "must satisfy constraint: [Member must satisfy regular expression pattern: "))
      << message;
}

TEST(Validate, SaysItByTheNameThatTheServiceHas) {
  const std::pair<std::string_view, std::string_view> operations[] = {
      {"kms", "DescribeKey"},          {"iam", "DeleteUser"},
      {"sts", "AssumeRole"},           {"organizations", "DescribeAccount"},
      {"rds", "DeleteDBSnapshot"},     {"events", "DescribeRule"},
      {"backup", "CreateBackupVault"}, {"logs", "CreateLogGroup"},
      {"lambda", "GetFunction"},       {"scheduler", "GetSchedule"},
      {"cloudtrail", "GetTrail"}};
  const std::string_view names[] = {"ValidationException",
                                    "ValidationError",
                                    "ValidationError",
                                    "InvalidInputException",
                                    "InvalidParameterValue",
                                    "ValidationException",
                                    "InvalidParameterValueException",
                                    "InvalidParameterException",
                                    "ValidationException",
                                    "ValidationException",
                                    "ValidationException"};
  for (size_t i = 0; i < std::size(operations); ++i) {
    Status status = check(operations[i].first, operations[i].second, Value::object());
    ASSERT_FALSE(status.ok()) << operations[i].first;
    EXPECT_EQ(status.error().name, names[i]) << operations[i].first;
    EXPECT_EQ(status.code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Validate, OrganizationsHasAReason) {
  const auto reason = [](std::string_view operation, const Value& input) {
    return std::string(api::reason_of(check("organizations", operation, input).error()));
  };
  EXPECT_EQ(reason("DescribeAccount", Value::object()), "INPUT_REQUIRED");
  EXPECT_EQ(reason("DescribeAccount", Value::object({{"AccountId", "12"}})), "INVALID_PATTERN");
  EXPECT_EQ(reason("ListPolicies", Value::object({{"Filter", "X"}})), "INVALID_ENUM");
  EXPECT_EQ(reason("ListAccounts", Value::object({{"MaxResults", 21}})), "MAX_VALUE_EXCEEDED");
}

TEST(Validate, RefusesANullInAList) {
  api::List names{Value("a"), Value()};
  EXPECT_EQ(
      refusal("kms", "UntagResource", Value::object({{"KeyId", "k"}, {"TagKeys", names}})),
      std::string(kOne) + "Value null at 'tagKeys.2.member' failed to satisfy constraint: Member must not be null");
}

TEST(Validate, CompilesAPatternOnceForManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 50; ++round)
        EXPECT_FALSE(check("iam", "CreateUser", Value::object({{"UserName", "no spaces"}})).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace coffer::wire
