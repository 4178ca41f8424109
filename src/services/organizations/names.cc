#include "services/organizations/names.h"

#include <algorithm>

namespace coffer::organizations {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";

/// Uniform over 0..bound-1: bytes above the last full multiple are drawn again.
size_t below(Entropy& entropy, size_t bound) {
  const size_t limit = 256 / bound * bound;
  for (;;) {
    const auto drawn = static_cast<size_t>(entropy.array<1>()[0]);
    if (drawn < limit) return drawn % bound;
  }
}

}  // namespace

std::string random_id(Entropy& entropy, std::string_view prefix, size_t length) {
  std::string id(prefix);
  for (size_t i = 0; i < length; ++i) id.push_back(kLetters[below(entropy, kLetters.size())]);
  return id;
}

std::string random_account(Entropy& entropy) {
  std::string id;
  id.push_back(static_cast<char>('1' + below(entropy, 9)));
  while (id.size() < 12) id.push_back(static_cast<char>('0' + below(entropy, 10)));
  return id;
}

bool is_account_id(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string arn_of(std::string_view management, std::string_view kind, std::string_view organization,
                   std::string_view id) {
  return "arn:aws:organizations::" + std::string(management) + ":" + std::string(kind) + "/" +
         std::string(organization) + "/" + std::string(id);
}

std::string organization_arn(std::string_view management, std::string_view organization) {
  return "arn:aws:organizations::" + std::string(management) + ":organization/" + std::string(organization);
}

std::string policy_arn(std::string_view management, std::string_view organization, std::string_view type,
                       std::string_view id) {
  const std::string tail = lower_case(type) + "/" + std::string(id);
  if (organization.empty()) return "arn:aws:organizations::aws:policy/" + tail;
  return arn_of(management, "policy", organization, tail);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace coffer::organizations
