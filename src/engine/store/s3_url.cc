#include "engine/store/s3_url.h"

#include <algorithm>

#include "engine/sigv4/canonical.h"
#include "engine/sigv4/percent.h"
#include "engine/store/object_store.h"

namespace coffer::store {
namespace {

constexpr std::string_view kScheme = "s3://";
constexpr uint64_t kConfigSizeMax = 1 << 20;
constexpr size_t kPrefixSizeMax = 400;

Error bad_url(std::string_view text, std::string_view why) {
  return {ErrorCode::kInvalidArgument, "cannot use " + std::string(text.substr(0, 200)) + ": " + std::string(why),
          "write it like s3://bucket/prefix or s3://bucket/prefix?endpoint=https://host:9000&region=eu-west-1"};
}

std::string value_of(const std::map<std::string, std::string>& map, const std::string& name) {
  auto found = map.find(name);
  return found == map.end() ? std::string() : found->second;
}

std::string first_of(std::initializer_list<std::string> texts) {
  for (const std::string& text : texts)
    if (!text.empty()) return text;
  return {};
}

bool is_bucket_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  };
  return name.size() >= 3 && name.size() <= 63 && std::all_of(name.begin(), name.end(), allowed) &&
         name.find("..") == std::string_view::npos && name.front() != '.' && name.front() != '-';
}

bool is_region(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

/// scheme://host[:port], nothing behind it.
bool is_endpoint(std::string_view text) {
  if (text.starts_with("https://"))
    text.remove_prefix(8);
  else if (text.starts_with("http://"))
    text.remove_prefix(7);
  else
    return false;
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == ':' || c == '[' || c == ']' || c == '_';
  });
}

Result<ConfigSections> read_config(FileSystem& files, const std::string& path) {
  if (path.empty()) return ConfigSections();
  auto file = files.open_file(path);
  if (!file.ok() && file.code() == ErrorCode::kNotFound) return ConfigSections();
  if (!file.ok()) return std::move(file).error().in("reading the AWS configuration");
  Bytes text(kConfigSizeMax);
  size_t size = 0;
  while (size < text.size()) {
    COFFER_TRY(size_t got, (*file)->read_at(size, MutableByteView(text).subspan(size)));
    if (got == 0) break;
    size += got;
  }
  return parse_aws_config(as_text(ByteView(text).first(size)));
}

Status apply_options(std::string_view url, std::string_view query, S3Location& location,
                     std::optional<bool>& path_style) {
  auto pairs = sigv4::parse_query(query, false);
  if (!pairs) return bad_url(url, "an escape in it is none");
  for (auto& [name, value] : *pairs) {
    if (name == "endpoint") {
      location.endpoint = value;
    } else if (name == "region") {
      location.region = value;
    } else if (name == "path-style") {
      if (value != "true" && value != "false") return bad_url(url, "path-style is true or false");
      path_style = value == "true";
    } else {
      return bad_url(url, "there is no option '" + name + "'; there are endpoint, region and path-style");
    }
  }
  return ok_status();
}

}  // namespace

ConfigSections parse_aws_config(std::string_view text) {
  ConfigSections sections;
  std::map<std::string, std::string>* section = nullptr;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool is_nested = line.starts_with(' ') || line.starts_with('\t');
    line = sigv4::trimmed(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      std::string_view name = sigv4::trimmed(line.substr(1, line.find(']') - 1));
      if (name.starts_with("profile ")) name = sigv4::trimmed(name.substr(8));
      section = &sections[std::string(name)];
      continue;
    }
    const size_t equals = line.find('=');
    if (section == nullptr || is_nested || equals == std::string_view::npos) continue;
    (*section)[sigv4::lower_case(sigv4::trimmed(line.substr(0, equals)))] = sigv4::trimmed(line.substr(equals + 1));
  }
  return sections;
}

