#include "edge/cli/exit_codes.h"

namespace coffer::cli {

std::span<const ExitCode> exit_codes() {
  static constexpr ExitCode kTable[] = {
      {kExitDone, "done"},
      {kExitFailed, "failed"},
      {kExitUsage, "wrong usage, or a confirmation is missing; nothing was done"},
      {kExitFindings, "done with findings: damage or something to repair was found and is listed"},
      {kExitNotFound, "not found"},
      {kExitDenied, "denied: the key opens no slot, or permission is missing"},
      {kExitConflict, "conflict: taken, in use by another job, or kept by retention"},
      {kExitUnreachable, "the database server or the storage could not be reached, or reading or writing failed"},
      {kExitTimedOut, "timed out"},
      {kExitIntegrity, "integrity failure: stored data is not what was stored"},
      {kExitNotProven, "not proven: a check could not run"},
      {kExitInterrupted, "interrupted"},
  };
  return kTable;
}

int exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return kExitUsage;
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied: return kExitDenied;
    case ErrorCode::kNotFound: return kExitNotFound;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kConflict: return kExitConflict;
    case ErrorCode::kThrottled:
    case ErrorCode::kUnavailable: return kExitUnreachable;
    case ErrorCode::kDeadlineExceeded: return kExitTimedOut;
    case ErrorCode::kCancelled: return kExitInterrupted;
    case ErrorCode::kCorruption: return kExitIntegrity;
    case ErrorCode::kNotProven: return kExitNotProven;
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kInternal: break;
  }
  return kExitFailed;
}

}  // namespace coffer::cli
