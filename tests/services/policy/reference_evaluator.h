// The evaluation a second time, written straight from the rules: JSON is read anew for every question, wildcards are
// matched by recursion, nothing is prepared. Slow, and only for comparison.
#pragma once
#include <string>
#include <string_view>

#include "services/policy/situation.h"

namespace coffer::policy::testing {

/// What describe(decide(situation)) should be.
std::string reference_decision(const Situation& situation);

/// '*' and '?' by recursion. Exponential in the number of stars.
bool reference_glob(std::string_view pattern, std::string_view text);

}  // namespace coffer::policy::testing
