#include "services/s3/actions.h"

namespace coffer::s3 {

api::ServiceTable table_of(const Setting& setting) {
  api::ServiceTable table;
  table.signing_name = "s3";
  for (const auto entries : {bucket_entries(), object_entries(), replica_entries()}) {
    for (const Entry& entry : entries) {
      api::Action action = api::action_of(entry, setting);
      // Whether a caller without credentials may do it, bucket policies say.
      action.anonymous = true;
      table.actions.push_back(std::move(action));
    }
  }
  return table;
}

}  // namespace coffer::s3
