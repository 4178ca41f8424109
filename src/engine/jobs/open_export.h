// Finding an export and believing its manifest: what verifying and importing begin with.
#pragma once
#include <string>

#include "engine/jobs/export_files.h"
#include "engine/jobs/export_manifest.h"

namespace coffer::jobs {

/// The manifest of the export `identifier` (empty: the only one there), its signature checked, with the keys of `vault`
/// unless that is null.
Result<ExportManifest> open_export(const Context& context, ExportFiles& files, std::string identifier,
                                   const vault::Vault* vault);

}  // namespace coffer::jobs
