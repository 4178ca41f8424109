// What the process says with its exit code. docs/exit-codes.md and `coffer help exit-codes` show the same table.
#pragma once
#include <span>
#include <string_view>

#include "base/result.h"

namespace coffer::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFindings = 3;
inline constexpr int kExitNotFound = 4;
inline constexpr int kExitDenied = 5;
inline constexpr int kExitConflict = 6;
inline constexpr int kExitUnreachable = 7;
inline constexpr int kExitTimedOut = 8;
inline constexpr int kExitIntegrity = 9;
inline constexpr int kExitNotProven = 10;
inline constexpr int kExitInterrupted = 130;

struct ExitCode {
  int code = 0;
  std::string_view meaning;
};
/// Ascending. A code that is not listed means failure to whoever reads it.
std::span<const ExitCode> exit_codes();

int exit_code_of(ErrorCode code);

}  // namespace coffer::cli
