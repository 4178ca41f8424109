// Doctor for accounts: what of a backup system that was put together from AWS services will fail on the day it is
// needed, or already does without anybody noticing. Looks through the APIs only, as the account's owner would.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "edge/cli/account_api.h"
#include "engine/jobs/explain.h"

namespace coffer::cli {

struct ExaminedAccount {
  std::string profile;
  std::unique_ptr<AccountApi> api;
  std::string id;  // found out by asking
};

/// The Python sources (name, text) in the zip file of a function's code.
using ReadSources = std::function<Result<std::vector<std::pair<std::string, std::string>>>(ByteView zip)>;

/// Checks, for each account: customer keys and who may use them (key.*), roles of services (role.*), rules and their
/// functions (rule.*, function.*), buckets that replicate (bucket.*), vaults and plans (vault.*, plan.*). What may not
/// be looked at is a line too.
std::vector<jobs::DoctorLine> examine_accounts(std::vector<ExaminedAccount>& accounts, const ReadSources& read_sources);

}  // namespace coffer::cli
