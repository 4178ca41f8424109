// What `coffer database ...` asks a daemon for, and how its answers look. Apart from commands.h, so that a test can
// bring an API of its own.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "edge/cli/account_api.h"
#include "edge/cli/arguments.h"

namespace coffer::cli {

/// An answer of the service "coffer" to one of its operations.
Result<nlohmann::json> call_coffer(AccountApi& api, const std::string& operation, const nlohmann::json& input);

/// The input of RegisterDatabase from the command's options. kInvalidArgument for a tag without '='.
Result<nlohmann::json> registration_input(const Arguments& arguments);

/// Lines for a person. Nothing that a server or a user named steers the terminal.
std::string database_lines(const nlohmann::json& database);
std::string database_table(const nlohmann::json& databases);
std::string finding_lines(const nlohmann::json& findings);

}  // namespace coffer::cli
