#include "edge/daemon/daemon.h"

#include <algorithm>

#include "base/new_file.h"
#include "base/tasks.h"
#include "edge/daemon/installation.h"
#include "edge/daemon/replica_destinations.h"
#include "edge/daemon/services.h"
#include "edge/wire/front.h"
#include "edge/wire/peer_calls.h"
#include "edge/wire/server.h"
#include "engine/crypto/ed25519.h"
#include "services/iam/service.h"
#include "services/s3/service.h"

namespace coffer::daemon {
namespace {

constexpr std::chrono::seconds kDueEvery{10}, kDueBySecond{1};
constexpr std::chrono::seconds kStopGrace{20};
constexpr std::chrono::milliseconds kTick{100}, kEventTick{30}, kOutsideTick{200};

class RunningDaemon final : public Daemon {
 public:
  RunningDaemon(World world, Config config) : world_(std::move(world)), config_(std::move(config)) {}

  Status open() {
    COFFER_TRY(installation_, Installation::open(world_.files, world_.clock, world_.entropy, config_));
    // Everybody who wants to verify the log offline needs it; nobody can do anything else with it.
    COFFER_CHECK_OK(publish_key(installation_->derive(kAuditKeyPurpose), "audit.pub"));
    COFFER_TRY(services_, Services::open(world_, config_, *installation_, [this] { return endpoint(); }));
    COFFER_CHECK_OK(create_accounts());
    return open_peers();
  }

  Status listen() {
    front_ = std::make_unique<wire::Front>(
        services_->gate(), services_->authority(), world_.clock, world_.entropy,
        wire::Front::Options{
            .regions = config_.regions,
            .version = COFFER_VERSION,
            .ready = [this] { return check_ready(); },
            .metrics = [this] { return metrics(); },
            .log = world_.log,
            .s3_domains = config_.s3_domains,
            .s3_cors = [this](const Context& context,
                              std::string_view bucket) { return services_->s3().cors_of(context, bucket); },
            .s3_access_wanted = [this](std::string_view bucket) { return services_->s3().wants_access_log(bucket); },
            .s3_access = [this](api::AccessRecord record) { services_->s3().note_access(std::move(record)); }});
    wire::Server::Options options;
    options.host = config_.host;
    options.port = config_.port;
    options.certificate_file = config_.certificate;
    options.private_key_file = config_.private_key;
    options.plain_http_anywhere = config_.plain_http_anywhere;
    options.tasks_max = static_cast<size_t>(config_.tasks);
    options.connections_max = static_cast<size_t>(config_.connections);
    options.on_failure = [this](std::string_view text) { world_.log("error", "server: " + std::string(text)); };
    options.brief_handler = [this](const Context& context, wire::Request& request) {
      return front_->handle_briefly(context, request);
    };
    COFFER_TRY(server_, wire::Server::start(options, [this](const Context& context, wire::Request& request) {
                 return wire::PeerFront::takes(request) ? peer_front_->handle(context, request)
                                                        : front_->handle(context, request);
               }));
    return ok_status();
  }

  ~RunningDaemon() override { static_cast<void>(stop().ok()); }  // whoever wants to know calls run()

  [[nodiscard]] std::string endpoint() const override {
    const std::string host = config_.host.find(':') == std::string::npos ? config_.host : "[" + config_.host + "]";
    return (config_.certificate.empty() ? "http://" : "https://") + host + ":" + std::to_string(port());
  }
  [[nodiscard]] uint16_t port() const override { return server_->port(); }
  [[nodiscard]] const std::vector<AccountInfo>& accounts() const override { return accounts_; }
  [[nodiscard]] bool is_new() const override { return installation_->is_new(); }

  Status run_due(const Context& context) override {
    const Status by_the_second = services_->run_due_by_the_second(context);
    COFFER_CHECK_OK(services_->run_due(context));
    return by_the_second;
  }
  Status reload_certificate() override { return server_->reload_certificate(); }

  Status replicate(const Context& context) override {
    while (!context.stopped()) {
      COFFER_TRY(const int64_t done, services_->s3().replicate(context, world_.clock.wall(), *destinations_));
      if (done == 0) return ok_status();
    }
    return ok_status();
  }

