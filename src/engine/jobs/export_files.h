// Files of an export on their way to the destination and back, each with its SHA-256.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/byte_sink.h"
#include "engine/jobs/environment.h"
#include "engine/jobs/export.h"
#include "engine/jobs/export_manifest.h"

namespace coffer::jobs {

/// Safe from many threads at once. Borrows both.
class ExportFiles {
 public:
  ExportFiles(ExportDestination& destination, const Environment& environment)
      : destination_(destination), env_(environment) {}

  /// Stores what `fill` writes under `file.path`, in a stream; sets its size and SHA-256. When `fill` fails nothing is
  /// stored, and its error is given.
  Status write(const Context& context, ExportedFile& file, const std::function<Status(ByteSink&)>& fill);
  Status write_text(const Context& context, const std::string& path, std::string_view text);
  /// Fetches the file into an unnamed one in the scratch directory, compares it with `file`'s size and SHA-256
  /// (kCorruption), and gives it to `use`.
  Status read_back(const Context& context, const ExportedFile& file, const std::function<Status(File&)>& use);
  /// A whole small file, at most `limit_bytes` (kResourceExhausted).
  Result<std::string> read_text(const Context& context, const std::string& path, uint64_t limit_bytes);

  Result<std::vector<std::string>> list(const Context& context, const std::string& prefix) {
    return destination_.list(context, prefix);
  }
  Status remove(const Context& context, const std::string& path) { return destination_.remove(context, path); }
  Status remove_all(const Context& context, const std::string& prefix);

 private:
  ExportDestination& destination_;
  const Environment& env_;
};

}  // namespace coffer::jobs