Result<std::map<std::string, std::string>> aws_profile(FileSystem& files, const EnvironmentVariables& environment) {
  const std::string home = value_of(environment, "HOME");
  const auto place = [&](const std::string& name, std::string_view file) {
    const std::string named = value_of(environment, name);
    return !named.empty() || home.empty() ? named : home + "/.aws/" + std::string(file);
  };
  const std::string named = value_of(environment, "AWS_PROFILE");
  const std::string profile = named.empty() ? "default" : named;
  COFFER_TRY(ConfigSections credentials, read_config(files, place("AWS_SHARED_CREDENTIALS_FILE", "credentials")));
  COFFER_TRY(ConfigSections config, read_config(files, place("AWS_CONFIG_FILE", "config")));
  if (!named.empty() && !credentials.contains(profile) && !config.contains(profile))
    return Error{ErrorCode::kNotFound, "there is no profile '" + profile + "' in the AWS configuration files",
                 "check AWS_PROFILE"};
  std::map<std::string, std::string> found = std::move(config[profile]);
  for (auto& [name, value] : credentials[profile]) found.insert_or_assign(name, std::move(value));
  return found;
}

std::string S3Location::host(std::string_view in_region) const {
  std::string host;
  if (endpoint.empty()) {
    host = "s3." + std::string(in_region) + ".amazonaws.com";
    if (in_region.starts_with("cn-")) host += ".cn";
  } else {
    host = endpoint.substr(endpoint.find("://") + 3);
    if (endpoint.starts_with("https://") && host.ends_with(":443")) host.resize(host.size() - 4);
    if (endpoint.starts_with("http://") && host.ends_with(":80")) host.resize(host.size() - 3);
  }
  return path_style ? host : bucket + "." + host;
}

std::string S3Location::origin(std::string_view in_region) const {
  return (endpoint.empty() ? "https://" : endpoint.substr(0, endpoint.find("://") + 3)) + host(in_region);
}

std::string S3Location::base_path() const { return path_style ? "/" + bucket : std::string(); }
std::string S3Location::object_name(std::string_view key) const {
  return prefix.empty() ? std::string(key) : prefix + "/" + std::string(key);
}
std::string S3Location::describe() const { return "s3://" + bucket + (prefix.empty() ? "" : "/" + prefix); }

bool is_s3_url(std::string_view text) { return text.starts_with(kScheme); }

Result<S3Location> parse_s3_url(std::string_view text, const EnvironmentVariables& environment,
                                const std::map<std::string, std::string>& profile) {
  if (!is_s3_url(text)) return bad_url(text, "it does not begin with s3://");
  S3Location location;
  std::string_view rest = text.substr(kScheme.size());
  std::string_view query;
  if (const size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  location.bucket = rest.substr(0, slash);
  std::string_view prefix = rest.substr(slash);
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  location.prefix = prefix;
  if (!is_bucket_name(location.bucket)) return bad_url(text, "'" + location.bucket + "' is no bucket name");
  if (prefix.size() > kPrefixSizeMax) return bad_url(text, "the prefix is longer than 400 bytes");
  if (!prefix.empty() && !check_key(prefix).ok())
    return bad_url(text, "the prefix has characters or components that a vault's place may not have");

  std::optional<bool> path_style;
  COFFER_CHECK_OK(apply_options(text, query, location, path_style));
  location.endpoint = first_of({location.endpoint, value_of(environment, "AWS_ENDPOINT_URL_S3"),
                                value_of(environment, "AWS_ENDPOINT_URL"), value_of(profile, "endpoint_url")});
  while (location.endpoint.ends_with('/')) location.endpoint.pop_back();
  if (!location.endpoint.empty() && !is_endpoint(location.endpoint))
    return bad_url(text, "the endpoint '" + location.endpoint + "' is not http://HOST[:PORT] or https://HOST[:PORT]");
  location.region = first_of({location.region, value_of(environment, "AWS_REGION"),
                              value_of(environment, "AWS_DEFAULT_REGION"), value_of(profile, "region"), "us-east-1"});
  if (!is_region(location.region)) return bad_url(text, "'" + location.region + "' is no region");
  location.ca_bundle_file = first_of({value_of(environment, "AWS_CA_BUNDLE"), value_of(profile, "ca_bundle")});
  // A bucket with a dot has no certificate as a host name.
  location.path_style =
      path_style.value_or(!location.endpoint.empty() || location.bucket.find('.') != std::string::npos);
  return location;
}

}  // namespace coffer::store
