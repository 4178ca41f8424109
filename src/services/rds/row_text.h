// How maps, lists and numbers without sign stand in columns of text. For the files of this folder.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::rds {

/// Empty for an empty map or list, so that SQL can tell.
std::string text_of(const std::map<std::string, std::string>& map);
std::string text_of(const std::vector<std::string>& list);
std::map<std::string, std::string> map_of(std::string_view text);
std::vector<std::string> list_of(std::string_view text);
/// 0 for what is no number.
uint64_t number_of(std::string_view text);

}  // namespace coffer::rds
