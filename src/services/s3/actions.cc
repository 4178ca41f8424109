#include "services/s3/actions.h"

namespace coffer::s3 {
namespace {

api::Action action_of(const Entry& entry, const Setting& setting) {
  api::Action action;
  action.operation = entry.operation;
  action.changes = entry.changes;
  // Whether a caller without credentials may do it, bucket policies say.
  action.anonymous = true;
  action.access = [&setting, access = entry.access](const api::Operation& o) { return access(Request{setting, o}); };
  action.run = [&setting, run = entry.run](const api::Operation& o) { return run(Request{setting, o}); };
  if (entry.prepare)
    action.prepare = [&setting, prepare = entry.prepare](const api::Operation& o) {
      return prepare(Request{setting, o});
    };
  return action;
}

}  // namespace

api::ServiceTable table_of(const Setting& setting) {
  api::ServiceTable table;
  table.signing_name = "s3";
  for (const auto entries : {bucket_entries(), object_entries(), replica_entries()}) {
    for (const Entry& entry : entries) table.actions.push_back(action_of(entry, setting));
  }
  return table;
}

}  // namespace coffer::s3
