// One index object: writing, opening, looking up. The layout is at the top of index.h.
#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <utility>

#include "engine/vault/index.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kMagic = "COFRIDX1";
constexpr size_t kBlockSize = 4096;
constexpr size_t kEntriesPerBlock = kBlockSize / kIndexEntrySize;
constexpr size_t kFenceSize = 8;
constexpr size_t kPackEntrySize = 24;
// A part of 16 MiB of entries: writing one holds it about three times (plain, sealed, opened again for the check).
constexpr size_t kPartEntriesMax = 256 << 10;
constexpr size_t kPartPacksMax = 64 << 10;
// Indexes up to this size are decrypted once and kept: a vault has several of them after some small backups, and each
// lookup of a new chunk asks them all.
constexpr size_t kKeptSizeMax = 1 << 20;
constexpr int kPutAttemptsMax = 5;
constexpr size_t kCursorSize = 64 << 10;
constexpr uint32_t kOffsetEnd = 1 << 24;  // fields of 24 bits

uint64_t prefix_of(ByteView id) { return ByteReader(id.first(8)).u64(); }

Error bad_index(const std::string& what) { return Error{ErrorCode::kCorruption, "index: " + what, {}}; }

void put_u24(ByteWriter& w, uint32_t v) {
  COFFER_ASSERT(v < kOffsetEnd);
  w.u8(static_cast<uint8_t>(v >> 16));
  w.u16(static_cast<uint16_t>(v));
}
uint32_t get_u24(ByteReader& r) {
  const uint32_t high = r.u8();
  return high << 16 | r.u16();
}

void write_entry(ByteWriter& w, const IndexEntry& entry) {
  const ChunkPlace& p = entry.place;
  COFFER_ASSERT(p.frame_stored_size < kOffsetEnd);
  w.bytes(entry.id.bytes);
  w.bytes(p.pack);
  w.u32(p.frame_offset);
  w.u32(static_cast<uint32_t>(p.codec) << 24 | p.frame_stored_size);
  put_u24(w, p.offset_in_frame);
  put_u24(w, p.size);
  w.u16(0);
}

struct Header {
  uint64_t count = 0;
  uint32_t pack_count = 0;
  IndexReader::Part part;

  [[nodiscard]] uint64_t blocks() const { return (count + kEntriesPerBlock - 1) / kEntriesPerBlock; }
  [[nodiscard]] uint64_t fences_offset() const { return kBlockSize + count * kIndexEntrySize; }
  [[nodiscard]] uint64_t packs_offset() const { return fences_offset() + blocks() * kFenceSize; }
  [[nodiscard]] uint64_t plain_size() const { return packs_offset() + uint64_t{pack_count} * kPackEntrySize; }
};

Bytes encode_header(const Header& header) {
  Bytes out;
  ByteWriter w(out);
  w.bytes(as_bytes(kMagic));
  w.u64(header.count);
  w.u32(header.pack_count);
  w.bytes(header.part.group);
  w.u32(header.part.number);
  w.u8(header.part.last ? 1 : 0);
  out.resize(kBlockSize);
  return out;
}

Result<Header> decode_header(ByteView bytes, uint64_t plain_size) {
  ByteReader r(bytes);
  if (as_text(r.bytes(kMagic.size())) != kMagic) return bad_index("not an index");
  Header header;
  header.count = r.u64();
  header.pack_count = r.u32();
  header.part.group = r.array<16>();
  header.part.number = r.u32();
  const uint8_t last = r.u8();
  if (!r.ok() || last > 1 || !is_zero(r.bytes(r.left()))) return bad_index("its header is damaged");
  header.part.last = last == 1;
  if (header.count > kPackSizeMax / kIndexEntrySize || header.plain_size() != plain_size) {
    return bad_index("its counts do not fit its size");
  }
  return header;
}

/// Gathers the entries of one part and puts it.
class PartWriter {
 public:
  PartWriter(const Context& context, const Vault& vault, const std::vector<IndexedPack>& packs)
      : context_(context), vault_(vault), packs_(packs) {}

  Status add(const IndexEntry& entry) {
    if (count_ == kPartEntriesMax) COFFER_CHECK_OK(put_part(false));
    if (plain_.empty()) plain_.resize(kBlockSize);
    if (count_ % kEntriesPerBlock == 0) ByteWriter(fences_).u64(prefix_of(entry.id.bytes));
    ByteWriter w(plain_);
    write_entry(w, entry);
    ++count_;
    return ok_status();
  }
  Result<std::vector<crypto::ObjectId>> finish() {
    while (packs_.size() - packs_written_ > kPartPacksMax) COFFER_CHECK_OK(put_part(false));
    if (count_ > 0 || packs_written_ < packs_.size()) COFFER_CHECK_OK(put_part(true));
    return std::move(ids_);
  }

