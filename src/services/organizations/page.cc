#include "services/organizations/page.h"

#include <algorithm>

#include "services/api/page_marker.h"
#include "services/organizations/faults.h"
#include "services/organizations/rows.h"

namespace coffer::organizations {
namespace {

std::string scope_of(const api::Operation& operation) {
  return api::page_scope(operation.call.operation, operation.call.caller.account, operation.input,
                         {"NextToken", "MaxResults"});
}

Error bad_token() { return invalid_input("INVALID_NEXT_TOKEN", "You provided an invalid value for NextToken."); }

}  // namespace

Result<Page> Page::open(const api::Operation& operation, int64_t size_max) {
  const int64_t size = std::clamp<int64_t>(operation.input.integer("MaxResults").value_or(size_max), 1, size_max);
  Page page(operation, size);
  const std::string_view token = operation.input.text("NextToken");
  if (token.empty()) return page;
  COFFER_TRY(std::optional<Bytes> key, rows::page_key(operation.transaction));
  auto after = key ? api::open_page_marker(*key, scope_of(operation), token) : std::nullopt;
  if (!after) return bad_token();
  page.after_ = std::move(*after);
  return page;
}

Result<std::string> Page::token_for(std::string_view id) const {
  COFFER_TRY(std::optional<Bytes> key, rows::page_key(operation_.transaction));
  COFFER_ASSERT(key);  // made with the first organization, without which no list has an entry
  return api::make_page_marker(*key, scope_of(operation_), id);
}

Result<api::Value> Page::output(std::string_view member, std::vector<Item> items) const {
  api::Value out = api::Value::object();
  const bool more = std::cmp_greater(items.size(), size_);
  if (more) items.resize(static_cast<size_t>(size_));
  api::List list;
  for (Item& item : items) list.push_back(std::move(item.value));
  out.set(member, std::move(list));
  if (more) {
    COFFER_TRY(std::string token, token_for(items.back().id));
    out.set("NextToken", std::move(token));
  }
  return out;
}

}  // namespace coffer::organizations
