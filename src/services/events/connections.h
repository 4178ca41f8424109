// Connections: how an API destination is told who calls. For the files of this folder.
#pragma once
#include "services/events/operations.h"

namespace coffer::events {

inline constexpr std::string_view kConnection = "connection", kDestination = "api-destination";

/// The AuthParameters of a connection as they were given, secrets included.
Result<api::Value> open_parameters(const Setting&, const rows::Endpoint& connection);

}  // namespace coffer::events