  Status run(const Context& context) override {
    TaskGroup tasks(context);
    repeat(tasks, "replication", kTick, [this](const Context& inner) -> Result<int64_t> {
      COFFER_CHECK_OK(replicate(inner));
      return 0;
    });
    for (const events::Lane lane : {events::Lane::kHouse, events::Lane::kOutside}) {
      repeat(
          tasks, "delivering events", lane == events::Lane::kHouse ? kEventTick : kOutsideTick,
          [this, lane](const Context& inner) { return services_->events().deliver(inner, world_.clock.wall(), lane); });
    }
    repeat(tasks, "writing the logs of functions", kTick, [this](const Context& inner) -> Result<int64_t> {
      COFFER_CHECK_OK(services_->lambda().write_logs(inner));
      return 0;
    });
    tasks.spawn([&] { return services_->runner().run(tasks.context(), static_cast<int>(config_.workers)); });
    const Status ended = run_loop(context);
    tasks.request_stop();
    COFFER_CHECK_OK(tasks.wait());
    log_failure("writing the logs of functions", services_->lambda().write_logs(context_));
    return ended.ok() ? stop() : ended;
  }

 private:
  /// To the log, unless it only ended because the daemon does.
  void log_failure(std::string_view what, const Status& done) {
    if (!done.ok() && done.code() != ErrorCode::kCancelled)
      world_.log("error", std::string(what) + ": " + done.error().message);
  }

  /// Has `work` done again and again until `tasks` stop, with a pause after it failed or found nothing.
  void repeat(TaskGroup& tasks, const char* what, std::chrono::nanoseconds pause,
              std::function<Result<int64_t>(const Context&)> work) {
    tasks.spawn([this, &tasks, what, pause, work = std::move(work)] {
      while (!tasks.context().stopped()) {
        const Result<int64_t> done = work(tasks.context());
        if (!done.ok()) log_failure(what, done.error());
        if (!done.ok() || *done == 0) world_.clock.sleep_for(pause);
      }
      return ok_status();
    });
  }

  Status run_loop(const Context& context) {
    MonoTime due = world_.clock.mono(), by_second = due;
    const auto is_time = [&](MonoTime& at, std::chrono::nanoseconds every) {
      if (world_.clock.mono() < at) return false;
      at = {world_.clock.mono().nanos + every.count()};
      return true;
    };
    const auto tell = [&](const Status& done) { log_failure("work that is due by the clock", done); };
    while (!context.stopped()) {
      if (is_time(by_second, kDueBySecond)) tell(services_->run_due_by_the_second(context));
      if (is_time(due, kDueEvery)) tell(services_->run_due(context));
      world_.clock.sleep_for(kTick);
    }
    return ok_status();
  }

  Status stop() {
    if (server_) server_->stop(kStopGrace);
    server_.reset();
    front_.reset();
    Status flushed = ok_status();
    if (services_ && !stopped_) {
      flushed = services_->audit().flush(context_);
      if (flushed.ok()) flushed = services_->audit().checkpoint(context_, true);
    }
    stopped_ = true;
    return flushed;
  }

  /// The public half of `seed` as a file of the data folder. One that is there is left as it is.
  Status publish_key(const Secret& seed, const std::string& name) {
    Directory& folder = installation_->folder();
    if (folder.stat(name).ok()) return ok_status();
    const std::string text = to_hex(crypto::ed25519_public_key(seed.view())) + "\n";
    Status written = write_new_file(folder, name, as_bytes(text), 0644);
    return written.ok() || written.code() == ErrorCode::kAlreadyExists ? ok_status() : written;
  }

  /// The private key by which an account of ours signs to peers.
  Secret peer_seed(std::string_view account) {
    return installation_->derive("peer signing v1 " + std::string(account));
  }

  /// DATA/peers/ACCOUNT.pub: what another installation's administrator enrols an account of ours by.
  Status publish_peer_keys() {
    Directory& folder = installation_->folder();
    if (Status made = folder.create_directory("peers", 0755); !made.ok() && made.code() != ErrorCode::kAlreadyExists)
      return made;
    for (const AccountInfo& account : accounts_)
      COFFER_CHECK_OK(publish_key(peer_seed(account.id), "peers/" + account.id + ".pub"));
    return ok_status();
  }

  Status open_peers() {
    if (Status published = publish_peer_keys(); !published.ok())
      return std::move(published).error().in("writing the public keys of the accounts");
    wire::PeerFront::Options options;
    for (const PeerConfig& peer : config_.peers) {
      if (!peer.public_key.empty()) options.accounts[peer.account] = from_hex(peer.public_key).value();
    }
    options.is_ours = [this](std::string_view account) {
      return std::any_of(accounts_.begin(), accounts_.end(),
                         [&](const AccountInfo& ours) { return ours.id == account; });
    };
    options.region = config_.regions.front();
    peer_front_ =
        std::make_unique<wire::PeerFront>(services_->gate(), world_.clock, world_.entropy, std::move(options));
    destinations_ = std::make_unique<NetworkDestinations>(
        services_->gate(), world_.clock, config_, [this](std::string_view account) { return peer_seed(account); });
    return ok_status();
  }

