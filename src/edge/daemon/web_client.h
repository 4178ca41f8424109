// The web as EventBridge's API destinations reach it.
#pragma once
#include <memory>
#include <string>

#include "edge/wire/http_client.h"
#include "services/events/service.h"

namespace coffer::daemon {

/// Over `client`, which guards the addresses: wire::guarded_client().
std::unique_ptr<events::Web> make_web(std::unique_ptr<wire::HttpClient> client);

}  // namespace coffer::daemon
