// Pages of a list, and the token between them: the last id shown, authenticated together with the caller, the operation
// and its filters, so that a token only continues the list it came from.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "services/api/action.h"

namespace coffer::organizations {

class Page {
 public:
  static constexpr int64_t kSizeMax = 20;
  /// Reads NextToken and MaxResults of the input. InvalidInputException INVALID_NEXT_TOKEN for a token that is not
  /// ours.
  static Result<Page> open(const api::Operation& operation, int64_t size_max = kSizeMax);

  /// The list continues behind this id; empty at the beginning.
  [[nodiscard]] const std::string& after() const { return after_; }
  /// How many to ask the catalog for: one more than is shown, to know whether there are more.
  [[nodiscard]] int64_t wanted() const { return size_ + 1; }

  /// `rows` as ids and values; the output {member: [...], NextToken: ...}.
  struct Item {
    std::string id;
    api::Value value;
  };
  Result<api::Value> output(std::string_view member, std::vector<Item> items) const;

 private:
  Page(const api::Operation& operation, int64_t size) : operation_(operation), size_(size) {}
  Result<std::string> token_for(std::string_view id) const;

  const api::Operation& operation_;
  int64_t size_;
  std::string after_;
};

}  // namespace coffer::organizations
