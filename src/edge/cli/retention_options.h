// --keep-within, --keep-last, --keep-daily, ... as a policy.
#pragma once
#include "edge/cli/arguments.h"
#include "engine/vault/retention.h"

namespace coffer::cli {

/// Empty when none is given. kInvalidArgument names the option.
Result<vault::RetentionPolicy> retention_policy(const Arguments& arguments);

}  // namespace coffer::cli
