// Tar streams of a server: read or refused, never a crash, and however the input is cut, the result is the same.
#include <string>

#include "engine/postgres/piece_assembler.h"
#include "engine/postgres/tar_reader.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::postgres;

/// What was read, as text, with an "!" where it was refused.
std::string read(ByteView input, size_t cut) {
  std::string out;
  TarReader reader;
  while (!input.empty()) {
    ByteView part = input.first(std::min(cut, input.size()));
    input = input.subspan(part.size());
    reader.feed(part);
    for (;;) {
      auto event = reader.next();
      if (!event.ok()) return out + "!";
      if (*event == TarReader::Event::kNone) break;
      if (*event == TarReader::Event::kMember)
        out += "<" + reader.member().path + ">" + std::to_string(reader.member().size_bytes);
      if (*event == TarReader::Event::kData) out += as_text(reader.data());
      if (*event == TarReader::Event::kEndOfMember) out += "|";
    }
  }
  return out + (reader.finish().ok() ? "." : "!");
}

void assemble(ByteView input) {
  PieceAssembler assembler({.data_checksums = true, .wal_segment_size_bytes = uint64_t{16} << 20},
                           {.members_max = 100, .data_size_max = uint64_t{1} << 30, .wal_size_max = uint64_t{1} << 30});
  (void)assembler.archive_begin({});
  (void)assembler.archive_data(input);
  while (auto piece = assembler.take()) {
    require(check_source_path(piece->file->path).ok());
    require(piece->data.size() == piece->length && piece->length <= kPieceSize);
    require(piece->offset % kPieceSize == 0 && piece->offset + piece->length <= piece->file->size_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView input = std::as_bytes(std::span(data, size));
  require(read(input, SIZE_MAX) == read(input, 1 + size % 700));
  assemble(input);
  return 0;
}
