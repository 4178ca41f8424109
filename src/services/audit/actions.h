#pragma once
#include "services/api/action.h"

namespace coffer::audit {

/// CloudTrail's LookupEvents over this log.
api::ServiceTable actions();

}  // namespace coffer::audit
