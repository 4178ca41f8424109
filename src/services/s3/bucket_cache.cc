// Buckets in memory. A view carries the generation that its transaction read, so a reader whose snapshot is older than
// the last change can never leave an outdated view behind.
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "services/policy/document.h"
#include "services/s3/lifecycle_rules.h"
#include "services/s3/operations.h"
#include "services/s3/replication_rules.h"

namespace coffer::s3 {
namespace {

constexpr std::string_view kGeneration = "s3";
constexpr std::chrono::milliseconds kLookAtOthersEvery{500};
constexpr size_t kViewsMax = 10'000;

class GenerationCache final : public BucketCache {
 public:
  GenerationCache(Clock& clock, bool shared) : clock_(clock), shared_(shared) {}

  Result<std::shared_ptr<const BucketView>> find(catalog::Transaction& t, std::string_view name) override {
    // Whoever writes acts on the bucket as it is in its own transaction, not as this process last saw it.
    const bool must_look = t.writes() || is_look_due();
    std::optional<int64_t> generation;
    if (must_look) {
      COFFER_TRY(generation, look(t));
    }
    {
      std::shared_lock lock(mutex_);
      const auto known = views_.find(std::string(name));
      if (known != views_.end() && known->second.generation >= newest_.load() &&
          (!generation || known->second.generation == *generation))
        return known->second.view;
    }
    if (!generation) {
      COFFER_TRY(generation, look(t));
    }
    COFFER_TRY(auto view, load(t, name));
    // What a writer sees may never be committed.
    if (view && !t.writes()) keep(std::string(name), {*generation, view});
    return view;
  }

  Status changed(catalog::Transaction& t) override {
    COFFER_CHECK_OK(catalog::bump_generation(t, kGeneration));
    COFFER_TRY(const int64_t generation, catalog::generation(t, kGeneration));
    t.on_commit([this, generation] { note(generation); });
    return ok_status();
  }

 private:
  struct Entry {
    int64_t generation = 0;
    std::shared_ptr<const BucketView> view;
  };

  Result<int64_t> look(catalog::Transaction& t) {
    COFFER_TRY(const int64_t generation, catalog::generation(t, kGeneration));
    if (!t.writes()) note(generation);
    return generation;
  }
  void note(int64_t generation) {
    int64_t newest = newest_.load();
    while (newest < generation && !newest_.compare_exchange_weak(newest, generation)) {
    }
  }
  bool is_look_due() {
    if (!shared_) return false;
    const int64_t now = clock_.mono().nanos;
    int64_t looked = looked_.load();
    return now - looked >= std::chrono::nanoseconds(kLookAtOthersEvery).count() &&
           looked_.compare_exchange_strong(looked, now);
  }

  static Result<std::shared_ptr<const BucketView>> load(catalog::Transaction& t, std::string_view name) {
    COFFER_TRY(auto bucket, rows::find_bucket(t, name));
    if (!bucket) return std::shared_ptr<const BucketView>();
    auto view = std::make_shared<BucketView>();
    view->bucket = std::move(*bucket);
    COFFER_TRY(view->settings, rows::load_settings(t, view->bucket.id));
    if (const api::Value* text = view->setting("policy"); text && text->get_if<std::string>()) {
      COFFER_TRY(view->policy, policy::Document::parse(*text->get_if<std::string>(), policy::Kind::kResource));
    }
    if (const api::Value* document = view->setting("lifecycle"))
      view->lifecycle = std::make_shared<const Result<LifecycleConfiguration>>(parse_lifecycle(*document));
    if (const api::Value* document = view->setting("replication"))
      view->replication = std::make_shared<const ReplicationConfiguration>(parse_replication(*document));
    return std::shared_ptr<const BucketView>(std::move(view));
  }

  void keep(std::string name, Entry entry) {
    std::unique_lock lock(mutex_);
    if (entry.generation < newest_.load()) return;
    if (views_.size() >= kViewsMax) views_.clear();
    views_[std::move(name)] = std::move(entry);
  }

  Clock& clock_;
  const bool shared_;
  std::atomic<int64_t> newest_{0};  // the highest generation known to be committed
  std::atomic<int64_t> looked_{0};
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> views_;
};

}  // namespace

std::unique_ptr<BucketCache> make_bucket_cache(Clock& clock, bool shared) {
  return std::make_unique<GenerationCache>(clock, shared);
}

}  // namespace coffer::s3
