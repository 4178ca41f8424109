// A catalog whose process dies at a chosen commit: just before it (nothing of the transaction is there) or just after
// it (all of it is, and nobody was told). Afterwards it answers nothing until revive(), as a dead process would.
#pragma once
#include <memory>
#include <stdexcept>

#include "services/catalog/database.h"

namespace coffer::testing_support {

struct Died : std::runtime_error {
  Died() : std::runtime_error("the process died") {}
};

class CrashingDatabase : public catalog::Database {
 public:
  explicit CrashingDatabase(catalog::Database& inner) : inner_(inner) {}

  /// At the `number`-th commit from now that writes (1: the next one).
  void die_at(int64_t number, bool after_commit) {
    left_ = number;
    after_commit_ = after_commit;
  }
  void revive() {
    dead_ = false;
    left_ = 0;
  }
  [[nodiscard]] bool dead() const { return dead_; }
  [[nodiscard]] int64_t commits() const { return commits_; }

  Result<std::unique_ptr<catalog::Transaction>> begin(const Context& context, Mode mode) override {
    if (dead_) return Error{ErrorCode::kUnavailable, "the process is dead", {}};
    COFFER_TRY(auto inner, inner_.begin(context, mode));
    return std::unique_ptr<catalog::Transaction>(std::make_unique<Wrapped>(*this, std::move(inner)));
  }
  Status migrate(const Context& context, std::span<const catalog::Migration> migrations) override {
    return inner_.migrate(context, migrations);
  }
  [[nodiscard]] bool shared() const override { return inner_.shared(); }

 private:
  class Wrapped final : public catalog::Transaction {
   public:
    Wrapped(CrashingDatabase& owner, std::unique_ptr<catalog::Transaction> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    Result<catalog::Rows> run(std::string_view sql, std::span<const catalog::Parameter> parameters) override {
      if (owner_.dead_) return Error{ErrorCode::kUnavailable, "the process is dead", {}};
      return inner_->run(sql, parameters);
    }
    Status commit() override {
      if (owner_.dead_) return Error{ErrorCode::kUnavailable, "the process is dead", {}};
      const bool dies = inner_->writes() && owner_.left_ > 0 && --owner_.left_ == 0;
      if (dies && !owner_.after_commit_) die();
      COFFER_CHECK_OK(inner_->commit());
      if (inner_->writes()) ++owner_.commits_;
      if (dies) die();
      for (auto& action : on_commit_) action();
      return ok_status();
    }
    [[nodiscard]] bool writes() const override { return inner_->writes(); }

   private:
    [[noreturn]] void die() {
      owner_.dead_ = true;
      inner_.reset();  // SQLite's one writer must not stay locked by the dead
      throw Died();
    }
    CrashingDatabase& owner_;
    std::unique_ptr<catalog::Transaction> inner_;
  };

  catalog::Database& inner_;
  int64_t left_ = 0, commits_ = 0;
  bool after_commit_ = false, dead_ = false;
};

}  // namespace coffer::testing_support
