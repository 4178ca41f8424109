// The table of operations on buckets, their settings, listings, tags and locks.
#include <algorithm>

#include "services/s3/bucket_operations.h"

namespace coffer::s3 {
namespace {

using Requests = std::vector<api::AccessRequest>;

/// The name of an action as a template's argument.
template <size_t kSize>
struct Name {
  constexpr Name(const char (&name)[kSize]) { std::copy_n(name, kSize, text); }  // NOLINT: implicit on purpose
  char text[kSize] = {};
};

/// `kAction` on the bucket of the input.
template <Name kAction>
Result<Requests> bucket(const Request& r) {
  COFFER_TRY(const auto view, bucket_of(r));
  return Requests{access_to(r, *view, kAction.text)};
}

}  // namespace

std::span<const Entry> bucket_entries() {
  static const Entry kEntries[] = {
      {"CreateBucket", true, access_create_bucket, create_bucket},
      {"HeadBucket", false, bucket<"s3:ListBucket">, head_bucket},
      {"DeleteBucket", true, bucket<"s3:DeleteBucket">, delete_bucket},
      {"GetBucketLocation", false, bucket<"s3:GetBucketLocation">, get_bucket_location},
      {"ListBuckets", false, access_list_buckets, list_buckets},
  };
  return kEntries;
}

}  // namespace coffer::s3
