// Texts made from the command table: --help, topics, manual pages, completion scripts.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "edge/cli/command_table.h"

namespace coffer::cli {

/// Of a command ("backup"), a group ("vault"), or of the tool (empty). `name` is one of these.
std::string help_text(std::string_view name, size_t width);
/// "exit-codes", "keys" or "environment"; kNotFound names the topics.
Result<std::string> topic_text(std::string_view topic, size_t width);

/// mdoc(7) source of coffer(1) (empty name) or coffer-vault-init(1).
std::string man_page(std::string_view name);

std::string bash_completion();
std::string zsh_completion();

}  // namespace coffer::cli
