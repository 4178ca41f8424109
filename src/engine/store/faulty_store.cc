#include "engine/store/faulty_store.h"

namespace coffer::store {

namespace {

Error injected(const Fault& fault, uint64_t call, std::string_view key) {
  return {fault.code, "injected fault at call " + std::to_string(call) + " on " + std::string(key), {}};
}

// Consecutive calls flip bits far apart (Knuth's multiplicative hash), so that a sweep visits every part of an object.
void flip_bit(MutableByteView bytes, uint64_t call) {
  if (bytes.empty()) return;
  const uint64_t bit = (call * 0x9E3779B97F4A7C15U) % (uint64_t{bytes.size()} * 8);
  bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
}

class CopiedView final : public ObjectView {
 public:
  explicit CopiedView(Bytes bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] ByteView bytes() const override { return bytes_; }

 private:
  Bytes bytes_;
};

bool is(const std::optional<Fault>& fault, Fault::Kind kind) { return fault && fault->kind == kind; }

}  // namespace

void FaultyStore::crash() {
  crashed_ = true;
  throw SimulatedCrash{};
}

// Faults that need nothing of the operation: before it, the operation, after it.
template <class Call>
auto FaultyStore::with_fault(const std::optional<Fault>& fault, uint64_t call, std::string_view key, Call operation)
    -> decltype(operation()) {
  if (!fault) return operation();
  switch (fault->kind) {
    case Fault::Kind::kCrash: crash();
    case Fault::Kind::kError: return injected(*fault, call, key);
    case Fault::Kind::kErrorAfter: {
      auto result = operation();
      if (!result.ok()) return result;
      return injected(*fault, call, key);
    }
    case Fault::Kind::kCrashAfter: {
      auto result = operation();
      if (!result.ok()) return result;
      crash();
    }
    case Fault::Kind::kTornPut:
    case Fault::Kind::kLostPut:
    case Fault::Kind::kFlipBit: return operation();
  }
  return operation();
}

FaultyStore::Numbered FaultyStore::next(Operation operation, std::string_view key) {
  const uint64_t call = ++calls_;
  if (crashed_) return {call, Fault{.kind = Fault::Kind::kError, .code = ErrorCode::kUnavailable}};
  return {call, decide_(call, operation, key)};
}

Result<ObjectInfo> FaultyStore::put(const Context& context, std::string_view key, ByteView body) {
  const auto [call, fault] = next(Operation::kPut, key);
  if (is(fault, Fault::Kind::kLostPut)) return ObjectInfo{.key = std::string(key), .size_bytes = body.size()};
  if (is(fault, Fault::Kind::kTornPut)) {
    COFFER_CHECK_OK(inner_.put(context, key, body.first(body.size() / 2)));
    return injected(*fault, call, key);
  }
  return with_fault(fault, call, key, [&] { return inner_.put(context, key, body); });
}

Result<Bytes> FaultyStore::get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) {
  const auto [call, fault] = next(Operation::kGet, key);
  auto result = with_fault(fault, call, key, [&] { return inner_.get(context, key, offset, length); });
  if (result.ok() && is(fault, Fault::Kind::kFlipBit)) flip_bit(*result, call);
  return result;
}

Result<ObjectInfo> FaultyStore::head(const Context& context, std::string_view key) {
  const auto [call, fault] = next(Operation::kHead, key);
  return with_fault(fault, call, key, [&] { return inner_.head(context, key); });
}

Result<std::unique_ptr<ObjectView>> FaultyStore::view(const Context& context, std::string_view key) {
  const auto [call, fault] = next(Operation::kView, key);
  auto result = with_fault(fault, call, key, [&] { return inner_.view(context, key); });
  if (!result.ok() || !is(fault, Fault::Kind::kFlipBit)) return result;
  Bytes bytes = to_bytes((*result)->bytes());
  flip_bit(bytes, call);
  return std::unique_ptr<ObjectView>(std::make_unique<CopiedView>(std::move(bytes)));
}

Status FaultyStore::list(const Context& context, std::string_view prefix, const Visitor& visit) {
  const auto [call, fault] = next(Operation::kList, prefix);
  return with_fault(fault, call, prefix, [&] { return inner_.list(context, prefix, visit); });
}

Status FaultyStore::remove(const Context& context, std::string_view key) {
  const auto [call, fault] = next(Operation::kRemove, key);
  return with_fault(fault, call, key, [&] { return inner_.remove(context, key); });
}

}  // namespace coffer::store
