#include "services/lambda/world.h"

namespace coffer::lambda {
namespace {

class Functions : public World {};

TEST_F(Functions, ACreatedFunctionShowsItsDefaults) {
  const Value made = create();
  EXPECT_EQ(made.text("FunctionArn"), arn("f"));
  EXPECT_EQ(made.text("Runtime"), "python3.8");
  EXPECT_EQ(made.integer("Timeout"), 3);
  EXPECT_EQ(made.integer("MemorySize"), 128);
  EXPECT_EQ(made.text("Version"), "$LATEST");
  EXPECT_EQ(made.text("State"), "Active");
  EXPECT_EQ(made.text("PackageType"), "Zip");
  EXPECT_EQ(made.text("LastModified"), "2027-01-15T08:00:00.000+0000");
  EXPECT_EQ(made.find("RuntimeVersionConfig")->text("RuntimeVersionArn"),
            "arn:aws:lambda:us-east-1::runtime:python3.11");
  EXPECT_EQ(made.find("LoggingConfig")->text("LogGroup"), "/aws/lambda/f");
  const Value got = must(lambda("GetFunction", object({{"FunctionName", "f"}})));
  EXPECT_EQ(*got.find("Configuration"), made);
  EXPECT_TRUE(got.find("Code")->text("Location").starts_with("data:application/zip;base64,UEsDB"));  // "PK\3\4"
  EXPECT_EQ(stored(), 1U);
}

TEST_F(Functions, ANameIsTakenOnce) {
  create();
  EXPECT_EQ(error_of(lambda("CreateFunction", creation("f"))), "ResourceConflictException");
  EXPECT_EQ(stored(), 1U);  // the refused one left no code behind
}

TEST_F(Functions, AFunctionIsFoundByEveryFormOfItsName) {
  create();
  for (const std::string& name : {std::string("f"), std::string("function:f"), arn("f"), kHome + ":function:f"})
    EXPECT_EQ(error_of(lambda("GetFunctionConfiguration", object({{"FunctionName", name}}))), "") << name;
  EXPECT_EQ(error_of(lambda("GetFunctionConfiguration", object({{"FunctionName", "f:7"}}))),
            "ResourceNotFoundException");
  EXPECT_EQ(error_of(lambda("GetFunctionConfiguration", object({{"FunctionName", "f:a"}, {"Qualifier", "b"}}))),
            "InvalidParameterValueException");
  EXPECT_EQ(error_of(lambda("GetFunctionConfiguration", object({{"FunctionName", "a/b"}}))), "ValidationException");
}

TEST_F(Functions, WhatThisInstallationDoesNotHaveIsRefused) {
  for (const Value& more :
       {object({{"PackageType", "Image"}}), object({{"Layers", texts({"arn:aws:lambda:us-east-1:1:layer:x:1"})}}),
        object({{"Runtime", "java21"}}), object({{"VpcConfig", object({{"SubnetIds", texts({"subnet-1"})}})}}),
        object({{"DeadLetterConfig", object({{"TargetArn", "arn:aws:sqs:us-east-1:111111111111:q"}})}}),
        object({{"Environment", object({{"Variables", object({{"AWS_REGION", "x"}})}})}}),
        object({{"Environment", object({{"Variables", object({{"BIG", std::string(5000, 'x')}})}})}}),
        object({{"Role", "arn:aws:iam::222222222222:role/x"}}),
        object({{"Role", "arn:aws:iam::111111111111:role/no"}})}) {
    Value input = creation("g");
    for (const auto& [member, value] : more.entries()) input.set(member, value);
    EXPECT_EQ(error_of(lambda("CreateFunction", input)), "InvalidParameterValueException");
  }
  for (const Value& more : {object({{"Timeout", 901}}), object({{"MemorySize", 10'241}}),
                            object({{"EphemeralStorage", object({{"Size", 511}})}})}) {
    Value input = creation("g");
    for (const auto& [member, value] : more.entries()) input.set(member, value);
    EXPECT_EQ(error_of(lambda("CreateFunction", input)), "ValidationException");
  }
  EXPECT_EQ(stored(), 0U);
}

TEST_F(Functions, ABadZipIsRefused) {
  Value input = creation("g");
  input.set("Code", object({{"ZipFile", zip_of("../x.py", "x")}}));
  EXPECT_EQ(error_of(lambda("CreateFunction", input)), "InvalidParameterValueException");
}

TEST_F(Functions, CodeComesFromABucketUnderTheCallersPermission) {
  object_ = zip_of("a.py", "x");
  Value input = creation("g");
  input.set("Code", object({{"S3Bucket", "code"}, {"S3Key", "k.zip"}, {"S3ObjectVersion", "v1"}}));
  must(lambda("CreateFunction", input));
  ASSERT_EQ(inputs_of("GetObject").size(), 1U);
  EXPECT_EQ(inputs_of("GetObject")[0].text("VersionId"), "v1");
  const Keys alice = user("alice", allow("lambda:*"));
  must(iam("PutUserPolicy",
           object({{"UserName", "alice"}, {"PolicyName", "q"}, {"PolicyDocument", allow("iam:PassRole")}})));
  EXPECT_EQ(error_of(call_lambda(alice, "CreateFunction", input)), kDenied);
}

TEST_F(Functions, CreatingNeedsThePermissionToPassTheRole) {
  const Keys alice = user("alice", allow("lambda:*"));
  EXPECT_EQ(error_of(call_lambda(alice, "CreateFunction", creation("g"))), kDenied);
}

TEST_F(Functions, AnUpdateChangesOnlyWhatItNamesAndEndsEnvironments) {
  const Value made = create("f", object({{"Description", "d"}, {"MemorySize", 256}}));
  const Value updated =
      must(lambda("UpdateFunctionConfiguration",
                  object({{"FunctionName", "f"}, {"Timeout", 10}, {"RevisionId", made.text("RevisionId")}})));
  EXPECT_EQ(updated.integer("Timeout"), 10);
  EXPECT_EQ(updated.integer("MemorySize"), 256);
  EXPECT_EQ(updated.text("Description"), "d");
  EXPECT_NE(updated.text("RevisionId"), made.text("RevisionId"));
  EXPECT_EQ(executor_.forgotten, std::vector<std::string>{arn("f")});
  EXPECT_EQ(error_of(lambda("UpdateFunctionConfiguration",
                            object({{"FunctionName", "f"}, {"RevisionId", made.text("RevisionId")}}))),
            "PreconditionFailedException");
}

TEST_F(Functions, NewCodeReplacesOldUnlessAVersionKeepsIt) {
  create();
  const Value one =
      must(lambda("UpdateFunctionCode", object({{"FunctionName", "f"}, {"ZipFile", zip_of("a.py", "1")}})));
  EXPECT_EQ(stored(), 1U);
  must(lambda("PublishVersion", object({{"FunctionName", "f"}})));
  clock_.advance(std::chrono::seconds(1));
  const Value two =
      must(lambda("UpdateFunctionCode", object({{"FunctionName", "f"}, {"ZipFile", zip_of("a.py", "2")}})));
  EXPECT_NE(one.text("CodeSha256"), two.text("CodeSha256"));
  EXPECT_EQ(stored(), 2U);
  must(lambda("DeleteFunction", object({{"FunctionName", "f"}})));
  EXPECT_EQ(stored(), 0U);
  EXPECT_EQ(error_of(lambda("GetFunction", object({{"FunctionName", "f"}}))), "ResourceNotFoundException");
}

TEST_F(Functions, ADryRunOfNewCodeChangesNothing) {
  const Value made = create();
  must(lambda("UpdateFunctionCode",
              object({{"FunctionName", "f"}, {"DryRun", true}, {"ZipFile", zip_of("a.py", "1")}})));
  EXPECT_EQ(must(lambda("GetFunctionConfiguration", object({{"FunctionName", "f"}}))), made);
  EXPECT_EQ(stored(), 1U);
}

TEST_F(Functions, VariablesAreKeptSealedAndShownToWhoMayReadThem) {
  const Value variables = object({{"Variables", object({{"SECRET", "very secret value"}})}});
  EXPECT_EQ(*create("f", object({{"Environment", variables}})).find("Environment"), variables);
  const auto rows = must(read()->run("SELECT environment, configuration FROM lambda_versions"));
  EXPECT_EQ(as_text(rows[0].blob(0)).find("very secret"), std::string_view::npos);
  EXPECT_EQ(rows[0].text(1).find("very secret"), std::string::npos);
}

TEST_F(Functions, AKeyOfTheUserSealsVariablesAndItsPolicyDecidesWhoSeesThem) {
  const Value key =
      must(gate_->run(call_of(*identity(root()), "kms", "CreateKey"), identity(root()).get(), Value::object()));
  const std::string key_arn(key.find("KeyMetadata")->text("Arn"));
  const Value variables = object({{"Variables", object({{"A1", "x"}})}});
  create("f", object({{"Environment", variables}, {"KMSKeyArn", key_arn}}));
  EXPECT_EQ(*must(lambda("GetFunctionConfiguration", object({{"FunctionName", "f"}}))).find("Environment"), variables);
  const Keys alice = user("alice", allow("lambda:*"));
  const Value seen = must(call_lambda(alice, "GetFunctionConfiguration", object({{"FunctionName", "f"}})));
  EXPECT_EQ(seen.find("Environment")->find("Error")->text("ErrorCode"), "AccessDeniedException");
  must(invoke("f"));
  EXPECT_EQ(executor_.content.variables.at("A1"), "x");
}

TEST_F(Functions, ListsComeInPagesByName) {
  for (const char* name : {"c", "a", "b"}) create(name);
  const Value first = must(lambda("ListFunctions", object({{"MaxItems", 2}})));
  ASSERT_EQ(first.list("Functions").size(), 2U);
  EXPECT_EQ(first.list("Functions")[0].text("FunctionName"), "a");
  const Value second = must(lambda("ListFunctions", object({{"MaxItems", 2}, {"Marker", first.text("NextMarker")}})));
  ASSERT_EQ(second.list("Functions").size(), 1U);
  EXPECT_EQ(second.list("Functions")[0].text("FunctionName"), "c");
  EXPECT_FALSE(second.has("NextMarker"));
  EXPECT_EQ(error_of(lambda("ListFunctions", object({{"Marker", "x"}}))), "InvalidParameterValueException");
}

TEST_F(Functions, VersionsKeepCodeAndConfiguration) {
  create();
  const Value one = must(lambda("PublishVersion", object({{"FunctionName", "f"}, {"Description", "first"}})));
  EXPECT_EQ(one.text("Version"), "1");
  EXPECT_EQ(one.text("FunctionArn"), arn("f", "1"));
  EXPECT_EQ(must(lambda("PublishVersion", object({{"FunctionName", "f"}}))).text("Version"), "1");  // nothing changed
  clock_.advance(std::chrono::seconds(1));
  must(lambda("UpdateFunctionConfiguration", object({{"FunctionName", "f"}, {"Timeout", 30}})));
  EXPECT_EQ(must(lambda("PublishVersion", object({{"FunctionName", "f"}}))).text("Version"), "2");
  EXPECT_EQ(must(lambda("GetFunctionConfiguration", object({{"FunctionName", "f:1"}}))).integer("Timeout"), 3);
  const Value all = must(lambda("ListVersionsByFunction", object({{"FunctionName", "f"}})));
  ASSERT_EQ(all.list("Versions").size(), 3U);
  EXPECT_EQ(all.list("Versions")[0].text("FunctionArn"), arn("f", "$LATEST"));
  must(lambda("DeleteFunction", object({{"FunctionName", "f"}, {"Qualifier", "1"}})));
  EXPECT_EQ(error_of(lambda("GetFunctionConfiguration", object({{"FunctionName", "f:1"}}))),
            "ResourceNotFoundException");
}

TEST_F(Functions, AliasesPointToVersions) {
  create();
  must(lambda("PublishVersion", object({{"FunctionName", "f"}})));
  const Value made =
      must(lambda("CreateAlias", object({{"FunctionName", "f"}, {"Name", "live"}, {"FunctionVersion", "1"}})));
  EXPECT_EQ(made.text("AliasArn"), arn("f", "live"));
  EXPECT_EQ(must(lambda("GetFunctionConfiguration", object({{"FunctionName", "f:live"}}))).text("Version"), "1");
  EXPECT_EQ(error_of(lambda("DeleteFunction", object({{"FunctionName", "f:1"}}))), "ResourceConflictException");
  EXPECT_EQ(
      error_of(lambda("UpdateAlias", object({{"FunctionName", "f"}, {"Name", "live"}, {"FunctionVersion", "9"}}))),
      "ResourceNotFoundException");
  must(lambda("UpdateAlias", object({{"FunctionName", "f"}, {"Name", "live"}, {"FunctionVersion", "$LATEST"}})));
  EXPECT_EQ(must(lambda("ListAliases", object({{"FunctionName", "f"}}))).list("Aliases").size(), 1U);
  must(lambda("DeleteAlias", object({{"FunctionName", "f"}, {"Name", "live"}})));
  EXPECT_EQ(error_of(lambda("GetAlias", object({{"FunctionName", "f"}, {"Name", "live"}}))),
            "ResourceNotFoundException");
}

TEST_F(Functions, AWeightedAliasUsesBothVersions) {
  create();
  must(lambda("PublishVersion", object({{"FunctionName", "f"}})));
  clock_.advance(std::chrono::seconds(1));
  must(lambda("UpdateFunctionConfiguration", object({{"FunctionName", "f"}, {"Timeout", 30}})));
  must(lambda("PublishVersion", object({{"FunctionName", "f"}})));
  must(lambda("CreateAlias",
              object({{"FunctionName", "f"},
                      {"Name", "live"},
                      {"FunctionVersion", "1"},
                      {"RoutingConfig", object({{"AdditionalVersionWeights", object({{"2", Value(0.5)}})}})}})));
  std::set<std::string> seen;
  for (int i = 0; i < 64; ++i) seen.insert(std::string(must(invoke("f:live")).text("ExecutedVersion")));
  EXPECT_EQ(seen, (std::set<std::string>{"1", "2"}));
}

TEST_F(Functions, TagsAndSettings) {
  create("f", object({{"Tags", object({{"a", "1"}})}}));
  must(lambda("TagResource", object({{"Resource", arn("f")}, {"Tags", object({{"b", "2"}})}})));
  must(lambda("UntagResource", object({{"Resource", arn("f")}, {"TagKeys", texts({"a"})}})));
  EXPECT_EQ(must(lambda("ListTags", object({{"Resource", arn("f")}}))).text_map("Tags"),
            (std::map<std::string, std::string>{{"b", "2"}}));
  must(lambda("PutFunctionConcurrency", object({{"FunctionName", "f"}, {"ReservedConcurrentExecutions", 5}})));
  const Value settings = must(lambda("GetAccountSettings"));
  EXPECT_EQ(settings.find("AccountLimit")->integer("UnreservedConcurrentExecutions"), 995);
  EXPECT_EQ(settings.find("AccountUsage")->integer("FunctionCount"), 1);
  EXPECT_EQ(error_of(lambda("PutFunctionConcurrency",
                            object({{"FunctionName", "f"}, {"ReservedConcurrentExecutions", 901}}))),
            "InvalidParameterValueException");
}

TEST_F(Functions, TheEventConfigurationIsPutUpdatedAndListed) {
  create();
  EXPECT_EQ(error_of(lambda("PutFunctionEventInvokeConfig", object({{"FunctionName", "f"}}))),
            "InvalidParameterValueException");
  const std::string bus = "arn:aws:events:us-east-1:111111111111:event-bus/default";
  must(lambda("PutFunctionEventInvokeConfig",
              object({{"FunctionName", "f"},
                      {"MaximumRetryAttempts", 1},
                      {"DestinationConfig", object({{"OnFailure", object({{"Destination", bus}})}})}})));
  const Value merged = must(
      lambda("UpdateFunctionEventInvokeConfig", object({{"FunctionName", "f"}, {"MaximumEventAgeInSeconds", 60}})));
  EXPECT_EQ(merged.text("FunctionArn"), arn("f", "$LATEST"));
  EXPECT_EQ(merged.integer("MaximumRetryAttempts"), 1);
  EXPECT_EQ(merged.integer("MaximumEventAgeInSeconds"), 60);
  EXPECT_EQ(must(lambda("ListFunctionEventInvokeConfigs", object({{"FunctionName", "f"}})))
                .list("FunctionEventInvokeConfigs")
                .size(),
            1U);
  EXPECT_EQ(
      error_of(lambda("PutFunctionEventInvokeConfig",
                      object({{"FunctionName", "f"},
                              {"DestinationConfig",
                               object({{"OnFailure", object({{"Destination", "arn:aws:sqs:us-east-1:1:q"}})}})}}))),
      "InvalidParameterValueException");
  must(lambda("DeleteFunctionEventInvokeConfig", object({{"FunctionName", "f"}})));
  EXPECT_EQ(error_of(lambda("GetFunctionEventInvokeConfig", object({{"FunctionName", "f"}}))),
            "ResourceNotFoundException");
}

}  // namespace
}  // namespace coffer::lambda
