// Buckets whose objects are replicated: what the copies are worth.
#include <algorithm>

#include "edge/cli/account_findings.h"
#include "edge/wire/http.h"

namespace coffer::cli {
namespace {

using xml::Element;

std::string path_of(const std::string& bucket, const char* setting) {
  return "/" + wire::percent_encode(bucket) + "?" + setting;
}

/// A setting of a bucket, null when it has none.
Result<std::unique_ptr<Element>> setting_of(ExaminedAccount& account, const std::string& bucket, const char* setting) {
  auto answer = account.api->get_xml(path_of(bucket, setting));
  if (answer.ok()) return std::make_unique<Element>(std::move(*answer));
  // A bucket that is not there is another matter than a setting that is not.
  if (answer.code() == ErrorCode::kNotFound && answer.error().name != "NoSuchBucket") return std::unique_ptr<Element>();
  return std::move(answer).error();
}

bool expires_objects(const Element* lifecycle) {
  if (!lifecycle) return false;
  return std::any_of(lifecycle->children.begin(), lifecycle->children.end(), [](const Element& rule) {
    return rule.name == "Rule" && rule.text_of("Status") == "Enabled" && rule.child("Expiration");
  });
}

std::string default_key(const Element* encryption) {
  const Element* rule = encryption ? encryption->child("Rule") : nullptr;
  const Element* by_default = rule ? rule->child("ApplyServerSideEncryptionByDefault") : nullptr;
  if (!by_default || !by_default->text_of("SSEAlgorithm").starts_with("aws:kms")) return {};
  return by_default->text_of("KMSMasterKeyID").empty() ? "aws/s3" : std::string(by_default->text_of("KMSMasterKeyID"));
}

bool replicates_encrypted(const Element& rule) {
  const Element* criteria = rule.child("SourceSelectionCriteria");
  const Element* encrypted = criteria ? criteria->child("SseKmsEncryptedObjects") : nullptr;
  return encrypted && encrypted->text_of("Status") == "Enabled";
}

class ReplicatedBucket {
 public:
  ReplicatedBucket(ExaminedAccount& account, std::vector<ExaminedAccount>& all, std::string bucket, Findings& findings)
      : account_(account), all_(all), bucket_(std::move(bucket)), findings_(findings) {}

  void run() {
    const auto replication = look(account_, bucket_, "replication");
    if (!replication) return;
    lifecycle_ = look(account_, bucket_, "lifecycle");
    const auto encryption = look(account_, bucket_, "encryption");
    key_ = default_key(encryption.get());
    check_lock(account_, bucket_);
    for (const Element& rule : replication->children) {
      if (rule.name == "Rule" && rule.text_of("Status") == "Enabled") examine(rule);
    }
  }

 private:
  std::unique_ptr<Element> look(ExaminedAccount& account, const std::string& bucket, const char* setting) {
    auto found = setting_of(account, bucket, setting);
    if (found.ok()) return std::move(*found);
    findings_.could_not("bucket", std::string("looking at the ") + setting + " of bucket " + bucket, found.error());
    return nullptr;
  }

  void check_lock(ExaminedAccount& account, const std::string& bucket) {
    const auto lock = setting_of(account, bucket, "object-lock");
    if (!lock.ok() || *lock) return;
    findings_.warn("bucket.no_lock", "bucket " + bucket + " has no object lock",
                   "whoever may delete its objects can delete every copy in it",
                   "make the bucket with object lock and a default retention; an old bucket can get one too");
  }

  void examine(const Element& rule) {
    const Element* destination = rule.child("Destination");
    if (!destination) return;
    std::string target(destination->text_of("Bucket"));
    target = target.substr(target.rfind(':') + 1);
    const Element* encryption = destination->child("EncryptionConfiguration");
    const std::string replica_key(encryption ? encryption->text_of("ReplicaKmsKeyID") : "");
    if (!key_.empty() && !replicates_encrypted(rule)) {
      findings_.bad("bucket.encrypted_left_out",
                    "objects of bucket " + bucket_ + " are encrypted under a KMS key, and its rule " +
                        std::string(rule.text_of("ID")) + " does not replicate such objects",
                    "the bucket " + target + " stays empty, and nothing says so",
                    "add SourceSelectionCriteria with SseKmsEncryptedObjects to the rule, and a ReplicaKmsKeyID");
    }
    if (replica_key.find(":" + account_.id + ":") != std::string::npos) {
      const std::string owner(destination->text_of("Account"));
      if (owner != account_.id) {
        findings_.bad("bucket.same_key",
                      "replicas of bucket " + bucket_ + " in " + target + " are encrypted under a key of account " +
                          account_.id + ": " + replica_key,
                      "without that account and its key they are unreadable: they are no second copy",
                      "make a key in the account of " + target + " and name it as ReplicaKmsKeyID");
      }
    }
    examine_target(target);
  }

  /// The bucket of the replicas, by whichever account's credentials show it.
  void examine_target(const std::string& target) {
    for (ExaminedAccount& other : all_) {
      if (other.id.empty()) continue;
      const auto lifecycle = setting_of(other, target, "lifecycle");
      if (!lifecycle.ok()) continue;
      if (expires_objects(lifecycle_.get()) && !expires_objects(lifecycle->get())) {
        findings_.warn("bucket.lifecycle_at_source_only",
                       "objects of bucket " + bucket_ + " expire, and their replicas in " + target + " never do",
                       "expiry is not replicated: the copies grow for ever, and keep what should have been forgotten",
                       "give " + target + " a lifecycle of its own, for as long as the copies are to stay");
      }
      return check_lock(other, target);
    }
    findings_.warn(
        "bucket.target_unseen",
        "bucket " + target + ", which gets the replicas of " + bucket_ + ", cannot be looked at with these credentials",
        "whether its objects expire, and whether they are locked, stays unknown",
        "add a profile of its account to the credentials file");
  }

  ExaminedAccount& account_;
  std::vector<ExaminedAccount>& all_;
  std::string bucket_;
  Findings& findings_;
  std::unique_ptr<Element> lifecycle_;
  std::string key_;
};

}  // namespace

void examine_buckets(ExaminedAccount& account, std::vector<ExaminedAccount>& all, Findings& findings) {
  const auto buckets = account.api->get_xml("/");
  if (!buckets.ok())
    return findings.could_not("bucket", "listing the buckets of account " + account.id, buckets.error());
  const Element* list = buckets->child("Buckets");
  if (!list) return;
  for (const Element& bucket : list->children)
    ReplicatedBucket(account, all, std::string(bucket.text_of("Name")), findings).run();
}

}  // namespace coffer::cli
