// Random lives of an installation's buckets beside a model in memory: writes, copies, uploads, deletions, locks, tags,
// lifecycle by the clock, listings, replication to another account that is away now and then, restarts, and a store
// that fails. After each step the visible state is the model's; in the end every acknowledged byte is there, replicas
// are as their sources, and nothing else is left. COFFER_S3_OPERATIONS sets how many, COFFER_S3_SEED which.
#include <deque>
#include <iostream>
#include <limits>
#include <random>

#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "engine/store/faulty_store.h"
#include "faults/tiers.h"
#include "services/s3/world.h"

namespace coffer::s3 {
namespace {

using std::chrono::hours;
constexpr int64_t kDay = 86'400'000'000;
constexpr const char *kPlain = "plain", *kLocked = "locked", *kSource = "source", *kCopies = "copies";

/// Text as a part of one long noise, or of several: it costs nothing to remember.
struct Span {
  size_t from = 0, size = 0;
};
const std::string& all_noise() {
  static const std::string text = noise(7 << 20);
  return text;
}
std::string text_of(const std::vector<Span>& spans) {
  std::string text;
  for (const Span& s : spans) text += all_noise().substr(s.from, s.size);
  return text;
}

struct ModelVersion {
  std::string id;
  bool marker = false;
  std::vector<Span> spans;
  std::string etag, type;
  std::map<std::string, std::string> tags;
  std::string storage_class = "STANDARD";
  int64_t modified = 0, noncurrent_since = 0;
  std::string lock_mode;
  int64_t until = 0;
  bool hold = false;
  bool customer_key = false, kms = false;
  bool replicated = false;  // goes to the other account
  [[nodiscard]] int64_t size() const {
    size_t total = 0;
    for (const Span& s : spans) total += s.size;
    return static_cast<int64_t>(total);
  }
  [[nodiscard]] bool locked(int64_t now, bool bypass) const {
    return hold || (!lock_mode.empty() && until > now && !(bypass && lock_mode == "GOVERNANCE"));
  }
};
using Versions = std::vector<ModelVersion>;  // the newest first

struct ModelRule {
  std::string prefix;
  int expire_days = 0, noncurrent_days = 0, keep = 0, move_days = 0, abort_days = 0;
  bool markers = false;
  std::string tag;
};
struct ModelUpload {
  std::string bucket, key, id, type;
  int64_t initiated = 0;
  std::map<int, std::pair<Span, std::string>> parts;  // and their ETags
};
struct ModelBucket {
  std::string name, versioning;
  bool lock = false;
  std::string default_mode;
  int default_days = 0;
  std::map<std::string, Versions> keys;
  std::optional<ModelRule> rule;
  int64_t walked = -1;  // the midnight of the last walk with this rule
  [[nodiscard]] const ModelVersion* latest(const std::string& key) const {
    const auto found = keys.find(key);
    return found == keys.end() || found->second.front().marker ? nullptr : &found->second.front();
  }
};

class Life : public World, public ReplicaDestinations {
 public:
  explicit Life(uint64_t seed) : random_(seed) {
    inner_ = std::move(store_);
    s3_.reset();
    gate_.reset();
    store_ = std::make_unique<store::FaultyStore>(
        *inner_, [this](uint64_t, store::Operation operation, std::string_view) { return decide(operation); });
    restart();
    key_ = arn(key());
    for (const char* name : {kPlain, kLocked, kSource}) {
      ModelBucket& bucket = buckets_[name];
      bucket.name = name;
      bucket.lock = std::string_view(name) != kPlain;
      bucket.versioning = bucket.lock ? "Enabled" : "";
      make_bucket(name, "", object({{"ObjectLockEnabledForBucket", bucket.lock}}));
      did("PutBucketEncryption",
          object({{"Bucket", name},
                  {"ServerSideEncryptionConfiguration",
                   object({{"Rules", api::List{object(
                                         {{"ApplyServerSideEncryptionByDefault", object({{"SSEAlgorithm", "AES256"}})},
                                          {"BlockedEncryptionTypes",
                                           object({{"EncryptionType", iam::texts({"NONE"})}})}})}}})}}));
    }
    begin_replication();
  }
  void TestBody() override {}

  /// Throws what is wrong.
  void live(uint64_t operations) {
    for (uint64_t i = 0; i < operations; ++i) {
      step();
      if (i % 100 == 99) compare_all();
    }
    end();
  }
  std::string story() const {
    std::string text;
    for (const std::string& one : done_) text += "  " + one + "\n";
    return text;
  }
  uint64_t failures = 0, replicas = 0, refused = 0, expired = 0;

