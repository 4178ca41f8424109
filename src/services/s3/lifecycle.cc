#include "services/s3/lifecycle.h"

#include <algorithm>
#include <limits>

#include "engine/crypto/digest.h"
#include "services/api/value_json.h"
#include "services/s3/lifecycle_rules.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {

const catalog::Migration kLifecycleMigration = {530, "s3: where lifecycle stands", R"(
CREATE TABLE s3_lifecycle (
  bucket_id BIGINT PRIMARY KEY,
  done_until BIGINT NOT NULL,
  configuration TEXT NOT NULL,
  running BIGINT NOT NULL,
  position TEXT NOT NULL
);
)"};

namespace {

constexpr int64_t kDayMicros = 86'400'000'000;
constexpr int64_t kPage = 1000, kPagesAtOnce = 50;
constexpr int64_t kSmallObject = 128 * 1024;
constexpr auto kFromTheNewest = std::numeric_limits<int64_t>::max();

WallTime midnight_before(WallTime now) { return WallTime{now.micros / kDayMicros * kDayMicros}; }

/// How far down a class is; a transition only goes down.
int depth_of(std::string_view storage_class) {
  constexpr std::string_view kDown[] = {"STANDARD",   "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA",
                                        "GLACIER_IR", "GLACIER",     "DEEP_ARCHIVE"};
  const auto found = std::find(std::begin(kDown), std::end(kDown), storage_class);
  return found == std::end(kDown) ? 0 : static_cast<int>(found - std::begin(kDown));
}

/// Where the walk through a bucket stands.
struct Progress {
  int64_t bucket_id = 0;
  WallTime done_until;        // the midnight of the last complete walk
  std::string configuration;  // digest of the one that it went by
  bool running = false;
  std::string position;  // the key to go on from
};

Result<Progress> load_progress(catalog::Transaction& t, int64_t bucket_id) {
  COFFER_TRY(auto row,
             t.first("SELECT done_until, configuration, running, position FROM s3_lifecycle WHERE bucket_id = $1",
                     {bucket_id}));
  if (!row) return Progress{bucket_id, {}, {}, false, {}};
  return Progress{bucket_id, row->time(0), row->text(1), row->flag(2), row->text(3)};
}
Status save_progress(catalog::Transaction& t, const Progress& progress) {
  COFFER_CHECK_OK(t.run(
      "INSERT INTO s3_lifecycle (bucket_id, done_until, configuration, running, position) VALUES ($1, $2, $3, $4, $5) "
      "ON CONFLICT (bucket_id) DO UPDATE SET done_until = $2, configuration = $3, running = $4, position = $5",
      {progress.bucket_id, progress.done_until, progress.configuration, progress.running, progress.position}));
  return ok_status();
}

/// A version in the row of its key's versions.
struct Place {
  bool latest = false, alone = false;  // alone: no other version has this key
  int64_t newer_noncurrent = 0;        // versions between it and the latest
};

enum class Deed { kNothing, kExpire, kErase, kMove };
struct Verdict {
  Deed deed = Deed::kNothing;
  std::string storage_class;
};

/// What the rules want of a version at `now`. Permanent deletion comes before transition, transition before a marker.
Verdict judge(const LifecycleConfiguration& configuration, const rows::Version& version, const Place& place,
              WallTime now) {
  const bool waits = version.replication == "PENDING";
  if (waits || version.restore == "ongoing") return {};
  Verdict move;
  bool expire = false;
  const auto wants_class = [&](const std::string& storage_class) {
    if (configuration.keeps_small_objects && version.size_bytes < kSmallObject) return;
    const std::string& so_far = move.deed == Deed::kMove ? move.storage_class : version.storage_class;
    if (depth_of(storage_class) > depth_of(so_far)) move = {Deed::kMove, storage_class};
  };
  for (const LifecycleRule& rule : configuration.rules) {
    if (!rule.enabled || !rule.selects(version.key, version.tags, version.size_bytes)) continue;
    if (version.marker && place.latest) {
      const bool aged = rule.expire_days && due_after(version.modified, *rule.expire_days) <= now;
      if (place.alone && (rule.expires_markers || aged)) return {Deed::kErase, {}};
      continue;
    }
    if (place.latest) {
      if (rule.expire_days) expire = expire || due_after(version.modified, *rule.expire_days) <= now;
      if (rule.expire_date) expire = expire || *rule.expire_date <= now;
      for (const LifecycleRule::Transition& transition : rule.transitions) {
        const WallTime at = transition.days ? due_after(version.modified, *transition.days) : *transition.date;
        if (at <= now) wants_class(transition.storage_class);
      }
      continue;
    }
    const auto is_due = [&](const LifecycleRule::Noncurrent& noncurrent) {
      // Not by the successor's date: that of an upload is when it began, that of a replica is another bucket's.
      return place.newer_noncurrent >= noncurrent.keep && version.noncurrent_since &&
             due_after(*version.noncurrent_since, noncurrent.days) <= now;
    };
    if (rule.noncurrent_expiration && is_due(*rule.noncurrent_expiration)) return {Deed::kErase, {}};
    if (version.marker) continue;
    for (const LifecycleRule::Noncurrent& transition : rule.noncurrent_transitions)
      if (is_due(transition)) wants_class(transition.storage_class);
  }
  if (expire) return {Deed::kExpire, {}};
  return move;
}

class BucketWalker final : public Lifecycle {
 public:
  explicit BucketWalker(const Setting& setting) : setting_(setting) {}

