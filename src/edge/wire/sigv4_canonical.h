// The canonical form of a request, as this folder calls it.
#pragma once
#include "engine/sigv4/canonical.h"

namespace coffer::wire {

using sigv4::canonical_text;
using sigv4::CanonicalParts;
using sigv4::lower_case;
using sigv4::path_rule;
using sigv4::PathRule;
using sigv4::same_name;
using sigv4::trimmed;

}  // namespace coffer::wire
