#include "edge/daemon/services.h"

#include <algorithm>

#include "base/this_process.h"
#include "edge/daemon/web_client.h"
#include "edge/wire/codec.h"
#include "edge/wire/model.h"
#include "edge/wire/protocol.h"
#include "engine/crypto/digest.h"
#include "services/audit/actions.h"
#include "services/iam/service.h"
#include "services/organizations/service.h"

namespace coffer::daemon {
namespace {

std::vector<catalog::Migration> all_migrations() {
  std::vector<catalog::Migration> all;
  for (auto migrations : {catalog::migrations(), iam::migrations(), kms::migrations(), audit::migrations(),
                          organizations::migrations(), s3::migrations(), work::migrations(), logs::migrations(),
                          rds::migrations(), backup::migrations(), lambda::migrations(), events::migrations()})
    all.insert(all.end(), migrations.begin(), migrations.end());
  return all;
}

Result<std::optional<std::string>> find_account_name(catalog::Transaction& transaction, std::string_view id) {
  COFFER_TRY(std::vector<iam::Account> accounts, iam::list_accounts(transaction));
  for (iam::Account& account : accounts) {
    if (account.id == id) return std::optional(std::move(account.name));
  }
  return std::optional<std::string>();
}

/// Where no function can run: each that is called learns why.
class NoExecutor final : public lambda::Executor {
 public:
  explicit NoExecutor(Error why) : why_(std::move(why)) {}
  Result<lambda::Outcome> run(const Context&, const lambda::EnvironmentSpec&, const lambda::Invocation&) override {
    return why_;
  }
  void forget(std::string_view) override {}
  Result<std::string> interpreter_of(std::string_view) override { return why_; }

