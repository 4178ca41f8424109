// Which operation a request asks for.
#include <algorithm>
#include <map>
#include <tuple>

#include "edge/wire/codec.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

/// botocore sends CloudTrail's prefix whole ("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"), the SDKs of
/// other languages its last part.
bool is_target_of(const ServiceModel& service, std::string_view prefix) {
  const std::string_view whole = service.target_prefix;
  if (whole.empty() || prefix.empty()) return false;
  return prefix == whole || (whole.ends_with(prefix) && whole[whole.size() - prefix.size() - 1] == '.');
}

constexpr std::string_view kTarget = "x-amz-target";

Result<Route> route_by_target(const ServiceModel& service, const Request& request) {
  const std::string_view target = request.headers.get(kTarget);
  const size_t dot = target.rfind('.');
  const auto unknown = [](std::string message) {
    return api::fault(ErrorCode::kInvalidArgument, "UnknownOperationException", std::move(message));
  };
  if (request.method != "POST") return unknown("An operation of this service is asked for with POST.");
  if (target.empty()) return unknown("The request has no X-Amz-Target.");
  if (dot == std::string_view::npos || !is_target_of(service, target.substr(0, dot)))
    return unknown("The X-Amz-Target of the request is none of this service.");
  const OperationModel* operation = find_operation(service, target.substr(dot + 1));
  if (!operation) return unknown("The service has no operation of the name in X-Amz-Target.");
  return Route{&service, operation, {}};
}

Result<Route> route_by_action(const ServiceModel& service, const Request& request) {
  COFFER_TRY(const Parameters parameters, parameters_of(request));
  const auto action = parameters.find("Action");
  if (action == parameters.end())
    return api::fault(ErrorCode::kInvalidArgument, "MissingAction", "The request must contain the parameter Action.");
  const auto version = parameters.find("Version");
  const OperationModel* operation = find_operation(service, action->second);
  if (!operation || (version != parameters.end() && version->second != service.api_version)) {
    return api::fault(ErrorCode::kInvalidArgument, "InvalidAction",
                      "Could not find operation " + action->second.substr(0, 256) + " for version " +
                          (version == parameters.end() ? "NO_VERSION_SPECIFIED" : version->second.substr(0, 64)));
  }
  return Route{&service, operation, {}};
}

// ---- by method and path

/// An operation's uri, taken apart: "/{Bucket}/{Key+}?uploads".
struct Template {
  struct Segment {
    std::string_view text;  // literal, or the model name of the member that is the label
    bool label = false, greedy = false;
  };
  const OperationModel* operation = nullptr;
  std::vector<Segment> segments;
  std::vector<std::pair<std::string_view, std::string_view>> query;  // what must be there; empty value: any
  int literals = 0;
};

std::string_view member_by_wire_name(const OperationModel& operation, std::string_view wire_name) {
  if (operation.input) {
    for (const Member& member : operation.input->members) {
      if (member.location == Location::kUri && wire_name_of(member) == wire_name) return member.name;
    }
  }
  return wire_name;
}

/// The next part of `text` up to `separator`, which both are taken off.
std::string_view take_part(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

Template template_of(const OperationModel& operation) {
  Template made;
  made.operation = &operation;
  std::string_view query = operation.uri, path = take_part(query, '?');
  while (!path.empty()) {
    std::string_view part = take_part(path, '/');
    if (part.empty()) continue;
    Template::Segment segment{part, part.front() == '{', false};
    if (segment.label) {
      segment.greedy = part.ends_with("+}");
      segment.text = member_by_wire_name(operation, part.substr(1, part.size() - (segment.greedy ? 3 : 2)));
    } else {
      ++made.literals;
    }
    made.segments.push_back(segment);
  }
  while (!query.empty()) {
    std::string_view value = take_part(query, '&'), name = take_part(value, '=');
    made.query.emplace_back(name, value);
  }
  return made;
}

const std::vector<Template>& templates_of(const ServiceModel& service) {
  static const auto all = [] {
    std::map<const ServiceModel*, std::vector<Template>> templates;
    for (const ServiceModel& one : service_models()) {
      if (one.protocol != ProtocolKind::kRestJson && one.protocol != ProtocolKind::kRestXml) continue;
      for (const OperationModel& operation : one.operations) templates[&one].push_back(template_of(operation));
    }
    return templates;
  }();
  static const std::vector<Template> none;
  const auto found = all.find(&service);
  return found == all.end() ? none : found->second;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;
using RawLabels = std::vector<std::pair<std::string_view, std::string_view>>;

/// Do the path's parts fit? Their labels, still encoded, are given in `labels`.
bool fits_path(const Template& candidate, const std::vector<std::string_view>& parts, std::string_view path,
               RawLabels& labels) {
  for (size_t i = 0; i < candidate.segments.size(); ++i) {
    const Template::Segment& segment = candidate.segments[i];
    if (i >= parts.size()) return false;
    if (segment.greedy) {
      labels.emplace_back(segment.text, path.substr(static_cast<size_t>(parts[i].data() - path.data())));
      return true;
    }
    if (segment.label ? parts[i].empty() : parts[i] != segment.text) return false;
    if (segment.label) labels.emplace_back(segment.text, parts[i]);
  }
  return parts.size() == candidate.segments.size();
}

bool fits_query(const Template& candidate, const Pairs& query) {
  return std::all_of(candidate.query.begin(), candidate.query.end(), [&](const auto& wanted) {
    return std::any_of(query.begin(), query.end(), [&](const auto& given) {
      return given.first == wanted.first && (wanted.second.empty() || given.second == wanted.second);
    });
  });
}

/// What makes one operation a better reading of a request than another with the same path. Larger is better.
using Rank = std::tuple<int, size_t, int, int, bool>;

Rank rank_of(const Template& candidate, const Request& request, const Pairs& query) {
  int present = 0,
      missing = 0;  // of the required members in query and headers: UploadPart is PutObject with an uploadId
  if (const Shape* input = candidate.operation->input) {
    for (const Member& member : input->members) {
      if (!member.required || (member.location != Location::kQuery && member.location != Location::kHeader)) continue;
      const std::string_view name = wire_name_of(member);
      const bool here = member.location == Location::kHeader
                            ? request.headers.has(name)
                            : std::any_of(query.begin(), query.end(), [&](const auto& q) { return q.first == name; });
      ++(here ? present : missing);
    }
  }
  return {candidate.literals, candidate.query.size(), present, -missing, !candidate.operation->deprecated};
}

std::vector<std::string_view> parts_of(std::string_view path, bool keep_empty) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    // A slash at the end means nothing, in S3 only after the bucket: later it belongs to the key.
    if (!part.empty() || (keep_empty && !parts.empty() && !(parts.size() == 1 && path.empty()))) parts.push_back(part);
  }
  return parts;
}

