// Connection strings that users give: read, judged, and told without their secrets. For the files of this folder.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace coffer::rds {

using Conninfo = std::map<std::string, std::string>;

/// A connection string or URI as keywords and values; dbname is "postgres" when none is given. kInvalidArgument for
/// what libpq does not read, for one without a user, and for keywords that would make this program read files or
/// services of its own (passfile, service): a user's connection consists of what the user gave.
Result<Conninfo> parse_conninfo(std::string_view text);
/// The string for libpq, with everything pinned that libpq would otherwise take from this process's environment.
Secret conninfo_text(const Conninfo& conninfo);

}  // namespace coffer::rds