 private:
  Status put_part(bool last) {
    COFFER_CHECK_OK(context_.check());
    const size_t entries_end = plain_.empty() ? kBlockSize : plain_.size();
    plain_.resize(entries_end);
    append(plain_, fences_);
    const size_t packs = std::min(packs_.size() - packs_written_, kPartPacksMax);
    ByteWriter w(plain_);
    for (size_t i = 0; i < packs; ++i) {
      w.bytes(packs_[packs_written_ + i].id);
      w.u64(packs_[packs_written_ + i].sealed_size_bytes);
    }
    for (int attempt = 1;; ++attempt) {
      auto put = put_once(last, static_cast<uint32_t>(packs));
      if (put.ok()) break;
      // Another program may merge an index the moment it is complete, and remove it before it is read back here. So
      // it is written again: its entries are then there twice, which is better than to trust that they are there.
      if (put.code() != ErrorCode::kNotFound || attempt == kPutAttemptsMax) return put;
    }
    packs_written_ += packs;
    count_ = 0;
    plain_.clear();
    fences_.clear();
    return ok_status();
  }

  Status put_once(bool last, uint32_t pack_count) {
    const auto id = vault_.entropy().array<16>();
    if (ids_.empty()) group_ = id;
    const Header header{.count = count_,
                        .pack_count = pack_count,
                        .part = {.group = group_, .number = static_cast<uint32_t>(ids_.size()), .last = last}};
    const Bytes head = encode_header(header);
    std::copy(head.begin(), head.end(), plain_.begin());
    COFFER_CHECK_OK(vault_.put_sealed(context_, index_key(id), crypto::ObjectKind::kIndex, plain_, id));
    ids_.push_back(id);
    return ok_status();
  }

  const Context& context_;
  const Vault& vault_;
  const std::vector<IndexedPack>& packs_;
  crypto::ObjectId group_{};
  std::vector<crypto::ObjectId> ids_;
  size_t packs_written_ = 0;
  size_t count_ = 0;
  Bytes plain_, fences_;
};

class SealedIndex final : public IndexReader {
 public:
  static Result<std::unique_ptr<SealedIndex>> open(const Context& context, const Vault& vault,
                                                   const crypto::ObjectId& id) {
    auto index = std::make_unique<SealedIndex>();
    index->key_ = index_key(id);
    COFFER_TRY(index->object_, vault.open_sealed_view(context, index->key_, crypto::ObjectKind::kIndex));
    if (auto loaded = index->load(id); !loaded.ok()) return std::move(loaded).error().in(index->key_);
    return index;
  }

  uint64_t count() const override { return header_.count; }
  Part part() const override { return header_.part; }
  Status find_all(const ChunkId& id, std::vector<ChunkPlace>& places) const override;
  Result<std::vector<IndexedPack>> packs() const override;
  Status visit(const std::function<Status(const IndexEntry&)>& each) const override;
  std::unique_ptr<IndexCursor> cursor() const override;

  [[nodiscard]] uint64_t fence(uint64_t block) const { return fences_[block]; }
  Status read_entries(uint64_t first, uint64_t entry_count, Bytes& out) const {
    out.resize(entry_count * kIndexEntrySize);
    return in(object_.reader->read_plain(kBlockSize + first * kIndexEntrySize, out));
  }
  [[nodiscard]] Error bad(const std::string& what) const { return bad_index(what).in(key_); }

 private:
  Status load(const crypto::ObjectId& id);
  Status in(Status status) const {
    if (!status.ok()) return std::move(status).error().in(key_);
    return status;
  }
  /// The entries of one block; in `buffer`, or in what is kept.
  Result<ByteView> block(uint64_t number, MutableByteView buffer) const;

  std::string key_;
  Vault::OpenObject object_;
  Header header_;
  std::vector<uint64_t> fences_;
  uint64_t last_prefix_ = 0;
  mutable std::once_flag keep_once_;
  mutable Bytes kept_;  // all entries of a small index; empty when they could not be read
};