Result<Route> route_by_path(const ServiceModel& service, const Request& request) {
  const bool xml = service.protocol == ProtocolKind::kRestXml;
  const auto unknown = [&] {
    return xml ? api::fault(ErrorCode::kInvalidArgument, "MethodNotAllowed",
                            "The specified method is not allowed against this resource.")
               : api::fault(ErrorCode::kInvalidArgument, "UnknownOperationException",
                            "The service has no operation with this method and path.");
  };
  const std::string_view path = request.path();
  const auto query = parse_query(request.query(), true);
  if (!query || !path.starts_with('/')) return unknown();
  const std::vector<std::string_view> parts = parts_of(path, xml);
  const Template* best = nullptr;
  Rank best_rank;
  RawLabels best_labels;
  for (const Template& candidate : templates_of(service)) {
    if (candidate.operation->method != request.method) continue;
    RawLabels labels;
    if (!fits_path(candidate, parts, path, labels) || !fits_query(candidate, *query)) continue;
    const Rank rank = rank_of(candidate, request, *query);
    if (best && rank <= best_rank) continue;
    best = &candidate;
    best_rank = rank;
    best_labels = std::move(labels);
  }
  if (!best) return unknown();
  Route route{&service, best->operation, {}};
  for (const auto& [name, raw] : best_labels) {
    std::optional<std::string> decoded = percent_decode(raw);
    if (!decoded || !is_utf8(*decoded)) {
      return xml ? api::fault(ErrorCode::kInvalidArgument, "InvalidURI", "Couldn't parse the specified URI.")
                 : api::fault(ErrorCode::kInvalidArgument, "SerializationException",
                              "The path of the request has an escape that is none.");
    }
    route.labels.emplace_back(std::string(name), std::move(*decoded));
  }
  return route;
}

/// "kms.us-east-1.amazonaws.com" and "sts.amazonaws.com".
const ServiceModel* service_of_host(std::string_view host) {
  host = host.substr(0, host.find(':'));
  if (host.find(".amazonaws.com") == std::string_view::npos) return nullptr;
  const std::string_view first = host.substr(0, host.find('.'));
  for (const ServiceModel& service : service_models()) {
    if (service.endpoint_prefix == first) return &service;
  }
  return nullptr;
}

}  // namespace

Result<Route> find_route(const ServiceModel& service, const Request& request) {
  switch (service.protocol) {
    case ProtocolKind::kJson: return route_by_target(service, request);
    case ProtocolKind::kQuery: return route_by_action(service, request);
    default: return route_by_path(service, request);
  }
}

const ServiceModel* guess_service(const Request& request) {
  const std::string_view target = request.headers.get(kTarget);
  if (const size_t dot = target.rfind('.'); dot != std::string_view::npos) {
    for (const ServiceModel& service : service_models()) {
      if (is_target_of(service, target.substr(0, dot))) return &service;
    }
    return nullptr;
  }
  if (const ServiceModel* service = service_of_host(request.headers.get("host"))) return service;
  if (request.method == "POST" || request.method == "GET") {
    if (Result<Parameters> parameters = parameters_of(request); parameters.ok() && parameters->contains("Action")) {
      const auto version = parameters->find("Version");
      for (const ServiceModel& service : service_models()) {
        if (version != parameters->end() && service.protocol == ProtocolKind::kQuery &&
            service.api_version == version->second)
          return &service;
      }
    }
  }
  for (const ServiceModel& service : service_models()) {
    if (service.protocol == ProtocolKind::kRestJson && find_route(service, request).ok()) return &service;
  }
  return nullptr;
}

}  // namespace coffer::wire
