// What the tests of buckets and their settings share.
#pragma once
#include "services/s3/world.h"

namespace coffer::s3 {

inline std::string bucket_arn(const std::string& bucket = kBucket) { return "arn:aws:s3:::" + bucket; }
inline std::string objects_arn(const std::string& bucket = kBucket) { return bucket_arn(bucket) + "/*"; }

/// A statement of a bucket policy. `principal` is JSON, `rest` further members.
inline std::string said(const std::string& effect, const std::string& principal, const std::string& action,
                        const std::string& resource, const std::string& rest = "") {
  return R"({"Effect":")" + effect + R"(","Principal":)" + principal + R"(,"Action":")" + action + R"(","Resource":")" +
         resource + "\"" + (rest.empty() ? "" : "," + rest) + "}";
}
inline std::string condition(const std::string& op, const std::string& key, const std::string& value) {
  return R"("Condition":{")" + op + R"(":{")" + key + R"(":")" + value + R"("}})";
}
inline std::string policy_of(std::initializer_list<std::string> statements) {
  std::string all;
  for (const std::string& one : statements) all += (all.empty() ? "" : ",") + one;
  return R"({"Version":"2012-10-17","Statement":[)" + all + "]}";
}
inline Value without(Value input, const char* member) { return input.set(member, Value()); }
constexpr const char* kAnyone = R"("*")";

class BucketWorld : public World {
 protected:
  static Value on_bucket(const Value& more = Value::object(), const std::string& bucket = kBucket) {
    return with(object({{"Bucket", bucket}}), more);
  }
  Answer put_policy(const Keys& keys, const std::string& policy, const Value& more = Value::object()) {
    return s3(keys, "PutBucketPolicy", with(on_bucket(object({{"Policy", policy}})), more));
  }
  void policy(std::initializer_list<std::string> statements) { did_put_policy(policy_of(statements)); }
  void did_put_policy(const std::string& text) { ASSERT_EQ(put_policy(root(), text).error(), ""); }
  /// All four public access blocks.
  void block_public_access(bool on) {
    did("PutPublicAccessBlock",
        on_bucket(object({{"PublicAccessBlockConfiguration", object({{"BlockPublicAcls", on},
                                                                     {"IgnorePublicAcls", on},
                                                                     {"BlockPublicPolicy", on},
                                                                     {"RestrictPublicBuckets", on}})}})));
  }
  Answer anonymously(const std::string& operation, Value input) {
    return s3(root(), operation, std::move(input), nullptr, Way{.anonymous = true});
  }
  /// "": it was allowed, also when there was nothing to be found.
  static std::string refusal(const Answer& answer) {
    const std::string error = answer.error();
    return error == kms::kDenied || error == "AccessDenied" ? "denied" : error;
  }
  std::string reading(const Keys& keys, const std::string& key = "k") {
    return refusal(s3(keys, "GetObject", at(key)));
  }
  std::string writing(const Keys& keys, const std::string& key = "new", const Value& more = Value::object()) {
    TextBody body("text");
    return refusal(s3(keys, "PutObject", at(key, more), &body));
  }
  std::string listing(const Keys& keys, const Value& more = Value::object()) {
    return refusal(s3(keys, "ListObjectsV2", on_bucket(more)));
  }
};

}  // namespace coffer::s3
