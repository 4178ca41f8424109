// Recovery points as a table and as a document.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "edge/cli/invocation.h"
#include "engine/vault/points.h"

namespace coffer::cli {

struct PointList {
  std::vector<vault::PointSummary> points;             // oldest first
  std::vector<std::pair<std::string, Error>> damaged;  // whose manifest does not open
};
Result<PointList> read_points(Invocation& invocation);

/// The age of the last proof is the first figure, then the table.
std::string points_text(const PointList& list, WallTime now);
nlohmann::ordered_json points_document(const PointList& list, const std::string& vault_uuid);
nlohmann::ordered_json point_document(const vault::PointSummary& point);

/// The newest point that its last check did not find damaged; kNotFound.
Result<std::string> newest_good_point(const PointList& list);

}  // namespace coffer::cli