  Result<bool> run_due(const Context& context, WallTime now) override {
    std::vector<std::string> names;
    {
      COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(auto found, t->run("SELECT b.name FROM s3_settings s JOIN s3_buckets b ON b.id = s.bucket_id WHERE "
                                    "s.kind = 'lifecycle' ORDER BY b.id"));
      for (const catalog::Row& row : found) names.push_back(row.text(0));
    }
    bool more = false;
    for (const std::string& name : names) {
      COFFER_CHECK_OK(context.check());
      Result<bool> walked = walk(context, name, now);
      if (!walked.ok()) return std::move(walked).error().in("lifecycle of bucket " + name);
      more = more || *walked;
    }
    return more;
  }

 private:
  /// One bucket, a bounded number of pages.
  Result<bool> walk(const Context& context, const std::string& name, WallTime now) {
    std::shared_ptr<const BucketView> bucket;
    Progress progress;
    {
      COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(bucket, setting_.buckets.find(*t, name));
      if (!bucket || !bucket->lifecycle) return false;
      COFFER_TRY(progress, load_progress(*t, bucket->bucket.id));
    }
    if (!bucket->lifecycle->ok()) return bucket->lifecycle->error();
    const LifecycleConfiguration& configuration = **bucket->lifecycle;
    const std::string digest = to_hex(crypto::sha256(as_bytes(api::to_json(*bucket->setting("lifecycle")))));
    const WallTime midnight = midnight_before(now);
    if (!progress.running && progress.done_until >= midnight && progress.configuration == digest) return false;
    if (!progress.running || progress.configuration != digest) {
      progress.running = true;
      progress.configuration = digest;
      progress.position.clear();
      COFFER_CHECK_OK(abort_uploads(context, *bucket, configuration, now));
    }
    COFFER_TRY(const bool more, walk_pages(context, *bucket, configuration, progress, now));
    if (!more) {
      progress.running = false;
      progress.done_until = midnight;
      progress.position.clear();
    }
    COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context,
                                            [&](catalog::Transaction& t) { return save_progress(t, progress); }));
    return more;
  }

  /// True: the bucket goes on at progress.position.
  Result<bool> walk_pages(const Context& context, const BucketView& bucket, const LifecycleConfiguration& configuration,
                          Progress& progress, WallTime now) {
    std::string from = progress.position;
    int64_t below = kFromTheNewest;
    std::vector<rows::Listed> key_so_far;  // the versions of the key that a page ended in
    for (int64_t pages = 0; pages < kPagesAtOnce || below != kFromTheNewest; ++pages) {
      COFFER_CHECK_OK(context.check());
      std::vector<rows::Listed> page;
      {
        COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
        COFFER_TRY(page, rows::list_versions(*t, bucket.bucket.id, "", from, below, kPage));
      }
      const bool last = page.size() < static_cast<size_t>(kPage);
      std::vector<Candidate> candidates;
      for (rows::Listed& listed : page) {
        if (!key_so_far.empty() && key_so_far.back().key != listed.key) take_key(key_so_far, candidates);
        key_so_far.push_back(std::move(listed));
      }
      if (!key_so_far.empty()) {
        from = key_so_far.back().key;
        below = key_so_far.back().sequence;
      }
      if (last) take_key(key_so_far, candidates);
      COFFER_CHECK_OK(act_on(context, bucket, configuration, candidates, now));
      if (last) return false;
      progress.position = from;  // the whole key again, should the walk be cut off here
    }
    return true;
  }

  struct Candidate {
    std::string key, version_id;
    Place place;
  };
  static void take_key(std::vector<rows::Listed>& versions, std::vector<Candidate>& candidates) {
    for (size_t i = 0; i < versions.size(); ++i) {
      Candidate candidate{versions[i].key, versions[i].version_id, {}};
      candidate.place.latest = i == 0;
      candidate.place.alone = versions.size() == 1;
      candidate.place.newer_noncurrent = i == 0 ? 0 : static_cast<int64_t>(i) - 1;
      candidates.push_back(std::move(candidate));
    }
    versions.clear();
  }

  Status act_on(const Context& context, const BucketView& bucket, const LifecycleConfiguration& configuration,
                const std::vector<Candidate>& candidates, WallTime now) {
    // Looked at without a lock first: nearly all stay.
    std::vector<const Candidate*> due;
    {
      COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
      for (const Candidate& candidate : candidates) {
        COFFER_TRY(auto version, rows::find_version(*t, bucket.bucket.id, candidate.key, candidate.version_id));
        if (version && judge(configuration, *version, candidate.place, now).deed != Deed::kNothing)
          due.push_back(&candidate);
      }
    }
    constexpr size_t kAtOnce = 100;
    for (size_t begin = 0; begin < due.size(); begin += kAtOnce) {
      COFFER_CHECK_OK(context.check());
      COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
        for (size_t i = begin; i < std::min(due.size(), begin + kAtOnce); ++i)
          COFFER_CHECK_OK(act(context, t, bucket, configuration, *due[i], now));
        return ok_status();
      }));
    }
    return ok_status();
  }

  Status act(const Context& context, catalog::Transaction& t, const BucketView& bucket,
             const LifecycleConfiguration& configuration, const Candidate& candidate, WallTime now) {
    COFFER_TRY(auto version, rows::find_version(t, bucket.bucket.id, candidate.key, candidate.version_id));
    // What has changed since it was looked at comes with the next walk.
    if (!version || version->latest != candidate.place.latest) return ok_status();
    const Verdict verdict = judge(configuration, *version, candidate.place, now);
    const api::Call call = own_call(context, bucket, now);
    const api::Value input = api::Value::object({{"Bucket", bucket.bucket.name}, {"Key", version->key}});
    const api::Operation operation{call, input, t};
    const Request r{setting_, operation};
    switch (verdict.deed) {
      case Deed::kNothing: return ok_status();
      case Deed::kExpire: return expire_object(r, bucket, *version);
      case Deed::kErase: return is_locked(*version, now, false) ? ok_status() : erase_expired(r, bucket, *version);
      case Deed::kMove: version->storage_class = verdict.storage_class; return rows::update_version(t, *version);
    }
    return ok_status();
  }

  Status abort_uploads(const Context& context, const BucketView& bucket, const LifecycleConfiguration& configuration,
                       WallTime now) {
    std::string key, id;
    while (true) {
      std::vector<rows::Upload> page;
      {
        COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
        COFFER_TRY(page, rows::list_uploads(*t, bucket.bucket.id, "", key, id, kPage));
      }
      if (page.empty()) return ok_status();
      key = page.back().key, id = page.back().id;
      for (const rows::Upload& upload : page) {
        const bool over =
            std::any_of(configuration.rules.begin(), configuration.rules.end(), [&](const LifecycleRule& rule) {
              return rule.enabled && rule.abort_upload_days && upload.key.starts_with(rule.prefix) &&
                     due_after(upload.initiated, *rule.abort_upload_days) <= now;
            });
        if (over) COFFER_CHECK_OK(abort(context, upload.id, now));
      }
    }
  }
  Status abort(const Context& context, const std::string& upload_id, WallTime now) {
    return catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
      Layout pieces;
      for (int32_t after = 0;;) {
        COFFER_TRY(auto parts, rows::list_parts(t, upload_id, after, kPage));
        if (parts.empty()) break;
        after = parts.back().number;
        for (const rows::Part& part : parts) pieces.push_back(part.piece);
      }
      COFFER_CHECK_OK(rows::delete_upload(t, upload_id));
      return rows::discard_pieces(t, pieces, now);
    });
  }

  api::Call own_call(const Context& context, const BucketView& bucket, WallTime now) const {
    api::Call call;
    call.context = context;
    call.caller.kind = api::Caller::Kind::kService;
    call.caller.arn = "s3.amazonaws.com";
    call.service = "s3";
    call.operation = "LifecycleExpiration";
    call.region = bucket.bucket.region;
    call.request_id = random_uuid(setting_.entropy);
    call.time = now;
    return call;
  }

  const Setting& setting_;
};

}  // namespace

std::unique_ptr<Lifecycle> make_lifecycle(const Setting& setting) { return std::make_unique<BucketWalker>(setting); }

}  // namespace coffer::s3
