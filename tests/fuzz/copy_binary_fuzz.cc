// What a server sends for a column, and how it is cut: taken and given back as it was, or refused; never a crash.
// The first byte chooses the type, the second how the stream is cut.
#include "engine/parquet/part_reader.h"
#include "engine/parquet/part_writer.h"
#include "fuzz/require.h"
#include "support/memory_file.h"
#include "support/source_types.h"

namespace {

using namespace coffer;
using namespace coffer::parquet;

const std::vector<SourceType>& types() {
  static const std::vector<SourceType> kAll = [] {
    std::vector<SourceType> native;
    for (SourceType& type : testing_support::all_types())
      if (is_native(type, Layout::kTyped)) native.push_back(std::move(type));
    return native;
  }();
  return kAll;
}

void through_a_file(const TablePlan& plan, ByteView value) {
  testing_support::MemoryFile file;
  auto writer = PartWriter::open({}, plan, file, {});
  require(writer.ok());
  const Bytes stream = testing_support::copy_of(value);
  if (!(*writer)->add(stream).ok() || !(*writer)->finish().ok()) return;
  Bytes rows;
  require(read_part({}, plan, file, {0}, [&](ByteView more) {
            append(rows, more);
            return ok_status();
          }).ok());
  // Header and trailer are not in it.
  require(equal(rows, ByteView(stream).subspan(19, stream.size() - 21)));
}

void cut_in_pieces(ByteView stream, size_t piece) {
  CopyParser parser(2);
  while (!stream.empty()) {
    const ByteView part = stream.first(std::min(piece, stream.size()));
    stream = stream.subspan(part.size());
    if (!parser
             .feed(part,
                   [](std::span<const CopyValue> values) {
                     require(values.size() == 2);
                     return ok_status();
                   })
             .ok())
      return;
  }
  (void)parser.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const ByteView rest(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
  through_a_file(testing_support::plan_of(types()[data[0] % types().size()]), rest);
  cut_in_pieces(rest, 1 + data[1]);
  return 0;
}
