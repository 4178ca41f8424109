// The service models as tables: made at build time from the botocore package by scripts/make_models.py into
// build/.../models.cc, without documentation. All strings and arrays are static.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace coffer::wire {

enum class ShapeType : uint8_t {
  kStructure,
  kList,
  kMap,
  kString,
  kBlob,
  kBoolean,
  kInteger,
  kLong,
  kFloat,
  kDouble,
  kTimestamp
};
enum class Location : uint8_t { kBody, kHeader, kHeaderMap, kUri, kQuery, kStatus };
enum class TimestampFormat : uint8_t { kDefault, kEpoch, kIso8601, kRfc822 };
enum class ProtocolKind : uint8_t { kJson, kQuery, kRestJson, kRestXml };

struct Shape;

struct Member {
  std::string_view name;
  const Shape* shape = nullptr;
  std::string_view wire_name;  // locationName, else empty
  Location location = Location::kBody;
  TimestampFormat timestamp = TimestampFormat::kDefault;
  bool required = false, flattened = false, xml_attribute = false, streaming = false, idempotency_token = false,
       json_value = false;
  std::string_view xml_namespace, xml_prefix;
};

struct Shape {
  std::string_view name;
  ShapeType type = ShapeType::kString;
  std::span<const Member> members;           // structures: by declaration; lists: one; maps: key, value
  std::string_view payload;                  // structures: the member that is the whole body
  std::span<const std::string_view> values;  // enum
  std::string_view pattern;
  int32_t pattern_index = -1;  // equal patterns have the same, below pattern_count()
  double min = 0, max = 0;
  bool has_min = false, has_max = false;
  bool flattened = false, sensitive = false, is_union = false, is_exception = false, is_fault = false,
       is_document = false, streaming = false;
  TimestampFormat timestamp = TimestampFormat::kDefault;
  std::string_view error_code;  // exceptions: the code on the wire
  uint16_t http_status = 0;     // exceptions
  std::string_view wire_name;   // locationName of a rest-xml root
  std::string_view xml_namespace, xml_prefix;
};

struct OperationModel {
  std::string_view name, method, uri;  // uri with {Name} and {Name+}
  uint16_t success_status = 200;
  const Shape* input = nullptr;  // null: none
  const Shape* output = nullptr;
  std::string_view result_wrapper, input_root, input_namespace;
  std::span<const Shape* const> errors;
  bool checksum_required = false, deprecated = false;
};

struct ServiceModel {
  std::string_view id;  // botocore's folder: "kms"
  std::string_view signing_name, endpoint_prefix, api_version, target_prefix, json_version, xml_namespace, full_name;
  ProtocolKind protocol = ProtocolKind::kJson;
  bool global = false;
  std::span<const OperationModel> operations;  // sorted by name
};

/// All services that the build was given, sorted by id.
std::span<const ServiceModel> service_models();
/// Of different patterns over all services.
size_t pattern_count();
/// By id; null when there is none.
const ServiceModel* find_service(std::string_view id);
const OperationModel* find_operation(const ServiceModel& service, std::string_view name);

}  // namespace coffer::wire
