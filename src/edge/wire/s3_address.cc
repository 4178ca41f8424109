#include "edge/wire/s3_address.h"

#include <algorithm>
#include <vector>

#include "edge/wire/sigv4_canonical.h"

namespace coffer::wire {
namespace {

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host;  // an address: no bucket is below it
  return host.substr(0, host.rfind(':'));
}

/// "bucket" of "bucket.domain"; nothing when the host is not at or below the domain.
std::optional<std::string> below(std::string_view host, std::string_view domain) {
  if (domain.empty() || !host.ends_with(domain)) return std::nullopt;
  if (host.size() == domain.size()) return std::string();
  const size_t dot = host.size() - domain.size() - 1;
  if (host[dot] != '.' || dot == 0) return std::nullopt;
  return std::string(host.substr(0, dot));
}

bool is_service_label(std::string_view label) { return label == "s3" || label.starts_with("s3-"); }

/// "b.s3.amazonaws.com", "b.s3.us-east-1.amazonaws.com", "b.s3-us-east-1...", "b.s3.dualstack.us-east-1...".
std::optional<std::string> below_aws(std::string_view host) {
  std::optional<std::string> rest = below(host, "amazonaws.com");
  if (!rest) rest = below(host, "amazonaws.com.cn");
  if (!rest || rest->empty()) return std::nullopt;
  std::vector<std::string_view> labels;
  for (std::string_view text = *rest;;) {
    const size_t dot = text.find('.');
    labels.push_back(text.substr(0, dot));
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  size_t at = labels.size();  // one behind the label of the service
  if (!is_service_label(labels[at - 1])) {
    if (--at > 0 && labels[at - 1] == "dualstack") --at;
    if (at == 0 || !is_service_label(labels[at - 1])) return std::nullopt;
  }
  std::string bucket;
  for (size_t i = 0; i + 1 < at; ++i) bucket.append(bucket.empty() ? "" : ".").append(labels[i]);
  return bucket;
}

}  // namespace

std::optional<S3Host> s3_host(std::string_view host, std::span<const std::string> domains) {
  const std::string name = lower_case(without_port(trimmed(host)));
  // The longest: one domain may lie below another.
  const std::string* best = nullptr;
  for (const std::string& domain : domains) {
    if (below(name, domain) && (!best || domain.size() > best->size())) best = &domain;
  }
  std::optional<std::string> bucket = best ? below(name, *best) : below(name, "localhost");
  if (!bucket) bucket = below_aws(name);
  if (!bucket) return std::nullopt;
  return S3Host{std::move(*bucket)};
}

std::string path_style_target(std::string_view target, std::string_view bucket) {
  std::string made = "/" + percent_encode(bucket);
  if (!target.starts_with('/')) made += '/';
  return made.append(target);
}

S3Path s3_path(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const size_t slash = path.find('/');
  const auto decoded = [](std::string_view text) { return percent_decode(text).value_or(std::string(text)); };
  S3Path found{decoded(path.substr(0, slash)), {}};
  if (slash != std::string_view::npos) found.key = decoded(path.substr(slash + 1));
  return found;
}

}  // namespace coffer::wire
