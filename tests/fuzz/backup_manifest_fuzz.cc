// Manifests of a server: parsed or refused, never a crash, and what is parsed can be written and parsed again.
#include <string>
#include <vector>

#include "engine/crypto/digest.h"
#include "engine/postgres/backup_files.h"
#include "fuzz/require.h"

namespace {

using namespace coffer;
using namespace coffer::postgres;

struct Parsed {
  Result<ManifestHeader> header = Error{};
  std::vector<ManifestFile> files;
};

Parsed parse(std::string_view text) {
  Parsed out;
  out.header = parse_backup_manifest(as_bytes(text), [&](ManifestFile&& file) {
    out.files.push_back(std::move(file));
    return ok_status();
  });
  return out;
}

void write_again(const Parsed& parsed) {
  std::string text;
  int major = parsed.header->version == 1 ? 15 : 17;
  ManifestWriter writer(major, parsed.header->system_identifier.value_or(0),
                        [&](ByteView bytes) { return text += as_text(bytes), ok_status(); });
  for (const ManifestFile& file : parsed.files) (void)writer.add(file);
  (void)writer.finish(parsed.header->wal_ranges);
  Parsed again = parse(text);
  require(again.header.ok() && again.files.size() == parsed.files.size());
  for (size_t i = 0; i < again.files.size(); ++i) {
    require(again.files[i].path == parsed.files[i].path && again.files[i].size_bytes == parsed.files[i].size_bytes);
    require(again.files[i].mtime_s == parsed.files[i].mtime_s);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)parse(input);
  // The checksum would keep the parser out of reach, so the right one is put behind what comes before the last line.
  std::string body(input.substr(0, input.find("\"Manifest-Checksum\"")));
  body += "\n";
  Parsed parsed = parse(body + "\"Manifest-Checksum\": \"" + to_hex(crypto::sha256(as_bytes(body))) + "\"}\n");
  if (parsed.header.ok()) write_again(parsed);
  return 0;
}
