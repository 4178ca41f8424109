// Where a vault on S3 is: "s3://bucket/prefix", completed from the environment and the shared configuration file.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/filesystem.h"
#include "base/result.h"

namespace coffer::store {

using EnvironmentVariables = std::map<std::string, std::string>;

/// Sections of an AWS configuration file: name, then key and value. Unknown lines and nested values are passed over.
using ConfigSections = std::map<std::string, std::map<std::string, std::string>>;
ConfigSections parse_aws_config(std::string_view text);
/// What the active profile (AWS_PROFILE, else "default") says in the shared credentials and configuration files, the
/// former first. Missing files say nothing; kPermissionDenied and the like are passed up.
Result<std::map<std::string, std::string>> aws_profile(FileSystem& files, const EnvironmentVariables& environment);

struct S3Location {
  std::string bucket;
  std::string prefix;    // without slashes around it; may be empty
  std::string endpoint;  // "https://host:port", empty for AWS: then it follows from the region
  std::string region;
  bool path_style = false;
  std::string ca_bundle_file;

  /// "https://bucket.s3.eu-west-1.amazonaws.com" or the endpoint, without slash at the end.
  [[nodiscard]] std::string origin(std::string_view in_region) const;
  /// The Host header that goes with it.
  [[nodiscard]] std::string host(std::string_view in_region) const;
  /// "/bucket" with path style, else empty.
  [[nodiscard]] std::string base_path() const;
  [[nodiscard]] std::string object_name(std::string_view key) const;
  /// "s3://bucket/prefix"
  [[nodiscard]] std::string describe() const;
};

/// True for what parse_s3_url is meant for: "s3://...".
bool is_s3_url(std::string_view text);

/// `s3://bucket[/prefix][?endpoint=URL&region=NAME&path-style=true|false]`. What the URL does not say comes from
/// AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, AWS_CA_BUNDLE, then from `profile`
/// (endpoint_url, region, ca_bundle). The region is us-east-1 when nothing names it. An endpoint of one's own means
/// path style unless path-style=false. kInvalidArgument says what is wrong.
Result<S3Location> parse_s3_url(std::string_view text, const EnvironmentVariables& environment,
                                const std::map<std::string, std::string>& profile);

}  // namespace coffer::store
