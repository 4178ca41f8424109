// What runs behind each row of the command table: gives the exit code, or why it failed.
#pragma once
#include "edge/cli/invocation.h"

namespace coffer::cli {

Result<int> run_vault_init(Invocation& invocation);
Result<int> run_vault_info(Invocation& invocation);
Result<int> run_keys_generate(Invocation& invocation);
Result<int> run_keys_list(Invocation& invocation);
Result<int> run_keys_add(Invocation& invocation);
Result<int> run_keys_remove(Invocation& invocation);
Result<int> run_backup_command(Invocation& invocation);
Result<int> run_points(Invocation& invocation);
Result<int> run_restore_command(Invocation& invocation);
Result<int> run_recover(Invocation& invocation);
Result<int> run_copy_command(Invocation& invocation);
Result<int> run_escrow_create(Invocation& invocation);
Result<int> run_escrow_check(Invocation& invocation);
Result<int> run_escrow_drill_command(Invocation& invocation);
Result<int> run_witness(Invocation& invocation);
Result<int> run_kit_write(Invocation& invocation);
Result<int> run_kit_check(Invocation& invocation);
/// What --kit of recover asks for; before anything else asks for the store.
Status use_kit(Invocation& invocation, const std::string& path);
Result<int> run_verify_command(Invocation& invocation);
Result<int> run_prove_command(Invocation& invocation);
Result<int> run_export_command(Invocation& invocation);
Result<int> run_import_command(Invocation& invocation);
Result<int> run_forget(Invocation& invocation);
Result<int> run_collect(Invocation& invocation);
Result<int> run_why_command(Invocation& invocation);
Result<int> run_doctor_command(Invocation& invocation);
Result<int> run_database_add(Invocation& invocation);
Result<int> run_database_list(Invocation& invocation);
Result<int> run_database_show(Invocation& invocation);
Result<int> run_database_remove(Invocation& invocation);
Result<int> run_database_check(Invocation& invocation);
Result<int> run_up(Invocation& invocation);
Result<int> run_audit_verify(Invocation& invocation);
Result<int> run_bucket_replicate(Invocation& invocation);
Result<int> run_completion(Invocation& invocation);
Result<int> run_man(Invocation& invocation);
Result<int> run_help(Invocation& invocation);
Result<int> run_version(Invocation& invocation);

}  // namespace coffer::cli
