// DescribeEvents: what happened to databases and snapshots in the last 14 days.
#include <algorithm>
#include <charconv>

#include "services/rds/operations.h"

namespace coffer::rds {
namespace {

using api::Value;

constexpr std::chrono::hours kKept{14 * 24};
constexpr int64_t kBatch = 200;

struct Categories {
  std::string_view source;
  std::vector<std::string> names;
};

const std::vector<Categories>& all_categories() {
  static const std::vector<Categories> kAll = {
      {"db-instance",
       {"availability", "backup", "configuration change", "creation", "deletion", "failure", "notification", "recovery",
        "restoration"}},
      {"db-snapshot", {"creation", "deletion", "failure", "notification", "restoration"}}};
  return kAll;
}

int64_t number_in(std::string_view text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

Result<Value> describe_events(const Request& r) {
  const std::string type = r.text("SourceType"), source = r.text("SourceIdentifier");
  if (!source.empty() && type.empty())
    return invalid_combination("SourceType must be specified when SourceIdentifier is.");
  COFFER_TRY(const int64_t size, page_size(r));
  COFFER_TRY(const std::string marker, begin_of_page(r));
  const std::vector<std::string> categories = r.input().texts("EventCategories");
  WallTime until = r.input().time("EndTime").value_or(r.now() + std::chrono::seconds(1));
  WallTime from = until - std::chrono::minutes(r.input().integer("Duration").value_or(60));
  if (const auto start = r.input().time("StartTime")) {
    from = *start;
    if (r.input().has("Duration") && !r.input().has("EndTime"))
      until = from + std::chrono::minutes(*r.input().integer("Duration"));
  }
  if (from > until) return invalid_parameter("StartTime is later than EndTime.");
  from = std::max(from, r.now() - kKept);

  api::List list;
  Value answer = Value::object();
  int64_t after = number_in(marker);
  for (bool more = true; more;) {
    COFFER_TRY(const auto page, rows::events_between(r.t(), r.account(), r.region(), from, until, after, kBatch));
    for (const rows::EventRow& e : page) {
      const bool category =
          categories.empty() || std::any_of(e.categories.begin(), e.categories.end(), [&](const auto& c) {
            return std::find(categories.begin(), categories.end(), c) != categories.end();
          });
      const bool wanted =
          category && (type.empty() || e.source_type == type) && (source.empty() || e.source_identifier == source);
      if (wanted && static_cast<int64_t>(list.size()) == size) {
        answer.set("Marker", marker_behind(r, std::to_string(after)));
        return answer.set("Events", std::move(list));
      }
      if (wanted)
        list.push_back(Value::object({{"SourceIdentifier", e.source_identifier},
                                      {"SourceType", e.source_type},
                                      {"Message", e.message},
                                      {"EventCategories", api::text_list(e.categories)},
                                      {"Date", e.time},
                                      {"SourceArn", e.source_arn}}));
      after = e.sequence;
    }
    more = static_cast<int64_t>(page.size()) == kBatch;
  }
  return answer.set("Events", std::move(list));
}

Result<Value> describe_event_categories(const Request& r) {
  const std::string type = r.text("SourceType");
  api::List list;
  for (const Categories& one : all_categories()) {
    if (type.empty() || type == one.source)
      list.push_back(Value::object({{"SourceType", one.source}, {"EventCategories", api::text_list(one.names)}}));
  }
  return Value::object({{"EventCategoriesMapList", std::move(list)}});
}

}  // namespace coffer::rds
