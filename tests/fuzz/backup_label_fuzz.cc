// backup_label and tablespace_map of a server, and the paths in it: parsed or refused, never a crash, and a map that is
// parsed is written to the same links.

#include "engine/postgres/backup_files.h"
#include "engine/postgres/data_directory.h"
#include "fuzz/require.h"

using namespace coffer;
using namespace coffer::postgres;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto label = parse_backup_label(text); label.ok())
    require(label->timeline != 0 && label->start_segment.size() == 24);

  if (auto links = parse_tablespace_map(text); links.ok()) {
    auto again = parse_tablespace_map(format_tablespace_map(*links));
    require(again.ok() && again->size() == links->size());
    for (size_t i = 0; i < links->size(); ++i)
      require((*again)[i].oid == (*links)[i].oid && (*again)[i].path == (*links)[i].path);
  }

  if (check_source_path(text).ok()) require(text.find("/../") == std::string_view::npos && !text.starts_with('/'));
  if (auto relation = parse_relation_path(text))
    require(relation->relation_number != 0 && check_source_path(text).ok());
  (void)treatment_of(text, size % 2 == 0);
  return 0;
}