 private:
  // ---- chance
  int below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  bool sometimes(int one_in) { return below(one_in) == 0; }
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[random_() % all.size()];
  }
  std::string some_key() {
    static const std::vector<std::string> kKeys = {"a",   "a/b", "a/b/c", "a/", "b", "b/x", "zz", "\xd0\xba/\xd0\xb9",
                                                   "~ +%"};
    return one_of(kKeys);
  }
  ModelBucket& some_bucket() { return buckets_.at(one_of(std::vector<std::string>{kPlain, kLocked, kSource})); }
  Span some_span() {
    const size_t size = one_of(std::vector<size_t>{0, 1, 700, 700, 1024, 1025, 5000, 5000, 66'000});
    return {random_() % (6 << 20), sometimes(80) ? 2'200'000 : size};
  }
  void say(std::string what) {
    done_.push_back(std::move(what));
    if (done_.size() > 40) done_.pop_front();
  }
  static void check(bool holds, const std::string& what) {
    if (!holds) throw std::runtime_error(what);
  }
  template <class A, class B>
  static void same(const A& got, const B& wanted, const std::string& what) {
    if (got == wanted) return;
    std::ostringstream text;
    text << what << ": got " << got << ", wanted " << wanted;
    throw std::runtime_error(text.str());
  }
  int64_t now() const { return clock_.wall().micros; }

  // ---- a store that fails
  std::optional<store::Fault> decide(store::Operation operation) {
    const std::lock_guard lock(fault_mutex_);
    if (fault_in_ == 0) return std::nullopt;
    if (--fault_in_ > 0) return std::nullopt;
    if (fault_.kind == store::Fault::Kind::kFlipBit && operation != store::Operation::kGet &&
        operation != store::Operation::kView)
      return std::nullopt;
    ++failures;
    return fault_;
  }
  /// One of the next calls of the store fails.
  void arm(bool flips) {
    using Kind = store::Fault::Kind;
    std::vector<Kind> kinds{Kind::kError, Kind::kErrorAfter, Kind::kTornPut, Kind::kLostPut};
    if (flips) kinds.push_back(Kind::kFlipBit);
    fault_ = {one_of(kinds), sometimes(2) ? ErrorCode::kUnavailable : ErrorCode::kInternal};
    fault_in_ = 1 + below(4);
  }
  void disarm() { fault_in_ = 0; }

  // ---- the other account, and the way there
  void begin_replication() {
    const auto theirs = [&](const char* operation, Value input) {
      input.set("Bucket", kCopies);
      must(s3(root(kOther), operation, input).output);
    };
    theirs("CreateBucket", object({{"ObjectLockEnabledForBucket", true}}));
    theirs("PutBucketPolicy",
           object({{"Policy",
                    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::)" +
                        kHome + R"(:root"},"Action":["s3:ReplicateObject","s3:ReplicateDelete","s3:ReplicateTags"],)" +
                        R"("Resource":"arn:aws:s3:::copies/*"}]})"}}));
    must(
        iam(root(), "CreateRole",
            object({{"RoleName", "crr"}, {"AssumeRolePolicyDocument", iam::trust(iam::service("s3.amazonaws.com"))}})));
    must(iam(root(), "PutRolePolicy",
             object({{"RoleName", "crr"}, {"PolicyName", "p"}, {"PolicyDocument", allow("*")}})));
    did("PutBucketReplication",
        object({{"Bucket", kSource},
                {"ReplicationConfiguration",
                 object({{"Role", "arn:aws:iam::" + kHome + ":role/crr"},
                         {"Rules", api::List{object({{"ID", "all"},
                                                     {"Priority", 1},
                                                     {"Status", "Enabled"},
                                                     {"Filter", object({{"Prefix", ""}})},
                                                     {"DeleteMarkerReplication", object({{"Status", "Enabled"}})},
                                                     {"Destination", object({{"Bucket", "arn:aws:s3:::copies"},
                                                                             {"Account", kOther}})}})}}})}}));
  }
  const Keys& root(const std::string& account = kHome) { return roots_.at(account); }

  enum class Trouble { kNone, kAway, kAnswerLost, kCut, kLie };
  class CutBody final : public api::RequestBody {
   public:
    CutBody(api::RequestBody& whole, size_t left) : whole_(whole), left_(left) {}
    Result<size_t> read(const Context& context, MutableByteView out) override {
      if (left_ == 0) return Error{ErrorCode::kUnavailable, "the connection was cut", {}};
      COFFER_TRY(const size_t size, whole_.read(context, out.first(std::min(out.size(), left_))));
      left_ -= size;
      return size;
    }
    [[nodiscard]] std::optional<uint64_t> size() const override { return whole_.size(); }
    [[nodiscard]] const api::Members& trailing_members() const override { return whole_.trailing_members(); }

   private:
    api::RequestBody& whole_;
    size_t left_;
  };
  Result<Value> call(const api::Call& asked, const iam::Identity& identity, std::string_view, const Value& input,
                     api::RequestBody* body) override {
    Trouble trouble = Trouble::kNone;
    size_t cut = 0;
    {
      const std::lock_guard lock(way_mutex_);
      if (way_random_ && (*way_random_)() % 3 == 0) trouble = static_cast<Trouble>(1 + (*way_random_)() % 4);
      if (way_random_) cut = (*way_random_)() % 1000;
    }
    const Error away{ErrorCode::kUnavailable, "the other side is away", {}};
    if (trouble == Trouble::kAway) return away;
    if (trouble == Trouble::kLie) return Value::object();  // a success that nobody had
    if (trouble == Trouble::kCut && body) {
      CutBody some(*body, cut);
      // What is there already is confirmed without its bytes; that answer is lost too.
      static_cast<void>(gate_->run(asked, &identity, input, &some));
      return away;
    }
    auto answer = gate_->run(asked, &identity, input, body);
    return trouble == Trouble::kAnswerLost ? Result<Value>(away) : answer;
  }
  void replicate(bool with_trouble) {
    if (with_trouble) way_random_.emplace(random_());
    if (with_trouble && sometimes(4)) arm(false);
    for (int i = 0; i < (with_trouble ? 3 : 10'000); ++i) {
      const auto looked_at = s3_->replicate(Context(), clock_.wall(), *this);
      check(looked_at.ok(), "replicate: " + error_of(looked_at));
      if (*looked_at == 0) break;
    }
    way_random_.reset();
    disarm();
  }
  /// Nothing is in the way any more, and time passes.
  void drain() {
    for (int i = 0; i < 1000 && rows_in("s3_replication") > 0; ++i) {
      replicate(false);
      if (rows_in("s3_replication") > 0) clock_.advance(std::chrono::seconds(301));
    }
    same(rows_in("s3_replication"), 0, "what waits for replication");
  }

  // ---- steps
  void step() {
    clock_.advance(std::chrono::milliseconds(10 + below(1500)));
    const int chance = below(1000);
    if (chance < 260) return put();
    if (chance < 330) return remove();
    if (chance < 420) return remove_version();
    if (chance < 450) return remove_many();
    if (chance < 530) return read();
    if (chance < 590) return copy();
    if (chance < 680) return upload();
    if (chance < 710) return versioning();
    if (chance < 790) return lock();
    if (chance < 850) return tag();
    if (chance < 875) return lifecycle_rule();
    if (chance < 905) return time_passes();
    if (chance < 960) return list();
    if (chance < 990) return replicate_some();
    restart_all();
  }

  Value in(const ModelBucket& bucket, const std::string& key, const Value& more = {}) const {
    return with(object({{"Bucket", bucket.name}, {"Key", key}}), more);
  }
  /// The answer of a call that a fault of the store may make fail; `fails`: it did.
  bool fails(const Answer& answer, const std::string& expected, const std::string& what, bool armed) {
    disarm();
    if (answer.error() == expected) {
      if (!expected.empty()) ++refused;
      return !expected.empty();
    }
    check(armed && !answer.output.ok(), what + ": " + answer.error() + " instead of " + expected);
    return true;
  }

  /// Properties of a new object, in its request and in the model.
  void choose_properties(const ModelBucket& bucket, Value& input, ModelVersion& version) {
    version.type = "text/" + std::to_string(below(1000));
    input.set("ContentType", version.type);
    if (sometimes(4)) {
      version.tags = {{"t", std::to_string(below(2))}};
      input.set("Tagging", "t=" + version.tags.at("t"));
    }
    if (bucket.lock && sometimes(4)) {
      version.lock_mode = sometimes(2) ? "GOVERNANCE" : "COMPLIANCE";
      version.until = now() + (1 + below(50)) * 3'600'000'000LL;
      version.until -= version.until % 1'000'000;
      if (version.until <= now()) version.until += 1'000'000;
      input.set("ObjectLockMode", version.lock_mode).set("ObjectLockRetainUntilDate", WallTime{version.until});
    }
    if (bucket.lock && sometimes(12)) version.hold = true, input.set("ObjectLockLegalHoldStatus", "ON");
  }
  void choose_encryption(Value& input, ModelVersion& version) {
    if (sometimes(12)) {
      version.kms = true;
      input.set("ServerSideEncryption", "aws:kms").set("SSEKMSKeyId", key_);
    } else if (sometimes(12)) {
      version.customer_key = true;
      input = with(input, customer_key());
    }
  }
  static Value customer_key() {
    const Bytes key(32, std::byte{'k'});
    return object({{"SSECustomerAlgorithm", "AES256"},
                   {"SSECustomerKey", base64_encode(key)},
                   {"SSECustomerKeyMD5", base64_encode(crypto::checksum_of(crypto::ChecksumKind::kMd5, key))}});
  }

  /// `version` becomes the first of its key.
  void first(ModelBucket& bucket, const std::string& key, ModelVersion version) {
    Versions& all = bucket.keys[key];
    if (bucket.versioning != "Enabled") {
      version.id = "null";
      std::erase_if(all, [](const ModelVersion& v) { return v.id == "null"; });
    }
    if (!all.empty() && all.front().noncurrent_since == 0) all.front().noncurrent_since = now();
    all.insert(all.begin(), std::move(version));
  }
  void made(ModelBucket& bucket, const std::string& key, ModelVersion version, const Value& output) {
    version.id = output.text("VersionId");
    version.etag = output.text("ETag");
    if (bucket.lock && version.lock_mode.empty() && !bucket.default_mode.empty()) {
      version.lock_mode = bucket.default_mode;
      version.until = version.modified + bucket.default_days * kDay;
    }
    version.replicated = bucket.name == kSource && !version.kms && !version.customer_key;
    if (bucket.name == kSource) ever_[version.id] = text_of(version.spans);
    first(bucket, key, std::move(version));
  }

  void put() {
    ModelBucket& bucket = some_bucket();
    const std::string key = some_key();
    ModelVersion version;
    version.spans = {some_span()};
    const std::string text = text_of(version.spans);
    Value input = in(bucket, key);
    choose_properties(bucket, input, version);
    choose_encryption(input, version);
    input.set("ContentMD5", base64_encode(crypto::checksum_of(crypto::ChecksumKind::kMd5, as_bytes(text))));
    std::string expected;
    if (sometimes(10)) {
      input.set("IfNoneMatch", "*");
      if (bucket.latest(key)) expected = "PreconditionFailed";
    } else if (sometimes(10)) {
      const ModelVersion* latest = bucket.latest(key);
      const bool right = latest && sometimes(2);
      input.set("IfMatch", right ? latest->etag : "\"00000000000000000000000000000000\"");
      if (!right) expected = latest ? "PreconditionFailed" : "NoSuchKey";
    }
    if (sometimes(40))
      input.set("ContentMD5", "TO8vMKx9M0GdAMHZOgkAlQ=="), expected = expected.empty() ? "BadDigest" : expected;
    say("put " + bucket.name + " " + key + " " + std::to_string(text.size()) + " " + expected);
    TextBody body(text);
    if (expected.empty() && sometimes(25) && text.size() > 100)
      body.fails_at = text.size() / 2, expected = expected.empty() ? "IncompleteBody" : expected;
    // Somebody else writes the same key meanwhile.
    if (!body.fails_at && expected.empty() && !input.has("IfNoneMatch") && !input.has("IfMatch") && sometimes(15))
      body.on_end = [&] { meanwhile(bucket, key); };
    const bool armed = sometimes(20);
    if (armed) arm(false);
    const Answer answer = s3("PutObject", input, &body);
    version.modified = put_time_ ? put_time_ : now();
    put_time_ = 0;
    if (fails(answer, expected, "put", armed)) return check_key(bucket, key);
    made(bucket, key, version, answer.value());
    check_key(bucket, key);
  }
  void meanwhile(ModelBucket& bucket, const std::string& key) {
    put_time_ = now();
    clock_.advance(std::chrono::seconds(1));
    const auto armed = std::exchange(fault_in_, 0);
    if (bucket.versioning == "Suspended") return;
    const Answer answer = s3("DeleteObject", in(bucket, key));
    check(answer.output.ok(), "delete meanwhile: " + answer.error());
    removed(bucket, key, answer.value());
    fault_in_ = armed;
  }

  void removed(ModelBucket& bucket, const std::string& key, const Value& output) {
    if (bucket.versioning.empty()) {
      bucket.keys.erase(key);
      return;
    }
    ModelVersion marker;
    marker.marker = true;
    marker.id = output.text("VersionId").empty() ? output.text("DeleteMarkerVersionId") : output.text("VersionId");
    marker.modified = now();
    marker.replicated = bucket.name == kSource;
    if (bucket.name == kSource) ever_[marker.id] = "marker";
    first(bucket, key, std::move(marker));
  }
  void remove() {
    ModelBucket& bucket = some_bucket();
    const std::string key = some_key();
    say("delete " + bucket.name + " " + key);
    const Answer answer = s3("DeleteObject", in(bucket, key));
    check(answer.output.ok(), "delete: " + answer.error());
    removed(bucket, key, answer.value());
    check_key(bucket, key);
  }

  /// A version of a key that there is; null: the bucket is empty.
  ModelVersion* some_version(ModelBucket& bucket, std::string& key) {
    if (bucket.keys.empty()) return nullptr;
    auto at = bucket.keys.begin();
    std::advance(at, below(static_cast<int>(bucket.keys.size())));
    key = at->first;
    return &at->second[random_() % at->second.size()];
  }
  void take_out(ModelBucket& bucket, const std::string& key, const std::string& id) {
    Versions& all = bucket.keys[key];
    std::erase_if(all, [&](const ModelVersion& v) { return v.id == id; });
    if (all.empty()) {
      bucket.keys.erase(key);
    } else {
      all.front().noncurrent_since = 0;
    }
  }
  void remove_version() {
    ModelBucket& bucket = some_bucket();
    std::string key;
    const ModelVersion* version = some_version(bucket, key);
    if (!version) return;
    const bool bypass = sometimes(2);
    const std::string id = version->id;
    const std::string expected = version->locked(now(), bypass) ? "AccessDenied" : "";
    say("delete version " + bucket.name + " " + key + " " + id + " " + expected);
    Value input = in(bucket, key, object({{"VersionId", id}}));
    if (bypass) input.set("BypassGovernanceRetention", true);
    if (!fails(s3("DeleteObject", input), expected, "delete version", false)) take_out(bucket, key, id);
    check_key(bucket, key);
  }
  void remove_many() {
    ModelBucket& bucket = some_bucket();
    say("delete many " + bucket.name);
    api::List wanted;
    for (int i = below(5); i >= 0; --i) {
      std::string key = some_key();
      const ModelVersion* version = sometimes(2) ? some_version(bucket, key) : nullptr;
      wanted.push_back(object({{"Key", key}}));
      if (version) wanted.back().set("VersionId", version->id);
    }
    const Answer answer =
        s3("DeleteObjects", object({{"Bucket", bucket.name}, {"Delete", object({{"Objects", wanted}})}}));
    check(answer.output.ok(), "delete many: " + answer.error());
    size_t deleted = 0, errors = 0;
    for (const Value& one : wanted) {
      const std::string key(one.text("Key")), id(one.text("VersionId"));
      const auto found = bucket.keys.find(key);
      const ModelVersion* version = nullptr;
      if (found != bucket.keys.end() && !id.empty()) {
        for (const ModelVersion& v : found->second) version = v.id == id ? &v : version;
      }
      if (version && version->locked(now(), false)) {
        check(answer.value().list("Errors").size() > errors, "a locked version went");
        same(answer.value().list("Errors")[errors++].text("Code"), "AccessDenied", "deletion of a locked version");
        continue;
      }
      check(answer.value().list("Deleted").size() > deleted, "too few were deleted");
      const Value& entry = answer.value().list("Deleted")[deleted++];
      same(entry.text("Key"), key, "the key of a deletion");
      if (!id.empty()) {
        if (version) take_out(bucket, key, id);
      } else {
        removed(bucket, key, object({{"DeleteMarkerVersionId", entry.text("DeleteMarkerVersionId")}}));
      }
    }
    compare(bucket);
  }

  std::string read_text(const ModelBucket& bucket, const std::string& key, const ModelVersion& version,
                        const Value& more) {
    Value input = in(bucket, key, more);
    if (version.customer_key) input = with(input, customer_key());
    const Answer answer = s3("GetObject", input);
    return answer.output.ok() ? answer.body : "error " + answer.error();
  }
  void read() {
    ModelBucket& bucket = some_bucket();
    std::string key;
    const ModelVersion* version = some_version(bucket, key);
    if (!version || version->marker) return;
    const std::string text = text_of(version->spans);
    const Value id = object({{"VersionId", version->id}});
    say("read " + bucket.name + " " + key + " " + version->id);
    const bool armed = sometimes(6);
    if (armed) arm(true);
    std::string got, wanted = text;
    try {
      if (sometimes(2) && !text.empty()) {
        const size_t a = random_() % text.size(), b = a + random_() % (text.size() * 2);
        wanted = text.substr(a, b - a + 1);
        got = read_text(bucket, key, *version,
                        with(id, object({{"Range", "bytes=" + std::to_string(a) + "-" + std::to_string(b)}})));
      } else {
        got = read_text(bucket, key, *version, id);
      }
    } catch (const std::runtime_error& broken) {  // by read_all(): the stream ends with an error
      check(armed, broken.what());
      disarm();
      return;
    }
    disarm();
    if (armed && got.starts_with("error ")) return;
    check(got == wanted, "wrong bytes of " + key + ": " + std::to_string(got.size()) + " " + got.substr(0, 60));
  }

  void copy() {
    ModelBucket &from = some_bucket(), &to = some_bucket();
    std::string key;
    const ModelVersion* source = some_version(from, key);
    if (!source || source->customer_key) return;
    const std::string target = some_key();
    ModelVersion version;
    Value input = in(to, target, object({{"MetadataDirective", "REPLACE"}}));
    choose_properties(to, input, version);
    version.tags = source->tags;
    version.spans = source->spans;
    choose_encryption(input, version);
    static constexpr char kDigits[] = "0123456789ABCDEF";
    std::string encoded;
    for (char c : key) encoded += {'%', kDigits[static_cast<uint8_t>(c) >> 4], kDigits[static_cast<uint8_t>(c) & 15]};
    input.set("CopySource", from.name + "/" + encoded + "?versionId=" + source->id);
    say("copy " + from.name + " " + key + " to " + to.name + " " + target);
    const bool armed = sometimes(20);
    if (armed) arm(false);
    const Answer answer = s3("CopyObject", input);
    version.modified = now();
    if (source->marker) {
      disarm();
      return check(!answer.output.ok(), "a marker was copied");
    }
    if (fails(answer, "", "copy", armed)) return check_key(to, target);
    Value output = answer.value();
    output.set("ETag", output.find("CopyObjectResult")->text("ETag"));
    made(to, target, version, output);
    check_key(to, target);
  }

  void upload() {
    const int what = below(10);
    if (uploads_.empty() || what < 3) {
      ModelUpload upload;
      ModelBucket& bucket = some_bucket();
      upload.bucket = bucket.name, upload.key = some_key(), upload.initiated = now(), upload.type = "multi/part";
      say("begin upload " + upload.bucket + " " + upload.key);
      upload.id =
          did("CreateMultipartUpload", in(bucket, upload.key, object({{"ContentType", upload.type}}))).text("UploadId");
      uploads_.push_back(upload);
      return;
    }
    const size_t which = random_() % uploads_.size();
    ModelUpload& upload = uploads_[which];
    ModelBucket& bucket = buckets_.at(upload.bucket);
    const Value id = object({{"UploadId", upload.id}});
    if (what < 7) {
      const int number = 1 + below(3);
      const Span span = sometimes(30) ? Span{random_() % (1 << 20), 5 << 20} : some_span();
      say("part " + std::to_string(number) + " of " + upload.bucket + " " + upload.key);
      const std::string text = text_of({span});
      TextBody body(text);
      Value input = in(bucket, upload.key, with(id, object({{"PartNumber", number}})));
      input.set("ContentMD5", base64_encode(crypto::checksum_of(crypto::ChecksumKind::kMd5, as_bytes(text))));
      const bool armed = sometimes(20);
      if (armed) arm(false);
      const Answer answer = s3("UploadPart", input, &body);
      if (!fails(answer, "", "part", armed)) upload.parts[number] = {span, answer.text("ETag")};
      return;
    }
    if (what == 7) {
      say("abort " + upload.bucket + " " + upload.key);
      did("AbortMultipartUpload", in(bucket, upload.key, id));
      uploads_.erase(uploads_.begin() + static_cast<std::ptrdiff_t>(which));
      return;
    }
    if (upload.parts.empty()) return;
    std::vector<Value> list;
    ModelVersion version;
    version.modified = upload.initiated, version.type = upload.type;
    bool small = false;
    for (const auto& [number, part] : upload.parts) {
      if (!version.spans.empty() && version.spans.back().size < (5 << 20)) small = true;
      list.push_back(part_entry(number, part.second));
      version.spans.push_back(part.first);
    }
    if (small) {  // only the last may be small
      const Answer answer = s3("CompleteMultipartUpload", in(bucket, upload.key, with(id, parts_list(list))));
      if (!fails(answer, "EntityTooSmall", "complete with small parts", false)) throw std::runtime_error("completed");
      list.assign(1, list.back());
      version.spans.assign(1, version.spans.back());
    }
    say("complete " + upload.bucket + " " + upload.key);
    const Value input = in(bucket, upload.key, with(id, parts_list(list)));
    const Value output = did("CompleteMultipartUpload", input);
    const std::string key = upload.key;
    uploads_.erase(uploads_.begin() + static_cast<std::ptrdiff_t>(which));
    made(bucket, key, version, output);
    if (sometimes(3)) same(did("CompleteMultipartUpload", input).text("ETag"), output.text("ETag"), "asked again");
    check_key(bucket, key);
  }

  void versioning() {
    ModelBucket& bucket = some_bucket();
    const std::string status = sometimes(2) ? "Enabled" : "Suspended";
    say("versioning " + bucket.name + " " + status);
    const Answer answer =
        s3("PutBucketVersioning",
           object({{"Bucket", bucket.name}, {"VersioningConfiguration", object({{"Status", status}})}}));
    const bool refuses = status == "Suspended" && bucket.lock;
    if (!fails(answer, refuses ? "InvalidBucketState" : "", "versioning", false)) bucket.versioning = status;
  }

  void lock() {
    ModelBucket& bucket = buckets_.at(sometimes(2) ? kLocked : kSource);
    if (sometimes(8)) {
      bucket.default_mode = sometimes(3) ? "" : sometimes(2) ? "GOVERNANCE" : "COMPLIANCE";
      bucket.default_days = 1 + below(3);
      say("default retention " + bucket.name + " " + bucket.default_mode);
      Value configuration = object({{"ObjectLockEnabled", "Enabled"}});
      if (!bucket.default_mode.empty())
        configuration.set(
            "Rule",
            object({{"DefaultRetention", object({{"Mode", bucket.default_mode}, {"Days", bucket.default_days}})}}));
      did("PutObjectLockConfiguration", object({{"Bucket", bucket.name}, {"ObjectLockConfiguration", configuration}}));
      return;
    }
    std::string key;
    ModelVersion* version = some_version(bucket, key);
    if (!version || version->marker) return;
    const Value id = object({{"VersionId", version->id}});
    if (sometimes(3)) {
      const bool on = sometimes(3);
      say("hold " + key + " " + version->id + (on ? " on" : " off"));
      did("PutObjectLegalHold",
          in(bucket, key, with(id, object({{"LegalHold", object({{"Status", on ? "ON" : "OFF"}})}}))));
      version->hold = on;
      return check_key(bucket, key);
    }
    const std::string mode = sometimes(2) ? "GOVERNANCE" : "COMPLIANCE";
    int64_t until = now() + (1 + below(60)) * 3'600'000'000LL;
    until -= until % 1'000'000;
    const bool bypass = sometimes(2), none = sometimes(6);
    const bool holds = !version->lock_mode.empty() && version->until > now();
    const bool longer = !none && mode == version->lock_mode && until >= version->until;
    const bool refuses = holds && !longer && !(bypass && version->lock_mode == "GOVERNANCE");
    say("retention " + bucket.name + " " + key + " " + version->id + " " + (none ? "none" : mode) +
        (refuses ? " refused" : ""));
    Value input = in(bucket, key, id);
    input.set("Retention", none ? object({}) : object({{"Mode", mode}, {"RetainUntilDate", WallTime{until}}}));
    if (bypass) input.set("BypassGovernanceRetention", true);
    if (!fails(s3("PutObjectRetention", input), refuses ? "AccessDenied" : "", "retention", false)) {
      version->lock_mode = none ? "" : mode;
      version->until = none ? 0 : until;
    }
    check_key(bucket, key);
  }

  void tag() {
    ModelBucket& bucket = some_bucket();
    std::string key;
    ModelVersion* version = some_version(bucket, key);
    if (!version || version->marker) return;
    const Value input = in(bucket, key, object({{"VersionId", version->id}}));
    say("tag " + bucket.name + " " + key + " " + version->id);
    if (sometimes(3)) {
      did("DeleteObjectTagging", input);
      version->tags.clear();
    } else {
      version->tags = {{"t", std::to_string(below(2))}, {"n", std::to_string(below(100))}};
      api::List list;
      for (const auto& [name, value] : version->tags) list.push_back(object({{"Key", name}, {"Value", value}}));
      did("PutObjectTagging", with(input, object({{"Tagging", object({{"TagSet", list}})}})));
    }
    check_key(bucket, key);
  }

  // ---- lifecycle
  void lifecycle_rule() {
    ModelBucket& bucket = some_bucket();
    if (sometimes(3)) {
      say("no lifecycle " + bucket.name);
      did("DeleteBucketLifecycle", object({{"Bucket", bucket.name}}));
      bucket.rule.reset();
      return;
    }
    ModelRule rule;
    rule.prefix = one_of(std::vector<std::string>{"", "a", "b/"});
    Value filter = object({{"Prefix", rule.prefix}});
    Value document = object({{"ID", "r" + std::to_string(++rules_)}, {"Status", "Enabled"}});
    const int kind = below(5);
    if (kind == 0 || kind == 3) {
      rule.expire_days = 1 + below(4);
      document.set("Expiration", object({{"Days", rule.expire_days}}));
    } else if (kind == 1) {
      rule.markers = true;
      document.set("Expiration", object({{"ExpiredObjectDeleteMarker", true}}));
    } else if (kind == 4) {
      rule.move_days = 30;
      document.set("Transitions", api::List{object({{"Days", 30}, {"StorageClass", "STANDARD_IA"}})});
    }
    if (kind == 2 || kind == 1) {
      rule.noncurrent_days = 1 + below(3), rule.keep = below(3);
      Value noncurrent = object({{"NoncurrentDays", rule.noncurrent_days}});
      if (rule.keep > 0) noncurrent.set("NewerNoncurrentVersions", rule.keep);
      document.set("NoncurrentVersionExpiration", noncurrent);
    }
    if (kind == 0) {
      rule.tag = std::to_string(below(2));
      filter = object({{"And", object({{"Prefix", rule.prefix},
                                       {"Tags", api::List{object({{"Key", "t"}, {"Value", rule.tag}})}}})}});
      if (rule.prefix.empty()) filter = object({{"Tag", object({{"Key", "t"}, {"Value", rule.tag}})}});
    } else if (sometimes(2)) {
      rule.abort_days = 1 + below(2);
      document.set("AbortIncompleteMultipartUpload", object({{"DaysAfterInitiation", rule.abort_days}}));
    }
    document.set("Filter", filter);
    say("lifecycle " + bucket.name + " '" + rule.prefix + "' " + std::to_string(kind));
    did("PutBucketLifecycleConfiguration",
        object({{"Bucket", bucket.name},
                {"TransitionDefaultMinimumObjectSize", "varies_by_storage_class"},
                {"LifecycleConfiguration", object({{"Rules", api::List{document}}})}}));
    bucket.rule = rule;
    bucket.walked = -1;
  }

  static int64_t due(int64_t from, int days) { return (from + days * kDay + kDay - 1) / kDay * kDay; }
  /// The walk after a midnight, by the guide: what is due is decided as things stood when it began.
  void walk(ModelBucket& bucket) {
    const int64_t midnight = now() / kDay * kDay;
    if (!bucket.rule || bucket.walked >= midnight) return;
    bucket.walked = midnight;
    const ModelRule& rule = *bucket.rule;
    if (rule.abort_days > 0) {
      std::erase_if(uploads_, [&](const ModelUpload& u) {
        return u.bucket == bucket.name && u.key.starts_with(rule.prefix) && due(u.initiated, rule.abort_days) <= now();
      });
    }
    const auto before = bucket.keys;
    for (const auto& [key, all] : before) {
      if (!key.starts_with(rule.prefix)) continue;
      for (size_t i = 0; i < all.size(); ++i) {
        const ModelVersion& v = all[i];
        if (!rule.tag.empty() && (!v.tags.contains("t") || v.tags.at("t") != rule.tag)) continue;
        if (pending_.contains(v.id)) continue;
        if (i == 0 && v.marker) {
          const bool aged = rule.expire_days > 0 && due(v.modified, rule.expire_days) <= now();
          if (all.size() == 1 && (rule.markers || aged)) take_out(bucket, key, v.id), ++expired;
        } else if (i == 0) {
          if (rule.expire_days > 0 && due(v.modified, rule.expire_days) <= now()) {
            expire(bucket, key);
          } else if (rule.move_days > 0 && due(v.modified, rule.move_days) <= now()) {
            bucket.keys.at(key).front().storage_class = "STANDARD_IA";
          }
        } else if (rule.noncurrent_days > 0 && static_cast<int>(i) - 1 >= rule.keep &&
                   due(v.noncurrent_since, rule.noncurrent_days) <= now() && !v.locked(now(), false)) {
          take_out_noncurrent(bucket, key, v.id);
          ++expired;
        }
      }
    }
  }
  void take_out_noncurrent(ModelBucket& bucket, const std::string& key, const std::string& id) {
    std::erase_if(bucket.keys.at(key), [&](const ModelVersion& v) { return v.id == id; });
  }
  void expire(ModelBucket& bucket, const std::string& key) {
    ++expired;
    if (bucket.versioning.empty()) {
      bucket.keys.erase(key);
      return;
    }
    // Its id is the service's choice.
    const auto row = must(rows::find_bucket(*World::read(), bucket.name));
    const auto latest = must(rows::latest_version(*World::read(), row->id, key));
    check(latest && latest->marker, "no marker came for " + key);
    ModelVersion marker;
    marker.marker = true, marker.id = latest->version_id, marker.modified = now();
    first(bucket, key, std::move(marker));
  }
  void time_passes() {
    const int count = sometimes(10) ? 24 * 31 : 1 + below(40);
    say(std::to_string(count) + " hours");
    clock_.advance(hours(count));
    std::erase_if(uploads_, [](const ModelUpload&) { return false; });
    note_pending();
    const bool armed = sometimes(4);
    if (armed) arm(false);
    const Status first_try = s3_->run_due(Context(), clock_.wall());
    disarm();
    check(first_try.ok() || armed, "run_due: " + (first_try.ok() ? "" : first_try.error().message));
    if (!first_try.ok()) must(s3_->run_due(Context(), clock_.wall()));
    for (auto& [name, bucket] : buckets_) walk(bucket);
    for (auto& [name, bucket] : buckets_) compare(bucket);
  }
  /// What still waits for its replica, which lifecycle leaves alone.
  void note_pending() {
    pending_.clear();
    const auto bucket = must(rows::find_bucket(*World::read(), kSource));
    for (const auto& [key, all] : buckets_.at(kSource).keys) {
      for (const ModelVersion& v : all) {
        const auto version = must(rows::find_version(*World::read(), bucket->id, key, v.id));
        check(version.has_value(), "a version is gone: " + key + " " + v.id);
        const std::string& status = version->replication;
        const bool goes = status == "PENDING" || status == "COMPLETED";
        const bool right = v.customer_key              ? status == "PENDING" || status == "FAILED"
                           : v.marker || !v.replicated ? status.empty()
                                                       : goes;
        check(right, "replication of " + key + " " + v.id + " is " + status);
        if (status == "PENDING") pending_.insert(v.id);
      }
    }
  }

  void replicate_some() {
    say("replicate");
    replicate(true);
    check_copies(false);
  }
  void restart_all() {
    say("restart");
    restart();
    for (auto& [name, bucket] : buckets_) compare(bucket);
  }

  // ---- what there is to see
  /// One listing page after the other says what the model says.
  void list() {
    ModelBucket& bucket = some_bucket();
    const std::string prefix = one_of(std::vector<std::string>{"", "", "a", "a/", "b", "q"});
    const std::string delimiter = one_of(std::vector<std::string>{"", "/", "b"});
    const int size = 1 + below(6);
    const bool versions = sometimes(2);
    say("list " + bucket.name + " '" + prefix + "' '" + delimiter + "' " + std::to_string(size) +
        (versions ? " versions" : ""));
    std::string wanted, wanted_prefixes, last_prefix, got, got_prefixes;
    for (const auto& [key, all] : bucket.keys) {
      if (!key.starts_with(prefix) || (!versions && all.front().marker)) continue;
      const size_t at = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
      if (at != std::string::npos) {
        const std::string common = key.substr(0, at + delimiter.size());
        if (common != last_prefix) wanted_prefixes += common + "\n";
        last_prefix = common;
        continue;
      }
      for (const ModelVersion& v : all) {
        wanted += key + " " + v.etag + (versions ? " " + v.id + (&v == &all.front() ? "*" : "") : "") + "\n";
        if (!versions) break;
      }
    }
    Value input = object({{"Bucket", bucket.name}, {"Prefix", prefix}, {"MaxKeys", size}});
    if (!delimiter.empty()) input.set("Delimiter", delimiter);
    for (int pages = 0;; ++pages) {
      check(pages < 1000, "a listing without an end");
      const Value page = did(versions ? "ListObjectVersions" : "ListObjectsV2", input);
      size_t count = page.list("CommonPrefixes").size();
      for (const Value& one : page.list("CommonPrefixes")) got_prefixes += std::string(one.text("Prefix")) + "\n";
      if (versions) {
        // Two lists of one order: by key, then the newest first. The model tells which of them has the next.
        size_t v = 0, m = 0;
        const api::List &all = page.list("Versions"), &markers = page.list("DeleteMarkers");
        const auto line = [](const Value& one) {
          return std::string(one.text("Key")) + " " + std::string(one.text("ETag")) + " " +
                 std::string(one.text("VersionId")) + (one.flag("IsLatest") ? "*" : "") + "\n";
        };
        while (v + m < all.size() + markers.size()) {
          const bool marker =
              v == all.size() ||
              (m < markers.size() && wanted.compare(got.size(), line(markers[m]).size(), line(markers[m])) == 0);
          got += marker ? line(markers[m++]) : line(all[v++]);
        }
        count += all.size() + markers.size();
        input.set("KeyMarker", page.text("NextKeyMarker"));
        input.set("VersionIdMarker",
                  page.text("NextVersionIdMarker").empty() ? Value() : Value(page.text("NextVersionIdMarker")));
      } else {
        for (const Value& one : page.list("Contents"))
          got += std::string(one.text("Key")) + " " + std::string(one.text("ETag")) + "\n";
        count += page.list("Contents").size();
        input.set("ContinuationToken", page.text("NextContinuationToken"));
      }
      check(count <= static_cast<size_t>(size), "a page too long");
      if (!page.flag("IsTruncated")) break;
      same(count, static_cast<size_t>(size), "a page that has a successor");
    }
    same(got, wanted, "list");
    same(got_prefixes, wanted_prefixes, "prefixes");
  }

  void check_key(ModelBucket& bucket, const std::string& key) {
    const auto row = must(rows::find_bucket(*World::read(), bucket.name));
    std::string got, wanted;
    for (const auto& one :
         must(rows::list_versions(*World::read(), row->id, key, key, std::numeric_limits<int64_t>::max(), 1000))) {
      if (one.key == key) got += one.version_id + (one.marker ? "!" : "") + (one.latest ? "* " : " ");
    }
    const auto found = bucket.keys.find(key);
    if (found != bucket.keys.end()) {
      for (const ModelVersion& v : found->second)
        wanted += v.id + (v.marker ? "!" : "") + (&v == &found->second.front() ? "* " : " ");
    }
    same(got, wanted, "versions of " + bucket.name + " " + key);
    const ModelVersion* latest = bucket.latest(key);
    Value input = in(bucket, key);
    if (latest && latest->customer_key) input = with(input, customer_key());
    const Answer answer = s3("GetObject", input);
    same(answer.error(), latest ? "" : "NoSuchKey", "get " + key);
    if (latest) {
      check(answer.body == text_of(latest->spans), "wrong bytes of " + key);
      same(answer.text("ContentType"), latest->type, "type of " + key);
    }
  }
  void compare(ModelBucket& bucket) {
    const auto row = must(rows::find_bucket(*World::read(), bucket.name));
    std::string got, wanted;
    for (const auto& one :
         must(rows::list_versions(*World::read(), row->id, "", "", std::numeric_limits<int64_t>::max(), 100'000)))
      got += one.key + ":" + one.version_id + (one.marker ? "!" : "") + (one.latest ? "*\n" : "\n");
    for (const auto& [key, all] : bucket.keys) {
      for (const ModelVersion& v : all)
        wanted += key + ":" + v.id + (v.marker ? "!" : "") + (&v == &all.front() ? "*\n" : "\n");
    }
    same(got, wanted, "versions of " + bucket.name);
  }
  void compare_version(const std::string& bucket, const std::string& key, const ModelVersion& v) {
    if (v.marker) return;
    const ModelBucket& where = buckets_.at(bucket);
    const Value id = object({{"VersionId", v.id}});
    check(read_text(where, key, v, id) == text_of(v.spans), "wrong bytes of " + key + " " + v.id);
    Value input = in(where, key, id);
    if (v.customer_key) input = with(input, customer_key());
    const Answer head = s3("HeadObject", input);
    check(head.output.ok(), "head " + key + ": " + head.error());
    same(head.text("ETag"), v.etag, "ETag of " + key);
    same(head.text("ContentType"), v.type, "type of " + key);
    same(head.text("ObjectLockMode"), v.lock_mode, "lock of " + key);
    const auto until = head.value().time("ObjectLockRetainUntilDate");
    same(until ? until->micros : 0, v.until, "retention of " + key);
    same(head.text("ObjectLockLegalHoldStatus") == "ON", v.hold, "legal hold of " + key);
    same(head.text("StorageClass").empty() ? "STANDARD" : head.text("StorageClass"), v.storage_class,
         "class of " + key);
    same(tags_text(did("GetObjectTagging", in(where, key, id))), tags_text(v.tags), "tags of " + key);
  }
  static std::string tags_text(const std::map<std::string, std::string>& tags) {
    std::string text;
    for (const auto& [name, value] : tags) text += name + "=" + value + " ";
    return text;
  }
  static std::string tags_text(const Value& output) {
    std::map<std::string, std::string> tags;
    for (const Value& one : output.list("TagSet")) tags[std::string(one.text("Key"))] = one.text("Value");
    return tags_text(tags);
  }
  void compare_all() {
    say("compare all");
    for (auto& [name, bucket] : buckets_) {
      compare(bucket);
      for (const auto& [key, all] : bucket.keys) {
        for (const ModelVersion& v : all) compare_version(name, key, v);
      }
    }
    check_copies(false);
    for (auto& [name, bucket] : buckets_) {
      size_t wanted = 0;
      for (const ModelUpload& u : uploads_) wanted += u.bucket == name ? 1 : 0;
      same(did("ListMultipartUploads", object({{"Bucket", name}})).list("Uploads").size(), wanted,
           "uploads of " + name);
    }
  }

  /// What the other account has is what there was here, once, in its order; `complete`: and nothing is missing.
  void check_copies(bool complete) {
    const auto theirs = must(rows::find_bucket(*World::read(), kCopies));
    std::map<std::string, std::vector<rows::Listed>> copies;
    for (const auto& one :
         must(rows::list_versions(*World::read(), theirs->id, "", "", std::numeric_limits<int64_t>::max(), 1'000'000)))
      copies[one.key].push_back(one);
    for (const auto& [key, all] : copies) {
      for (const rows::Listed& one : all) {
        check(ever_.contains(one.version_id), "a replica of nothing: " + key + " " + one.version_id);
        same(one.latest, &one == &all.front(), "the latest replica of " + key);
        if (!complete || one.marker) continue;
        const Answer answer =
            s3(root(kOther), "GetObject", object({{"Bucket", kCopies}, {"Key", key}, {"VersionId", one.version_id}}));
        check(answer.output.ok() && answer.body == ever_.at(one.version_id), "wrong bytes of replica " + key);
        ++replicas;
      }
    }
    if (!complete) return;
    for (const auto& [key, all] : buckets_.at(kSource).keys) {
      const std::vector<rows::Listed>& found = copies[key];
      size_t at = 0;
      for (const ModelVersion& v : all) {
        if (!v.replicated) continue;
        while (at < found.size() && found[at].version_id != v.id) ++at;
        check(at < found.size(), "not replicated, or not in its order: " + key + " " + v.id);
        if (v.marker) continue;
        check_copy(*theirs, key, v);
      }
    }
  }
  void check_copy(const rows::Bucket& theirs, const std::string& key, const ModelVersion& v) {
    const Answer source = s3("HeadObject", object({{"Bucket", kSource}, {"Key", key}, {"VersionId", v.id}}));
    same(source.text("ReplicationStatus"), "COMPLETED", "status of " + key + " " + v.id);
    const auto copy = must(rows::find_version(*World::read(), theirs.id, key, v.id));
    same(copy->replication, "REPLICA", "status of a replica");
    same('"' + copy->etag + '"', v.etag, "ETag of a replica");
    same(copy->modified.micros, v.modified, "date of a replica");
    same(tags_text(copy->tags), tags_text(v.tags), "tags of replica " + key);
    same(std::string(copy->metadata.text("ContentType")), v.type, "type of replica " + key);
    check(copy->legal_hold || !v.hold, "a replica without its legal hold");
    if (!v.lock_mode.empty() && v.until > now())
      check(copy->retain_until && copy->retain_until->micros >= v.until, "a replica locked for a shorter time: " + key);
  }

  // ---- the end
  void pass(int count) {
    for (int i = 0; i < count * 10; ++i) {
      clock_.advance(std::chrono::minutes(6));
      must(s3_->run_due(Context(), clock_.wall()));
    }
  }
  void end() {
    drain();
    compare_all();
    check_copies(true);
    say("the sweep");
    for (auto& [name, bucket] : buckets_) {
      did("DeleteBucketLifecycle", object({{"Bucket", name}}));
      bucket.rule.reset();
    }
    pass(54);
    // Every block has its row and every row its blocks.
    size_t wanted = 0;
    std::set<std::string> known;
    for (const catalog::Row& row : must(World::read()->run("SELECT piece FROM s3_pieces")))
      known.insert(to_hex(row.blob(0)));
    must(store_->list(Context(), "objects/", [&](const store::ObjectInfo& info) {
      const size_t slash = info.key.rfind('/'), dash = info.key.rfind('-');
      const std::string id = info.key.substr(slash + 1, dash - slash - 1);
      if (!known.contains(id)) throw std::runtime_error("a block that no row knows: " + info.key);
      return true;
    }));
    same(rows_in("s3_discarded"), 0, "discarded pieces");
    compare_all();
    check_copies(true);
    say("everything goes");
    clock_.advance(hours(24 * 400));
    for (const ModelUpload& u : uploads_)
      did("AbortMultipartUpload", object({{"Bucket", u.bucket}, {"Key", u.key}, {"UploadId", u.id}}));
    for (const char* name : {kPlain, kLocked, kSource, kCopies}) {
      const auto row = must(rows::find_bucket(*World::read(), name));
      const Keys& keys = root(std::string_view(name) == kCopies ? kOther : kHome);
      for (const auto& one :
           must(rows::list_versions(*World::read(), row->id, "", "", std::numeric_limits<int64_t>::max(), 1'000'000))) {
        const Value input = object({{"Bucket", name}, {"Key", one.key}, {"VersionId", one.version_id}});
        if (!one.marker && row->lock_enabled)
          must(
              s3(keys, "PutObjectLegalHold", with(input, object({{"LegalHold", object({{"Status", "OFF"}})}}))).output);
        must(s3(keys, "DeleteObject", input).output);
      }
    }
    drain();
    pass(2);
    wanted = blocks();
    same(wanted, 0U, "blocks in the end");
    for (const char* table :
         {"s3_inline", "s3_pieces", "s3_discarded", "s3_uploads", "s3_parts", "s3_versions", "s3_damaged"})
      same(rows_in(table), 0, std::string("rows in ") + table);
    for (const char* name : {kPlain, kLocked, kSource}) did("DeleteBucket", object({{"Bucket", name}}));
  }

  std::mt19937_64 random_;
  std::unique_ptr<store::ObjectStore> inner_;
  std::mutex fault_mutex_;
  int fault_in_ = 0;
  store::Fault fault_;
  std::mutex way_mutex_;
  std::optional<std::mt19937_64> way_random_;
  std::string key_;
  std::map<std::string, ModelBucket> buckets_;
  std::vector<ModelUpload> uploads_;
  std::map<std::string, std::string> ever_;  // every version of the source by its id
  std::set<std::string> pending_;
  int rules_ = 0;
  int64_t put_time_ = 0;
  std::deque<std::string> done_;
};

TEST(S3Model, RandomLivesAreAsTheModelSays) {
  constexpr uint64_t kOfOneLife = 1500;
  uint64_t left = faults::number_from_environment("COFFER_S3_OPERATIONS", 800);
  uint64_t seed = faults::number_from_environment("COFFER_S3_SEED", 1);
  uint64_t operations = 0, failures = 0, replicas = 0, refused = 0, expired = 0;
  for (; left > 0; ++seed) {
    const uint64_t some = std::min(left, kOfOneLife);
    left -= some;
    Life life(seed);
    try {
      life.live(some);
    } catch (const std::exception& wrong) {
      FAIL() << "seed " << seed << ": " << wrong.what() << "\nthe last operations:\n" << life.story();
    }
    operations += some, failures += life.failures, replicas += life.replicas;
    refused += life.refused, expired += life.expired;
  }
  std::cout << operations << " operations up to seed " << seed - 1 << ": " << refused << " refused, " << failures
            << " failures of the store, " << expired << " expired, " << replicas << " replicas read\n";
}

}  // namespace
}  // namespace coffer::s3
