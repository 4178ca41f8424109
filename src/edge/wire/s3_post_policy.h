// The policy document of a browser's upload: what its owner allows a form to say.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "edge/wire/s3_form.h"

namespace coffer::wire {

/// Lengths that the document allows for the file.
struct PostLimits {
  uint64_t size_min = 0, size_max = UINT64_MAX;
};

/// Checks a form for `bucket` against its document (JSON). "InvalidPolicyDocument" for a broken one; "AccessDenied"
/// with "Invalid according to Policy: ..." for one that has expired, a condition that fails, or a field that no
/// condition names.
Result<PostLimits> check_post_policy(std::string_view document, const S3Form& form, std::string_view bucket,
                                     WallTime now);

}  // namespace coffer::wire
