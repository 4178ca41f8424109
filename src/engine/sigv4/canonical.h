// The canonical form of a request: the six lines that both sides of a signature must agree on to the byte.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/sigv4/percent.h"

namespace coffer::sigv4 {

/// Names and values in order of arrival. Names are compared without case.
using HeaderFields = std::vector<std::pair<std::string, std::string>>;

/// S3 encodes the decoded path once and keeps it as it is; every other service removes dot segments and double slashes
/// and encodes what is already encoded.
enum class PathRule { kPlain, kNormalised };
PathRule path_rule(std::string_view service);

/// What goes into a canonical request. Borrows everything.
struct CanonicalParts {
  std::string_view method, target;
  const HeaderFields& headers;
  const std::vector<std::string>& signed_headers;  // lower case, sorted
  std::string_view payload_hash;
  PathRule path = PathRule::kNormalised;
};
/// Nothing when the target holds a control character or an escape that is none. X-Amz-Signature is left out of the
/// query.
std::optional<std::string> canonical_text(const CanonicalParts& parts);

/// Without case, for ASCII.
bool same_name(std::string_view a, std::string_view b);
std::string lower_case(std::string_view text);
/// Without spaces and tabs around it.
std::string_view trimmed(std::string_view text);

}  // namespace coffer::sigv4
