// Types as catalogs describe them, without a catalog, and values on their way through COPY.
#pragma once
#include <vector>

#include "engine/parquet/copy_stream.h"
#include "engine/parquet/table_plan.h"
#include "engine/parquet/types.h"

namespace coffer::testing_support {

using parquet::CopyFormatter;
using parquet::SourceType;
using parquet::TablePlan;
namespace oids = parquet::oids;

inline SourceType base(uint32_t oid, const char* name, int32_t modifier = -1) {
  SourceType type;
  type.oid = type.wire_oid = oid;
  type.name = name;
  type.modifier = modifier;
  type.send = type.output = "f";
  return type;
}
inline SourceType of_kind(SourceType::Kind kind, std::vector<SourceType> parts, std::vector<std::string> names = {}) {
  SourceType type = base(70000, "t");
  type.kind = kind;
  type.parts = std::move(parts);
  type.part_names = std::move(names);
  return type;
}
inline SourceType array_of(SourceType element) { return of_kind(SourceType::Kind::kArray, {std::move(element)}); }
inline SourceType range_of(SourceType bound) { return of_kind(SourceType::Kind::kRange, {std::move(bound)}); }

inline std::vector<SourceType> all_types() {
  SourceType mood = base(70001, "mood");
  mood.kind = SourceType::Kind::kEnum;
  mood.labels = {"sad", "happy"};
  const SourceType pair =
      of_kind(SourceType::Kind::kComposite, {base(oids::kInt4, "int4"), base(oids::kText, "text")}, {"n", "t"});
  return {base(oids::kBool, "bool"),
          base(oids::kInt2, "int2"),
          base(oids::kInt8, "int8"),
          base(oids::kFloat4, "float4"),
          base(oids::kText, "text"),
          base(oids::kBytea, "bytea"),
          base(oids::kNumeric, "numeric", ((10 << 16) | 2) + 4),
          base(oids::kNumeric, "numeric", ((38 << 16) | 37) + 4),
          base(oids::kDate, "date"),
          base(oids::kTime, "time"),
          base(oids::kTimestamptz, "timestamptz"),
          base(oids::kInterval, "interval"),
          base(oids::kUuid, "uuid"),
          base(oids::kJsonb, "jsonb"),
          mood,
          array_of(base(oids::kInt4, "int4")),
          array_of(array_of(base(oids::kText, "text"))),
          pair,
          array_of(pair),
          range_of(base(oids::kInt4, "int4")),
          of_kind(SourceType::Kind::kMultirange, {range_of(base(oids::kTimestamptz, "timestamptz"))})};
}

inline TablePlan plan_of(const SourceType& type) {
  TablePlan plan;
  plan.columns.push_back({.source = {.name = "v", .type = type, .type_text = type.name, .data_type = {}}});
  return plan;
}

inline Bytes copy_of(ByteView value) {
  Bytes out;
  CopyFormatter::header(out);
  CopyFormatter::begin_row(out, 1);
  const size_t mark = CopyFormatter::begin_value(out);
  append(out, value);
  CopyFormatter::end_value(out, mark);
  CopyFormatter::trailer(out);
  return out;
}

}  // namespace coffer::testing_support
