// The same on a shared catalog: every statement on PostgreSQL.
#include "services/catalog/catalogs.h"
#include "services/kms/world.h"

namespace coffer::kms {
namespace {

std::string postgres_or_memory() {
  return testing_support::TestServer::binaries(15) ? catalog::SharedServer::new_database() : ":memory:";
}

class OnPostgres : public World {
 protected:
  OnPostgres() : World(postgres_or_memory()) {}
  void SetUp() override { COFFER_NEED_POSTGRES(15); }
};

TEST_F(OnPostgres, ALifeOfKeysAliasesGrantsAndTags) {
  const std::string id = key(object({{"MultiRegion", true}, {"Tags", tag_list({{"a", "1"}, {"b", "2"}})}}));
  const Value context = map_of({{"line\nbreak", "back\\slash"}});
  const Bytes first = encrypt(id, "first", context);
  for (const char* name : {"alias/b", "alias/a", "alias/C"})
    must(kms("CreateAlias", object({{"AliasName", name}, {"TargetKeyId", id}})));
  must(kms("DeleteAlias", object({{"AliasName", "alias/b"}})));
  const auto aliases = list("ListAliases", "Aliases", {}, 1);
  ASSERT_EQ(aliases.size(), 2U);
  EXPECT_EQ(aliases[0].text("AliasName"), "alias/C");  // by bytes
  must(kms("TagResource", object({{"KeyId", id}, {"Tags", tag_list({{"b", "3"}})}})));
  must(kms("UntagResource", object({{"KeyId", id}, {"TagKeys", texts({"a"})}})));
  EXPECT_EQ(list("ListResourceTags", "Tags", object({{"KeyId", id}}), 1).size(), 1U);

  const Keys alice = user("alice");
  const Value grant =
      must(kms("CreateGrant", object({{"KeyId", id},
                                      {"GranteePrincipal", user_arn("alice")},
                                      {"RetiringPrincipal", user_arn("alice")},
                                      {"Operations", texts({"Encrypt"})},
                                      {"Constraints", object({{"EncryptionContextEquals", context}})}})));
  EXPECT_EQ(using_key(alice, id, context), "");
  EXPECT_EQ(using_key(alice, id), kDenied);
  EXPECT_EQ(list("ListRetirableGrants", "Grants", object({{"RetiringPrincipal", user_arn("alice")}}), 1).size(), 1U);
  EXPECT_EQ(error_of(kms(alice, "RetireGrant", object({{"GrantToken", grant.text("GrantToken")}}))), "");

  must(kms("EnableKeyRotation", object({{"KeyId", id}, {"RotationPeriodInDays", 90}})));
  must(kms("ReplicateKey", object({{"KeyId", id}, {"ReplicaRegion", kFar}})));
  pass(days(90));
  EXPECT_EQ(list("ListKeyRotations", "Rotations", object({{"KeyId", id}}), 1).size(), 1U);
  EXPECT_EQ(opened(first, context, Way{.region = kFar}), "first");
  must(kms("UpdatePrimaryRegion", object({{"KeyId", id}, {"PrimaryRegion", kFar}})));
  must(audit_->flush(Context()));
  EXPECT_EQ(must(kms("GetKeyLastUsage", object({{"KeyId", id}}))).find("KeyLastUsage")->text("Operation"), "Encrypt");

  must(kms("ScheduleKeyDeletion", object({{"KeyId", id}, {"PendingWindowInDays", 7}})));
  pass(days(7));
  EXPECT_EQ(error_of(kms("DescribeKey", object({{"KeyId", id}}))), "NotFoundException");
  EXPECT_EQ(opened(first, context, Way{.region = kFar}), "first");
}

TEST_F(OnPostgres, ImportedMaterialComesAndGoes) {
  const std::string id = key(object({{"Origin", "EXTERNAL"}}));
  must(import(id, Bytes(32, std::byte{1}), clock_.wall() + days(1)));
  const Bytes blob = encrypt(id, "x");
  pass(days(1));
  EXPECT_EQ(opened(blob), "KMSInvalidStateException");
  must(import(id, Bytes(32, std::byte{1})));
  EXPECT_EQ(opened(blob), "x");
}

}  // namespace
}  // namespace coffer::kms
