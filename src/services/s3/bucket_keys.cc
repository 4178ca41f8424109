#include "services/s3/bucket_keys.h"

#include "base/bytes.h"

namespace coffer::s3 {

std::string BucketKeys::name_of(const api::Call& call, const std::vector<std::string>& parts,
                                const std::map<std::string, std::string>& context) {
  Bytes name;
  ByteWriter writer(name);
  for (const std::string* part :
       {&call.region, &call.caller.account, &call.caller.arn, &call.caller.user_id, &call.caller.access_key_id})
    writer.string16(*part);
  for (const std::string& part : parts) writer.string16(part);
  for (const auto& [key, value] : context) {
    writer.string16(key);
    writer.string16(value);
  }
  return to_text(name);
}

std::shared_ptr<const BucketKey> BucketKeys::find(const std::string& name) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return nullptr;
  if (clock_.mono() - found->second.since < kKeptFor) return found->second.key;
  entries_.erase(found);
  return nullptr;
}

void BucketKeys::put(const std::string& name, std::shared_ptr<const BucketKey> key) {
  std::lock_guard lock(mutex_);
  const MonoTime now = clock_.mono();
  if (entries_.size() >= kCountMax) {
    std::erase_if(entries_, [&](const auto& entry) { return now - entry.second.since >= kKeptFor; });
    if (entries_.size() >= kCountMax) entries_.erase(entries_.begin());
  }
  entries_[name] = Entry{std::move(key), now};
}

}  // namespace coffer::s3
