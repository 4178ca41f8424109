// The BackupPlan of the model: checked, completed, timed.
#pragma once
#include "services/backup/operations.h"

namespace coffer::backup {

/// A BackupPlanInput as AWS takes it; "InvalidParameterValueException".
Status check_plan(const api::Value& plan);
/// The same plan with the defaults that AWS writes into what it gives back, and with ids for its rules: those of
/// `earlier` (may be null) for rules of the same name, new ones otherwise.
api::Value complete_plan(const api::Value& plan, const api::Value* earlier, Entropy& entropy);
/// One text for plans that say the same: members sorted, ids left out.
std::string content_of(const api::Value& plan);
/// When a rule of a completed plan runs.
Result<Timing> timing_of(const api::Value& rule, WallTime anchor);
const api::Value* rule_of(const api::Value& plan, std::string_view rule_id);
/// A role's ARN.
bool is_role_arn(std::string_view text);
/// 1 to 50 of letters, digits, '-', '_', '.'.
bool is_name(std::string_view text);

}  // namespace coffer::backup
