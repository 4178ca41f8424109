// The work behind an export task. For the files of this folder.
#pragma once
#include "services/rds/operations.h"

namespace coffer::rds {

/// Item "rds.export", by the task's ARN.
Status run_export(const Setting& setting, const Context& context, const work::Item& item);
/// "arn:aws:rds:R:A:export-task/ID" in the form that work items and conditions use.
std::string export_subject(const rows::ExportTask& task);

}  // namespace coffer::rds