 private:
  Error why_;
};

/// What a rule's target is given, as the operation's input.
Result<api::Value> read_input(std::string_view service, std::string_view operation, std::string_view json) {
  for (const wire::ServiceModel& model : wire::service_models()) {
    if (model.signing_name != service) continue;
    const wire::OperationModel* found = wire::find_operation(model, operation);
    if (!found || !found->input) break;
    COFFER_TRY(api::Value input, wire::decode_json(*found->input, json));
    COFFER_CHECK_OK(wire::validate(model, *found, input));
    return input;
  }
  return Error{
      ErrorCode::kNotFound, "there is no operation " + std::string(operation) + " of " + std::string(service), {}};
}

/// One that cannot do its part holds up no other.
Status first_failure(std::vector<Status> done) {
  for (Status& one : done) {
    if (!one.ok()) return std::move(one);
  }
  return ok_status();
}

}  // namespace

Result<std::unique_ptr<Services>> Services::open(World& world, const Config& config, Installation& installation,
                                                 std::function<std::string()> endpoint) {
  auto services = std::unique_ptr<Services>(new Services(world, config, installation, std::move(endpoint)));
  COFFER_CHECK_OK(services->open_catalog());
  COFFER_CHECK_OK(services->open_identity());
  COFFER_CHECK_OK(services->open_objects());
  COFFER_CHECK_OK(services->open_backup());
  COFFER_CHECK_OK(services->open_functions());
  COFFER_CHECK_OK(services->open_events());
  return services;
}

Status Services::run_due_by_the_second(const Context& context) {
  const WallTime now = world_.clock.wall();
  return first_failure({rds_->run_due(context, now), backup_->run_due(context, now), events_->run_due(context, now)});
}

Status Services::run_due(const Context& context) {
  const WallTime now = world_.clock.wall();
  authority_->write_uses();
  if (executor_) executor_->expire();
  return first_failure({kms_->run_due(context, now), s3_->run_due(context, now), logs_->run_due(context, now),
                        s3_->deliver_access_logs(context, now, transfer()), audit_->checkpoint(context, false)});
}

Status Services::open_catalog() {
  COFFER_TRY(database_, catalog::Database::open(catalog_location(config_)));
  const std::vector<catalog::Migration> migrations = all_migrations();
  if (Status migrated = database_->migrate(context_, migrations); !migrated.ok())
    return std::move(migrated).error().in("bringing the catalog up to date");
  COFFER_TRY(audit_,
             audit::open_audit_log(*database_, world_.clock, world_.entropy, installation_.derive(kAuditKeyPurpose)));
  return ok_status();
}

Status Services::open_identity() {
  const Secret& root = installation_.root();
  authority_ = iam::open_authority(*database_, world_.clock, world_.entropy, root.clone());
  kms_ = kms::open_service(*database_, *authority_, root.clone(), world_.clock, world_.entropy,
                           {.regions = config_.regions});
  gate_ = std::make_unique<gate::Gate>(*database_, *authority_, *audit_, world_.clock);
  gate_->add(iam::iam_actions(*authority_, root.view(), world_.clock, world_.entropy));
  gate_->add(iam::sts_actions(*authority_, root.view(), world_.clock, world_.entropy));
  gate_->add(organizations::actions(
      [this](catalog::Transaction& transaction, std::string_view account, std::string_view name,
             std::string_view role_name, std::string_view management_account) {
        return iam::create_member_account(transaction, account, name, role_name, management_account,
                                          installation_.root().view(), world_.clock, world_.entropy);
      },
      world_.clock, world_.entropy, find_account_name));
  gate_->add(kms_->actions());
  gate_->add(audit::actions());
  return ok_status();
}

Status Services::open_objects() {
  const std::string objects = config_.objects.empty() ? config_.data + "/objects" : config_.objects;
  Result<std::unique_ptr<store::ObjectStore>> store = store::open_local(world_.files, objects, true);
  if (!store.ok()) return std::move(store).error().in("opening the folder of the objects");
  objects_ = std::move(*store);
  s3_ = s3::open_service(*database_, *authority_, *objects_, invoke(), installation_.root().clone(), world_.clock,
                         world_.entropy, {.regions = config_.regions});
  gate_->add(s3_->actions());
  return ok_status();
}

Result<std::string> Services::scratch_folder() {
  if (!config_.scratch.empty()) return config_.scratch;
  if (effective_user() != 0) return config_.data + "/scratch";
  // Servers do not run as root, and the data folder is root's alone. Others may write to /var/tmp, so what is there is
  // only taken when it is a folder of root's, and no link.
  constexpr const char* kPlace = "/var/tmp";
  const std::string name = "coffer-" + to_hex(crypto::sha256(as_bytes(config_.data))).substr(0, 16);
  COFFER_TRY(const auto place, world_.files.open_directory(kPlace));
  if (Status made = place->create_directory(name, 0700); !made.ok() && made.code() != ErrorCode::kAlreadyExists)
    return std::move(made).error().in("making a folder for scratch");
  COFFER_TRY(const FileStat there, place->stat(name));
  std::string folder = std::string(kPlace) + "/" + name;
  if (there.type != FileType::kDirectory || there.uid != 0)
    return Error{ErrorCode::kFailedPrecondition, folder + " is not a folder of root's",
                 "remove it, or name another folder by backup.scratch"};
  return folder;
}

Status Services::open_backup() {
  const std::string restores = config_.restores.empty() ? config_.data + "/databases" : config_.restores;
  budget_ = std::make_unique<ByteBudget>(ByteBudget::default_limit());
  rds::EngineOptions options{.files = world_.files,
                             .clock = world_.clock,
                             .entropy = world_.entropy,
                             .processes = world_.processes,
                             .budget = *budget_,
                             .root = config_.vaults.empty() ? config_.data + "/vaults" : config_.vaults,
                             .scratch = {}};
  COFFER_TRY(options.scratch, scratch_folder());
  for (const PostgresConfig& postgres : config_.postgres)
    options.pg_binaries[static_cast<int>(postgres.major)] = postgres.programs;
  COFFER_TRY(engine_, rds::open_engine(std::move(options), invoke(), installation_.root().clone()));
  runner_ = std::make_unique<work::Runner>(*database_, world_.clock,
                                           work::RunnerOptions{.holder = random_uuid(world_.entropy)}, world_.log);
  logs_ = logs::open_service(*database_, *authority_, world_.clock, world_.entropy);
  gate_->add(logs_->actions());
  rds_ =
      rds::open_service(*database_, *authority_, invoke(), *engine_, installation_.root().clone(), world_.clock,
                        world_.entropy, {.regions = config_.regions, .restore_root = restores, .transfer = transfer()});
  rds_->add_handlers(*runner_);
  gate_->add(rds_->actions());
  gate_->add(rds_->coffer_actions());
  backup_ = backup::open_service(*database_, *authority_, invoke(), *rds_, *engine_, world_.clock, world_.entropy,
                                 {.regions = config_.regions, .restore_root = restores});
  backup_->add_handlers(*runner_);
  gate_->add(backup_->actions());
  return ok_status();
}

Status Services::open_functions() {
  functions::ExecutorOptions options;
  options.folder = config_.data + "/functions";
  options.sandbox_program = config_.sandbox.empty() ? program_folder() + "/coffer-sandbox" : config_.sandbox;
  options.runtimes.packages = config_.function_packages.empty() ? COFFER_FUNCTION_PACKAGES : config_.function_packages;
  options.runtimes.node = config_.node;
  options.endpoint_url = endpoint_;
  options.at_work_max = static_cast<int>(std::max<int64_t>(1, config_.tasks / 2));  // their calls need the others
  options.log = world_.log;
  auto executor =
      functions::open_executor(world_.files, world_.processes, world_.clock, world_.entropy, std::move(options));
  if (executor.ok()) {
    executor_ = std::move(*executor);
  } else {
    world_.log("warning", "functions cannot run on this machine: " + executor.error().message);
    no_executor_ = std::make_unique<NoExecutor>(executor.error());
  }
  lambda_ = lambda::open_service(*database_, *authority_, *objects_, invoke(), executor_ ? *executor_ : *no_executor_,
                                 installation_.root().clone(), world_.clock, world_.entropy,
                                 {.regions = config_.regions, .endpoint_url = endpoint_, .transfer = transfer()});
  lambda_->add_handlers(*runner_);
  gate_->add(lambda_->actions());
  return ok_status();
}

Status Services::open_events() {
  Result<wire::AddressGuard> guard = wire::AddressGuard::create(config_.web_addresses);
  if (!guard.ok()) return std::move(guard).error().in("events.addresses");
  web_ = make_web(wire::guarded_client(std::move(*guard)));
  events::Options options{.regions = config_.regions};
  options.transfer = transfer();
  options.read_input = [](std::string_view service, std::string_view operation, std::string_view json) {
    return read_input(service, operation, json);
  };
  events_ = events::open_service(*database_, *authority_, invoke(), *web_, installation_.root().clone(), world_.clock,
                                 world_.entropy, std::move(options));
  gate_->add(events_->actions());
  return ok_status();
}

api::Transfer Services::transfer() {
  return [this](const api::Call& call, const iam::Identity* identity, const api::Value& input, api::RequestBody* body,
                api::Reply* reply) { return gate_->run(call, identity, input, body, reply); };
}

api::Invoke Services::invoke() {
  return [this](const api::Call& call, const iam::Identity* identity, const api::Value& input) {
    return gate_->run(call, identity, input);
  };
}

}  // namespace coffer::daemon
