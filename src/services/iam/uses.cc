#include "services/iam/uses.h"

#include "services/iam/rows.h"

namespace coffer::iam {
namespace {

constexpr std::chrono::seconds kWriteEvery{10};
constexpr size_t kNotesMax = 10'000;

}  // namespace

void UseNotes::note(std::string_view id, AccessKeyUse use) {
  std::lock_guard lock(mutex_);
  if (notes_.size() >= kNotesMax && !notes_.contains(id)) return;
  notes_.insert_or_assign(std::string(id), std::move(use));
}

std::optional<AccessKeyUse> UseNotes::find(std::string_view id) const {
  std::lock_guard lock(mutex_);
  const auto found = notes_.find(id);
  return found == notes_.end() ? std::nullopt : std::optional(found->second);
}

void UseNotes::write_if_due() {
  {
    std::lock_guard lock(mutex_);
    const MonoTime now = clock_.mono();
    if (now - written_ < kWriteEvery) return;
    written_ = now;
  }
  write();
}

void UseNotes::write() {
  std::map<std::string, AccessKeyUse, std::less<>> notes;
  {
    std::lock_guard lock(mutex_);
    notes = notes_;  // they stay to be found until they are written
  }
  if (notes.empty()) return;
  const Status written = catalog::in_transaction(database_, Context(), [&](catalog::Transaction& t) -> Status {
    for (const auto& [id, use] : notes) {
      COFFER_CHECK_OK(id.starts_with("AKIA") ? rows::note_access_key_use(t, id, use.service, use.region, use.at)
                                             : rows::note_role_use(t, id, use.region, use.at));
    }
    return ok_status();
  });
  if (!written.ok()) return;  // tried again with the next; the calls themselves are in the audit log
  std::lock_guard lock(mutex_);
  for (const auto& [id, use] : notes) {
    const auto found = notes_.find(id);
    if (found != notes_.end() && found->second.at == use.at) notes_.erase(found);
  }
}

}  // namespace coffer::iam
