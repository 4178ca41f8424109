// Random lives of a bucket, beside a model of versioning that fits on a page: same answers, same versions in the same
// order, the same bytes, and nothing left over.
#include <rapidcheck.h>

#include <limits>

#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

struct ModelVersion {
  std::string id;
  bool marker = false;
  std::string bytes;
};

/// What S3's guide says of versioning. Versions of a key: the newest first.
class Model {
 public:
  std::string versioning;
  std::map<std::string, std::vector<ModelVersion>> keys;

  void put(const std::string& key, const std::string& id, const std::string& bytes) { first(key, {id, false, bytes}); }
  void remove(const std::string& key, const std::string& marker_id) {
    if (versioning.empty()) {
      keys.erase(key);
    } else {
      first(key, {marker_id, true, ""});
    }
  }
  void remove_version(const std::string& key, const std::string& id) {
    auto& all = keys[key];
    std::erase_if(all, [&](const ModelVersion& v) { return v.id == id; });
    if (all.empty()) keys.erase(key);
  }
  [[nodiscard]] const ModelVersion* latest(const std::string& key) const {
    const auto found = keys.find(key);
    return found == keys.end() || found->second.front().marker ? nullptr : &found->second.front();
  }

 private:
  void first(const std::string& key, ModelVersion version) {
    auto& all = keys[key];
    if (versioning != "Enabled") {
      version.id = "null";
      std::erase_if(all, [](const ModelVersion& v) { return v.id == "null"; });
    }
    all.insert(all.begin(), std::move(version));
  }
};

struct Step {
  enum Kind { kPut, kDelete, kDeleteVersion, kCopy, kMultipart, kEnable, kSuspend, kRestart };
  Kind kind = kPut;
  int key = 0, other = 0, size = 0, which = 0;
};
std::ostream& operator<<(std::ostream& out, const Step& s) {
  static constexpr const char* kNames[] = {"put",       "delete", "delete version", "copy",
                                           "multipart", "enable", "suspend",        "restart"};
  return out << kNames[s.kind] << "(" << s.key << ", " << s.other << ", " << s.size << ", " << s.which << ")";
}

}  // namespace
}  // namespace coffer::s3

namespace rc {
template <>
struct Arbitrary<coffer::s3::Step> {
  static Gen<coffer::s3::Step> arbitrary() {
    using coffer::s3::Step;
    return gen::build<Step>(gen::set(&Step::kind, gen::weightedElement<Step::Kind>({{6, Step::kPut},
                                                                                    {4, Step::kDelete},
                                                                                    {5, Step::kDeleteVersion},
                                                                                    {3, Step::kCopy},
                                                                                    {2, Step::kMultipart},
                                                                                    {1, Step::kEnable},
                                                                                    {1, Step::kSuspend},
                                                                                    {1, Step::kRestart}})),
                            gen::set(&Step::key, gen::inRange(0, 3)), gen::set(&Step::other, gen::inRange(0, 3)),
                            gen::set(&Step::size, gen::element(0, 10, 3000)),
                            gen::set(&Step::which, gen::inRange(0, 100)));
  }
};
}  // namespace rc

namespace coffer::s3 {
namespace {

class VersioningModel : public World {
 protected:
  /// Two keys of which one is the other's beginning, and one far away.
  static std::string name(int key) { return std::vector<std::string>{"a", "a/b", "z"}[static_cast<size_t>(key)]; }
  Value in(const std::string& key, const Value& more = {}) const {
    return with(object({{"Bucket", bucket_}, {"Key", key}}), more);
  }

  void begin() {
    bucket_ = "bucket-" + std::to_string(++count_);
    make_bucket(bucket_);
    model_ = {};
  }

  void apply(const Step& step) {
    const std::string key = name(step.key);
    const std::string bytes = noise(static_cast<size_t>(step.size), static_cast<uint64_t>(++seed_));
    clock_.advance(std::chrono::seconds(1));
    switch (step.kind) {
      case Step::kPut: {
        TextBody body(bytes);
        model_.put(key, std::string(must(s3("PutObject", in(key), &body).output).text("VersionId")), bytes);
        break;
      }
      case Step::kDelete: model_.remove(key, std::string(did("DeleteObject", in(key)).text("VersionId"))); break;
      case Step::kDeleteVersion: remove_one(key, step.which); break;
      case Step::kCopy: copy(name(step.other), key); break;
      case Step::kMultipart: upload(key, bytes); break;
      case Step::kEnable: set("Enabled"); break;
      case Step::kSuspend: set("Suspended"); break;
      case Step::kRestart: restart(); break;
    }
  }

