// Letters without their case, of any script.
#pragma once
#include <string>
#include <string_view>

namespace coffer::events {

/// `text` (UTF-8) with each character folded by itself: two texts that fold to the same differ by case alone. Folds
/// that change the number of characters (a sharp s and SS) are none.
std::string fold_case(std::string_view text);

}  // namespace coffer::events
