// A request's body into a piece: read once, checked against all that the client said of it, and written.
#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "services/s3/object_operations.h"

namespace coffer::s3 {
namespace {

using crypto::Checksum;
using crypto::ChecksumKind;

constexpr std::string_view kMember = "Checksum";

/// A checksum that the client sent, as a member of the request or behind the body.
struct Claim {
  ChecksumKind kind{};
  Bytes digest;
};

std::string header_of(std::string_view kind) {
  std::string name = "x-amz-checksum-";
  for (char c : kind) name += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return name;
}

/// The kind in a member's name: "ChecksumCRC32", but not "ChecksumAlgorithm", "ChecksumType".
std::optional<ChecksumKind> kind_of_member(std::string_view name) {
  if (!name.starts_with(kMember)) return std::nullopt;
  return crypto::checksum_kind(name.substr(kMember.size()));
}

Status read_claims(const api::Members& members, std::optional<Claim>& claim) {
  for (const auto& [name, value] : members) {
    const auto kind = kind_of_member(name);
    const std::string* text = value.get_if<std::string>();
    if (!kind || !text) continue;
    if (claim)
      return invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    auto digest = base64_decode(*text);
    if (!digest || digest->size() != crypto::checksum_size(*kind))
      return invalid_request("Value for " + header_of(crypto::name_of(*kind)) + " header is invalid.");
    claim = Claim{*kind, std::move(*digest)};
  }
  return ok_status();
}

Error bad_digest(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "BadDigest", std::move(message));
}

struct Nothing final : ByteSource {
  Result<size_t> read(const Context&, MutableByteView) override { return size_t{0}; }
};

/// Refuses to read on when there is more than an upload may have, announced or not.
class Limited final : public ByteSource {
 public:
  Limited(ByteSource& source, uint64_t left) : source_(source), left_(left) {}
  Result<size_t> read(const Context& context, MutableByteView out) override {
    COFFER_TRY(const size_t size, source_.read(context, out));
    if (size > left_)
      return api::fault(ErrorCode::kInvalidArgument, "EntityTooLarge",
                        "Your proposed upload exceeds the maximum allowed size");
    left_ -= size;
    return size;
  }

 private:
  ByteSource& source_;
  uint64_t left_;
};

/// What is computed while the body passes.
struct Digests {
  std::vector<Checksum> checksums;
  std::optional<Checksum> md5;

  void want(ChecksumKind kind) {
    for (const Checksum& one : checksums) {
      if (one.kind() == kind) return;
    }
    checksums.emplace_back(kind);
  }
  void update(ByteView bytes) {
    for (Checksum& one : checksums) one.update(bytes);
    if (md5) md5->update(bytes);
  }
};

}  // namespace

UnclaimedPiece::~UnclaimedPiece() {
  // The request may have been stopped; its bytes are to go all the same. What is left, the sweep finds.
  if (written_ && !claimed_ && !written_->piece.is_inline)
    static_cast<void>(data_.remove(Context(), written_->piece).ok());
}

Status UnclaimedPiece::begin_claim(const Request& r) {
  claimed_ = false;
  if (!written_) return ok_status();
  if (!data_.may_be_committed(written_->piece.id))
    return api::fault(ErrorCode::kInvalidArgument, "RequestTimeout",
                      "Your socket connection to the server was not read from or written to within the timeout period. "
                      "Idle connections will be closed.");
  if (written_->inline_bytes.empty()) return ok_status();
  return rows::insert_inline(r.t(), written_->piece.id, written_->inline_bytes);
}

std::string opaque_etag(Entropy& entropy) { return to_hex(entropy.array<16>()); }

Result<ReceivedBody> receive_body(const Request& r, ByteView object_root, bool need_md5, std::string_view kind) {
  std::optional<Claim> claim;
  COFFER_CHECK_OK(read_claims(r.input().entries(), claim));
  std::optional<Bytes> md5;
  if (const auto text = r.input().text_if("ContentMD5")) {
    md5 = base64_decode(*text);
    if (!md5 || md5->size() != 16)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidDigest", "The Content-MD5 you specified was invalid.");
  }
  // An SDK names the algorithm of a checksum that it sends in front of the body or behind it.
  std::optional<ChecksumKind> announced;
  if (const auto text = r.input().text_if("ChecksumAlgorithm")) {
    announced = crypto::checksum_kind(*text);
    if (!announced || (claim && claim->kind != *announced))
      return invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.");
  }
  api::RequestBody* body = r.operation.body;
  if (body && body->size().value_or(0) > kUploadSizeMax)
    return api::fault(ErrorCode::kInvalidArgument, "EntityTooLarge",
                      "Your proposed upload exceeds the maximum allowed size");

  const auto asked = crypto::checksum_kind(kind);
  const ChecksumKind kept = asked ? *asked : claim ? claim->kind : announced.value_or(ChecksumKind::kCrc64Nvme);
  Digests digests;
  digests.want(kept);
  if (claim) digests.want(claim->kind);
  if (announced) digests.want(*announced);
  if (body) {
    for (const std::string& name : body->announced_members()) {
      if (const auto trailing = kind_of_member(name)) digests.want(*trailing);
    }
  }
  if (need_md5 || md5) digests.md5.emplace(ChecksumKind::kMd5);

  Nothing nothing;
  Limited source(body ? static_cast<ByteSource&>(*body) : nothing, kUploadSizeMax);
  UnclaimedPiece written(r.setting.data);
  COFFER_TRY(WrittenPiece piece,
             r.setting.data.write(r.context(), object_root, source, [&](ByteView bytes) { digests.update(bytes); }));
  written.set(piece);

  if (body) COFFER_CHECK_OK(read_claims(body->trailing_members(), claim));
  if (announced && !claim)
    return invalid_request(
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were "
        "found.");
  ReceivedBody received;
  bool checked = !claim;
  for (Checksum& one : digests.checksums) {
    const ChecksumKind own = one.kind();
    const Bytes digest = one.finish();
    if (claim && claim->kind == own) {
      checked = true;
      if (claim->digest != digest)
        return bad_digest("The " + std::string(crypto::name_of(own)) +
                          " you specified did not match the calculated checksum.");
    }
    // A trailer of a kind that nobody announced is stored as what it is, once it is known to be right.
    if (own == kept) {
      received.checksum_kind = crypto::name_of(own);
      received.checksum = to_text(digest);
    }
  }
  if (!checked) return invalid_request("The value specified in the x-amz-trailer header is not supported");
  if (claim && !asked && received.checksum_kind != crypto::name_of(claim->kind)) {
    received.checksum_kind = crypto::name_of(claim->kind);
    received.checksum = to_text(claim->digest);
  }
  if (digests.md5) {
    const Bytes digest = digests.md5->finish();
    if (md5 && *md5 != digest) return bad_digest("The Content-MD5 you specified did not match what we received.");
    received.md5_hex = to_hex(digest);
  }
  written.claimed();
  received.written = std::move(piece);
  return received;
}

}  // namespace coffer::s3
