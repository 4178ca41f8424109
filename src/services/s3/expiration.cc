// What lifecycle says of an object's end, in the answers that show the object.
#include "engine/sigv4/percent.h"
#include "engine/sigv4/time.h"
#include "services/s3/lifecycle_rules.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {
std::string expiration_of(const BucketView& bucket, const rows::Version& version) {
  if (version.marker || !version.latest) return {};
  if (!bucket.lifecycle || !bucket.lifecycle->ok()) return {};  // it was checked when it was stored
  const auto expiry = expiry_of(**bucket.lifecycle, version.key, version.tags, version.size_bytes, version.modified);
  if (!expiry) return {};
  return "expiry-date=\"" + sigv4::format_http_date(expiry->at) + "\", rule-id=\"" +
         sigv4::percent_encode(expiry->rule_id) + "\"";
}

}  // namespace coffer::s3
