// Replication of what was there before the rules: the batch command.
#include <algorithm>
#include <limits>

#include "services/s3/replication.h"

namespace coffer::s3 {
namespace {

constexpr int64_t kPage = 500;

/// The versions of one key, the oldest first: replicas arrive in the order in which they are queued.
struct KeyOfVersions {
  std::vector<std::string> ids;
  std::string key;
};

class Batch {
 public:
  Batch(catalog::Database& database, const Context& context, WallTime now, rows::Bucket bucket,
        ReplicationConfiguration configuration, const std::vector<std::string>& statuses)
      : database_(database),
        context_(context),
        now_(now),
        bucket_(std::move(bucket)),
        configuration_(std::move(configuration)),
        statuses_(statuses) {}

  Result<int64_t> run() {
    std::string from;
    int64_t below = std::numeric_limits<int64_t>::max();
    KeyOfVersions current;
    while (true) {
      COFFER_CHECK_OK(context_.check());
      std::vector<rows::Listed> page;
      {
        COFFER_TRY(auto t, database_.begin(context_, catalog::Database::Mode::kRead));
        COFFER_TRY(page, rows::list_versions(*t, bucket_.id, "", from, below, kPage));
      }
      for (const rows::Listed& listed : page) {
        if (listed.key != current.key || current.ids.empty()) {
          COFFER_CHECK_OK(queue(current));
          current = {{}, listed.key};
        }
        current.ids.push_back(listed.version_id);
      }
      if (page.size() < static_cast<size_t>(kPage)) break;
      from = page.back().key;
      below = page.back().sequence;
    }
    COFFER_CHECK_OK(queue(current));
    return queued_;
  }

 private:
  Status queue(const KeyOfVersions& key) {
    if (key.ids.empty()) return ok_status();
    int64_t count = 0;
    COFFER_CHECK_OK(catalog::in_transaction(database_, context_, [&](catalog::Transaction& t) -> Status {
      count = 0;
      for (auto id = key.ids.rbegin(); id != key.ids.rend(); ++id) {
        COFFER_TRY(auto version, rows::find_version(t, bucket_.id, key.key, *id));
        if (!version || !is_wanted(*version)) continue;
        COFFER_TRY(const bool took, queue_by_rules(t, bucket_, *version, rules_for(configuration_, *version),
                                                   ReplicaWork::kVersion, now_));
        count += took;
      }
      return ok_status();
    }));
    queued_ += count;
    return ok_status();
  }

  [[nodiscard]] bool is_wanted(const rows::Version& version) const {
    const std::string_view status = version.replication.empty() ? "NONE" : std::string_view(version.replication);
    return std::find(statuses_.begin(), statuses_.end(), status) != statuses_.end();
  }

  catalog::Database& database_;
  const Context& context_;
  const WallTime now_;
  const rows::Bucket bucket_;
  const ReplicationConfiguration configuration_;
  const std::vector<std::string>& statuses_;
  int64_t queued_ = 0;
};

}  // namespace

Result<int64_t> replicate_existing(catalog::Database& database, const Context& context, Clock& clock,
                                   std::string_view bucket, const std::vector<std::string>& statuses) {
  std::optional<rows::Bucket> found;
  rows::Settings settings;
  {
    COFFER_TRY(auto t, database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(found, rows::find_bucket(*t, bucket));
    if (!found) return Error{ErrorCode::kNotFound, "there is no bucket " + std::string(bucket), {}};
    COFFER_TRY(settings, rows::load_settings(*t, found->id));
  }
  const auto document = settings.find("replication");
  if (document == settings.end()) {
    return Error{ErrorCode::kFailedPrecondition, "bucket " + std::string(bucket) + " has no replication rules",
                 "give it some with put-bucket-replication"};
  }
  return Batch(database, context, clock.wall(), std::move(*found), parse_replication(document->second), statuses).run();
}

}  // namespace coffer::s3
