#include "services/iam/arns.h"

#include <algorithm>

namespace coffer::iam {
namespace {

constexpr size_t kAccountSize = 12;

struct Parts {
  std::string_view service, account, resource;
};
/// IAM and STS are global: the Region is empty.
std::optional<Parts> split(std::string_view arn) {
  for (std::string_view service : {"iam", "sts"}) {
    const std::string prefix = "arn:aws:" + std::string(service) + "::";
    if (!arn.starts_with(prefix)) continue;
    arn.remove_prefix(prefix.size());
    if (arn.size() <= kAccountSize || arn[kAccountSize] != ':') return std::nullopt;
    if (!is_account_id(arn.substr(0, kAccountSize))) return std::nullopt;
    return Parts{service, arn.substr(0, kAccountSize), arn.substr(kAccountSize + 1)};
  }
  return std::nullopt;
}

}  // namespace

bool is_account_id(std::string_view text) {
  return text.size() == kAccountSize &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string account_of_arn(std::string_view arn) {
  const auto parts = split(arn);
  return parts ? std::string(parts->account) : std::string();
}

std::optional<EntityArn> parse_entity_arn(std::string_view arn) {
  const auto parts = split(arn);
  if (!parts || parts->service != "iam") return std::nullopt;
  for (rows::Kind kind : {rows::Kind::kUser, rows::Kind::kGroup, rows::Kind::kRole}) {
    const std::string prefix = std::string(rows::kind_name(kind)) + "/";
    if (!parts->resource.starts_with(prefix)) continue;
    const std::string_view path_and_name = parts->resource.substr(prefix.size() - 1);
    const size_t name = path_and_name.rfind('/') + 1;
    if (name == path_and_name.size()) return std::nullopt;
    return EntityArn{kind, std::string(parts->account), std::string(path_and_name.substr(0, name)),
                     std::string(path_and_name.substr(name))};
  }
  return std::nullopt;
}

std::optional<EntityArn> parse_session_arn(std::string_view arn) {
  constexpr std::string_view kPrefix = "assumed-role/";
  const auto parts = split(arn);
  if (!parts || parts->service != "sts" || !parts->resource.starts_with(kPrefix)) return std::nullopt;
  const std::string_view rest = parts->resource.substr(kPrefix.size());
  const size_t slash = rest.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == rest.size()) return std::nullopt;
  return EntityArn{rows::Kind::kRole, std::string(parts->account), {}, std::string(rest.substr(0, slash))};
}

Result<std::optional<rows::Entity>> entity_of_arn(catalog::Transaction& t, std::string_view arn) {
  const auto parsed = parse_entity_arn(arn);
  if (!parsed) return std::optional<rows::Entity>();
  COFFER_TRY(auto entity, rows::find(t, parsed->kind, parsed->account, parsed->name));
  if (entity && entity->arn() != arn) entity.reset();  // another path, or another case of the name
  return entity;
}

Result<std::optional<rows::Entity>> role_of_arn(catalog::Transaction& t, std::string_view arn) {
  COFFER_TRY(auto entity, entity_of_arn(t, arn));
  if (entity && entity->kind != rows::Kind::kRole) entity.reset();
  return entity;
}

}  // namespace coffer::iam
