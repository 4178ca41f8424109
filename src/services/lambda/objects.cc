// Objects of buckets as bytes in memory.
#include "services/api/memory_body.h"
#include "services/lambda/operations.h"

namespace coffer::lambda {
namespace {

Error no_buckets() { return Error{ErrorCode::kFailedPrecondition, "this installation has no buckets", {}}; }

}  // namespace

Result<Bytes> get_object(const Setting& setting, const api::Call& call, const iam::Identity* identity,
                         const api::Value& input, uint64_t size_max) {
  if (!setting.options.transfer) return no_buckets();
  api::Reply reply;
  COFFER_CHECK_OK(setting.options.transfer(call, identity, input, nullptr, &reply));
  const Error too_large{
      ErrorCode::kResourceExhausted, "the object is larger than " + std::to_string(size_max) + " bytes", {}};
  if (reply.body_size > size_max) return too_large;
  Bytes all, piece(256 << 10);
  all.reserve(reply.body_size);
  while (reply.body) {
    COFFER_TRY(const size_t size, reply.body->read(call.context, piece));
    if (size == 0) break;
    if (all.size() + size > size_max) return too_large;
    append(all, ByteView(piece).first(size));
  }
  return all;
}

Status put_object(const Setting& setting, const api::Call& call, const iam::Identity* identity, const api::Value& input,
                  ByteView body) {
  if (!setting.options.transfer) return no_buckets();
  api::MemoryBody source(body);
  api::Reply reply;
  COFFER_CHECK_OK(setting.options.transfer(call, identity, input, &source, &reply));
  return ok_status();
}

}  // namespace coffer::lambda