Status SealedIndex::load(const crypto::ObjectId& id) {
  const crypto::SealedReader& reader = *object_.reader;
  if (reader.header().object_id != id) return bad_index("it says to be another object");
  if (reader.plain_size() < kBlockSize) return bad_index("too short");
  Bytes head(kBlockSize);
  COFFER_CHECK_OK(reader.read_plain(0, head));
  COFFER_TRY(header_, decode_header(head, reader.plain_size()));
  if (header_.part.number == 0 && header_.part.group != id) return bad_index("its group has another name");
  if (header_.count == 0) return ok_status();
  Bytes fences(header_.blocks() * kFenceSize);
  COFFER_CHECK_OK(reader.read_plain(header_.fences_offset(), fences));
  fences_.resize(header_.blocks());
  ByteReader r(fences);
  for (uint64_t& fence : fences_) fence = r.u64();
  if (!std::is_sorted(fences_.begin(), fences_.end())) return bad_index("its fences are not in order");
  Bytes last(8);
  COFFER_CHECK_OK(reader.read_plain(kBlockSize + (header_.count - 1) * kIndexEntrySize, last));
  last_prefix_ = prefix_of(last);
  return ok_status();
}

Result<ByteView> SealedIndex::block(uint64_t number, MutableByteView buffer) const {
  const uint64_t first = number * kEntriesPerBlock;
  const size_t size =
      static_cast<size_t>(std::min<uint64_t>(kEntriesPerBlock, header_.count - first)) * kIndexEntrySize;
  if (header_.count * kIndexEntrySize <= kKeptSizeMax) {
    std::call_once(keep_once_, [&] {
      if (!read_entries(0, header_.count, kept_).ok()) kept_.clear();
    });
    if (!kept_.empty()) return ByteView(kept_).subspan(first * kIndexEntrySize, size);
  }
  COFFER_CHECK_OK(in(object_.reader->read_plain(kBlockSize + first * kIndexEntrySize, buffer.first(size))));
  return ByteView(buffer.first(size));
}

Status SealedIndex::find_all(const ChunkId& id, std::vector<ChunkPlace>& places) const {
  const uint64_t prefix = prefix_of(id.bytes);
  if (fences_.empty() || prefix < fences_.front() || prefix > last_prefix_) return ok_status();
  // Ids that share their first 8 bytes, and the places of one id, may begin in the block before a fence that is equal.
  auto number = static_cast<uint64_t>(std::lower_bound(fences_.begin(), fences_.end(), prefix) - fences_.begin());
  if (number > 0) --number;
  std::array<std::byte, kBlockSize> buffer;
  for (; number < fences_.size() && fences_[number] <= prefix; ++number) {
    COFFER_TRY(const ByteView entries, block(number, buffer));
    auto order = [&](size_t at) {
      return std::memcmp(entries.data() + at * kIndexEntrySize, id.bytes.data(), id.bytes.size());
    };
    const size_t count = entries.size() / kIndexEntrySize;
    size_t low = 0, high = count;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (order(middle) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    for (; low < count && order(low) == 0; ++low) {
      auto entry = decode_index_entry(entries.subspan(low * kIndexEntrySize, kIndexEntrySize));
      if (!entry.ok()) return std::move(entry).error().in(key_);
      places.push_back(entry->place);
    }
  }
  return ok_status();
}

Result<std::vector<IndexedPack>> SealedIndex::packs() const {
  Bytes bytes(size_t{header_.pack_count} * kPackEntrySize);
  COFFER_CHECK_OK(in(object_.reader->read_plain(header_.packs_offset(), bytes)));
  std::vector<IndexedPack> packs(header_.pack_count);
  ByteReader r(bytes);
  for (IndexedPack& pack : packs) {
    pack.id = r.array<16>();
    pack.sealed_size_bytes = r.u64();
  }
  return packs;
}

class SealedCursor final : public IndexCursor {
 public:
  explicit SealedCursor(const SealedIndex& index) : index_(index) {}
  Result<std::optional<IndexEntry>> next() override {
    if (number_ == index_.count()) return std::optional<IndexEntry>{};
    if (at_ == buffer_.size()) {
      COFFER_CHECK_OK(index_.read_entries(
          number_, std::min<uint64_t>(kCursorSize / kIndexEntrySize, index_.count() - number_), buffer_));
      at_ = 0;
    }
    auto entry = decode_index_entry(ByteView(buffer_).subspan(at_, kIndexEntrySize));
    if (!entry.ok()) return index_.bad("entry " + std::to_string(number_) + ": " + entry.error().message);
    if (number_ > 0 && !comes_before(last_, *entry)) return index_.bad("its entries are not in order");
    if (number_ % kEntriesPerBlock == 0 && index_.fence(number_ / kEntriesPerBlock) != prefix_of(entry->id.bytes)) {
      return index_.bad("its fences do not fit its entries");
    }
    last_ = *entry;
    at_ += kIndexEntrySize;
    ++number_;
    return std::optional<IndexEntry>(std::move(entry).value());
  }

 private:
  const SealedIndex& index_;
  uint64_t number_ = 0;
  Bytes buffer_;
  size_t at_ = 0;
  IndexEntry last_;
};

std::unique_ptr<IndexCursor> SealedIndex::cursor() const { return std::make_unique<SealedCursor>(*this); }

Status SealedIndex::visit(const std::function<Status(const IndexEntry&)>& each) const {
  SealedCursor cursor(*this);
  while (true) {
    COFFER_TRY(const auto entry, cursor.next());
    if (!entry) return ok_status();
    COFFER_CHECK_OK(each(*entry));
  }
}

}  // namespace

