// Where an S3 request says its bucket: first in the path, or in the Host.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "edge/wire/http.h"

namespace coffer::wire {

/// Whether a Host belongs to S3: one of `domains`, a name below one, "localhost" and names below it, or what AWS calls
/// its own ("b.s3.us-east-1.amazonaws.com"). `bucket` is empty for path style; it may have dots.
struct S3Host {
  std::string bucket;
};
std::optional<S3Host> s3_host(std::string_view host, std::span<const std::string> domains);

/// A target that names its bucket in the Host, in path style: "/key?acl" of bucket b becomes "/b/key?acl".
std::string path_style_target(std::string_view target, std::string_view bucket);

/// Of a target in path style, decoded as far as it can be; empty when it names none.
struct S3Path {
  std::string bucket, key;
};
S3Path s3_path(std::string_view path);

}  // namespace coffer::wire