  Status create_accounts() {
    for (const AccountName& wanted : config_.accounts) {
      bool created = false;
      iam::RootCredentials credentials;
      Status made =
          catalog::in_transaction(services_->database(), context_, [&](catalog::Transaction& transaction) -> Status {
            Result<iam::RootCredentials> account = iam::create_account(
                transaction, wanted.id, wanted.name, installation_->root().view(), world_.clock, world_.entropy);
            created = account.ok();
            if (!created && account.code() == ErrorCode::kAlreadyExists) return ok_status();
            if (!created) return std::move(account).error();
            credentials = std::move(*account);
            // The file first: an account whose only key nobody knows would be lost, a profile of an account that is not
            // there is not.
            return installation_->add_credentials(wanted.name, wanted.id, credentials.access_key_id,
                                                  credentials.secret_access_key);
          });
      if (!made.ok()) return std::move(made).error().in("creating account " + wanted.name);
      accounts_.push_back({wanted.name, wanted.id, created});
    }
    return ok_status();
  }

  Status check_ready() {
    COFFER_TRY(auto transaction, services_->database().begin(context_, catalog::Database::Mode::kRead));
    return transaction->run("SELECT 1").ok()
               ? ok_status()
               : Status(Error{ErrorCode::kUnavailable, "the catalog does not answer", {}});
  }

  std::string metrics() {
    const wire::Server::Counts counts = server_->counts();
    return "# TYPE coffer_http_connections gauge\ncoffer_http_connections " + std::to_string(counts.connections_open) +
           "\n# TYPE coffer_http_connections_total counter\ncoffer_http_connections_total " +
           std::to_string(counts.connections_total) +
           "\n# TYPE coffer_http_requests_total counter\ncoffer_http_requests_total " +
           std::to_string(counts.requests_total) +
           "\n# TYPE coffer_http_malformed_total counter\ncoffer_http_malformed_total " +
           std::to_string(counts.malformed_total) +
           "\n# TYPE coffer_key_slots gauge\ncoffer_key_slots{keyset=\"installation\"} " +
           std::to_string(installation_->slot_count()) + "\n";
  }

  World world_;
  Config config_;
  Context context_;  // never stopped: what is begun is finished
  std::unique_ptr<Installation> installation_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<NetworkDestinations> destinations_;
  std::unique_ptr<wire::PeerFront> peer_front_;
  std::unique_ptr<wire::Front> front_;
  std::unique_ptr<wire::Server> server_;
  std::vector<AccountInfo> accounts_;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(World world, const Config& config) {
  COFFER_CHECK_OK(check_config(config));
  auto daemon = std::make_unique<RunningDaemon>(std::move(world), config);
  COFFER_CHECK_OK(daemon->open());
  COFFER_CHECK_OK(daemon->listen());
  return std::unique_ptr<Daemon>(std::move(daemon));
}

Result<audit::VerifyReport> verify_audit_log(FileSystem& files, const Context& context, const Config& config,
                                             std::string_view public_key_hex) {
  std::string hex(public_key_hex);
  if (hex.empty()) {
    COFFER_TRY(Bytes text, files.read_file(config.data + "/audit.pub", 4096));
    hex = to_text(text);
  }
  while (!hex.empty() && (hex.back() == '\n' || hex.back() == ' ')) hex.pop_back();
  Result<Bytes> key = from_hex(hex);
  if (!key.ok() || key->size() != 32)
    return Error{ErrorCode::kInvalidArgument, "the public key is not 64 hexadecimal digits", "it is in DATA/audit.pub"};
  if (config.catalog.empty()) COFFER_CHECK_OK(files.stat(catalog_location(config)));  // opening would make an empty one
  COFFER_TRY(auto database, catalog::Database::open(catalog_location(config)));
  return audit::verify(*database, context, *key);
}

Result<int64_t> replicate_existing(FileSystem& files, Clock& clock, const Context& context, const Config& config,
                                   std::string_view bucket, const std::vector<std::string>& statuses) {
  if (config.catalog.empty()) COFFER_CHECK_OK(files.stat(catalog_location(config)));  // opening would make an empty one
  COFFER_TRY(auto database, catalog::Database::open(catalog_location(config)));
  return s3::replicate_existing(*database, context, clock, bucket, statuses);
}

}  // namespace coffer::daemon