Bytes encode_index_entry(const IndexEntry& entry) {
  Bytes out;
  out.reserve(kIndexEntrySize);
  ByteWriter w(out);
  write_entry(w, entry);
  return out;
}

Result<IndexEntry> decode_index_entry(ByteView bytes) {
  ByteReader r(bytes);
  IndexEntry entry;
  entry.id.bytes = r.array<32>();
  ChunkPlace& p = entry.place;
  p.pack = r.array<16>();
  p.frame_offset = r.u32();
  const uint32_t codec_and_size = r.u32();
  p.frame_stored_size = codec_and_size & (kOffsetEnd - 1);
  const uint32_t codec = codec_and_size >> 24;
  p.offset_in_frame = get_u24(r);
  p.size = get_u24(r);
  const uint16_t zero = r.u16();
  if (!r.done()) return bad_index("an entry of another size");
  if (codec > static_cast<uint32_t>(Codec::kLz4)) return bad_index("an unknown codec");
  p.codec = static_cast<Codec>(codec);
  if (p.frame_stored_size == 0 || uint64_t{p.frame_offset} + p.frame_stored_size > kPackSizeMax) {
    return bad_index("a frame outside its pack");
  }
  if (p.size == 0 || p.size > kChunkSizeMax || p.offset_in_frame + p.size > kFramePlainMax) {
    return bad_index("a chunk outside its frame");
  }
  if (zero != 0) return bad_index("an unknown field");
  return entry;
}

Result<std::vector<crypto::ObjectId>> write_index(const Context& context, const Vault& vault,
                                                  const std::vector<IndexedPack>& packs,
                                                  const std::function<Result<std::optional<IndexEntry>>()>& next) {
  PartWriter writer(context, vault, packs);
  std::vector<IndexEntry> same_id;
  auto put_same_id = [&]() -> Status {
    std::sort(same_id.begin(), same_id.end(), comes_before);
    for (size_t i = 0; i < same_id.size(); ++i) {
      if (i == 0 || comes_before(same_id[i - 1], same_id[i])) COFFER_CHECK_OK(writer.add(same_id[i]));
    }
    same_id.clear();
    return ok_status();
  };
  while (true) {
    COFFER_TRY(const auto entry, next());
    if (!same_id.empty() && (!entry || entry->id != same_id.back().id)) {
      COFFER_ASSERT(!entry || same_id.back().id < entry->id);
      COFFER_CHECK_OK(put_same_id());
    }
    if (!entry) return writer.finish();
    same_id.push_back(*entry);
  }
}

bool comes_before(const IndexEntry& a, const IndexEntry& b) {
  if (a.id != b.id) return a.id < b.id;
  return a.place.pack < b.place.pack;
}

Result<std::optional<ChunkPlace>> IndexReader::find(const ChunkId& id) const {
  std::vector<ChunkPlace> places;
  COFFER_CHECK_OK(find_all(id, places));
  if (places.empty()) return std::optional<ChunkPlace>{};
  return std::optional<ChunkPlace>(places.front());
}

Result<std::unique_ptr<IndexReader>> IndexReader::open(const Context& context, const Vault& vault,
                                                       const crypto::ObjectId& id) {
  COFFER_TRY(auto index, SealedIndex::open(context, vault, id));
  return std::unique_ptr<IndexReader>(std::move(index));
}

}  // namespace coffer::vault
