#include "edge/wire/model.h"

#include <algorithm>

namespace coffer::wire {

const ServiceModel* find_service(std::string_view id) {
  const auto services = service_models();
  const auto found =
      std::lower_bound(services.begin(), services.end(), id,
                       [](const ServiceModel& service, std::string_view wanted) { return service.id < wanted; });
  return found != services.end() && found->id == id ? &*found : nullptr;
}

const OperationModel* find_operation(const ServiceModel& service, std::string_view name) {
  const auto found = std::lower_bound(
      service.operations.begin(), service.operations.end(), name,
      [](const OperationModel& operation, std::string_view wanted) { return operation.name < wanted; });
  return found != service.operations.end() && found->name == name ? &*found : nullptr;
}

}  // namespace coffer::wire
