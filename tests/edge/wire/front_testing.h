// What a front stands on in tests: an authority that knows one key, an audit log that keeps nothing, bodies in pieces.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "edge/wire/front.h"
#include "services/api/fault.h"

namespace coffer::wire {

inline constexpr char kAccessKey[] = "AKIAIOSFODNN7EXAMPLE";
inline constexpr char kSecretKey[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Knows one key, that of a user, and allows everything.
class OneKey : public iam::Authority {
 public:
  OneKey() {
    auto identity = std::make_shared<iam::Identity>();
    identity->caller.kind = api::Caller::Kind::kUser;
    identity->caller.account = "111111111111";
    identity->policies = std::make_shared<const policy::PrincipalPolicies>();
    identity_ = identity;
  }
  Result<iam::Credential> find_credential(const Context&, std::string_view access_key_id, std::string_view,
                                          WallTime) override {
    if (access_key_id != kAccessKey) return api::fault(ErrorCode::kUnauthenticated, "InvalidClientTokenId", "unknown");
    return iam::Credential{secret_, identity_};
  }
  Result<std::shared_ptr<const iam::Identity>> assume_for_service(catalog::Transaction&, std::string_view,
                                                                  std::string_view, const api::Call&) override {
    return Error{ErrorCode::kInternal, "not asked", {}};
  }
  Status authorize(catalog::Transaction&, const api::Call&, const iam::Identity&,
                   const std::vector<api::AccessRequest>&) override {
    return ok_status();
  }
  Result<bool> principal_exists(catalog::Transaction&, std::string_view) override { return true; }
  void note_use(std::string_view, std::string_view, std::string_view, WallTime) override {
    if (use_throws) throw std::bad_alloc();
  }
  bool use_throws = false;

 private:
  std::shared_ptr<const Secret> secret_ = std::make_shared<const Secret>(to_bytes(std::string_view(kSecretKey)));
  std::shared_ptr<const iam::Identity> identity_;
};

class NoAudit : public audit::AuditLog {
 public:
  Status append(catalog::Transaction&, const audit::Record&) override { return ok_status(); }
  Status enqueue(audit::Record) override { return ok_status(); }
  Status flush(const Context&) override { return ok_status(); }
  Status checkpoint(const Context&, bool) override { return ok_status(); }
};

/// Gives its text in pieces of at most one size, as a connection does.
class PieceSource final : public BodySource {
 public:
  PieceSource(std::string text, size_t piece) : text_(std::move(text)), piece_(piece) {}
  Result<size_t> read(const Context&, MutableByteView out) override {
    const size_t size = std::min({out.size(), piece_, text_.size() - at_});
    std::memcpy(out.data(), text_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  std::string text_;
  size_t piece_, at_ = 0;
};

}  // namespace coffer::wire
