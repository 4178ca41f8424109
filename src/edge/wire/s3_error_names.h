// S3's own error codes and their HTTP statuses: its model names few of them.
#pragma once
#include <string>
#include <string_view>

namespace coffer::wire {

/// 0: no code that S3 is known to have.
int s3_status_of(std::string_view code);

/// How S3 calls a failure of a service that it asked for the caller: "KMS.DisabledException" of KMS's
/// DisabledException. Other names come back as they are.
std::string s3_code_of(std::string_view name);

}  // namespace coffer::wire
