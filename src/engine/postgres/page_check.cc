// check_page_checksums(): every page of a stopped cluster against its checksum.
#include <algorithm>
#include <mutex>

#include "base/tasks.h"
#include "engine/postgres/cluster_check.h"
#include "engine/postgres/data_directory.h"
#include "engine/postgres/directory_walk.h"
#include "engine/postgres/page.h"

namespace coffer::postgres {

namespace {

constexpr size_t kReadSize = 128 * kPageSize;
constexpr size_t kFindingsMax = 1000;
constexpr int32_t kShutDown = 1;

std::string hex16(uint16_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 12; shift >= 0; shift -= 4) text += kDigits[value >> shift & 15];
  return text;
}

class PageChecker {
 public:
  PageChecker(DirectoryWalk& walk, uint32_t blocks_per_segment)
      : walk_(walk), blocks_per_segment_(blocks_per_segment) {}

  /// One task's share of the pieces.
  Status run(const Context& context);
  PageCheck result();

 private:
  Status check_piece(const Context& context, const Piece& piece, Bytes& buffer);
  void check_page(const SourceFile& file, uint32_t block_in_file, ByteView page);
  void find(const SourceFile& file, const std::string& text);

  DirectoryWalk& walk_;
  const uint32_t blocks_per_segment_;
  std::mutex mutex_;  // guards what follows
  PageCheck out_;
  uint64_t findings_ = 0;
};

void PageChecker::find(const SourceFile& file, const std::string& text) {
  std::lock_guard lock(mutex_);
  if (++findings_ <= kFindingsMax) out_.findings.push_back(file.path + " " + text);
}

void PageChecker::check_page(const SourceFile& file, uint32_t block_in_file, ByteView page) {
  const std::string where = "block " + std::to_string(block_in_file);
  if (is_new_page(page.data())) {
    // The server, too, takes a page without content only when all of it is zero.
    if (!is_zero(page)) find(file, where + ": no valid page");
    return;
  }
  const uint16_t computed = page_checksum(page.data(), file.relation->segment * blocks_per_segment_ + block_in_file);
  const uint16_t stored = stored_checksum(page.data());
  if (computed != stored) find(file, where + ": stored " + hex16(stored) + ", computed " + hex16(computed));
}

Status PageChecker::check_piece(const Context& context, const Piece& piece, Bytes& buffer) {
  const SourceFile& file = *piece.file;
  uint64_t pages = 0;
  for (uint64_t done = 0; done < piece.length; done += kReadSize) {
    COFFER_CHECK_OK(context.check());
    const auto size = static_cast<size_t>(std::min<uint64_t>(kReadSize, piece.length - done));
    const MutableByteView bytes = MutableByteView(buffer).first(size);
    COFFER_CHECK_OK(piece.reader->read_at(piece.offset + done, bytes));
    for (size_t at = 0; at + kPageSize <= size; at += kPageSize, ++pages)
      check_page(file, static_cast<uint32_t>((piece.offset + done + at) / kPageSize), bytes.subspan(at, kPageSize));
  }
  if (const uint64_t rest = piece.length % kPageSize; rest != 0)
    find(file, "ends with " + std::to_string(rest) + " bytes of a page");
  std::lock_guard lock(mutex_);
  out_.pages += pages;
  if (piece.offset == 0) ++out_.files;
  return ok_status();
}

Status PageChecker::run(const Context& context) {
  Bytes buffer(kReadSize);
  while (true) {
    COFFER_TRY(std::optional<Piece> piece, walk_.next(context));
    if (!piece) return ok_status();
    if (piece->reader && piece->file->relation) COFFER_CHECK_OK(check_piece(context, *piece, buffer));
  }
}

PageCheck PageChecker::result() {
  std::sort(out_.findings.begin(), out_.findings.end());
  if (findings_ > kFindingsMax) out_.findings.push_back("and " + std::to_string(findings_ - kFindingsMax) + " more");
  return std::move(out_);
}

}  // namespace

Result<PageCheck> check_page_checksums(const Context& context, FileSystem& file_system,
                                       const std::string& data_directory, int jobs) {
  COFFER_TRY(Bytes contents, file_system.read_file(data_directory + "/global/pg_control"));
  COFFER_TRY(ControlFile control, parse_control_file(contents));
  if (control.state != kShutDown)
    return Error{ErrorCode::kNotProven,
                 "page checksums of " + data_directory + " cannot be judged: the cluster is '" +
                     control_state_name(control.state) + "', not 'shut down'",
                 {}};
  PageCheck none;
  none.data_checksums = control.data_checksum_version != 0;
  if (!none.data_checksums) return none;

  WalkOptions options;
  options.pgdata = data_directory;
  options.major = control.major;
  options.catalog_version = control.catalog_version;
  options.blocks_per_segment = control.blocks_per_segment;
  options.data_checksums = true;
  COFFER_TRY(auto walk, DirectoryWalk::open(file_system, std::move(options)));
  PageChecker checker(*walk, control.blocks_per_segment);
  TaskGroup group(context);
  for (int i = 0; i < std::max(jobs, 1); ++i) group.spawn([&] { return checker.run(group.context()); });
  COFFER_CHECK_OK(group.wait());
  // What could not be opened was not checked.
  PageCheck out = checker.result();
  for (const std::string& warning : walk->warnings()) out.findings.push_back(warning);
  return out;
}

}  // namespace coffer::postgres
