#include "services/lambda/code_archive.h"

#include <zip.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace coffer::lambda {
namespace {

constexpr size_t kPieceSize = 256 << 10;
constexpr size_t kNameSizeMax = 1024;
constexpr size_t kDepthMax = 64;
constexpr uint32_t kTypeMask = 0170000, kTypeFolder = 0040000, kTypeFile = 0100000;

Error refused(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message), {}}; }

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using ArchiveFile = std::unique_ptr<zip_file_t, CloseFile>;

struct Entry {
  zip_uint64_t index = 0;
  std::string name;  // without the '/' of a folder
  bool is_folder = false, executable = false;
  uint64_t size = 0;
};

Result<Archive> open_archive(ByteView zip) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(zip.data(), zip.size(), 0, &error);
  zip_t* archive = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : nullptr;
  if (!archive) {
    const std::string why = zip_error_strerror(&error);
    if (source) zip_source_free(source);
    zip_error_fini(&error);
    return refused("Could not unzip uploaded file (" + why + "). Please check your file, then try to upload again.");
  }
  zip_error_fini(&error);
  return Archive(archive);
}

/// For messages: what a terminal shows of it is what it is.
std::string shown(std::string_view name) {
  std::string text;
  for (char c : name.substr(0, 100)) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return "'" + text + "'";
}

Status check_name(const std::string& name) {
  if (name.empty() || name.size() > kNameSizeMax) return refused("An entry's name is empty or too long.");
  if (name.find('\\') != std::string::npos || name.find('\0') != std::string::npos)
    return refused("The entry " + shown(name) + " has a character in its name that no entry may have.");
  if (static_cast<size_t>(std::count(name.begin(), name.end(), '/')) > kDepthMax)
    return refused("The entry " + shown(name) + " lies too deep.");
  if (!check_relative_path(name).ok())
    return refused("The entry " + shown(name) + " would lie outside of the function's folder.");
  return ok_status();
}

/// "a/b/c" lies in the folders "a" and "a/b"; a path cannot be a file and a folder.
class Paths {
 public:
  Status add(const Entry& entry) {
    for (size_t slash = entry.name.find('/'); slash != std::string::npos; slash = entry.name.find('/', slash + 1))
      COFFER_CHECK_OK(add_folder(entry.name.substr(0, slash)));
    if (entry.is_folder) return add_folder(entry.name);
    if (folders_.contains(entry.name) || !files_.insert(entry.name).second) return twice(entry.name);
    return ok_status();
  }
  [[nodiscard]] const std::set<std::string>& folders() const { return folders_; }

 private:
  Status add_folder(const std::string& name) {
    if (files_.contains(name)) return twice(name);
    folders_.insert(name);
    return ok_status();
  }
  static Error twice(const std::string& name) { return refused("The entry " + shown(name) + " is there twice."); }
  std::set<std::string> files_, folders_;
};

Result<Entry> entry_of(zip_t* archive, zip_uint64_t index) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(archive, index, 0, &stat) != 0) return refused("An entry of the zip file cannot be read.");
  constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if ((stat.valid & kNeeded) != kNeeded) return refused("An entry of the zip file does not say what it is.");
  Entry entry;
  entry.index = index;
  entry.name = stat.name;
  entry.size = stat.size;
  if (entry.name.ends_with('/')) {
    entry.is_folder = true;
    entry.name.pop_back();
  }
  COFFER_CHECK_OK(check_name(entry.name));
  if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) && stat.encryption_method != ZIP_EM_NONE)
    return refused("The entry " + shown(entry.name) + " is encrypted.");
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE)
    return refused("The entry " + shown(entry.name) + " is compressed by a method other than deflate.");
  zip_uint8_t system = 0;
  zip_uint32_t attributes = 0;
  if (zip_file_get_external_attributes(archive, index, 0, &system, &attributes) == 0 && system == ZIP_OPSYS_UNIX) {
    const uint32_t mode = attributes >> 16, type = mode & kTypeMask;
    const bool as_named = type == 0 || type == (entry.is_folder ? kTypeFolder : kTypeFile);
    if (!as_named) return refused("The entry " + shown(entry.name) + " is neither a file nor a folder.");
    entry.executable = (mode & 0111) != 0;
  }
  if (entry.is_folder && entry.size != 0) return refused("The folder " + shown(entry.name) + " has contents.");
  return entry;
}

using Sink = std::function<Status(ByteView)>;

/// Inflates one entry; never gives out more than it announced.
Status inflate(zip_t* archive, const Entry& entry, Bytes& piece, const Sink& sink) {
  ArchiveFile file(zip_fopen_index(archive, entry.index, 0));
  if (!file) return refused("The entry " + shown(entry.name) + " cannot be opened.");
  uint64_t read = 0;
  for (;;) {
    const zip_int64_t n = zip_fread(file.get(), piece.data(), piece.size());
    if (n < 0) return refused("The entry " + shown(entry.name) + " is damaged.");
    if (n == 0) break;
    read += static_cast<uint64_t>(n);
    if (read > entry.size) return refused("The entry " + shown(entry.name) + " is larger than it says.");
    COFFER_CHECK_OK(sink(ByteView(piece).first(static_cast<size_t>(n))));
  }
  if (read != entry.size) return refused("The entry " + shown(entry.name) + " is shorter than it says.");
  return ok_status();
}

struct Contents {
  Archive archive;
  std::vector<Entry> entries;
  std::set<std::string> folders;
  ArchiveSummary summary;
};

/// Every local entry starts where no other one's data are: libzip trusts the offsets of the directory.
Status check_no_overlap(ByteView zip);

