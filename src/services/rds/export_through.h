// The engine's exports, written through a sink of the services.
#pragma once
#include <string>

#include "engine/jobs/environment.h"
#include "engine/vault/vault.h"
#include "services/rds/engine.h"

namespace coffer::rds {

/// As Engine::export_point(), of a vault that is open. What cannot be exported is skipped and named in the warning, as
/// RDS does.
Result<ExportResult> export_through(const Context& context, const jobs::Environment& environment,
                                    const vault::Vault& vault, const std::string& point_id,
                                    const ExportRequest& request, ExportSink& sink, ExportProgress& progress);

}  // namespace coffer::rds
