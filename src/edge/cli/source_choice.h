// Which source a backup reads from.
#pragma once
#include <string>

#include "base/context.h"
#include "base/filesystem.h"
#include "base/result.h"

namespace coffer::cli {

struct SourceChoice {
  bool local = false;
  std::string because;  // in words, for a note
};

/// For --source auto: local when a data directory is named, or when the server runs on this machine, tells where its
/// files are, and we may read them; else the stream. Never an error: a server that cannot be reached is for the source
/// to report.
SourceChoice choose_source(const Context& context, FileSystem& files, const std::string& conninfo,
                           const std::string& pgdata);

}  // namespace coffer::cli