  void set(const std::string& versioning) {
    set_versioning(versioning, bucket_);
    model_.versioning = versioning;
  }
  void remove_one(const std::string& key, int which) {
    const auto found = model_.keys.find(key);
    if (found == model_.keys.end()) return;
    const std::string id = found->second[static_cast<size_t>(which) % found->second.size()].id;
    did("DeleteObject", in(key, object({{"VersionId", id}})));
    model_.remove_version(key, id);
  }
  void copy(const std::string& from, const std::string& to) {
    const Answer answer =
        s3("CopyObject", in(to, object({{"CopySource", bucket_ + "/" + from}, {"MetadataDirective", "REPLACE"}})));
    const ModelVersion* source = model_.latest(from);
    RC_ASSERT(answer.error() == (source ? "" : "NoSuchKey"));
    if (source) model_.put(to, answer.text("VersionId"), std::string(source->bytes));
  }
  void upload(const std::string& key, const std::string& bytes) {
    const Value id = object({{"UploadId", did("CreateMultipartUpload", in(key)).text("UploadId")}});
    TextBody body(bytes);
    const Value part = must(s3("UploadPart", in(key, with(id, object({{"PartNumber", 1}}))), &body).output);
    const Value list = parts_list({part_entry(1, std::string(part.text("ETag")))});
    model_.put(key, std::string(did("CompleteMultipartUpload", in(key, with(id, list))).text("VersionId")), bytes);
  }

  void compare() {
    const auto bucket = must(rows::find_bucket(*read(), bucket_));
    std::string current, expected_current, versions, expected_versions;
    for (const auto& one : must(rows::list_current(*read(), bucket->id, "", "", false, 1000))) current += one.key + " ";
    for (const auto& one :
         must(rows::list_versions(*read(), bucket->id, "", "", std::numeric_limits<int64_t>::max(), 1000)))
      versions += one.key + ":" + one.version_id + (one.marker ? "!" : "") + (one.latest ? "* " : " ");
    for (const auto& [key, all] : model_.keys) {
      if (model_.latest(key)) expected_current += key + " ";
      for (const ModelVersion& v : all)
        expected_versions += key + ":" + v.id + (v.marker ? "!" : "") + (&v == &all.front() ? "* " : " ");
    }
    RC_ASSERT(current == expected_current);
    RC_ASSERT(versions == expected_versions);
    for (int i = 0; i < 3; ++i) {
      const Answer answer = s3("GetObject", in(name(i)));
      const ModelVersion* latest = model_.latest(name(i));
      RC_ASSERT(answer.error() == (latest ? "" : "NoSuchKey"));
      if (latest) RC_ASSERT(answer.body == latest->bytes);
    }
    for (const auto& [key, all] : model_.keys) {
      for (const ModelVersion& v : all) {
        const Answer answer = s3("GetObject", in(key, object({{"VersionId", v.id}})));
        RC_ASSERT(answer.error() == (v.marker ? "MethodNotAllowed" : ""));
        if (!v.marker) RC_ASSERT(answer.body == v.bytes);
      }
    }
  }

  /// Every version goes by its id, and all bytes with them.
  void end() {
    size_t large = 0, small = 0;
    for (const auto& [key, all] : model_.keys) {
      for (const ModelVersion& v : all) (v.bytes.size() > 1024 ? large : small) += v.bytes.empty() ? 0 : 1;
    }
    collect();
    RC_ASSERT(blocks() == large);
    RC_ASSERT(rows_in("s3_inline") == static_cast<int64_t>(small));
    while (!model_.keys.empty()) remove_one(model_.keys.begin()->first, 0);
    collect();
    RC_ASSERT(blocks() == 0U);
    for (const char* table : {"s3_inline", "s3_pieces", "s3_discarded", "s3_uploads", "s3_parts", "s3_versions"})
      RC_ASSERT(rows_in(table) == 0);
    did("DeleteBucket", object({{"Bucket", bucket_}}));
  }

  std::string bucket_;
  int count_ = 0, seed_ = 0;
  Model model_;
};

TEST_F(VersioningModel, EveryLifeOfABucketIsAsTheModelSays) {
  EXPECT_TRUE(rc::check("versions as in the model", [this](const std::vector<Step>& steps) {
    begin();
    for (const Step& step : steps) {
      apply(step);
      compare();
    }
    end();
  }));
}

}  // namespace
}  // namespace coffer::s3
