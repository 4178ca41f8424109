#include <algorithm>

#include "services/s3/upkeep.h"

namespace coffer::s3 {
namespace {

constexpr int kFolders = 256;
constexpr size_t kLookedUpAtOnce = 500;
constexpr int64_t kRemovedAtOnce = 1000;

ByteView bytes_of(const PieceId& id) { return id; }

}  // namespace

Status Sweep::run_due(const Context& context, WallTime now) {
  COFFER_CHECK_OK(remove_noted(context, now));
  uint8_t folder = 0;
  bool due = false;
  COFFER_CHECK_OK(catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
    COFFER_TRY(const auto row, t.first("SELECT position, started FROM s3_upkeep WHERE name = 'sweep'"));
    // Also when the clock went back.
    due = !row || now - row->time(1) >= kRound / kFolders || row->time(1) > now;
    if (!due) return ok_status();
    folder = row ? static_cast<uint8_t>(row->integer(0)) : uint8_t{0};
    // Moved on before the work: a folder that cannot be read must not keep the others from being swept.
    COFFER_CHECK_OK(
        t.run("INSERT INTO s3_upkeep (name, position, started) VALUES ('sweep', $1, $2) "
              "ON CONFLICT (name) DO UPDATE SET position = $1, started = $2",
              {int64_t{(folder + 1) % kFolders}, now}));
    return ok_status();
  }));
  return due ? note_unknown(context, now, folder) : ok_status();
}

Status Sweep::note_unknown(const Context& context, WallTime now, uint8_t folder) {
  std::vector<PieceId> old;
  std::vector<PieceId> unknown;
  const auto look_up = [&]() -> Status {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    for (const PieceId& id : old) {
      COFFER_TRY(const bool known, rows::piece_is_known(*t, id));
      if (!known) unknown.push_back(id);
    }
    old.clear();
    return ok_status();
  };
  Status looked_up = ok_status();
  COFFER_CHECK_OK(setting_.data.list_old_pieces(
      context, now,
      [&](const PieceId& id) {
        old.push_back(id);
        if (old.size() >= kLookedUpAtOnce) looked_up = look_up();
        return looked_up.ok();
      },
      folder));
  COFFER_CHECK_OK(looked_up);
  COFFER_CHECK_OK(look_up());
  if (unknown.empty()) return ok_status();
  return catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
    for (const PieceId& id : unknown)
      COFFER_CHECK_OK(
          t.run("INSERT INTO s3_unknown_pieces (piece, noted) VALUES ($1, $2) ON CONFLICT (piece) DO NOTHING",
                {bytes_of(id), now}));
    return ok_status();
  });
}

Status Sweep::remove_noted(const Context& context, WallTime now) {
  std::vector<PieceId> noted, unknown;
  {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(const catalog::Rows rows,
               t->run("SELECT piece FROM s3_unknown_pieces WHERE noted <= $1 ORDER BY noted LIMIT $2",
                      {now - kGrace, kRemovedAtOnce}));
    for (const catalog::Row& row : rows) {
      PieceId id{};
      if (row.blob(0).size() != id.size())
        return Error{ErrorCode::kCorruption, "s3: a piece's id is not as it was written", {}};
      std::copy(row.blob(0).begin(), row.blob(0).end(), id.begin());
      noted.push_back(id);
      COFFER_TRY(const bool known, rows::piece_is_known(*t, id));
      if (!known && !setting_.data.in_use(id)) unknown.push_back(id);
    }
  }
  if (noted.empty()) return ok_status();
  for (const PieceId& id : unknown) {
    COFFER_CHECK_OK(context.check());
    Piece piece;
    piece.id = id;
    COFFER_CHECK_OK(setting_.data.remove(context, piece));
  }
  // What is still there is found and noted again.
  return catalog::in_transaction(setting_.database, context, [&](catalog::Transaction& t) -> Status {
    for (const PieceId& id : noted)
      COFFER_CHECK_OK(t.run("DELETE FROM s3_unknown_pieces WHERE piece = $1", {bytes_of(id)}));
    return ok_status();
  });
}

}  // namespace coffer::s3
