#include "support/piece_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <stdexcept>

#include "base/tasks.h"

namespace coffer::testing_support {
namespace {

namespace fs = std::filesystem;
using postgres::kPieceSize;
using postgres::Piece;
using postgres::SourceFile;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

class Writer {
 public:
  explicit Writer(std::string directory) : directory_(std::move(directory)) { fs::create_directories(directory_); }

  void prepare_tablespaces(const postgres::SourceStart& start) {
    fs::create_directories(directory_ + "/pg_tblspc");
    for (const auto& tablespace : start.tablespaces) {
      std::string folder = directory_ + "-tablespaces/" + std::to_string(tablespace.oid);
      fs::create_directories(folder);
      fs::create_directory_symlink(folder, directory_ + "/pg_tblspc/" + std::to_string(tablespace.oid));
    }
  }

  void write(const Piece& piece) {
    const SourceFile& file = *piece.file;
    std::string path = directory_ + "/" + file.path;
    std::lock_guard lock(mutex_);
    if (file.is_directory) {
      fs::create_directories(path);
    } else {
      write_bytes(piece, path);
    }
    chmod(path.c_str(), file.mode);
    auto [known, is_new] = files_.try_emplace(file.path, file);
    if (!is_new && piece.offset == 0 && !file.is_directory) fail("twice: " + file.path);
    written_[file.path] += piece.length;
  }

  std::vector<SourceFile> files() {
    std::vector<SourceFile> out;
    for (auto& [path, file] : files_) {
      if (!file.is_directory && written_[path] != file.size_bytes) fail("pieces do not add up: " + path);
      out.push_back(file);
    }
    return out;
  }

 private:
  static void write_bytes(const Piece& piece, const std::string& path) {
    const SourceFile& file = *piece.file;
    if (piece.offset % kPieceSize != 0 || piece.length != std::min(kPieceSize, file.size_bytes - piece.offset)) {
      fail("a piece out of form: " + file.path);
    }
    Bytes bytes = piece.data;
    if (piece.reader) {
      bytes.resize(piece.length);
      if (!piece.reader->read_at(piece.offset, bytes).ok()) fail("cannot read " + file.path);
    }
    if (bytes.size() != piece.length) fail("a piece without its bytes: " + file.path);
    fs::create_directories(fs::path(path).parent_path());
    int out = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (out < 0) fail("cannot write " + path);
    size_t done = 0;
    while (done < bytes.size()) {
      ssize_t n = pwrite(out, bytes.data() + done, bytes.size() - done, static_cast<off_t>(piece.offset + done));
      if (n <= 0) fail("cannot write " + path);
      done += static_cast<size_t>(n);
    }
    close(out);
  }

  const std::string directory_;
  std::mutex mutex_;
  std::map<std::string, SourceFile> files_;
  std::map<std::string, uint64_t> written_;
};

Status drain(const Context& context, postgres::Source& source, Writer& writer) {
  for (;;) {
    COFFER_TRY(auto piece, source.next(context));
    if (!piece) return ok_status();
    writer.write(*piece);
  }
}

}  // namespace

const SourceFile* AssembledCopy::find(std::string_view path) const {
  auto found = std::find_if(files.begin(), files.end(), [&](const SourceFile& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

AssembledCopy assemble_copy(postgres::Source& source, const std::string& directory, int workers) {
  AssembledCopy copy;
  Writer writer(directory);
  auto start = source.begin({});
  if (!start.ok()) fail(start.error().message);
  copy.start = *std::move(start);
  writer.prepare_tablespaces(copy.start);
  TaskGroup group{Context()};
  for (int i = 0; i < workers; ++i) group.spawn([&] { return drain(group.context(), source, writer); });
  if (Status drained = group.wait(); !drained.ok()) fail(drained.error().message);
  auto end = source.finish({});
  if (!end.ok()) fail(end.error().message);
  copy.end = *std::move(end);
  if (Status rest = drain({}, source, writer); !rest.ok()) fail(rest.error().message);
  copy.files = writer.files();
  chmod(directory.c_str(), 0700);
  return copy;
}

void point_tablespaces_at_copy(const AssembledCopy& copy, const std::string& directory) {
  std::vector<postgres::TablespaceLink> links = copy.start.tablespaces;
  for (auto& link : links) link.path = directory + "-tablespaces/" + std::to_string(link.oid);
  if (!links.empty()) std::ofstream(directory + "/tablespace_map", std::ios::binary) << format_tablespace_map(links);
}

}  // namespace coffer::testing_support
