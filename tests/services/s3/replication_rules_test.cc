#include "services/s3/replication_rules.h"

#include <gtest/gtest.h>

namespace coffer::s3 {
namespace {

using api::List;
using api::Value;

Value status(const char* value) { return Value::object({{"Status", value}}); }

Value rule(const char* id, int priority, Value filter, const char* bucket) {
  return Value::object({{"ID", id},
                        {"Priority", priority},
                        {"Status", "Enabled"},
                        {"Filter", std::move(filter)},
                        {"DeleteMarkerReplication", status("Disabled")},
                        {"Destination", Value::object({{"Bucket", std::string("arn:aws:s3:::") + bucket}})}});
}

ReplicationConfiguration parse(List rules) {
  return parse_replication(
      Value::object({{"Role", "arn:aws:iam::111111111111:role/crr"}, {"Rules", Value(std::move(rules))}}));
}

rows::Version object(const char* key, std::map<std::string, std::string> tags = {}) {
  rows::Version version;
  version.key = key;
  version.tags = std::move(tags);
  return version;
}

std::vector<std::string> ids(const std::vector<const ReplicationRule*>& rules) {
  std::vector<std::string> out;
  for (const ReplicationRule* one : rules) out.push_back(one->id);
  return out;
}
using Ids = std::vector<std::string>;

TEST(ReplicationRulesTest, PrefixAndTagsSelect) {
  const auto configuration = parse(
      {rule("logs", 1, Value::object({{"Prefix", "logs/"}}), "copies"),
       rule("kept", 2,
            Value::object({{"And", Value::object({{"Prefix", "db/"},
                                                  {"Tags", List{Value::object({{"Key", "keep"}, {"Value", "yes"}}),
                                                                Value::object({{"Key", "tier"}, {"Value", "1"}})}}})}}),
            "copies")});
  EXPECT_EQ(ids(rules_for(configuration, object("logs/a"))), Ids{"logs"});
  EXPECT_EQ(ids(rules_for(configuration, object("db/a", {{"keep", "yes"}, {"tier", "1"}, {"x", "y"}}))), Ids{"kept"});
  EXPECT_TRUE(rules_for(configuration, object("db/a", {{"keep", "yes"}})).empty());
  EXPECT_TRUE(rules_for(configuration, object("other")).empty());
}

TEST(ReplicationRulesTest, TheHighestPriorityWinsForADestinationAndEveryDestinationCounts) {
  const auto configuration = parse({rule("low", 1, Value::object(), "one"), rule("high", 5, Value::object(), "one"),
                                    rule("elsewhere", 2, Value::object(), "two")});
  EXPECT_EQ(ids(rules_for(configuration, object("a"))), (Ids{"high", "elsewhere"}));
}

TEST(ReplicationRulesTest, DisabledRulesAreNone) {
  Value off = rule("off", 9, Value::object(), "one");
  off.set("Status", "Disabled");
  EXPECT_TRUE(rules_for(parse({off}), object("a")).empty());
}

TEST(ReplicationRulesTest, ReplicasAreNotReplicatedFurther) {
  Value with_modifications = rule("back", 1, Value::object(), "one");
  const auto plain = parse({with_modifications});
  rows::Version replica = object("a");
  replica.replication = "REPLICA";
  EXPECT_TRUE(rules_for(plain, replica).empty());
  EXPECT_TRUE(rules_for_changes(plain, replica).empty());
  with_modifications.set("SourceSelectionCriteria", Value::object({{"ReplicaModifications", status("Enabled")}}));
  const auto both_ways = parse({with_modifications});
  EXPECT_TRUE(rules_for(both_ways, replica).empty());
  EXPECT_EQ(ids(rules_for_changes(both_ways, replica)), Ids{"back"});
}

TEST(ReplicationRulesTest, KmsObjectsNeedARuleThatSaysSo) {
  rows::Version secret = object("a");
  secret.encryption.mode = EncryptionMode::kKms;
  Value one = rule("r", 1, Value::object(), "one");
  EXPECT_TRUE(rules_for(parse({one}), secret).empty());
  one.set("SourceSelectionCriteria", Value::object({{"SseKmsEncryptedObjects", status("Enabled")}}));
  EXPECT_EQ(ids(rules_for(parse({one}), secret)), Ids{"r"});
}

TEST(ReplicationRulesTest, DeleteMarkersAreReplicatedByV1RulesAndByV2RulesThatSaySo) {
  rows::Version marker = object("logs/a");
  marker.marker = true;
  Value v2 = rule("v2", 1, Value::object(), "one");
  EXPECT_TRUE(rules_for(parse({v2}), marker).empty());
  v2.set("DeleteMarkerReplication", status("Enabled"));
  EXPECT_EQ(ids(rules_for(parse({v2}), marker)), Ids{"v2"});
  const Value v1 = Value::object({{"ID", "v1"},
                                  {"Status", "Enabled"},
                                  {"Prefix", "logs/"},
                                  {"Destination", Value::object({{"Bucket", "arn:aws:s3:::one"}})}});
  const auto configuration = parse({v1});
  EXPECT_TRUE(configuration.rules[0].v1);
  EXPECT_EQ(ids(rules_for(configuration, marker)), Ids{"v1"});
  marker.key = "other";
  EXPECT_TRUE(rules_for(configuration, marker).empty());
}

TEST(ReplicationRulesTest, TheDestinationIsReadWhole) {
  Value one = rule("r", 1, Value::object(), "copies");
  one.set("Destination",
          Value::object({{"Bucket", "arn:aws:s3:::copies"},
                         {"Account", "222222222222"},
                         {"StorageClass", "STANDARD_IA"},
                         {"AccessControlTranslation", Value::object({{"Owner", "Destination"}})},
                         {"EncryptionConfiguration", Value::object({{"ReplicaKmsKeyID", "arn:aws:kms:eu:2:key/k"}})},
                         {"Metrics", status("Enabled")}}));
  const ReplicationRule read = parse({one}).rules[0];
  EXPECT_EQ(read.bucket, "copies");
  EXPECT_EQ(read.account, "222222222222");
  EXPECT_EQ(read.storage_class, "STANDARD_IA");
  EXPECT_TRUE(read.owner_override);
  EXPECT_EQ(read.replica_kms_key, "arn:aws:kms:eu:2:key/k");
  EXPECT_TRUE(read.metrics);
}

}  // namespace
}  // namespace coffer::s3
