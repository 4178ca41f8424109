// Making and describing keys: specs, usages, origins, names of keys, tags, lists.
#include <set>

#include "services/kms/world.h"

namespace coffer::kms {
namespace {

class KeysTest : public World {};

TEST_F(KeysTest, DefaultToASymmetricKeyOfTheAccount) {
  const Value made = *must(kms("CreateKey", object({{"Description", "of mine"}}))).find("KeyMetadata");
  const std::string id(made.text("KeyId"));
  EXPECT_EQ(id.size(), 36U);
  EXPECT_EQ(made.text("Arn"), arn(id));
  EXPECT_EQ(made.text("AWSAccountId"), kHome);
  EXPECT_EQ(made.text("KeySpec"), "SYMMETRIC_DEFAULT");
  EXPECT_EQ(made.text("CustomerMasterKeySpec"), "SYMMETRIC_DEFAULT");
  EXPECT_EQ(made.text("KeyUsage"), "ENCRYPT_DECRYPT");
  EXPECT_EQ(made.text("KeyState"), "Enabled");
  EXPECT_EQ(made.text("Origin"), "AWS_KMS");
  EXPECT_EQ(made.text("KeyManager"), "CUSTOMER");
  EXPECT_EQ(made.text("Description"), "of mine");
  EXPECT_EQ(made.texts("EncryptionAlgorithms"), std::vector<std::string>{"SYMMETRIC_DEFAULT"});
  EXPECT_EQ(made.text("CurrentKeyMaterialId").size(), 64U);
  for (const char* absent : {"DeletionDate", "ValidTo", "ExpirationModel", "PendingDeletionWindowInDays",
                             "MultiRegionConfiguration", "SigningAlgorithms", "MacAlgorithms"})
    EXPECT_FALSE(made.has(absent)) << absent;
  EXPECT_EQ(describe(id), made);
  EXPECT_NE(must(kms("GetKeyPolicy", object({{"KeyId", id}}))).text("Policy").find(root_arn(kHome)),
            std::string_view::npos);
}

TEST_F(KeysTest, TakeOnlyUsagesThatTheirSpecHas) {
  const auto made = [&](const char* spec, const char* usage) {
    Value input = object({{"KeySpec", spec}});
    if (*usage) input.set("KeyUsage", usage);
    return error_of(kms("CreateKey", input));
  };
  EXPECT_EQ(made("SYMMETRIC_DEFAULT", ""), "");
  EXPECT_EQ(made("HMAC_256", "GENERATE_VERIFY_MAC"), "");
  EXPECT_EQ(made("ECC_NIST_P256", "SIGN_VERIFY"), "");
  EXPECT_EQ(made("ECC_NIST_P256", "KEY_AGREEMENT"), "");
  EXPECT_EQ(made("SYMMETRIC_DEFAULT", "SIGN_VERIFY"), "ValidationException");
  EXPECT_EQ(made("HMAC_256", "ENCRYPT_DECRYPT"), "ValidationException");
  EXPECT_EQ(made("ECC_NIST_P256", "ENCRYPT_DECRYPT"), "ValidationException");
  EXPECT_EQ(made("ECC_SECG_P256K1", "KEY_AGREEMENT"), "ValidationException");
  EXPECT_EQ(made("RSA_2048", ""), "ValidationException");
  EXPECT_EQ(made("SM2", "SIGN_VERIFY"), "UnsupportedOperationException");
}

TEST_F(KeysTest, KnowTheOldNameOfTheSpec) {
  EXPECT_EQ(describe(key(object({{"CustomerMasterKeySpec", "HMAC_256"}, {"KeyUsage", "GENERATE_VERIFY_MAC"}})))
                .text("KeySpec"),
            "HMAC_256");
  EXPECT_EQ(error_of(kms("CreateKey", object({{"CustomerMasterKeySpec", "HMAC_256"}, {"KeySpec", "HMAC_512"}}))),
            "ValidationException");
}

TEST_F(KeysTest, OfStoresThatAreNotHereAreRefused) {
  for (const char* origin : {"AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"})
    EXPECT_EQ(error_of(kms("CreateKey", object({{"Origin", origin}}))), "UnsupportedOperationException");
  EXPECT_EQ(error_of(kms("CreateKey", object({{"CustomKeyStoreId", "cks-1"}}))), "UnsupportedOperationException");
  EXPECT_EQ(error_of(kms("CreateKey",
                         object({{"Origin", "EXTERNAL"}, {"KeySpec", "RSA_2048"}, {"KeyUsage", "SIGN_VERIFY"}}))),
            "UnsupportedOperationException");
}

TEST_F(KeysTest, AreNamedByIdArnAliasAndAliasArn) {
  const std::string id = key();
  must(kms("CreateAlias", object({{"AliasName", "alias/n"}, {"TargetKeyId", id}})));
  for (const std::string& name : {id, arn(id), std::string("alias/n"), "arn:aws:kms:us-east-1:" + kHome + ":alias/n"}) {
    EXPECT_EQ(describe(name).text("KeyId"), id) << name;
    EXPECT_EQ(must(kms("Encrypt", object({{"KeyId", name}, {"Plaintext", to_bytes("x")}}))).text("KeyId"), arn(id));
  }
  EXPECT_EQ(error_of(kms("DisableKey", object({{"KeyId", "alias/n"}}))), "InvalidArnException");
  const auto described = [&](const std::string& name) {
    return error_of(kms("DescribeKey", object({{"KeyId", name}})));
  };
  EXPECT_EQ(described("alias/none"), "NotFoundException");
  EXPECT_EQ(described("12345678-1234-1234-1234-123456789012"), "NotFoundException");
  EXPECT_EQ(described(arn(id, kFar)), "NotFoundException");
  for (const char* wrong : {"arn:", "arn:aws:kms", "arn:aws:iam::111111111111:user/a", "arn:aws:kms:us-east-1:1:key/x"})
    EXPECT_EQ(described(wrong), "InvalidArnException") << wrong;
}

TEST_F(KeysTest, OfAnotherRegionAreNotHere) {
  const std::string id = key();
  EXPECT_EQ(error_of(far("DescribeKey", object({{"KeyId", id}}))), "NotFoundException");
  EXPECT_TRUE(must(far("ListKeys")).list("Keys").empty());
}

TEST_F(KeysTest, ListInPagesOfEverySize) {
  std::set<std::string> all;
  for (int i = 0; i < 7; ++i) all.insert(key());
  must(kms(root(kOther), "CreateKey"));  // of others none is shown
  for (int limit : {1, 2, 3, 7, 100}) {
    std::set<std::string> seen;
    for (const Value& one : list("ListKeys", "Keys", {}, limit)) {
      EXPECT_TRUE(seen.emplace(one.text("KeyId")).second);
      EXPECT_EQ(one.text("KeyArn"), arn(std::string(one.text("KeyId"))));
    }
    EXPECT_EQ(seen, all) << limit;
  }
}

TEST_F(KeysTest, AMarkerContinuesItsOwnListOnly) {
  for (int i = 0; i < 3; ++i) {
    const std::string id = key();
    must(kms("CreateAlias", object({{"AliasName", "alias/" + std::to_string(i)}, {"TargetKeyId", id}})));
  }
  const std::string marker(must(kms("ListKeys", object({{"Limit", 1}}))).text("NextMarker"));
  EXPECT_EQ(error_of(kms("ListKeys", object({{"Marker", marker}}))), "");
  EXPECT_EQ(error_of(kms("ListAliases", object({{"Marker", marker}}))), "InvalidMarkerException");
  EXPECT_EQ(error_of(kms(root(kOther), "ListKeys", object({{"Marker", marker}}))), "InvalidMarkerException");
  EXPECT_EQ(error_of(far("ListKeys", object({{"Marker", marker}}))), "InvalidMarkerException");
  for (size_t i = 0; i < marker.size(); ++i) {
    std::string forged = marker;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    if (i + 4 > marker.size()) continue;  // the last digits may carry bits that no byte has
    EXPECT_EQ(error_of(kms("ListKeys", object({{"Marker", forged}}))), "InvalidMarkerException") << i;
  }
  for (size_t i = 1; i < marker.size(); ++i)
    EXPECT_EQ(error_of(kms("ListKeys", object({{"Marker", marker.substr(0, i)}}))), "InvalidMarkerException") << i;
}

TEST_F(KeysTest, HaveDescriptions) {
  const std::string id = key();
  must(kms("UpdateKeyDescription", object({{"KeyId", id}, {"Description", "other"}})));
  EXPECT_EQ(describe(id).text("Description"), "other");
}

// Tags.

TEST_F(KeysTest, TagsAreSetReplacedRemovedAndPaged) {
  const std::string id = key(object({{"Tags", tag_list({{"a", "1"}, {"b", "2"}})}}));
  must(kms("TagResource", object({{"KeyId", id}, {"Tags", tag_list({{"b", "3"}, {"c", ""}})}})));
  must(kms("UntagResource", object({{"KeyId", id}, {"TagKeys", texts({"a", "none"})}})));
  for (int limit : {1, 2, 50}) {
    std::string seen;
    for (const Value& tag : list("ListResourceTags", "Tags", object({{"KeyId", id}}), limit))
      seen += std::string(tag.text("TagKey")) + "=" + std::string(tag.text("TagValue")) + ";";
    EXPECT_EQ(seen, "b=3;c=;") << limit;
  }
}

TEST_F(KeysTest, TagsHaveTheirLimits) {
  const std::string id = key();
  const auto tagged = [&](Value tags) {
    return error_of(kms("TagResource", object({{"KeyId", id}, {"Tags", std::move(tags)}})));
  };
  EXPECT_EQ(tagged(tag_list({{"aws:x", "1"}})), "TagException");
  EXPECT_EQ(tagged(tag_list({{"x", "1"}, {"x", "2"}})), "TagException");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(tagged(tag_list({{std::to_string(i).c_str(), "v"}})), "");
  EXPECT_EQ(tagged(tag_list({{"one more", "v"}})), "TagException");
  EXPECT_EQ(tagged(tag_list({{"7", "again"}})), "");
  EXPECT_EQ(must(kms("ListResourceTags", object({{"KeyId", id}}))).list("Tags").size(), 50U);
}

}  // namespace
}  // namespace coffer::kms
