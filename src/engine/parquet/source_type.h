// What the source's catalogs say about tables, columns and their types, as far as exporting them needs it.
//
// Vocabulary. source type: a type of PostgreSQL with domains looked through. native: stored in the Parquet type that is
// nearest to it; text: stored as PostgreSQL prints it. part: a table that holds rows, the table itself or one leaf of a
// partitioned one. digest: a sum over all rows that does not depend on their order (value_digest.h).
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace coffer::parquet {

inline constexpr int kTypeDepthMax = 16;  // arrays of composites of ranges of ...

struct SourceType {
  enum class Kind { kBase, kEnum, kArray, kComposite, kRange, kMultirange };
  Kind kind = Kind::kBase;
  uint32_t oid = 0;                     // behind all domains
  uint32_t wire_oid = 0;                // as arrays and records of it say on the wire: the domain's own
  std::string name;                     // pg_type.typname behind all domains: "int4"
  int32_t modifier = -1;                // atttypmod, or the domain's
  std::string send, output;             // qualified and quoted functions: binary (empty: none) and text form
  std::vector<SourceType> parts;        // element; bound; range of a multirange; attributes of a composite
  std::vector<std::string> part_names;  // of the attributes of a composite
  std::vector<std::string> labels;      // of an enum, in its order
  friend bool operator==(const SourceType&, const SourceType&) = default;
};

struct SourceColumn {
  std::string name;
  SourceType type;
  std::string type_text;  // format_type(): "numeric(10,2)"
  std::string data_type;  // as information_schema.columns says: "character varying", "ARRAY", "USER-DEFINED"
  int64_t char_length_max = 0, numeric_precision = 0, datetime_precision = 0;  // of information_schema; 0: none
  bool not_null = false;
  bool generated = false;
  friend bool operator==(const SourceColumn&, const SourceColumn&) = default;
};

nlohmann::ordered_json type_to_json(const SourceType& type);
/// kCorruption for what type_to_json() does not write.
Result<SourceType> type_from_json(const nlohmann::ordered_json& json, int depth = 0);

}  // namespace coffer::parquet
