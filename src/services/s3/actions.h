// The table of S3's operations as the gate takes it.
#pragma once
#include "services/s3/operations.h"

namespace coffer::s3 {

/// `setting` is borrowed and outlives the table.
api::ServiceTable table_of(const Setting& setting);

}  // namespace coffer::s3
