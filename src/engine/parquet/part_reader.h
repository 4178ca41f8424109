// A Parquet file of an export, read again: its digests, and its rows as COPY takes them.
#pragma once
#include <functional>

#include "base/context.h"
#include "base/filesystem.h"
#include "engine/parquet/table_plan.h"

namespace coffer::parquet {

/// Counts and digests of all rows; each page's checksum is checked on the way. kCorruption when the file is not whole,
/// or has other columns than the plan.
Result<TableDigest> digest_part(const Context& context, const TablePlan& plan, File& file);

/// Rows in COPY's binary format, without header and trailer, some thousand at a time. `column_order` gives for each
/// value of a row the index of its column in the plan. Columns stored as text or bytes give their bytes.
Status read_part(const Context& context, const TablePlan& plan, File& file, const std::vector<size_t>& column_order,
                 const std::function<Status(ByteView)>& rows);

}  // namespace coffer::parquet
