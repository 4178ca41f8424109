// What `coffer doctor --data` adds to what doctor says of this machine.
#pragma once
#include <string>
#include <vector>

#include "edge/cli/invocation.h"
#include "engine/jobs/explain.h"

namespace coffer::cli {

/// The accounts of the installation in `data`, as the credentials file there has them, asked through the daemon at
/// --endpoint. The daemon must run.
Result<std::vector<jobs::DoctorLine>> doctor_of_accounts(Invocation& invocation, const std::string& data);

}  // namespace coffer::cli