Result<Contents> read_directory(ByteView zip, const ArchiveLimits& limits) {
  if (zip.size() > limits.zip_size_max)
    return refused("The zip file is larger than " + std::to_string(limits.zip_size_max) + " bytes.");
  COFFER_CHECK_OK(check_no_overlap(zip));
  Contents contents;
  COFFER_TRY(contents.archive, open_archive(zip));
  const zip_int64_t count = zip_get_num_entries(contents.archive.get(), 0);
  if (count <= 0) return refused("Uploaded file must be a non-empty zip.");
  if (static_cast<uint64_t>(count) > limits.entries_max)
    return refused("The zip file has more than " + std::to_string(limits.entries_max) + " entries.");
  Paths paths;
  uint64_t total = 0;
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    COFFER_TRY(Entry entry, entry_of(contents.archive.get(), i));
    COFFER_CHECK_OK(paths.add(entry));
    if (entry.size > limits.unpacked_size_max || total + entry.size > limits.unpacked_size_max)
      return refused("Unzipped size must be smaller than " + std::to_string(limits.unpacked_size_max) + " bytes");
    total += entry.size;
    contents.entries.push_back(std::move(entry));
  }
  if (total > limits.ratio_from_bytes && total / limits.ratio_max > zip.size())
    return refused("The zip file unpacks to more than " + std::to_string(limits.ratio_max) + " times its size.");
  contents.folders = paths.folders();
  contents.summary = {static_cast<uint64_t>(count), total};
  return contents;
}

/// Little-endian fields of the zip format.
class ZipReader {
 public:
  explicit ZipReader(ByteView bytes) : bytes_(bytes) {}
  [[nodiscard]] bool has(uint64_t at, uint64_t size) const { return at <= bytes_.size() && size <= bytes_.size() - at; }
  [[nodiscard]] uint32_t u16(uint64_t at) const { return load_le<uint16_t>(bytes_.data() + at); }
  [[nodiscard]] uint32_t u32(uint64_t at) const { return load_le<uint32_t>(bytes_.data() + at); }

 private:
  ByteView bytes_;
};

Status check_no_overlap(ByteView zip) {
  constexpr uint64_t kEndSize = 22, kCentralSize = 46, kLocalSize = 30, kCommentMax = 65535;
  constexpr uint32_t kEndMark = 0x06054b50, kCentralMark = 0x02014b50, kLocalMark = 0x04034b50;
  const Error damaged = refused("Could not unzip uploaded file. Please check your file, then try to upload again.");
  const ZipReader reader(zip);
  if (zip.size() < kEndSize) return damaged;
  uint64_t end = zip.size() - kEndSize;
  const uint64_t lowest = end > kCommentMax ? end - kCommentMax : 0;
  while (reader.u32(end) != kEndMark) {
    if (end == lowest) return damaged;
    --end;
  }
  const uint32_t count = reader.u16(end + 10);
  uint64_t at = reader.u32(end + 16);
  const uint64_t directory = at;
  // Archives of more entries or bytes than these fields hold (zip64) are far beyond what a function may have.
  if (count == 0xFFFF || at == 0xFFFFFFFF || at > end) return damaged;
  std::vector<std::pair<uint64_t, uint64_t>> taken;  // begin, end of each entry
  for (uint32_t i = 0; i < count; ++i) {
    if (!reader.has(at, kCentralSize) || reader.u32(at) != kCentralMark) return damaged;
    const uint64_t packed = reader.u32(at + 20), local = reader.u32(at + 42);
    if (packed == 0xFFFFFFFF || local == 0xFFFFFFFF) return damaged;
    if (!reader.has(local, kLocalSize) || reader.u32(local) != kLocalMark) return damaged;
    const uint64_t data = local + kLocalSize + reader.u16(local + 26) + reader.u16(local + 28);
    if (!reader.has(data, packed) || data + packed > directory) return damaged;
    taken.emplace_back(local, data + packed);
    at += kCentralSize + reader.u16(at + 28) + reader.u16(at + 30) + reader.u16(at + 32);
  }
  std::sort(taken.begin(), taken.end());
  for (size_t i = 1; i < taken.size(); ++i) {
    if (taken[i].first < taken[i - 1].second) return refused("Entries of the zip file overlap.");
  }
  return ok_status();
}

}  // namespace

Result<ArchiveSummary> check_archive(ByteView zip, const ArchiveLimits& limits) {
  COFFER_TRY(Contents contents, read_directory(zip, limits));
  Bytes piece(kPieceSize);
  for (const Entry& entry : contents.entries) {
    if (entry.is_folder) continue;
    COFFER_CHECK_OK(inflate(contents.archive.get(), entry, piece, [](ByteView) { return ok_status(); }));
  }
  return contents.summary;
}

Status extract_archive(ByteView zip, Directory& directory, const ArchiveLimits& limits) {
  COFFER_TRY(Contents contents, read_directory(zip, limits));
  for (const std::string& folder : contents.folders) COFFER_CHECK_OK(directory.create_directory(folder, 0755));
  Bytes piece(kPieceSize);
  for (const Entry& entry : contents.entries) {
    if (entry.is_folder) continue;
    COFFER_TRY(auto file, directory.create_file(entry.name, entry.executable ? 0555 : 0444));
    uint64_t at = 0;
    COFFER_CHECK_OK(inflate(contents.archive.get(), entry, piece, [&](ByteView bytes) -> Status {
      COFFER_CHECK_OK(file->write_at(at, bytes));
      at += bytes.size();
      return ok_status();
    }));
  }
  return ok_status();
}

}  // namespace coffer::lambda
