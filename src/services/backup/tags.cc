// Tags of vaults, plans, recovery points and legal holds.
#include "services/backup/operations.h"

namespace coffer::backup {
namespace {

using api::Value;

constexpr size_t kTagsMax = 50;

/// The resource of the input, which must be there and the caller's. Its ARN.
Result<std::string> tagged(const Request& r) {
  std::string text = r.text("ResourceArn");
  const auto arn = parse_arn(text);
  const Error absent = not_found("The resource " + text + " does not exist.");
  if (!arn) return invalid("Invalid ARN: " + text);
  if (arn->account != r.account() || arn->region != r.region()) return absent;
  bool there = false;
  if (arn->service == "rds") {
    COFFER_TRY(const auto point, rows::find_point(r.t(), text));
    there = point.has_value();
  } else if (arn->service == "backup") {
    const size_t colon = std::min(arn->resource.find(':'), arn->resource.size());
    const std::string kind = arn->resource.substr(0, colon),
                      id = arn->resource.substr(std::min(colon + 1, arn->resource.size()));
    if (kind == "backup-vault") {
      COFFER_TRY(const auto vault, rows::find_vault(r.t(), arn->account, arn->region, id));
      there = vault.has_value();
    } else if (kind == "backup-plan") {
      COFFER_TRY(const auto plan, rows::first<rows::Plan>(r.t(), "WHERE id = $1", {id}));
      there = plan && plan->arn() == text && !plan->deleted;
    } else if (kind == "legal-hold") {
      COFFER_TRY(const auto hold, rows::first<rows::Hold>(r.t(), "WHERE id = $1", {id}));
      there = hold && hold->arn() == text;
    }
  }
  if (!there) return absent;
  return text;
}

/// RDS shows the tags of a snapshot as its own.
Status show_to_rds(const Request& r, const std::string& arn, const rows::Tags& tags) {
  COFFER_TRY(auto snapshot, rds::find_snapshot(r.t(), arn));
  if (!snapshot) return ok_status();
  snapshot->tags = tags;
  return rds::put_snapshot(r.t(), *snapshot);
}

}  // namespace

Status check_tags(const rows::Tags& tags) {
  if (tags.size() > kTagsMax) return invalid("A resource has at most 50 tags.");
  for (const auto& [key, value] : tags) {
    if (key.empty() || key.size() > 512 || value.size() > 1024)
      return invalid("Tag keys have 1 to 128 characters, tag values at most 256.");
    if (key.starts_with("aws:")) return invalid("Tag keys must not begin with aws: " + key);
  }
  return ok_status();
}

Result<Value> tag_resource(const Request& r) {
  COFFER_TRY(const std::string arn, tagged(r));
  const rows::Tags wanted = r.input().text_map("Tags");
  COFFER_CHECK_OK(check_tags(wanted));
  COFFER_TRY(rows::Tags tags, rows::tags(r.t(), arn));
  for (const auto& [key, value] : wanted) tags[key] = value;
  if (tags.size() > kTagsMax) return limit_exceeded("A resource has at most 50 tags.");
  COFFER_CHECK_OK(rows::put_tags(r.t(), arn, wanted));
  COFFER_CHECK_OK(show_to_rds(r, arn, tags));
  return Value::object();
}

Result<Value> untag_resource(const Request& r) {
  COFFER_TRY(const std::string arn, tagged(r));
  COFFER_TRY(rows::Tags tags, rows::tags(r.t(), arn));
  for (const std::string& key : r.input().texts("TagKeyList")) {
    tags.erase(key);
    COFFER_CHECK_OK(r.t().run("DELETE FROM backup_tags WHERE arn = $1 AND key = $2", {arn, key}));
  }
  COFFER_CHECK_OK(show_to_rds(r, arn, tags));
  return Value::object();
}

Result<Value> list_tags(const Request& r) {
  COFFER_TRY(const std::string arn, tagged(r));
  COFFER_TRY(const Page page, page_of(r));
  COFFER_TRY(const rows::Tags tags, rows::tags(r.t(), arn));
  Value shown = Value::object(), output = Value::object();
  for (auto tag = page.after.empty() ? tags.begin() : tags.upper_bound(page.after); tag != tags.end(); ++tag) {
    if (shown.entries().size() == page.limit) {
      COFFER_CHECK_OK(set_next(r, output, shown.entries().back().first));
      break;
    }
    shown.set(tag->first, tag->second);
  }
  output.set("Tags", std::move(shown));
  return output;
}

}  // namespace coffer::backup
