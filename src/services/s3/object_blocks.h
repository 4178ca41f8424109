// Where the blocks of a piece lie, and what writing and reading share. For object_data.cc and object_source.cc.
#pragma once
#include <atomic>
#include <map>
#include <mutex>

#include "base/tasks.h"
#include "engine/crypto/sealed_object.h"
#include "services/s3/object_data.h"

namespace coffer::s3 {

inline constexpr std::string_view kBlocksPrefix = "objects/";

/// "objects/<xx>/"
std::string folder_of(uint8_t folder);
std::string block_key(const PieceId& id, uint64_t number);
std::string block_place(const PieceId& id, uint64_t number);
/// The id of a block's key; nothing for other keys.
std::optional<PieceId> piece_of_key(std::string_view key);
uint64_t block_size_of(const PieceId& id);
uint64_t block_count_of(const Piece& piece);
/// Of the plain bytes of one block.
uint64_t size_of_block(const Piece& piece, uint64_t number);
/// What went wrong with a block; that it is missing is corruption.
Error broken_block(Error error, std::string_view key);

struct ObjectData::State {
  store::ObjectStore& store;
  Clock& clock;
  Entropy& entropy;
  Options options;
  ByteBudget plain_budget, sealed_budget;
  std::atomic<uint64_t> read_ahead_bytes{0};

  State(store::ObjectStore& s, Clock& c, Entropy& e, const Options& o);

  /// Keeps a piece from the sweep.
  class Use {
   public:
    Use(State& state, const PieceId& id);
    Use(Use&& other) noexcept : state_(std::exchange(other.state_, nullptr)), id_(other.id_) {}
    Use& operator=(Use&&) = delete;
    ~Use();

   private:
    State* state_;
    PieceId id_;
  };
  std::mutex mutex;
  std::map<PieceId, int> uses;

  /// Memory for a block that was used before, or none. What is given back beyond a few is freed.
  Bytes take_buffer();
  void give_buffer(Bytes buffer);
  std::vector<Bytes> buffers;

  /// The block, opened: its key and last segment are authentic, and its size is what the piece says.
  /// Its reads use what `context` is then.
  Result<crypto::SealedReader> open_block(std::shared_ptr<const Context> context, ByteView root, const Piece& piece,
                                          uint64_t number);
};

}  // namespace coffer::s3
