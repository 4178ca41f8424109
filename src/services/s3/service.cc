#include "services/s3/service.h"

#include "services/s3/access_logs.h"
#include "services/s3/actions.h"
#include "services/s3/lifecycle.h"
#include "services/s3/replication.h"
#include "services/s3/upkeep.h"

namespace coffer::s3 {
namespace {

/// How long the blocks of a piece stay after the last row that referred to it went: whoever found the row just before,
/// in this process or in another one, may still be reading.
constexpr std::chrono::hours kDiscardedGrace{1};
constexpr int64_t kDiscardedAtOnce = 1000;
/// How long a client that lost the answer of CompleteMultipartUpload may ask again.
constexpr std::chrono::hours kCompletedKept{24};

class ServiceImpl final : public Service {
 public:
  ServiceImpl(catalog::Database& database, iam::Authority& authority, store::ObjectStore& store, api::Invoke invoke,
              Secret sealing_root, Clock& clock, Entropy& entropy, Options options)
      : root_(std::move(sealing_root)),
        data_(store, clock, entropy,
              {.block_size_bytes = options.block_size_bytes, .inline_size_max_bytes = options.inline_size_max_bytes}),
        encryptor_(std::move(invoke), root_.view(), clock, entropy),
        buckets_(make_bucket_cache(clock, database.shared())),
        setting_{database, authority, data_, encryptor_, *buckets_, root_.view(), clock, entropy, std::move(options)},
        lifecycle_(make_lifecycle(setting_)),
        replicator_(make_replicator(setting_)) {}

  api::ServiceTable actions() override { return table_of(setting_); }

  Result<api::Value> cors_of(const Context& context, std::string_view bucket) override {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(const auto view, buckets_->find(*t, bucket));
    const api::Value* cors = view ? view->setting("cors") : nullptr;
    return cors ? *cors : api::Value();
  }

  Status run_due(const Context& context, WallTime now) override {
    COFFER_CHECK_OK(remove_discarded(context, now));
    COFFER_CHECK_OK(lifecycle_->run_due(context, now));
    COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) {
      return rows::forget_completed_before(t, now - kCompletedKept);
    }));
    COFFER_CHECK_OK(sweep_.run_due(context, now));
    return scrub_.run_due(context, now);
  }

  bool wants_access_log(std::string_view bucket) override { return access_logs_.wants(bucket); }
  void note_access(AccessRecord record) override { access_logs_.note(std::move(record)); }
  Status deliver_access_logs(const Context& context, WallTime now, const api::Transfer& transfer) override {
    return access_logs_.deliver(context, now, transfer);
  }

  Result<int64_t> replicate(const Context& context, WallTime now, ReplicaDestinations& destinations) override {
    return replicator_->run_due(context, now, destinations);
  }

 private:
  /// Blocks first, then the row: a crash in between removes them once more.
  Status remove_discarded(const Context& context, WallTime now) {
    std::vector<rows::Discarded> due;
    {
      COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
      COFFER_TRY(due, rows::discarded_before(*t, now - kDiscardedGrace, kDiscardedAtOnce));
    }
    std::vector<PieceId> removed;
    for (const rows::Discarded& one : due) {
      if (data_.in_use(one.id)) continue;
      COFFER_CHECK_OK(context.check());
      Piece piece;
      piece.id = one.id;
      piece.size_bytes = one.size_bytes;
      COFFER_CHECK_OK(data_.remove(context, piece));
      removed.push_back(one.id);
    }
    if (removed.empty()) return ok_status();
    return catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
      for (const PieceId& id : removed) COFFER_CHECK_OK(rows::forget_discarded(t, id));
      return ok_status();
    });
  }

  Secret root_;
  ObjectData data_;
  Encryptor encryptor_;
  std::unique_ptr<BucketCache> buckets_;
  Setting setting_;
  Sweep sweep_{setting_};
  Scrub scrub_{setting_};
  std::unique_ptr<Lifecycle> lifecycle_;
  AccessLogs access_logs_{setting_};
  std::unique_ptr<Replicator> replicator_;
};

}  // namespace

std::unique_ptr<Service> open_service(catalog::Database& database, iam::Authority& authority, store::ObjectStore& store,
                                      api::Invoke invoke, Secret sealing_root, Clock& clock, Entropy& entropy,
                                      Options options) {
  return std::make_unique<ServiceImpl>(database, authority, store, std::move(invoke), std::move(sealing_root), clock,
                                       entropy, std::move(options));
}

}  // namespace coffer::s3
