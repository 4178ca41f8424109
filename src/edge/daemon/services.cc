#include "edge/daemon/services.h"

#include "services/audit/actions.h"
#include "services/iam/service.h"
#include "services/organizations/service.h"

namespace coffer::daemon {
namespace {

std::vector<catalog::Migration> all_migrations() {
  std::vector<catalog::Migration> all;
  for (auto migrations : {catalog::migrations(), iam::migrations(), kms::migrations(), audit::migrations(),
                          organizations::migrations(), s3::migrations()})
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

}  // namespace

Result<std::unique_ptr<Services>> Services::open(World& world, const Config& config, Installation& installation) {
  auto services = std::unique_ptr<Services>(new Services(world, config, installation));
  COFFER_CHECK_OK(services->open_catalog());
  COFFER_CHECK_OK(services->open_identity());
  COFFER_CHECK_OK(services->open_objects());
  return services;
}

Status Services::run_due(const Context& context) {
  authority_->write_uses();
  COFFER_CHECK_OK(kms_->run_due(context, world_.clock.wall()));
  COFFER_CHECK_OK(s3_->run_due(context, world_.clock.wall()));
  return audit_->checkpoint(context, false);
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

api::Invoke Services::invoke() {
  return [this](const api::Call& call, const iam::Identity* identity, const api::Value& input) {
    return gate_->run(call, identity, input);
  };
}

}  // namespace coffer::daemon
