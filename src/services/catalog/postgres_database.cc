#include "services/catalog/backends.h"
namespace coffer::catalog {
Result<std::unique_ptr<Database>> open_postgres(const std::string&) {
  return Error{ErrorCode::kUnavailable, "a catalog on PostgreSQL is not there yet", {}};
}
}  // namespace coffer::catalog
